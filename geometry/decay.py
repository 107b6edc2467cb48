r"""Decay laws: how singular values vanish, and how the flow settles at a minimizer.

Near σ = 0 the mobility is λ(σ, σ) ~ c σ^p.  Where the energy grows like h σ^j/j, the flow is dσ/dt = -c h σ^q with
q = p + j - 1, and

=====  ==========================================================================
q < 1  zero is reached at a finite time t_*: σ = ((1 - q) c h (t_* - t))^{1/(1-q)}
q = 1  σ decays like exp(-c h t)
q > 1  σ ~ ((q - 1) c h t)^{-1/(q-1)}
=====  ==========================================================================

At a minimizer of full rank the flow of E = ½ |X - M|² is linear to first order, with the eigenvalues of A as rates.

Source: the flow of singular values is in Arora, Cohen, Hu, Luo, arXiv 1905.13655.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sympy import Add, Dummy, Expr, S, Symbol, diff, log, powsimp, sympify, true

from .coframe import CoframeBlock, SingularCoframe
from .training import radial_multiplier

__all__ = [
    "DecayLaw",
    "LinearMode",
    "TimeScales",
    "decay_law",
    "leading_mobility",
    "linearization",
    "spectral_linearization",
    "time_scales",
]


class SpectralOperator(Protocol):
    """What is needed of a network or of a spectral metric."""

    @property
    def coframe(self) -> SingularCoframe:
        """The coframe."""
        ...

    def pair_multiplier(self, a: Expr, b: Expr) -> Expr:
        """λ(a, b)."""
        ...

    def pair_null_multiplier(self, a: Expr) -> Expr:
        """λ(a, 0)."""
        ...


@dataclass(frozen=True)
class DecayLaw:
    """How σ comes to zero.

    Attributes
    ----------
    kind : str
        "finite time": σ = coefficient (t_* - t)^exponent; "exponential": σ decays like exp(-rate t);
        "algebraic": σ ~ coefficient t^{-exponent}.
    exponent, coefficient : Expr or None
        None for the exponential law, whose coefficient is that of the whole flow.
    rate : Expr
        c h, with dσ/dt ~ -rate σ^q.
    condition : Boolean
        For which values of a symbolic depth this is the law; true for a number.
    """

    kind: str
    exponent: Expr | None
    coefficient: Expr | None
    rate: Expr
    condition: Any = true

    def at(self, time: Expr) -> Expr:
        """The leading term at a time: t itself, or for a finite time what is left, t_* - t.

        Raises
        ------
        ValueError
            For the exponential law.
        """
        if self.exponent is None:
            raise ValueError("an exponential law has a rate, but its coefficient is that of the whole flow")
        return self.coefficient * time ** (self.exponent if self.kind == "finite time" else -self.exponent)

    def time(self, sigma: Expr) -> Expr:
        """The time that belongs to σ, as in `at`; for the exponential law up to a constant."""
        if self.exponent is None:
            return -log(sigma) / self.rate
        power = 1 / self.exponent if self.kind == "finite time" else -1 / self.exponent
        return self.exponent * sigma**power / self.rate


def leading_mobility(operator: SpectralOperator) -> tuple[Expr, Expr]:
    """(c, p) with λ(σ, σ) ~ c σ^p as σ → 0, where λ(σ, σ) is a sum of powers of σ.

    Raises
    ------
    ValueError
        If it is none, or its lowest power depends on the depth.

    Examples
    --------
    >>> from geometry import SpectralMetric
    >>> leading_mobility(SpectralMetric(shape=(2, 2), multiplier=lambda a, b: a * b + a + b))
    (2, 1)
    """
    sigma = Dummy("sigma", positive=True)
    value = radial_multiplier(operator, sigma)
    found = []
    for term in Add.make_args(powsimp(value.expand())):
        coefficient, power = term.as_independent(sigma, as_Add=False)
        base, exponent = (sigma, S.Zero) if power == 1 else power.as_base_exp()
        if base != sigma or exponent.has(sigma):
            raise ValueError(f"multiplier must be a sum of powers of sigma on the diagonal, not {value}")
        found.append((coefficient, exponent))
    lowest = found[0]
    for pair in found[1:]:
        lower = (pair[1] - lowest[1]).is_negative
        if lower is None:
            raise ValueError(f"the lowest of the exponents {pair[1]} and {lowest[1]} depends on the symbols in them")
        lowest = pair if lower else lowest
    return lowest


def decay_law(operator: SpectralOperator, order: int, slope: Any = 1) -> DecayLaw:
    """The law of σ → 0 under an energy that grows like h σ^j/j.

    Parameters
    ----------
    operator : DeepLinearNetwork or SpectralMetric
        For a symbolic depth the law is the generic, algebraic one, with its condition.
    order : int
        j ≥ 1: 1 for E' → h > 0, 2 for E ~ ½ h σ².
    slope : number or Expr
        h > 0.

    Raises
    ------
    ValueError
        If the order is no positive integer, or h is not positive.

    Examples
    --------
    >>> from sympy import Symbol, oo
    >>> from geometry import DeepLinearNetwork
    >>> [decay_law(DeepLinearNetwork(N, (1, 1)), 1).kind for N in (1, 2, 3, oo)]
    ['finite time', 'exponential', 'algebraic', 'algebraic']
    >>> decay_law(DeepLinearNetwork(oo, (1, 1)), 2).exponent
    1/2
    >>> law = decay_law(DeepLinearNetwork(Symbol("N", positive=True), (1, 1)), 1)
    >>> law.exponent, law.condition
    (1/(1 - 2/N), 1 - 2/N > 0)
    """
    slope = sympify(slope, strict=True)
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(f"order must be a positive integer, that of the power of sigma in the energy, not {order!r}")
    if not slope.is_positive:
        raise ValueError(f"slope must be positive, not {slope}; declare symbols with positive=True")
    coefficient, power = leading_mobility(operator)
    rate, excess = coefficient * slope, power + order - 2
    if excess == 0:
        return DecayLaw("exponential", None, None, rate)
    if excess.is_negative:
        return DecayLaw("finite time", -1 / excess, (-excess * rate) ** (-1 / excess), rate)
    # sigma' = -rate sigma^(1 + excess), so (sigma^-excess)' = excess rate.
    return DecayLaw("algebraic", 1 / excess, (excess * rate) ** (-1 / excess), rate, excess > 0)


@dataclass(frozen=True)
class LinearMode:
    """Eigenvectors of the linearized flow.

    Attributes
    ----------
    kind : str
        "radial", "phase", "pair", "left" or "right", as the blocks of the coframe.
    indices : tuple
        The singular values of the minimizer involved, from 0; for a symbolic rank index symbols.
    rate : Expr
        The perturbation decays like exp(-rate t).
    multiplicity : Expr
        The dimension of the eigenspace that the mode accounts for.
    """

    kind: str
    indices: tuple[int | Symbol, ...]
    rate: Expr
    multiplicity: Expr


def linearization(operator: SpectralOperator) -> tuple[LinearMode, ...]:
    """The rates at a minimizer X = M of E = ½ |X - M|², which is of rank r: those of A.

    λ_kl on the entries u_k v_lᵀ and u_l v_kᵀ, λ_kk on u_k v_kᵀ, and λ(σ_k, 0) against the null spaces.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> for mode in linearization(DeepLinearNetwork(2, (3, 2), 2)):
    ...     print(mode.kind, mode.indices, mode.rate, mode.multiplicity)
    radial (0,) 2*sigma_1 1
    radial (1,) 2*sigma_2 1
    pair (0, 1) sigma_1 + sigma_2 2
    left (0,) sigma_1 1
    left (1,) sigma_2 1
    """
    return tuple(
        LinearMode(block.kind, block.indices, _block_rate(operator, block), block.multiplicity * len(block.forms))
        for block in operator.coframe.blocks()
    )


def _block_rate(operator: SpectralOperator, block: CoframeBlock) -> Expr:
    first, last = (operator.coframe.singular_value(block.indices[place]) for place in (0, -1))
    if block.kind in ("left", "right"):
        return operator.pair_null_multiplier(first)
    return operator.pair_multiplier(first, last)


def spectral_linearization(operator: SpectralOperator, energy: Callable[[Expr], Expr], minimizer: Expr) -> Expr:
    """The rate λ(s, s) e''(s) at which σ comes to a minimizer s > 0 of e.

    Raises
    ------
    ValueError
        If e'(s) is not zero.

    Examples
    --------
    >>> from sympy import Symbol
    >>> from geometry import DeepLinearNetwork
    >>> s = Symbol("s", positive=True)
    >>> spectral_linearization(DeepLinearNetwork(2, (1, 1)), lambda x: (x**2 - s**2) ** 2 / 8, s)
    2*s**3
    """
    sigma = Dummy("sigma", positive=True)
    slope = diff(energy(sigma), sigma)
    if slope.subs(sigma, minimizer).expand() != 0:
        raise ValueError(f"minimizer must be a critical point of the energy; at {minimizer} its derivative is not zero")
    velocity = -radial_multiplier(operator, sigma) * slope
    return powsimp((-diff(velocity, sigma)).subs(sigma, minimizer).expand())


@dataclass(frozen=True)
class TimeScales:
    """Rates of the block Uᵀ X V and of the spaces of U and V.

    Attributes
    ----------
    slowest_block : Expr
        λ(σ_r, σ_r), below all rates of the block.
    fastest_space : Expr
        λ(σ_1, 0), above all rates of the spaces.
    """

    slowest_block: Expr
    fastest_space: Expr

    @property
    def ratio(self) -> Expr:
        """By how much the block is faster than the spaces, at least."""
        return powsimp(self.slowest_block / self.fastest_space)


def time_scales(operator: SpectralOperator, largest: Expr, smallest: Expr) -> TimeScales:
    """The two time scales of the flow between σ_1 and σ_r; unless m = n = r, where the spaces are everything.

    The ratio N (σ_r/σ_1)^{2-2/N} grows with the depth: the block is slaved to its minimizer, and in rescaled time the
    spaces freeze.

    Raises
    ------
    ValueError
        If there are no null spaces, or at infinite depth, where the spaces do not move at all.

    Examples
    --------
    >>> from sympy import Symbol, symbols
    >>> from geometry import DeepLinearNetwork
    >>> first, last = symbols("sigma_1 sigma_r", positive=True)
    >>> time_scales(DeepLinearNetwork(Symbol("N", positive=True), (4, 3), 2), first, last)
    TimeScales(slowest_block=N*sigma_r**(2 - 2/N), fastest_space=sigma_1**(2 - 2/N))
    """
    if not operator.coframe.has_null_directions:
        raise ValueError("time_scales needs null spaces: for m = n = r the block is all of X; choose a lower rank")
    fastest = operator.pair_null_multiplier(largest)
    if fastest == 0:
        raise ValueError("the spaces are frozen: the multiplier against zero vanishes; choose a finite depth")
    return TimeScales(operator.pair_multiplier(smallest, smallest), fastest)
