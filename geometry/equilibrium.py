r"""When a Gibbs measure exp(-E/T) vol exists: powers of the mass near singular matrices and far out.

Where E does not confine, exp(-E/T) may have no finite mass.  What decides is how the mass of the part where some
singular values are small, or large, scales with a common factor: by powers, which are read off the
volume form (times the volume of the fibres, where noise on the layers acts along them too).  A power 0
means divergence: the logarithms that come with it at infinite depth have exponents ≥ 0.

Source: Menon, Yu, arXiv 2509.09088, for the entropy.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

from sympy import (
    Abs,
    Add,
    And,
    Expr,
    Integer,
    Rational,
    S,
    Symbol,
    cancel,
    exp,
    expand,
    expand_log,
    expand_mul,
    limit,
    log,
    oo,
    powsimp,
    sympify,
)
from sympy.logic.boolalg import Boolean

from .coframe import generic_singular_value
from .gibbs import validated_temperature
from .indexed import index_symbols
from .laplacian import generic_volume_forms
from .means import explicit
from .network import DeepLinearNetwork

__all__ = [
    "CLUSTER",
    "MassExponents",
    "completion_equilibrium_exists",
    "completion_exponents",
    "equilibrium_exists",
    "mass_exponents",
]

CLUSTER = Symbol("j", integer=True, positive=True)
"""How many singular values become small, or large, together."""
DISTANCE = Integer(10) ** 6
"""How far out, in log σ, limits are confirmed: what goes like 1/log σ has to be small there."""


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
    force = sigma * sympify(potential(sigma), strict=True).diff(sigma) / T
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
