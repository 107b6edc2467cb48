r"""Escape times: how long a small singular value needs to come near its target.

Under E = ½ (σ - s)² the time from σ_0 to θ s is the difference of the first integral,

    T = G(σ_0) - G(θ s) = (H(θ) - H(x_0))/(c s^p),    x_0 = σ_0/s,    λ(σ, σ) = c σ^p,

and for a small start what is left of H(x_0) = Σ_n x_0^{n+1-p}/(n+1-p) are the terms that do not vanish: none at
depth 1, ½ log(1/x_0)/s at depth 2, a power x_0^{-(1-2/N)} beyond, and at depth ∞ (rescaled) 1/x_0 + log(1/x_0).

Source: for two layers Saxe, McClelland, Ganguli, arXiv 1312.6120; the flow for any depth is in Arora, Cohen, Hu, Luo,
arXiv 1905.13655.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sympy import Add, Expr, Rational, log, sympify

from .training import RadialOperator, first_integral, power_antiderivative, radial_power

__all__ = ["EscapeAsymptotics", "escape_asymptotics", "escape_time", "growing_terms"]


@dataclass(frozen=True)
class EscapeAsymptotics:
    """The escape time from a small start.

    Attributes
    ----------
    growing : Expr
        What grows without bound as σ_0 → 0; 0 where the escape time is bounded.
    constant : Expr
        The limit of the rest.
    order : Expr
        The error is of the order σ_0^order.
    """

    growing: Expr
    constant: Expr
    order: Expr

    @property
    def total(self) -> Expr:
        """The escape time up to terms that vanish with σ_0."""
        return self.growing + self.constant


def escape_time(operator: RadialOperator, start: Any, target: Any, fraction: Any) -> Expr:
    """The time from σ_0 to θ s under E = ½ (σ - s)², exactly.

    Parameters
    ----------
    operator : DeepLinearNetwork or SpectralMetric
        With λ(σ, σ) = c σ^p; for a symbolic depth N ≠ 2.
    start, target, fraction : number or Expr
        0 < σ_0 < θ s, s > 0 and 0 < θ < 1.

    Raises
    ------
    ValueError
        If θ is not between 0 and 1, or a start or target is not positive.

    Examples
    --------
    >>> from sympy import Rational, logcombine, symbols
    >>> from geometry import DeepLinearNetwork
    >>> start, s = symbols("sigma_0 s", positive=True)
    >>> logcombine(8 * escape_time(DeepLinearNetwork(2, (1, 1)), 1, 4, Rational(1, 2)))
    log(3)
    """
    start, target, fraction = _validated(start, target, fraction)
    return first_integral(operator, start, target) - first_integral(operator, fraction * target, target)


def escape_asymptotics(operator: RadialOperator, start: Any, target: Any, fraction: Any) -> EscapeAsymptotics:
    """The escape time for a small start: what grows, and the constant.

    Parameters
    ----------
    operator, start, target, fraction
        As for `escape_time`.  For a symbolic depth the terms are those for N > 2.

    Examples
    --------
    >>> from sympy import Symbol, oo, symbols
    >>> from geometry import DeepLinearNetwork
    >>> start, s, theta = symbols("sigma_0 s theta", positive=True)
    >>> [escape_asymptotics(DeepLinearNetwork(N, (1, 1)), start, s, theta).growing for N in (1, 2, 4)]
    [0, -log(sigma_0/s)/(2*s), 1/(2*s*sqrt(sigma_0))]
    """
    start, target, fraction = _validated(start, target, fraction)
    coefficient, power = radial_power(operator)
    scale = coefficient * target**power
    growing, order = growing_terms(power, start / target)
    return EscapeAsymptotics(growing / scale, power_antiderivative(power, fraction) / scale, order)


def growing_terms(power: Expr, x: Expr) -> tuple[Expr, Expr]:
    """The terms of -H(x) = -Σ_n x^{n+1-p}/(n+1-p) that do not vanish with x, and the exponent of the first that does.

    A symbolic p = 2 - 2/N is taken between 1 and 2, as it is for N > 2.
    """
    terms, index = [], 0
    while _is_growing(index + 1 - power):
        exponent = index + 1 - power
        terms.append(-log(x) if exponent == 0 else -(x**exponent) / exponent)
        index += 1
    return Add(*terms), index + 1 - power


def _is_growing(exponent: Expr) -> bool:
    """Whether x^exponent does not vanish with x; -1 + 2/N and 2/N are compared at a depth beyond 2."""
    if exponent.free_symbols:
        exponent = exponent.subs(dict.fromkeys(exponent.free_symbols, Rational(5, 2)))
    return bool(exponent <= 0)


def _validated(start: Any, target: Any, fraction: Any) -> tuple[Expr, Expr, Expr]:
    start, target, fraction = map(sympify, (start, target, fraction))
    for name, value in (("start", start), ("target", target), ("fraction", fraction)):
        if not value.is_positive:
            raise ValueError(f"{name} must be positive, not {value}; declare symbols with positive=True")
    if (fraction - 1).is_nonnegative:
        raise ValueError(f"fraction must be below 1, not {fraction}: the target itself is never reached")
    if (start - fraction * target).is_nonnegative:
        raise ValueError(f"start must be below fraction*target = {fraction * target}, not {start}")
    return start, target, fraction
