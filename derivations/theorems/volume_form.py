r"""The volume form √det g^N, from the Gram determinant of the coframe blocks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from sympy import Abs, Expr, Integer, Limit, Mul, Symbol, exp, factor, latex, oo, sympify

from geometry import DeepLinearNetwork
from geometry.coframe import CoframeBlock, generic_singular_value, gram_matrix
from geometry.indexed import IndexedProduct, SingularValue
from geometry.volume import block_volume_form

from ..check_points import at_instance, instances, numeric_network, value_at
from ..definition import FloatPoint
from ..derivation import Derivation
from ..references import COHEN_MENON_VERASZTO
from ..standard_networks import networks_over_fields, standard_networks, symbolic_network
from ..step import Step
from .metric import block_multiplier, network_multiplier, over_indices, summed_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "limit_exponent", "limit_steps", "limit_subject", "networks"]

NAME = "volume-form"
REFERENCE = COHEN_MENON_VERASZTO.at("Theorem 1")


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those of all kinds: standard, symbolic in everything, over C and H."""
    return (*standard_networks(), symbolic_network(), *networks_over_fields())


def derive(network: DeepLinearNetwork) -> Derivation:
    """√det g: determinants of the blocks, their roots, their product; at infinite depth the limit."""
    return Derivation(
        name=NAME,
        network=network,
        statement="The volume form is the limit of that of finite depth, factor by factor."
        if network.is_infinitely_deep
        else "The volume form is the root of the Gram determinant of the coframe, a product over its blocks.",
        steps=limit_steps(network) if network.is_infinitely_deep else _determinant_steps(network),
        result=network.volume_density(),
        subject=(limit_subject(network) if network.is_infinitely_deep else r"\sqrt{\det g}",),
        reference=REFERENCE,
        residual=_residual,
    )


def _determinant_steps(network: DeepLinearNetwork) -> tuple[Step, ...]:
    coframe = network.coframe
    steps, determinants, seen = [], [], set()
    weights: dict[Expr, Expr] = {}
    for block in coframe.blocks():
        name, weight = block_multiplier(network, block)
        weights |= summed_multiplier(coframe, block, name, weight)
        determinant = factor(gram_matrix(block).det()) / name ** len(block.forms)
        determinants.append(over_indices(coframe, block, IndexedProduct, determinant**block.multiplicity))
        if block.kind not in seen:
            seen.add(block.kind)
            single = CoframeBlock(block.kind, block.indices, block.forms, block.velocity, Integer(1))
            root = block_volume_form(single, network_multiplier(network, block)).density()
            reason = f"Gram determinant of a {block.kind} block"
            steps.append(Step.abbreviated(determinant, root**2, reason, {name: weight}))
    product = network.volume_density() ** 2
    steps.append(Step.abbreviated(Mul(*determinants), product, "product over all blocks: the density squared", weights))
    return tuple(steps)


def limit_exponent(network: DeepLinearNetwork) -> Expr:
    """β r²/2: the power of N that the volume density decays with."""
    return Integer(network.coframe.dyson_index) * sympify(network.coframe.rank) ** 2 / 2


def limit_subject(network: DeepLinearNetwork) -> str:
    """What the limit is of, in LaTeX."""
    return rf"\lim_{{N \to \infty}} N^{{{latex(limit_exponent(network))}}} \sqrt{{\det g^N}}"


def limit_steps(network: DeepLinearNetwork) -> tuple[Step, ...]:
    """The limits of the factors, and of N^{β r²/2} times the whole density."""
    N = Symbol("N", positive=True)
    finite = DeepLinearNetwork(N, network.shape, network.rank, network.field)
    steps = []
    bases = [base.function if isinstance(base, IndexedProduct) else base for base, _ in finite.volume_form.factors]
    for base in [base for base in bases if isinstance(base, Abs)][:1]:
        inner, h = base.args[0].replace(SingularValue, generic_singular_value), Symbol("h", positive=True)
        rate = inner.subs(N, 1 / h).diff(h).subs(h, 0)
        steps.append(Step(Limit(N * inner, N, oo), rate, "a difference of powers becomes one of logarithms"))
    density = network.infinite_depth().volume_density()
    order = limit_exponent(network)
    return (*steps, Step(Limit(N**order * finite.volume_density(), N, oo), density, "limit of the density"))


def _residual(derivation: Derivation, route: str) -> float:
    """density² against the Gram determinant of the definition."""
    network = derivation.network
    if network.is_infinitely_deep and (route == "exact" or network.coframe.has_null_directions):
        # No rational points, and no invertible operator: exactly and precisely the steps take the limit.
        return _extrapolation_residual(network) if route == "float" else 0.0
    worst = 0.0
    for numeric, values, point in instances(network, route):
        sigma = dict(zip(numeric.singular_values, point.singular_values, strict=True))
        scale = numeric.operator_divisor**numeric.coframe.dimension
        expected = point.squared_volume() * scale
        if route == "float":
            logarithm = at_instance(network.log_volume_density(), values)
            found = exp(2 * float(value_at(logarithm, sigma, route)))
        else:
            found = value_at(at_instance(derivation.result, values), sigma, route) ** 2
        worst = max(worst, abs(float((found - expected) / expected)))
    return worst


def _extrapolation_residual(network: DeepLinearNetwork) -> float:
    """The density against N^{β r²/2} times that of the definition, extrapolated in 1/N from N = 8 … 512."""
    numeric, values = numeric_network(network, oo, network.rank if isinstance(network.rank, int) else 2)
    points = [
        FloatPoint(2**power, numeric.shape, numeric.rank, seed=11, field=network.field)  # type: ignore[arg-type]
        for power in range(3, 10)
    ]
    table = [np.sqrt(point.squared_volume()) * point.depth ** float(limit_exponent(numeric)) for point in points]
    for order in range(1, len(table)):
        table = [(2**order * fine - coarse) / (2**order - 1) for coarse, fine in pairwise(table)]
    sigma = dict(zip(numeric.singular_values, points[0].singular_values, strict=True))
    logarithm = at_instance(network.log_volume_density(), values)
    return abs(float(np.exp(value_at(logarithm, sigma, "float"))) / float(table[0]) - 1)
