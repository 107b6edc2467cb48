r"""Gibbs measures exp(-E/T) vol: the partition function of E = tr Σ^{2/N} in closed form, and which ones exist.

In x_k = σ_k^{2/N} the volume form is c^r Π_k x_k^{α-1} Π_{k<l} |x_k - x_l|^{2γ} with γ = β/2 and
α = β(m+n-2r+1)/2, so that Selberg's integral in Laguerre's form gives

    Z = vol(angles) c^r T^{rα + γr(r-1)}/r! Π_{j<r} Γ(α + jγ) Γ(1 + (j+1)γ)/Γ(1+γ),    <E> = T dim/2.

Where E does not confine, exp(-E/T) may have no finite mass.  What decides is how the mass of the part where some
singular values are small, or large, scales with a common factor: by powers, which are read off the
volume form (times the volume of the fibres, where noise on the layers acts along them too).  A power 0
means divergence: the logarithms that come with it at infinite depth have exponents ≥ 0.

Source: P. J. Forrester, S. O. Warnaar, *The importance of the Selberg integral*, Bull. Amer. Math. Soc. 45 (2008),
eq. (1.16) for the Laguerre form; Menon, Yu, arXiv 2509.09088, for the entropy.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sympy import (
    Abs,
    Add,
    And,
    Expr,
    Integer,
    Mul,
    Product,
    Rational,
    S,
    Symbol,
    cancel,
    exp,
    expand,
    expand_log,
    expand_mul,
    factor,
    gamma,
    limit,
    log,
    oo,
    powsimp,
    sympify,
)
from sympy.logic.boolalg import Boolean

from .coframe import generic_singular_value
from .indexed import index_symbols
from .laplacian import generic_volume_forms, log_volume_derivatives
from .means import explicit
from .network import DeepLinearNetwork

__all__ = [
    "CLUSTER",
    "LaguerreDensity",
    "MassExponents",
    "completion_equilibrium_exists",
    "completion_exponents",
    "equilibrium_exists",
    "free_energy",
    "laguerre_density",
    "laguerre_selberg",
    "mass_exponents",
    "mean_energy",
    "partition_function",
    "validated_temperature",
]

CLUSTER = Symbol("j", integer=True, positive=True)
"""How many singular values become small, or large, together."""
DISTANCE = Integer(10) ** 6
"""How far out, in log σ, limits are confirmed: what goes like 1/log σ has to be small there."""


# ------------------------------------------------------------------------------ E = tr Σ^{2/N}


def laguerre_selberg(alpha: Expr, gamma_exponent: Expr, rank: int | Expr) -> Expr:
    """∫ over all x_k > 0 of Π x_k^{α-1} e^{-x_k} Π_{k<l} |x_k - x_l|^{2γ}, a product of Γ functions over j < r.

    Examples
    --------
    >>> laguerre_selberg(Integer(1), Integer(1), 2)
    2
    """
    j = Symbol("j", integer=True, nonnegative=True)
    step = sympify(gamma_exponent)
    factor = gamma(alpha + j * step) * gamma(1 + (j + 1) * step) / gamma(1 + step)
    if isinstance(rank, int):
        return Mul(*(factor.subs(j, position) for position in range(rank)))
    return Product(factor, (j, 0, rank - 1))


@dataclass(frozen=True)
class LaguerreDensity:
    """c^r d^{r(r-1)/2} Π x_k^{α-1} Π |x_k - x_l|^{2γ}: the volume form in x_k = σ_k^{2/N}, with respect to dx."""

    alpha: Expr
    gamma: Expr
    single_factor: Expr
    pair_factor: Expr


def laguerre_density(network: DeepLinearNetwork) -> LaguerreDensity:
    """The volume form in x, its exponents read off the logarithmic derivatives."""
    (first, second), depth = map(generic_singular_value, index_symbols(2)), network.depth
    x, z = Symbol("x", positive=True), Symbol("z", positive=True)
    sigma = x ** (depth / 2)
    single, pair = generic_volume_forms(network.metric)
    values = {first: sigma, second: z ** (depth / 2)}
    own = powsimp(single.density().xreplace(values) * sigma.diff(x))
    between = pair.density().xreplace(values)
    _, pair_slope = log_volume_derivatives(network.metric)
    slope = pair_slope.xreplace(values) * sigma.diff(x)
    alpha = 1 + cancel(powsimp(x * own.diff(x) / own))
    double = cancel(powsimp(slope * (x - z)))
    return LaguerreDensity(
        alpha=expand(alpha),
        gamma=double / 2 if pair.factors else Integer(network.coframe.dyson_index) / 2,
        single_factor=own.subs(x, 1),
        pair_factor=between.subs({x: 2, z: 1}),
    )


def partition_function(network: DeepLinearNetwork, temperature: Expr) -> Expr:
    """Z = ∫ exp(-tr Σ^{2/N}/T) dvol over the matrices of rank r.

    Parameters
    ----------
    network : DeepLinearNetwork
        Of finite depth; depth, shape and rank may be symbols.
    temperature : Expr
        T, positive.

    Raises
    ------
    ValueError
        At infinite depth, where tr Σ^{2/N} is constant and the mass infinite; or for a temperature that is not
        positive.

    Examples
    --------
    >>> from sympy import symbols
    >>> T = symbols("T", positive=True)
    >>> partition_function(DeepLinearNetwork(1, (2, 2)), T)
    pi**2*T**2
    >>> partition_function(DeepLinearNetwork(3, (2, 1)), T)
    sqrt(3)*pi*T
    """
    from .group_volumes import angular_volume

    T, r, density = validated_temperature(temperature), sympify(network.rank), _validated_density(network)
    power = expand(r * density.alpha + density.gamma * r * (r - 1))
    selberg = laguerre_selberg(density.alpha, density.gamma, network.rank) / gamma(r + 1)
    constant = density.single_factor**r * density.pair_factor ** (r * (r - 1) / 2)
    return powsimp(constant * angular_volume(network.coframe) * selberg * T**power)


def free_energy(network: DeepLinearNetwork, temperature: Expr) -> Expr:
    """-T log Z."""
    return -sympify(temperature) * log(partition_function(network, temperature))


def mean_energy(network: DeepLinearNetwork, temperature: Expr) -> Expr:
    """-∂ log Z/∂(1/T), which is T dim/2 at every depth: equipartition.

    Examples
    --------
    >>> from sympy import symbols
    >>> N, T = symbols("N T", positive=True)
    >>> mean_energy(DeepLinearNetwork(N, (3, 2)), T)
    3*T
    """
    T = Symbol("T", positive=True)
    partition = partition_function(network, T)
    dependent = Mul(*(factor for factor in Mul.make_args(partition) if factor.has(T)))
    return factor(cancel(T**2 * dependent.diff(T) / dependent)).subs(T, validated_temperature(temperature))


def _validated_density(network: DeepLinearNetwork) -> LaguerreDensity:
    if network.is_infinitely_deep:
        raise ValueError(
            f"depth must be finite, not {network.depth}: tr Σ^(2/N) tends to the rank there, which confines nothing"
        )
    return laguerre_density(network)


def validated_temperature(temperature: Any) -> Expr:
    """T as an expression; refused where it is known not to be positive."""
    T = sympify(temperature)
    if isinstance(temperature, str) or T.is_positive is False or T is S.NaN:
        raise ValueError(f"temperature must be positive, not {temperature!r}")
    return T


# ------------------------------------------------------------------------- when an equilibrium exists


@dataclass(frozen=True)
class MassExponents:
    """How the mass scales where the j smallest singular values are below ε, or the j largest above R.

    Attributes
    ----------
    at_zero, at_infinity : Expr
        In `CLUSTER`: the mass is ε^{at_zero} and, of a factor 2 around R, R^{at_infinity}.
    """

    at_zero: Expr
    at_infinity: Expr


@dataclass(frozen=True)
class _PairGrowth:
    """The degrees of factors Π φ(σ_k) Π ψ(σ_k, σ_l): of φ, of ψ, and of ψ in the larger and in the smaller of two."""

    single: Expr
    pair: Expr
    larger: Expr
    smaller: Expr

    @classmethod
    def of(cls, log_single: Expr, log_pair: Expr) -> _PairGrowth:
        a, b = map(generic_singular_value, index_symbols(2))
        log_single, log_pair = (expand_log(part, force=True) for part in (log_single, log_pair))
        in_larger, in_smaller = a * log_pair.diff(a), b * log_pair.diff(b)
        return cls(
            single=cancel(powsimp(a * log_single.diff(a))),
            pair=_limit((in_larger + in_smaller).subs(b, 1), a, oo),
            larger=_limit(in_larger.subs(b, 1), a, oo),
            smaller=_limit(in_smaller.subs(a, 1), b, 0),
        )

    def __add__(self, other: _PairGrowth) -> _PairGrowth:
        return _PairGrowth(*(mine + theirs for mine, theirs in zip(self.degrees, other.degrees, strict=True)))

    @property
    def degrees(self) -> tuple[Expr, Expr, Expr, Expr]:
        """All four."""
        return self.single, self.pair, self.larger, self.smaller


def _limit(expression: Expr, variable: Symbol, point: Expr) -> Expr:
    """A limit of a logarithmic derivative in σ as one in t = ±log σ, term by term, confirmed by numbers.

    Raises
    ------
    ArithmeticError
        If there is no finite limit, or the value far out is another.
    """
    t = Symbol("t", positive=True)
    far = expression.subs(variable, exp(t if point is oo else -t))
    found = expand(Add(*(limit(powsimp(term), t, oo) for term in Add.make_args(expand_mul(far)))))
    numbers = dict.fromkeys(far.free_symbols - {t}, Rational(7, 2))
    gap = (far.subs(numbers).subs(t, DISTANCE) - found.subs(numbers)).evalf(30)
    if not abs(gap) < DISTANCE ** Rational(-1, 2):
        raise ArithmeticError(f"{expression} is {gap} off its limit {found} at {variable} = {point}")
    return found


def _volume_growth(network: DeepLinearNetwork) -> _PairGrowth:
    single, pair = (_without_modulus(form.log_density()) for form in generic_volume_forms(network.metric))
    return _PairGrowth.of(single, pair)


def _without_modulus(function: Expr) -> Expr:
    return function.replace(Abs, lambda inner: inner)


def _fibre_growth(network: DeepLinearNetwork, hidden_width: int | Expr | None) -> _PairGrowth:
    from .entropy import fibre_factors

    a, b = map(generic_singular_value, index_symbols(2))
    logs = {1: S.Zero, 2: S.Zero}
    for part in fibre_factors(network, hidden_width):
        logs[part.size] += part.exponent * log(explicit(part.determinant(*(a, b)[: part.size])))
    return _PairGrowth.of(logs[1], logs[2])


def mass_exponents(
    network: DeepLinearNetwork, vertical_noise: bool = False, hidden_width: int | Expr | None = None
) -> MassExponents:
    """How the volume (times the volume of the fibres) of small and of large singular values scales.

    Parameters
    ----------
    network : DeepLinearNetwork
    vertical_noise : bool
        Whether the noise acts along the fibres too, so that the density is exp(-E/T + S).
    hidden_width : int or Expr, optional
        The hidden width, for the entropy S.

    Examples
    --------
    >>> from sympy import oo, symbols
    >>> N = symbols("N", positive=True)
    >>> mass_exponents(DeepLinearNetwork(N, (2, 2)))
    MassExponents(at_zero=j**2/N, at_infinity=-j**2/N + 4*j/N)
    >>> mass_exponents(DeepLinearNetwork(oo, (2, 2))).at_zero
    0
    """
    growth = _volume_growth(network)
    if vertical_noise:
        growth = growth + _fibre_growth(network, hidden_width)
    j, others = CLUSTER, sympify(network.rank) - CLUSTER
    within = j * (growth.single + 1) + growth.pair * j * (j - 1) / 2
    return MassExponents(expand(within + growth.smaller * j * others), expand(within + growth.larger * j * others))


def equilibrium_exists(
    network: DeepLinearNetwork,
    potential: Callable[[Expr], Expr],
    temperature: Expr,
    vertical_noise: bool = False,
    hidden_width: int | Expr | None = None,
) -> Boolean:
    """Whether exp(-E/T) (with vertical noise exp(-E/T + S)) has a finite integral, for E = Σ_k potential(σ_k).

    In log σ the density is piecewise exponential on cones whose edges are: the j smallest singular values to zero
    together, or the j largest to infinity.  It is integrable exactly where it decays along each of them.

    Parameters
    ----------
    network : DeepLinearNetwork
        Of explicit rank; the depth may be a symbol.
    potential : callable
        Of one singular value, continuous on σ > 0.
    temperature : Expr
        T, positive.

    Returns
    -------
    Boolean
        True, False, or a condition on the symbols.

    Examples
    --------
    >>> from sympy import oo, symbols
    >>> N = symbols("N", positive=True)
    >>> equilibrium_exists(DeepLinearNetwork(N, (2, 2)), lambda sigma: (sigma - 1)**2, 1)
    True
    >>> equilibrium_exists(DeepLinearNetwork(oo, (2, 2)), lambda sigma: (sigma - 1)**2, 1)
    False
    """
    rank = network.coframe.rank
    if not isinstance(rank, int):
        raise ValueError(
            f"equilibrium_exists needs an explicit rank, not {rank}; see mass_exponents for a symbolic one"
        )
    exponents = mass_exponents(network, vertical_noise, hidden_width)
    sigma, T = Symbol("sigma", positive=True), validated_temperature(temperature)
    force = sigma * sympify(potential(sigma)).diff(sigma) / T
    # Where the potential is q log σ, exp(-potential/T) is σ^(-q/T).
    low, high = (_force_far_out(force, sigma, point) for point in (S.Zero, oo))
    clusters = range(1, operator.index(rank) + 1)
    return And(
        *(exponents.at_zero.subs(CLUSTER, j) - j * low > 0 for j in clusters),
        *(exponents.at_infinity.subs(CLUSTER, j) - j * high < 0 for j in clusters),
    )


def _force_far_out(force: Expr, sigma: Symbol, point: Expr) -> Expr:
    """The limit of σ potential'(σ)/T, confirmed by numbers: its value where finite, else its sign."""
    found = limit(force, sigma, point)
    if found.is_infinite is not True:
        return _limit(force, sigma, point)
    there = force.subs(dict.fromkeys(force.free_symbols - {sigma}, Rational(7, 2)))
    there = there.subs(sigma, exp(DISTANCE if point is oo else -DISTANCE)).evalf(30)
    if not (there * found).is_extended_positive:
        raise ArithmeticError(f"{force} is {there} far out, but its limit at {sigma} = {point} is {found}")
    return found


def completion_exponents(network: DeepLinearNetwork, vertical_noise: bool = False) -> dict[str, Expr]:
    """How the mass of exp(-E/T) scales for E = ½(|X_11 - 1|² + |X_22 - 1|²) on 2 x 2 matrices.

    In the entries of X the volume form is Π_kl λ_kl^{-β/2}, over all four k, l; the energy confines the
    diagonal.  The ways to infinity that are left, and to singular matrices:

    Returns
    -------
    dict
        "singular": |det X| < ε, "zero": |X| < ε, both to be positive; "one entry": X_12 about R and X_21 bounded,
        "both entries": X_12 and X_21 about R, both to be negative.

    Raises
    ------
    ValueError
        If the matrices are not 2 x 2 of rank 2.

    Examples
    --------
    >>> from sympy import symbols
    >>> N = symbols("N", positive=True)
    >>> completion_exponents(DeepLinearNetwork(N, (2, 2)))["both entries"]
    -2 + 4/N
    """
    if (network.shape, network.rank) != ((2, 2), 2):
        raise ValueError(f"network must be one of 2 x 2 matrices of rank 2, not {network}")
    beta = Integer(network.coframe.dyson_index)
    a, b = map(generic_singular_value, index_symbols(2))
    logs = [log(explicit(network.pair_multiplier(*pair))) for pair in ((a, a), (a, b))]
    growth = _PairGrowth.of(-beta / 2 * logs[0], -beta * logs[1])
    if vertical_noise:
        growth = growth + _fibre_growth(network, None)
    total = 2 * growth.single + growth.pair
    exponents = {
        "singular": beta + growth.single + growth.smaller,
        "zero": 4 * beta + total,
        "one entry": beta + growth.single + growth.larger,
        "both entries": 2 * beta + total,
    }
    return {way: expand(exponent) for way, exponent in exponents.items()}


def completion_equilibrium_exists(network: DeepLinearNetwork, vertical_noise: bool = False) -> Boolean:
    """Whether exp(-E/T), or exp(-E/T + S), has a finite integral for the energy of `completion_exponents`.

    Examples
    --------
    >>> [completion_equilibrium_exists(DeepLinearNetwork(N, (2, 2))) for N in (1, 2, 3, 4)]
    [False, False, True, True]
    >>> [completion_equilibrium_exists(DeepLinearNetwork(N, (2, 2)), vertical_noise=True) for N in (3, 4)]
    [False, True]
    """
    exponents = completion_exponents(network, vertical_noise)
    return And(
        exponents["singular"] > 0,
        exponents["zero"] > 0,
        exponents["one entry"] < 0,
        exponents["both entries"] < 0,
    )
