r"""The entropy of a matrix: the logarithm of the volume of the balanced layers over it."""

from __future__ import annotations

from collections.abc import Iterator

import mpmath
from sympy import Expr, Integer, Rational, S, Symbol, Tuple, exp, expand, simplify, sympify

from geometry import DeepLinearNetwork
from geometry.coframe import indexed
from geometry.entropy import entropy, entropy_constant, fibre_factors, fibre_volume
from geometry.fibre import pair_determinant, phase_determinant
from geometry.group_volumes import group_volume, stiefel_volume
from geometry.indexed import IndexedProduct, IndexedSymbol

from ..check_points import at_instance, instances, value_at
from ..derivation import Derivation
from ..references import CONTRERAS_NAHAS_KOTWAL, MENON_YU_ENTROPY
from ..standard_networks import networks_over_fields, standard_networks, symbolic_network
from ..step import Step
from .fibre_gram_matrix import FibreOrbit, require_layers
from .multiplier import defining_multiplier, defining_null_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "entropy"
REFERENCE = MENON_YU_ENTROPY
WIDER = Symbol("w", integer=True, positive=True)
"""By how much hidden spaces are wider than the rank, in the second part of the result."""
EXAMPLE = 1
"""How much wider they are in the steps."""
CHECKED_WIDTHS = (0, 1)


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those with layers: of finite or symbolic depth."""
    every = (*standard_networks(), symbolic_network(), *networks_over_fields())
    return tuple(network for network in every if not network.is_infinitely_deep)


def derive(network: DeepLinearNetwork) -> Derivation:
    """S_N = log volume of the fibre, for hidden width r and r + w: from its Gram determinants and Stiefel volumes.

    Raises
    ------
    NotApplicableError
        At infinite depth; see entropy-limit.
    """
    require_layers(network)
    rank = sympify(network.rank)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"The balanced layers over a matrix are an orbit of the rotations of the $N-1$ hidden spaces. Its "
        r"volume in the Frobenius metric of the layers is the root of the Gram determinant times the volume of the "
        r"rotations; its logarithm is the entropy, for hidden spaces of width $r$ and $r + w$.",
        steps=(*_determinants(network), *_volumes(network, rank + EXAMPLE)),
        result=Tuple(entropy(network), entropy(network, rank + WIDER)),
        subject=("S_N", "S_N^{(r+w)}"),
        reference=CONTRERAS_NAHAS_KOTWAL if network.coframe.dyson_index - 1 else REFERENCE,
        residual=_residual,
    )


def _determinants(network: DeepLinearNetwork) -> Iterator[Step]:
    """The blocks of the Gram matrix: the multipliers of A_N itself, whether the network is rescaled or not."""
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    N, whole = network.depth, network.operator_divisor
    pair, complement = pair_determinant(a, b, N), pair_determinant(a, S.Zero, N)
    reason = "Gram determinant of a pair over 2 for each hidden space: the multiplier"
    yield Step(whole * defining_multiplier(network, a, b), pair, reason)
    yield Step(whole * defining_null_multiplier(network, a), complement, "the same against the complement")
    if network.coframe.dyson_index - 1:
        yield Step(whole * defining_multiplier(network, a, a), phase_determinant(a, N), "Gram determinant of a phase")


def _volumes(network: DeepLinearNetwork, width: Expr) -> Iterator[Step]:
    """The constant c of one hidden space, the volume, and its logarithm."""
    rank, field = sympify(network.rank), network.field
    frames = stiefel_volume(width, rank, field)
    whole = group_volume(width, field) / group_volume(EXAMPLE, field)
    yield Step(whole, frames, "frames of r vectors, in width r + 1 here: all rotations over those beside")
    c, named = Symbol("c", positive=True), _doublings(network, width)
    constant = 2**named * frames
    yield Step(constant, exp(entropy_constant(network, width)), "the factors 2 and the frames of one hidden space: c")
    roots, where = _roots(network, width)
    volume = fibre_volume(network, width)
    where[c] = constant
    yield Step.abbreviated(c ** (network.depth - 1) * roots, volume, "the volume of the fibre", where)
    yield Step(volume, exp(entropy(network, width)), "its logarithm")


def _doublings(network: DeepLinearNetwork, width: Expr) -> Expr:
    """Half the number of components of pairs and of the complement, which have a factor 2 each."""
    beta, rank = network.coframe.dyson_index, sympify(network.rank)
    return expand(Rational(beta, 2) * (rank * (rank - 1) / 2 + rank * (width - rank)))


def _roots(network: DeepLinearNetwork, width: Expr) -> tuple[Expr, dict[Expr, Expr]]:
    """The product of the roots of the determinants, in λ_kl, λ_kk and λ_k0, and what these are."""
    coframe, where = network.coframe, {}
    product: Expr = S.One
    for factor in fibre_factors(network, width):
        for group in coframe.index_groups(factor.size):
            labels = [index if isinstance(index, Symbol) else index + 1 for index in group]
            labels += {"pair": [], "phase": labels, "complement": [0]}[factor.kind]
            name, value = IndexedSymbol("lambda", *map(sympify, labels)), _definition(network, factor.kind, group)
            where[name] = value if coframe.has_explicit_rank else indexed(value)
            root = name**factor.exponent
            product *= root if coframe.has_explicit_rank else IndexedProduct(root, group, network.rank)
    return product, where


def _definition(network: DeepLinearNetwork, kind: str, group: tuple[int | Symbol, ...]) -> Expr:
    """A determinant as a sum over the layers."""
    first, second = (network.coframe.singular_value(index) for index in (group[0], group[-1]))
    if kind == "complement":
        return network.operator_divisor * defining_null_multiplier(network, first)
    return network.operator_divisor * defining_multiplier(network, first, second)


def _residual(derivation: Derivation, route: str) -> float:
    """exp(2 S) against the Gram determinant of the whole orbit times the square of the frames' volume."""
    network, worst = derivation.network, 0.0
    for numeric, values, point in instances(network, route):
        numbers = dict(zip(numeric.singular_values, point.singular_values, strict=True))
        for wider in CHECKED_WIDTHS:
            orbit = FibreOrbit(point, wider)
            determinant = orbit.determinant(list(orbit.vectors()))
            frames = _frames(numeric, orbit.width) ** (orbit.depth - 1)
            formula = at_instance(derivation.result[bool(wider)].subs(WIDER, wider), values).doit()
            if route == "exact":
                found = simplify(exp(2 * formula.xreplace(numbers)))
                worst = max(worst, float(abs(simplify(found / (determinant * frames**2) - 1))))
            else:
                found = value_at(formula, numbers, route)
                expected = mpmath.log(determinant) / 2 + mpmath.log(mpmath.mpf(frames.evalf(mpmath.mp.dps)))
                worst = max(worst, float(abs(found - expected) / max(abs(expected), 1)))
    return worst


def _frames(network: DeepLinearNetwork, width: int) -> Expr:
    """vol(G_h)/vol(G_{h-r}) from the unit ball: vol(S^{p-1}) = p times the volume of the ball in R^p."""
    beta = network.coframe.dyson_index
    total: Expr = S.One
    for j in range(width - int(network.rank) + 1, width + 1):  # type: ignore[arg-type]
        half = Integer(beta * j) / 2
        # From the Gaussian integral: π^{p/2} = vol(S^{p-1}) ∫ ρ^{p-1} exp(-ρ²) dρ.
        x = Symbol("x", positive=True)
        total *= sympify("pi") ** half / (_gaussian_moment(beta * j - 1, x))
    return total


def _gaussian_moment(power: int, x: Symbol) -> Expr:
    """∫_0^∞ x^q exp(-x²) dx, by parts down to q = 0 or 1."""
    if power > 1:
        return Integer(power - 1) / 2 * _gaussian_moment(power - 2, x)
    return sympify("sqrt(pi)/2") if power == 0 else Integer(1) / 2
