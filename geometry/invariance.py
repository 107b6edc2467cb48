r"""Invariances of a spectral metric, read off its multiplier.

Every spectral metric is invariant under X → P X Q for orthogonal P and Q, and under transposition.
Two more maps act on singular values alone:

- X → c X multiplies the metric by c^w, w = 2 - d, where the multiplier is homogeneous of degree d;
- X → X⁻¹ moves the entries of Z to -Z_kl/(σ_k σ_l), so that it divides the metric by the factor
  a² b² λ(1/a, 1/b)/λ(a, b), entry by entry: an isometry where this is 1.  With a symmetric and
  homogeneous λ the factor is (ab)^w, and inversion an isometry exactly where scaling is.

The velocity of scaling is the position X itself.  Its dual form Σ σ_k dσ_k/λ_kk is closed, since
λ_kk depends on σ_k only; so a homogeneous metric has ∇X = (w/2) 1, and is

- a cone for w ≠ 0, with the distance (2/w) |X| from its apex: at depth N √N (Σ σ_k^{2/N})^{1/2}, the
  Frobenius norm of the balanced layers;
- for w = 0 a product with a line, X being parallel of constant length: infinite depth, with the
  coordinate log |det X|/√d.

Source: Cohen, Menon, Veraszto, arXiv 2210.12497; for cones and parallel fields Petersen, *Riemannian
geometry* (2016), sections 2.2 and 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sympy import (
    Dummy,
    Expr,
    Rational,
    S,
    Symbol,
    cancel,
    expand,
    expand_log,
    expand_power_base,
    fraction,
    log,
    powdenest,
    powsimp,
    sqrt,
    sympify,
    together,
)

from .indexed import tuple_count
from .means import explicit
from .metric import SpectralMetric

__all__ = [
    "ScalingWeights",
    "cone_radius",
    "degree_of_homogeneity",
    "inversion_factor",
    "is_inversion_invariant",
    "position_length_squared",
    "scaling_weights",
    "split_off_coordinate",
]

DIGITS = 50
POINTS = 4


def degree_of_homogeneity(metric: SpectralMetric) -> Expr | None:
    """The d with λ(ca, cb) = c^d λ(a, b), and the same against zero where that occurs; None if there is none.

    d is a λ'/λ on the diagonal, and the equality is then decided for all a and b.

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import DeepLinearNetwork
    >>> degree_of_homogeneity(DeepLinearNetwork(symbols("N", positive=True), (2, 2)).metric)
    2 - 2/N
    >>> degree_of_homogeneity(SpectralMetric((2, 2), multiplier=lambda a, b: 1 + a + b)) is None
    True
    """
    a, b, c = (Dummy(name, positive=True) for name in "abc")
    diagonal = explicit(metric.pair_multiplier(a, a))
    degree = expand(powsimp(cancel(together(expand(a * diagonal.diff(a) / diagonal)))))
    if a in degree.free_symbols:
        return None
    pairs = [(metric.pair_multiplier(c * a, c * b), metric.pair_multiplier(a, b))]
    if metric.coframe.has_null_directions:
        pairs.append((metric.pair_null_multiplier(c * a), metric.pair_null_multiplier(a)))
    return degree if all(_equal(scaled, c**degree * value) for scaled, value in pairs) else None


def inversion_factor(metric: SpectralMetric, a: Expr, b: Expr) -> Expr:
    """a² b² λ(1/a, 1/b)/λ(a, b): what X → X⁻¹ divides the square of the entry at (a, b) by.

    (ab)^w for a homogeneous multiplier.

    Raises
    ------
    ValueError
        If the matrices are not invertible: a rank below a side of the shape.

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import DeepLinearNetwork
    >>> a, b = symbols("a b", positive=True)
    >>> inversion_factor(DeepLinearNetwork(3, (2, 2)).metric, a, b)
    a**(2/3)*b**(2/3)
    """
    _require_invertible(metric)
    degree = degree_of_homogeneity(metric)
    if degree is not None:
        # λ(1/a, 1/b) = (ab)^-d λ(b, a).
        return expand_power_base((sympify(a) * b) ** expand(2 - degree))
    x, y = (Dummy(name, positive=True) for name in "xy")
    inverse = _without_quotients(metric.pair_multiplier(1 / x, 1 / y))
    factor = inverse * x**2 * y**2 / _without_quotients(metric.pair_multiplier(x, y))
    simplified = expand_power_base(powsimp(cancel(powsimp(together(factor)))))
    return simplified.xreplace({x: sympify(a), y: sympify(b)})


def is_inversion_invariant(metric: SpectralMetric) -> bool:
    """Whether X → X⁻¹ is an isometry: m = n = r, and a² b² λ(1/a, 1/b) = λ(a, b).

    Examples
    --------
    >>> from sympy import oo
    >>> from geometry import DeepLinearNetwork
    >>> [is_inversion_invariant(DeepLinearNetwork(depth, (2, 2)).metric) for depth in (1, 3, oo)]
    [False, False, True]
    >>> is_inversion_invariant(SpectralMetric((2, 2), multiplier=lambda a, b: a * b))
    True
    """
    if metric.coframe.has_null_directions:
        return False
    a, b = (Dummy(name, positive=True) for name in "ab")
    return _equal(a**2 * b**2 * metric.pair_multiplier(1 / a, 1 / b), metric.pair_multiplier(a, b))


def _require_invertible(metric: SpectralMetric) -> None:
    if metric.coframe.has_null_directions:
        raise ValueError(
            f"matrices of shape {metric.shape} and rank {metric.rank} have no inverse; choose m = n = rank"
        )


@dataclass(frozen=True)
class ScalingWeights:
    """The powers of c that quantities get under X → c X, for a metric of degree d.

    Scaling is a homothety: what depends on the metric alone scales with it.  A tensor with components in the coframe
    is compared with its pull-back, as dσ has the weight 1 and the other forms 0.

    Attributes
    ----------
    metric : Expr
        w = 2 - d; also of energies and squared distances.
    dimension, rank : Expr
        Of the manifold and of its matrices.
    """

    metric: Expr
    dimension: Expr
    rank: Expr

    @property
    def length(self) -> Expr:
        """Of lengths and distances: w/2."""
        return self.metric / 2

    @property
    def volume(self) -> Expr:
        """Of volumes of sets: w/2 for each dimension."""
        return expand(self.metric * self.dimension / 2)

    @property
    def volume_density(self) -> Expr:
        """Of √det g in the coframe, where the r forms dσ take one power each."""
        return expand(self.volume - self.rank)

    @property
    def sectional_curvature(self) -> Expr:
        """Of sectional and scalar curvature, and of the Laplacian: -w."""
        return -self.metric

    scalar_curvature = sectional_curvature
    laplacian = sectional_curvature

    @property
    def ricci_curvature(self) -> Expr:
        """Of the Ricci tensor as a bilinear form: 0, with the connection it does not change."""
        return S.Zero


def scaling_weights(metric: SpectralMetric) -> ScalingWeights:
    """What scaling does to lengths, volumes and curvatures.

    Raises
    ------
    ValueError
        If the multiplier is not homogeneous: then scaling is no homothety.

    Examples
    --------
    >>> from sympy import oo
    >>> from geometry import DeepLinearNetwork
    >>> [scaling_weights(DeepLinearNetwork(depth, (2, 2)).metric).length for depth in (1, 2, 5, oo)]
    [1, 1/2, 1/5, 0]
    """
    degree = degree_of_homogeneity(metric)
    if degree is None:
        raise ValueError("the multiplier is not homogeneous, so that X → c X does not multiply the metric by a power")
    return ScalingWeights(expand(2 - degree), metric.dimension, sympify(metric.rank))


def position_length_squared(metric: SpectralMetric) -> Expr:
    """g(X, X) = Σ_k σ_k²/λ_kk, the squared length of the velocity of scaling.

    Examples
    --------
    >>> from sympy import oo
    >>> from geometry import DeepLinearNetwork
    >>> position_length_squared(DeepLinearNetwork(oo, (3, 3)).metric)
    3
    """
    constant, total = _constant_and_sum(metric)
    return constant * total


def _constant_and_sum(metric: SpectralMetric) -> tuple[Expr, Expr]:
    """g(X, X) as a constant factor and the sum over the singular values."""
    a = Dummy("a", positive=True)
    constant, varying = powsimp(a**2 / metric.pair_multiplier(a, a)).as_independent(a, as_Add=False)
    return constant, metric.coframe.sum_over(1, lambda sigma: varying.xreplace({a: sigma}))


def cone_radius(metric: SpectralMetric) -> Expr:
    """ρ = (2/w) |X|, the distance from the apex of the cone that a homogeneous metric is for w ≠ 0.

    ∇ρ has length 1, ρ² /2 the Hessian g, and the planes with the direction X are flat.

    Raises
    ------
    ValueError
        If the multiplier is not homogeneous, or of degree 2, where there is a line instead of the apex.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> cone_radius(DeepLinearNetwork(2, (2, 2)).metric)
    sqrt(2)*sqrt(sigma_1 + sigma_2)
    """
    weight = scaling_weights(metric).metric
    if weight == 0:
        raise ValueError("scaling is an isometry of this metric, which has no apex; see split_off_coordinate")
    constant, total = _constant_and_sum(metric)
    return 2 / weight * sqrt(constant) * sqrt(total)


def split_off_coordinate(metric: SpectralMetric) -> Expr:
    """s with g = ds² + (the metric of the matrices with det X = 1), for a multiplier of degree 2.

    s = Σ_k log σ_k/√(r κ) with λ(a, a) = κ a²: the line c ↦ c X is a geodesic with s as its arc length, X is parallel,
    and what is orthogonal to it has a fixed product of singular values.

    Raises
    ------
    ValueError
        If the multiplier is not homogeneous of degree 2.

    Examples
    --------
    >>> from sympy import oo
    >>> from geometry import DeepLinearNetwork
    >>> split_off_coordinate(DeepLinearNetwork(oo, (4, 4), 4).metric)
    log(sigma_1)/2 + log(sigma_2)/2 + log(sigma_3)/2 + log(sigma_4)/2
    """
    weight = scaling_weights(metric).metric
    if weight != 0:
        raise ValueError(f"scaling multiplies this metric by c**({weight}), so no line splits off; see cone_radius")
    a = Dummy("a", positive=True)
    kappa = powsimp(metric.pair_multiplier(a, a) / a**2)
    total = metric.coframe.sum_over(1, log)
    return expand(total / sqrt(kappa * tuple_count(sympify(metric.rank), 1)), deep=False)


# ------------------------------------------------------------------------- whether two functions are equal


def _without_quotients(expression: Expr) -> Expr:
    """Means written out, powers and logarithms of products and quotients taken apart."""
    return powdenest(expand_log(expand_power_base(explicit(expression), force=True), force=True), force=True)


def _equal(first: Expr, second: Expr) -> bool:
    """Whether two functions are equal: proved by expanding, or else to fifty digits at a few points."""
    numerator, _ = fraction(together(_without_quotients(first) - _without_quotients(second)))
    if expand(powsimp(expand(numerator))) == 0:
        return True
    symbols = sorted(first.free_symbols | second.free_symbols, key=str)
    tolerance = Rational(1, 10 ** (DIGITS - 15))
    for values in _points(symbols):
        left, right = (side.subs(values).evalf(DIGITS) for side in (first, second))
        if not abs(left - right) <= tolerance * abs(right):
            return False
    return True


def _points(symbols: list[Symbol]) -> Iterator[dict[Symbol, Rational]]:
    """Different positive rational numbers, of different sizes, for each symbol."""
    for trial in range(POINTS):
        yield {symbol: Rational(3 + 5 * place + trial**2, 2 + trial + place) for place, symbol in enumerate(symbols)}
