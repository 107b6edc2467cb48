r"""When exp(-E/T) and exp(-E/T + S) have finite mass, for E = ½((X_11 - 1)² + (X_22 - 1)²) on 2 x 2 matrices."""

from __future__ import annotations

from typing import Any

import mpmath
from sympy import Expr, Integer, Poly, Rational, Symbol, Tuple, oo

from geometry import DeepLinearNetwork, explicit
from geometry.coframe import generic_singular_value
from geometry.equilibrium import completion_exponents
from geometry.indexed import index_symbols

from ..check_points import instances
from ..derivation import Derivation, NotApplicableError
from ..references import MENON_YU_ENTROPY
from ..step import Step

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "equilibrium"
REFERENCE = MENON_YU_ENTROPY
SUBJECTS = {
    "singular": r"\det X \to 0",
    "zero": r"X \to 0",
    "one entry": r"X_{12} \to \infty",
    "both entries": r"X_{12}, X_{21} \to \infty",
}
FAR = 300
"""The logarithm of the quotient of singular values at which degrees are measured: e^(-2 FAR/N) is left out."""


def networks() -> tuple[DeepLinearNetwork, ...]:
    """2 x 2 matrices: symbolic, integer and infinite depth, over R, C and H."""
    N = Symbol("N", positive=True)
    return (
        DeepLinearNetwork(N, (2, 2)),
        DeepLinearNetwork(3, (2, 2)),
        DeepLinearNetwork(oo, (2, 2)),
        DeepLinearNetwork(N, (2, 2), field="C"),
        DeepLinearNetwork(4, (2, 2), field="H", rescaled=True),
    )


def derive(network: DeepLinearNetwork) -> Derivation:
    """The mass of exp(-E/T) near singular matrices and far out scales by powers: finite for 3 ≤ N < ∞ over R.

    Raises
    ------
    NotApplicableError
        If the matrices are not 2 x 2 of rank 2.
    """
    if (network.shape, network.rank) != ((2, 2), 2):
        raise NotApplicableError(f"the energy of this theorem lives on 2 x 2 matrices of rank 2, not on {network}")
    plain, noisy = (completion_exponents(network, vertical_noise=flag) for flag in (False, True))
    return Derivation(
        name=NAME,
        network=network,
        statement=r"For $E = \frac{1}{2}(|X_{11} - 1|^2 + |X_{22} - 1|^2)$ the mass of $e^{-E/T}$ "
        r"scales by powers: towards singular matrices and zero of their distance, where they have to be positive, and "
        r"towards infinity of the entries, where they have to be negative. $p^S$ are those of $e^{-E/T + S}$.",
        steps=_steps(network, plain, noisy),
        result=Tuple(*plain.values(), *noisy.values()),
        subject=tuple(rf"p{mark}_{{{way}}}" for mark in ("", "^S") for way in SUBJECTS.values()),
        reference=REFERENCE,
        residual=_residual,
    )


def _steps(network: DeepLinearNetwork, plain: dict[str, Expr], noisy: dict[str, Expr]) -> tuple[Step, ...]:
    """The multiplier is homogeneous, of a degree that gives the powers where everything scales alike."""
    a, b = map(generic_singular_value, index_symbols(2))
    x, beta = Symbol("x", positive=True), Integer(network.coframe.dyson_index)
    weight, own = (explicit(network.pair_multiplier(*pair)) for pair in ((a, b), (a, a)))
    degree, d = (a * own.diff(a) / own).expand(), Symbol("d", positive=True)
    scaled = weight.xreplace({a: x * a, b: x * b})
    # β components of an entry each bring in a root of the multiplier, β of the fibre over a pair take one back.
    fibre = beta * d / 2 + (beta - 1) * d

    def power(free: int, taken: Expr, value: Expr, reason: str) -> Step:
        return Step.abbreviated(free * beta - 2 * beta * d + taken, value, reason, {d: degree})

    return (
        Step(scaled, x**degree * weight, "the multiplier is homogeneous, of degree d"),
        power(4, Integer(0), plain["zero"], "four entries, with a root of the multiplier for each"),
        power(2, Integer(0), plain["both entries"], "the two entries that the energy leaves free"),
        power(4, fibre, noisy["zero"], "four entries, and the volume of the fibres"),
        power(2, fibre, noisy["both entries"], "two entries, and the volume of the fibres"),
    )


def _residual(derivation: Derivation, route: str) -> float:
    """The powers put together from the degrees of the sum of N terms, by its polynomial or far out."""
    if route == "exact" and derivation.network.is_infinitely_deep:
        return 0.0  # a limit: on the other routes it is measured
    worst = 0.0
    for numeric, values, point in instances(derivation.network, route):
        found = [value.subs(values) for value in derivation.result]
        expected = _powers(point.beta, *_degrees(numeric.depth, route))
        if route == "exact":
            worst = max(worst, float(any(one != other for one, other in zip(found, expected, strict=True))))
        else:
            gaps = (abs(one.evalf(60) - other) for one, other in zip(found, expected, strict=True))
            worst = max(worst, *map(float, gaps))
    return worst


def _powers(beta: int, total: Any, larger: Any, smaller: Any) -> list[Any]:
    """The eight powers for the degrees of λ_12: of everything, and of either singular value far from the other.

    In the entries the density is (λ_11 λ_12² λ_22)^{-β/2}, and the volume of a fibre λ_12^{β/2} (λ_11 λ_22)^{(β-1)/2}.
    """
    half = Rational(beta, 2) if isinstance(total, Expr) else mpmath.mpf(beta) / 2
    result = []
    for fibre in (0, 1):
        pair, own = -2 * half + fibre * half, -half + fibre * (half - half / beta)
        result += [
            beta + own * total + pair * smaller,
            4 * beta + 2 * own * total + pair * total,
            beta + own * total + pair * larger,
            2 * beta + 2 * own * total + pair * total,
        ]
    return result


def _degrees(depth: Any, route: str) -> tuple[Any, Any, Any]:
    """The degrees of Σ_p a^{2(N-p)/N} b^{2(p-1)/N}: in both, in a for a → ∞, in b for b → 0."""
    if route == "exact":
        s, t, N = Symbol("s"), Symbol("t"), int(depth)
        series = Poly(sum(s ** (2 * (N - p)) * t ** (2 * (p - 1)) for p in range(1, N + 1)), s, t)
        lowest = min(power for _, power in series.monoms())
        return (
            Rational(series.total_degree(), N),
            Rational(series.degree(s), N),
            Rational(lowest, N),
        )
    L = mpmath.mpf(FAR)
    # At (e^L, 1), (e^2L, 1), (e^2L, e^L) and (e^L, e^-L): quotients of singular values of e^L and e^2L.
    near, far, moved, small = (_log_multiplier(depth, *place) for place in ((L, 0), (2 * L, 0), (2 * L, L), (L, -L)))
    return (moved - near) / L, (far - near) / L, (near - small) / L


def _log_multiplier(depth: Any, log_a: Any, log_b: Any) -> Any:
    """The logarithm of the sum of N terms; at infinite depth of the integral, times log(a/b), which is no power."""
    if isinstance(depth, Integer):
        N = int(depth)
        exponents = ((2 * (N - p) * log_a + 2 * (p - 1) * log_b) / N for p in range(1, N + 1))
        return mpmath.log(mpmath.fsum(map(mpmath.exp, exponents)))
    gap = log_a - log_b
    pieces = mpmath.linspace(0, 1, int(gap) // 20 + 1)
    integral = mpmath.quad(lambda s: mpmath.exp(-2 * s * gap), pieces)
    return 2 * log_a + mpmath.log(integral) + mpmath.log(gap)
