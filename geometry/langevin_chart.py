r"""The chart in which steps of the Langevin equation are taken: flat coordinates of the singular values.

In the flat coordinates y = y(σ) of `geometry.radial_diffusion` the matrix Y = U diag(y) Vᵀ has increments with regular
coefficients, also where X is singular and where singular values coalesce.  An orthonormal frame of the metric at X
consists of √λ_kl u_k v_lᵀ; its symmetric and its skew combination of a pair k, l move Y by

    s_kl = √λ_kl (y_k - y_l)/(σ_k - σ_l)     and     a_kl = √λ_kl (y_k + y_l)/(σ_k + σ_l).

Singular values of diag(y) + Z are y_k + Z_kk + ½ Σ_l [p²/(y_k - y_l) + q²/(y_k + y_l)] + …, for entries (p ± q)/√2 of
Z.  That y diffuses as the radial part of the metric does, with Δy_k, leaves for the Itô drift of Y

    ΔY = U diag(d) Vᵀ,     d_k = Δy_k - Σ_{l≠k} [s_kl²/(y_k - y_l) + a_kl²/(y_k + y_l)],

where the poles cancel.  Or only the symmetric matrix U diag(y) Uᵀ is moved by s_kl, and the skew part *turns* U
against V by the angle √λ_kl/(σ_k + σ_l): then a_kl adds nothing to d, whose pole at y_k = -y_l stays.  That is the only
way at infinite depth, where y = log σ may be negative, and the better one at large depths, where a_kl grows up to N.

*Null directions.* The frame vector √λ(σ_k, 0) u_⊥ v_kᵀ turns u_k towards u_⊥ by √λ(σ_k, 0)/σ_k, √N/y_k for the network,
and y_k only to second order.  What Δy_k holds for each such direction is 1/y_k, whatever the depth: the pull on the
singular values of diag(y) by a further row or column with entries of variance 1.  So y does what the singular values of
a Brownian r x (m+n-r) matrix do (`geometry.radial_diffusion.brownian_matrix_diffusion`), and nothing is left for d.

*Fast directions.* Where the energy confines a component of the noise within a step, the pull of its missing variance
on y_k is missing, and the force averaged over it pushes back by ∂_k log of the length that a turn moves X by: σ_k - σ_l
and σ_k + σ_l for pairs, σ_k against a null direction.  The differences are called shifts here; their poles cancel.

Source: Kato, *Perturbation theory for linear operators*, II.2 (second order); Menon, Yu, arXiv 2302.11653.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sympy import Expr, S, Symbol, cancel, expand_log, log, powsimp, sqrt, symbols, sympify

from .free_energy import entropy_degree
from .means import explicit
from .network import DeepLinearNetwork
from .radial_diffusion import flat_coordinate, radial_diffusion

__all__ = ["FlatChart", "flat_chart"]


@dataclass(frozen=True)
class FlatChart:
    """The coefficients of Y at a pair σ_k = 1 ≥ σ_l as expressions in `argument`; elsewhere they follow by scaling.

    The argument is y_l over y at σ = 1, which keeps powers of it representable, or log σ_l where y is no power of σ.

    Attributes
    ----------
    sigma, flat, argument : Symbol
        σ and y of one singular value, and the argument of pairs.
    coordinate : Expr
        y as a function of σ.
    speed : Expr
        √λ(σ, σ)/σ as a function of σ: the component of grad S along y_k is this times ∂S/∂log σ_k.
    top : Expr
        y at σ = 1.
    scales : bool
        Whether σ → cσ multiplies y, as y = √N σ^{1/N}; otherwise it is added to, as y = log σ.
    singular_value : Expr
        σ_l in the argument.
    symmetric, skew, turn : Expr
        s_kl, a_kl and √λ_kl/(σ_k + σ_l).
    larger_drift, smaller_drift : Expr
        The terms of the pair in d_k and in d_l.
    larger_entropy, smaller_entropy : Expr
        ∂S/∂log σ_k and ∂S/∂log σ_l, S the logarithm of the volume of the fibre of layers of hidden width r.
    symmetric_shifts, skew_shifts : (Expr, Expr)
        For k and l: the pull less ∂ log (σ_k - σ_l), and less ∂ log (σ_k + σ_l).
    null_turn, null_shift : Expr
        √λ(σ, 0)/σ, and the pull of a null direction less ∂ log σ, as functions of y; 0 where spaces are frozen.
    """

    sigma: Symbol
    flat: Symbol
    argument: Symbol
    coordinate: Expr
    speed: Expr
    top: Expr
    scales: bool
    singular_value: Expr
    symmetric: Expr
    skew: Expr
    turn: Expr
    larger_drift: Expr
    smaller_drift: Expr
    larger_entropy: Expr
    smaller_entropy: Expr
    symmetric_shifts: tuple[Expr, Expr]
    skew_shifts: tuple[Expr, Expr]
    null_turn: Expr
    null_shift: Expr


@lru_cache(maxsize=64)
def flat_chart(network: DeepLinearNetwork, turning: bool = False) -> FlatChart:
    """Derive the coefficients of Y for the depth and the scale of a network, whatever its shape and rank.

    Parameters
    ----------
    network : DeepLinearNetwork
        Over the real field; the depth may be a symbol.
    turning : bool
        Whether the skew part of the noise turns U against V; otherwise it moves Y.

    Raises
    ------
    ValueError
        If the field is not R, whose pairs have one symmetric and one skew component.

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import DeepLinearNetwork
    >>> N = symbols("N", positive=True)
    >>> chart = flat_chart(DeepLinearNetwork(N, (4, 3), 2))
    >>> chart.null_turn, chart.null_shift
    (sqrt(N)/y_k, (1 - N)/y_k)
    >>> flat = flat_chart(DeepLinearNetwork(1, (2, 2)))
    >>> [term.simplify() for term in (flat.symmetric, flat.skew, flat.larger_drift, flat.smaller_drift)]
    [1, 1, 0, 0]
    """
    if network.field != "R":
        raise ValueError(f"network must be over the real field 'R', not over {network.field!r}")
    pair = _network_of(network, (2, 2))
    coordinate, singular_value = flat_coordinate(pair.metric)
    of_depth = sympify(network.depth).free_symbols
    (sigma,), (flat,) = coordinate.free_symbols - of_depth, singular_value.free_symbols - of_depth
    top = coordinate.subs(sigma, 1)
    scales = bool(top.is_positive)
    argument = Symbol("z", positive=True) if scales else Symbol("z", real=True)
    z, unit = (top * argument, top) if scales else (argument, S.One)
    b = powsimp(singular_value.subs(flat, z), force=True)
    # ∂σ/∂y at σ_k = 1 and at σ_l.
    growth, smaller_growth = singular_value.diff(flat).subs(flat, top), b.diff(argument) / unit
    root = sqrt(explicit(pair.pair_multiplier(S.One, b)))
    symmetric, turn = root * (top - z) / (1 - b), root / (1 + b)
    skew = turn * (top + z)
    repelled = symmetric**2 / (top - z)
    raised = S.Zero if turning else skew**2 / (top + z)
    larger, smaller = _laplacians(pair, top, z)
    entropy = explicit(pair.entropy()).xreplace(dict(zip(pair.singular_values, (S.One, b), strict=True)))
    slope = expand_log(entropy, force=True).diff(argument) * powsimp(b / b.diff(argument))
    null_turn, null_shift = _null_coefficients(network, singular_value, flat)
    return FlatChart(
        sigma=sigma,
        flat=flat,
        argument=argument,
        coordinate=coordinate,
        speed=powsimp(sqrt(pair.pair_multiplier(sigma, sigma)) / sigma),
        top=top,
        scales=scales,
        singular_value=b,
        symmetric=symmetric,
        skew=skew,
        turn=turn,
        larger_drift=larger - repelled - raised,
        smaller_drift=smaller + repelled - raised,
        larger_entropy=entropy_degree(pair) - slope,
        smaller_entropy=slope,
        symmetric_shifts=(repelled - growth / (1 - b), -repelled + smaller_growth / (1 - b)),
        skew_shifts=(raised - growth / (1 + b), raised - smaller_growth / (1 + b)),
        null_turn=null_turn,
        null_shift=null_shift,
    )


def _network_of(network: DeepLinearNetwork, shape: tuple[int, int]) -> DeepLinearNetwork:
    """The same depth and scale with as few singular values as the coefficients need, and all that fit the shape."""
    return DeepLinearNetwork(network.depth, shape, min(shape), network.field, network.rescaled)


def _laplacians(pair: DeepLinearNetwork, first: Expr, second: Expr) -> list[Expr]:
    """Δy_1 and Δy_2: twice the drift of radial Brownian motion, whose generator is Δ/2."""
    names = symbols("y_1 y_2", real=True)
    values = dict(zip(names, (first, second), strict=True))
    diffusion = radial_diffusion(pair.metric)
    return [2 * diffusion.drift_at(position).xreplace(values) for position in range(2)]


def _null_coefficients(network: DeepLinearNetwork, singular_value: Expr, flat: Symbol) -> tuple[Expr, Expr]:
    """√λ(σ, 0)/σ, and what Δy has more for a null direction, less ∂ log σ; in y."""
    column = _network_of(network, (2, 1))
    if column.freezes_spaces:
        return S.Zero, S.Zero
    (y,) = symbols("y_1,", real=True)
    drifts = (radial_diffusion(each.metric).drift_at(0) for each in (column, _network_of(network, (1, 1))))
    with_null, without = (2 * drift.xreplace({y: flat}) for drift in drifts)
    turn = powsimp(sqrt(network.pair_null_multiplier(singular_value)) / singular_value, force=True)
    pushed = cancel(powsimp(expand_log(log(singular_value), force=True).diff(flat)))
    return turn, cancel(with_null - without - pushed)
