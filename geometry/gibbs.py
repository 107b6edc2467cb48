r"""Gibbs measures exp(-E/T) vol: the partition function of E = tr Σ^{2/N} in closed form.

In x_k = σ_k^{2/N} the volume form is c^r Π_k x_k^{α-1} Π_{k<l} |x_k - x_l|^{2γ} with γ = β/2 and
α = β(m+n-2r+1)/2, so that Selberg's integral in Laguerre's form gives

    Z = vol(angles) c^r T^{rα + γr(r-1)}/r! Π_{j<r} Γ(α + jγ) Γ(1 + (j+1)γ)/Γ(1+γ),    <E> = T dim/2.

Source: P. J. Forrester, S. O. Warnaar, *The importance of the Selberg integral*, Bull. Amer. Math. Soc. 45 (2008),
section 1, for the Laguerre form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sympy import (
    Expr,
    Integer,
    Mul,
    Product,
    S,
    Symbol,
    cancel,
    expand,
    factor,
    gamma,
    log,
    powsimp,
    sympify,
)

from .coframe import generic_singular_value
from .indexed import index_symbols
from .laplacian import generic_volume_forms, log_volume_derivatives
from .network import DeepLinearNetwork

__all__ = [
    "LaguerreDensity",
    "equilibrium_free_energy",
    "laguerre_density",
    "laguerre_selberg",
    "mean_energy",
    "partition_function",
    "validated_temperature",
]


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


def equilibrium_free_energy(network: DeepLinearNetwork, temperature: Expr) -> Expr:
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
    if isinstance(temperature, str):
        raise ValueError(f"temperature must be positive, not {temperature!r}")
    T = sympify(temperature)
    if T.is_positive is False or T is S.NaN:
        raise ValueError(f"temperature must be positive, not {temperature!r}")
    return T
