r"""The Riemannian submersion: φ carries the Frobenius metric of the balanced layers to g^N."""

from __future__ import annotations

from typing import Any

from sympy import Expr, IndexedBase, S, Sum, Symbol, Tuple

from geometry import DeepLinearNetwork
from geometry.layers import adjoint, defect_velocity, defects, differential, end_to_end, layer_singular_value
from geometry.submersion import LAYER_INDEX, HorizontalLift, lift_component, vertical_component

from ..check_points import instances, values_at
from ..definition import Point
from ..derivation import Derivation, NotApplicableError
from ..layer_points import balanced_layers_over, inner_product, matrix_of, relative_size, tangent_vector
from ..references import MENON
from ..standard_networks import networks_over_fields, standard_networks, symbolic_network
from ..step import Step

__all__ = ["NAME", "REFERENCE", "derive", "networks", "require_layers"]

NAME = "riemannian-submersion"
REFERENCE = MENON
WIDER = 1
"""How much wider than the rank the hidden layers of the checks are."""


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those of finite depth: standard, symbolic in everything, over C and H."""
    every = (*standard_networks(), symbolic_network(), *networks_over_fields())
    return tuple(network for network in every if not network.is_infinitely_deep)


def require_layers(network: DeepLinearNetwork) -> None:
    """Refuse infinite depth.

    Raises
    ------
    NotApplicableError
        At infinite depth.
    """
    if network.is_infinitely_deep:
        raise NotApplicableError("depth oo has no layers; choose a finite or symbolic depth")


def derive(network: DeepLinearNetwork) -> Derivation:
    """φ maps balanced layers to X by a Riemannian submersion: the N squares of a lift add up to λ_kl.

    Raises
    ------
    NotApplicableError
        At infinite depth, which has no layers.
    """
    require_layers(network)
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    lift, left, right = (HorizontalLift(network, *pair) for pair in ((a, b), (S.Zero, b), (a, S.Zero)))
    return Derivation(
        name=NAME,
        network=network,
        statement=r"On balanced layers $\varphi(W) = W_N \cdots W_1$ is a Riemannian submersion onto the matrices of "
        r"rank $r$ with $g^N$. With $(d\varphi^* Z)_p = (W_N \cdots W_{p+1})^{\mathsf T} Z (W_{p-1} \cdots "
        r"W_1)^{\mathsf T}$ the horizontal lift of $\mathcal{A}(Z)$ is $d\varphi^* Z$"
        + (r"$/N$ (both metrics times $N$)" if network.rescaled else "")
        + r", of squared length $\langle Z, \mathcal{A}(Z)\rangle$; $q_{p,k}$ are the singular vectors of the layers.",
        steps=(
            *_tangent_and_horizontal(lift),
            Step(_image(lift), lift.summed_norm(), r"its image is that under the operator: what layer p contributes"),
            Step(lift.squared_norm(), lift.summed_norm(), "its squared length over the layers is the same sum"),
            Step(left.squared_norm(), left.summed_norm(), "on a left null direction only the last layer acts"),
            Step(right.squared_norm(), right.summed_norm(), "on a right null direction only the first layer acts"),
        ),
        result=Tuple(lift.component(LAYER_INDEX), lift.summed_norm(), left.summed_norm()),
        subject=(
            r"\langle q_{p,k},\, L_p(u_k v_l^{\mathsf T})\, q_{p-1,l}\rangle",
            r"|L(u_k v_l^{\mathsf T})|^2",
            r"|L(u_\perp v_l^{\mathsf T})|^2",
        ),
        reference=REFERENCE,
        residual=_residual,
    )


def _tangent_and_horizontal(lift: HorizontalLift) -> tuple[Step, Step]:
    """The lift keeps the balance, and each term of its product with a vertical vector is a difference."""
    a, b, depth, p = lift.left, lift.right, lift.depth, LAYER_INDEX
    first, second = (layer_singular_value(value, depth) for value in (a, b))
    component, following = lift_component(a, b, p, depth), lift_component(a, b, p + 1, depth)

    def telescoping(turn: Expr, previous: Expr) -> tuple[Expr, Expr]:
        product = component * vertical_component(a, b, turn, previous, depth)
        return product, following * first * turn - component * first * previous

    alpha = IndexedBase("alpha")
    return (
        Step(
            first * following,
            component * second,
            "both sides of the balance change alike: the lift is tangent to the balanced layers",
        ),
        Step(
            *telescoping(Symbol("alpha", real=True), Symbol("beta", real=True)),
            "with a fibre direction the terms telescope, and rotations rest at both ends: the lift is horizontal",
            shown=telescoping(alpha[p], alpha[p - 1]),
        ),
    )


def _image(lift: HorizontalLift) -> Expr:
    """Entry kl of dφ of the lift: layer p contributes σ_k^{(N-p)/N} (lift)_p σ_l^{(p-1)/N}."""
    outside = lift_component(lift.left, lift.right, LAYER_INDEX, lift.depth)
    return Sum(outside * lift.component(LAYER_INDEX), (LAYER_INDEX, 1, lift.depth))


# ---------------------------------------------------------------------------------- against the definition


def _residual(derivation: Derivation, route: str) -> float:
    """Layers of the definition: balance, product, image, length and orthogonality to the fibre."""
    worst = 0.0
    for numeric, values, point in instances(derivation.network, route):
        layers, Z = balanced_layers_over(point, WIDER), tangent_vector(point)
        X, lift, image = matrix_of(point), adjoint(layers, Z), point.apply(Z)
        worst = max(
            worst,
            relative_size([end_to_end(layers) - X], [X]),
            relative_size(defects(layers), layers),
            relative_size(defect_velocity(layers, lift), lift),
            # At depth 1 the operator leaves the tangent space for matrices of lower rank.
            relative_size([differential(layers, lift) - image], [image]),
            _length_error(derivation, numeric, values, point, route, (Z, lift)),
            _fibre_error(layers, lift, point),
            _component_error(derivation, numeric, values, point, route),
        )
    return worst


def _length_error(
    derivation: Derivation,
    numeric: DeepLinearNetwork,
    values: dict[Symbol, Any],
    point: Point,
    route: str,
    vectors: tuple[Any, tuple[Any, ...]],
) -> float:
    """|dφ* Z|² against the sum of the derived squares, component by component."""
    _, pair, null = derivation.result
    lift, components = vectors[1], point.components(vectors[0])
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    expected: Any = 0
    for position, (k, l, _) in enumerate(point.tangent_basis()):
        sigma = [point.singular_values[index] for index in (k, l) if index < point.rank]
        square, names = (pair, (a, b)) if len(sigma) == 2 else (null, (b,))
        (weight,) = values_at([square.subs(values)], dict(zip(names, sigma, strict=True)), route)
        expected = expected + weight * components[position, 0] ** 2
    # <., .> over the field is that of the blocks over β, and the layers' metric is multiplied by N where rescaled.
    found = inner_product(lift, lift) / point.beta
    scale = numeric.operator_divisor
    return abs(float((found - expected * (float(scale) if route == "float" else scale)) / found))


def _component_error(
    derivation: Derivation, numeric: DeepLinearNetwork, values: dict[Symbol, Any], point: Point, route: str
) -> float:
    """The layers of dφ*(u_1 v_rᵀ), whose squares are those of the derived components."""
    last = point.rank - 1
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    numbers = {a: point.singular_values[0], b: point.singular_values[last]}
    worst = 0.0
    for p, moved in enumerate(adjoint(balanced_layers_over(point), point.outer(0, last)), 1):
        square = (derivation.result[0] * numeric.operator_divisor).subs(values).subs(LAYER_INDEX, p) ** 2
        (expected,) = values_at([square], numbers, route)
        found = inner_product([moved], [moved]) / point.beta
        worst = max(worst, abs(float((found - expected) / found)))
    return worst


def _fibre_error(layers: list[Any], lift: tuple[Any, ...], point: Point) -> float:
    """The product with a velocity of the fibre, a_p W_p - W_p a_{p-1} for random skew a_p, which has no image."""
    moves = [0 * layer for layer in layers]
    for p in range(len(layers) - 1):
        turn = point.skew_matrix(point.rank + WIDER)
        moves[p] = moves[p] + turn @ layers[p]
        moves[p + 1] = moves[p + 1] - layers[p + 1] @ turn
    product = inner_product(moves, lift)
    size = float(inner_product(moves, moves) * inner_product(lift, lift)) ** 0.5
    image = differential(layers, moves)
    return max(relative_size([image], moves), float(abs(product)) / size if product != 0 else 0.0)
