"""What a step of the Langevin equation needs of a network: the coefficients of `geometry.langevin_chart`, compiled.

There is the derivation, and what the letters stand for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sympy import Matrix

from geometry import DeepLinearNetwork, Kernel, compile_kernel
from geometry.langevin_chart import flat_chart

__all__ = ["FlatKernels", "PairCoefficients", "flat_kernels"]

Array = NDArray[np.float64]

GAP = 1e-5
"""How far apart flat coordinates of pairs are kept, and each from 0 against null directions, where kernels with
removable poles are taken; on the scale of y at σ = 1.  Values change by as much; rounding at the pole adds at most
1e-16/GAP²."""
SMALLEST = 1e-100
"""Flat coordinates below it are taken for it where they are divided by; what they turn by is bounded anyway."""


@dataclass(frozen=True)
class FlatKernels:
    """The coefficients of a `geometry.langevin_chart.FlatChart`, of the same names, as functions.

    Attributes
    ----------
    coordinate, speed : Kernel
        Of σ.
    top : float
    scales : bool
    inverse : Kernel
        σ as a function of the argument of pairs, as are the kernels that follow.
    symmetric, skew, turn : Kernel
    larger_drift, smaller_drift : Kernel
    larger_entropy, smaller_entropy : Kernel
    symmetric_shifts, skew_shifts : Kernel
        For k and l, (2, 1).
    null_turns, null_shifts : Kernel
        Of y.
    """

    coordinate: Kernel
    inverse: Kernel
    top: float
    scales: bool
    symmetric: Kernel
    skew: Kernel
    turn: Kernel
    larger_drift: Kernel
    smaller_drift: Kernel
    larger_entropy: Kernel
    smaller_entropy: Kernel
    speed: Kernel
    symmetric_shifts: Kernel
    skew_shifts: Kernel
    null_turns: Kernel
    null_shifts: Kernel

    def argument(self, y: Array) -> Array:
        """Of the kernels."""
        return y / self.top if self.scales else y

    def singular_value(self, y: Array) -> Array:
        """σ(y)."""
        return np.asarray(self.inverse(self.argument(y)))

    def null_turn(self, y: Array) -> Array:
        """The angle that a unit of noise against a null direction turns u_k or v_k by, (…, r)."""
        return np.asarray(self.null_turns(np.maximum(y, SMALLEST)))

    def null_shift(self, y: Array) -> Array:
        """What y_k is moved by for a unit of variance missing against a null direction, (…, r)."""
        return np.asarray(self.null_shifts(np.maximum(y, GAP * self.top)))

    def pair_coefficients(self, y: Array, floor: float = 0.0) -> PairCoefficients:
        """The coefficients at flat coordinates (…, r) in decreasing order, for all pairs k < l.

        Where they have poles as y_k and y_l go to zero together, y_k is taken for `floor` at least.
        """
        k, l = np.triu_indices(y.shape[-1], 1)
        if self.scales:
            larger = np.maximum(y[..., k], np.finfo(float).tiny)
            smaller = np.minimum(self.top * (y[..., l] / larger), self.top * (1 - GAP))
            factor = np.maximum(larger, floor) / self.top
        else:
            factor = np.ones_like(y[..., k])
            smaller = np.minimum(y[..., l] - y[..., k], self.top - GAP)
        return PairCoefficients(k, l, factor, smaller, self)


@dataclass(frozen=True)
class PairCoefficients:
    """The coefficients of a batch of spectra, (…, pairs) each, taken when asked for."""

    k: NDArray[np.intp]
    l: NDArray[np.intp]
    factor: Array
    smaller: Array
    kernels: FlatKernels

    @property
    def argument(self) -> Array:
        """Of the kernels."""
        return self.kernels.argument(self.smaller)

    def symmetric(self) -> Array:
        """s_kl."""
        return np.asarray(self.kernels.symmetric(self.argument))

    def skew(self) -> Array:
        """a_kl."""
        return np.asarray(self.kernels.skew(self.argument))

    def turn(self) -> Array:
        """√λ_kl/(σ_k + σ_l)."""
        return np.asarray(self.kernels.turn(self.argument)) / self.factor

    def drift(self, rank: int) -> Array:
        """d, (…, r)."""
        larger, smaller = self.kernels.larger_drift(self.argument), self.kernels.smaller_drift(self.argument)
        return self.gathered(larger / self.factor, smaller / self.factor, rank)

    def shifts(self) -> list[tuple[Array, Array]]:
        """What y_k and y_l are moved by, (…, pairs) each, for a unit of variance missing: symmetric, then skew part."""
        found = (kernel(self.argument)[..., 0] for kernel in (self.kernels.symmetric_shifts, self.kernels.skew_shifts))
        return [(both[..., 0] / self.factor, both[..., 1] / self.factor) for both in found]

    def pair_entropy_slopes(self) -> tuple[Array, Array]:
        """½ ∂ log λ_kl/∂y_k and by y_l, (…, pairs) each: S sums ½ log λ_kl over the pairs, for hidden width r."""
        larger, smaller = self.kernels.larger_entropy(self.argument), self.kernels.smaller_entropy(self.argument)
        least = np.maximum(self.kernels.singular_value(self.smaller), SMALLEST)
        speeds = self.kernels.speed(1.0), self.kernels.speed(least)
        return larger * speeds[0] / self.factor, smaller * speeds[1] / self.factor

    def gathered(self, larger: Array, smaller: Array, rank: int) -> Array:
        """For each k the sum over the pairs that it is in, (…, r)."""
        total = np.zeros((*self.factor.shape[:-1], rank))
        for pair, (k, l) in enumerate(zip(self.k, self.l, strict=True)):
            total[..., k] += larger[..., pair]
            total[..., l] += smaller[..., pair]
        return total


@lru_cache(maxsize=64)
def flat_kernels(network: DeepLinearNetwork, turning: bool) -> FlatKernels:
    """Compile the chart of a network.

    Parameters
    ----------
    network : DeepLinearNetwork
    turning : bool
        Whether the skew part of the noise turns U against V; otherwise it moves Y.
    """
    chart = flat_chart(network, turning)
    pairs = {
        "inverse": chart.singular_value,
        "symmetric": chart.symmetric,
        "skew": chart.skew,
        "turn": chart.turn,
        "larger_drift": chart.larger_drift,
        "smaller_drift": chart.smaller_drift,
        "larger_entropy": chart.larger_entropy,
        "smaller_entropy": chart.smaller_entropy,
        "symmetric_shifts": Matrix(chart.symmetric_shifts),
        "skew_shifts": Matrix(chart.skew_shifts),
    }
    return FlatKernels(
        coordinate=compile_kernel(chart.coordinate, (chart.sigma,)),
        speed=compile_kernel(chart.speed, (chart.sigma,)),
        top=float(chart.top),
        scales=chart.scales,
        null_turns=compile_kernel(chart.null_turn, (chart.flat,)),
        null_shifts=compile_kernel(chart.null_shift, (chart.flat,)),
        **{name: compile_kernel(expression, (chart.argument,)) for name, expression in pairs.items()},
    )
