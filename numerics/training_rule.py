r"""Gradient descent with momentum: the rule, its stability, and the flow beneath it.

With learning rate h, momentum β and gradient g_k = ∇L(W_k), from b_0 = 0,

    b_{k+1} = β b_k + g_k,     W_{k+1} = W_k - h b_{k+1}                       (heavy ball)
                               W_{k+1} = W_k - h (g_k + β b_{k+1})             (Nesterov),

PyTorch's convention.  To leading order a step is one of the length η = h/(1-β) along dW/dt = -∇L.  To
second order W_k = W(η (k - s)), where W solves the flow of the modified loss

    L + (η c/4) |∇L|²,     c = (1+β)/(1-β) (heavy ball), (1-β+2β²)/(1-β) (Nesterov), 1 (no momentum),

and s = β/(1-β), β²/(1-β), 0 is the lag that the momentum needs to build up: insert W(t), t = η (k - s), in
W_{k+1} - W_k - β (W_k - W_{k-1}) = -h g_k - [Nesterov] β h (g_k - g_{k-1}) and expand in η with
W'' = ∇²L ∇L.

Source: without momentum Barrett, Dherin, arXiv 2009.11162; Smith, Dherin, Barrett, De, arXiv 2101.12176; the factor
(1+β)/(1-β) of the heavy ball Ghosh, Lyu, Zhang, Wang, arXiv 2302.00849.  Stability: Cohen, Kaur, Li, Kolter,
Talwalkar, arXiv 2103.00065.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["GradientDescent"]

Array = NDArray[np.float64]
Matrices = tuple[Array, ...]


@dataclass(frozen=True)
class GradientDescent:
    """A learning rate and a momentum.

    Parameters
    ----------
    learning_rate : float
        h > 0.
    momentum : float
        β in [0, 1).
    nesterov : bool
        Nesterov's form of the momentum.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or nesterov is asked for without momentum.

    Examples
    --------
    >>> rule = GradientDescent(0.1, momentum=0.5)
    >>> rule.effective_rate, rule.lag, rule.stable_sharpness()
    (0.2, 1.0, 30.0)
    """

    learning_rate: float
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate must be positive and finite, not {self.learning_rate}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be at least 0 and below 1, not {self.momentum}")
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov is a form of momentum: give a momentum above 0, or leave it out")

    def step(self, layers: Matrices, gradients: Matrices, buffer: Matrices) -> tuple[Matrices, Matrices]:
        """(W_{k+1}, b_{k+1}) from W_k, g_k and b_k, as new arrays."""
        h, beta = self.learning_rate, self.momentum
        moved = tuple(beta * b + g for b, g in zip(buffer, gradients, strict=True)) if beta else gradients
        ahead = tuple(g + beta * b for g, b in zip(gradients, moved, strict=True)) if self.nesterov else moved
        return tuple(W - h * direction for W, direction in zip(layers, ahead, strict=True)), moved

    @property
    def effective_rate(self) -> float:
        """η = h/(1-β), the time of a step in the flow."""
        return self.learning_rate / (1 - self.momentum)

    @property
    def lag(self) -> float:
        """s, in steps, by which a start from rest stays behind."""
        beta = self.momentum
        return (beta**2 if self.nesterov else beta) / (1 - beta)

    @property
    def modification(self) -> float:
        """η c/2: the modified flow is dW/dt = -∇L - (η c/2) ∇²L ∇L."""
        beta = self.momentum
        numerator = 1 - beta + 2 * beta**2 if self.nesterov else 1 + beta
        return self.effective_rate / 2 * numerator / (1 - beta)

    def stable_sharpness(self) -> float:
        """The largest eigenvalue of the Hessian at which a minimum is stable.

        2(1+β)/h for the heavy ball, 2(1+β)/((1+2β) h) for Nesterov's.
        """
        return self.stable_rate(1.0) / self.learning_rate

    def stable_rate(self, sharpness: float) -> float:
        """The largest learning rate, with this momentum, at which a minimum of a given sharpness is stable.

        Raises
        ------
        ValueError
            If the sharpness is not positive.
        """
        if not sharpness > 0:
            raise ValueError(f"sharpness must be positive, not {sharpness}: without upward curvature no rate is stable")
        beta = self.momentum
        return 2 * (1 + beta) / ((1 + 2 * beta if self.nesterov else 1) * sharpness)
