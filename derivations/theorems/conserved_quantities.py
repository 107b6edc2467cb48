r"""Conserved quantities of the layer flow: the defects, and how a regularizer makes them decay."""

from __future__ import annotations

from typing import Any

from sympy import Derivative, Expr, Matrix, MatrixSymbol, Symbol

from geometry import DeepLinearNetwork
from geometry.layers import (
    adjoint,
    defect_decay,
    defect_velocity,
    defects,
    differential,
    end_to_end,
    frobenius_product,
    symbolic_layers,
    symbolic_matrix,
)

from ..check_points import instances, values_at
from ..definition import Point
from ..derivation import Derivation
from ..layer_points import directions, inner_product, random_layers, relative_size
from ..references import ARORA_COHEN_HAZAN
from ..step import Step
from .riemannian_submersion import networks, require_layers

__all__ = ["NAME", "REFERENCE", "derive", "difference_quotient", "networks"]

NAME = "conserved-quantities"
REFERENCE = ARORA_COHEN_HAZAN
WIDTHS = (2, 3, 2, 1, 2)
"""Widths of the generic layers B, W_p, W_{p+1}, A of the steps; A and B stand for the products of all others."""
STRENGTH, TIME = Symbol("mu", positive=True), Symbol("t", positive=True)
WIDER = 1
"""How much wider than the rank the hidden layers of the checks are."""


def derive(network: DeepLinearNetwork) -> Derivation:
    """W_{p+1}ᵀ W_{p+1} - W_p W_pᵀ is constant; with the regularizer (μ/2) Σ |W_p|² it decays like exp(-2 μ t).

    Raises
    ------
    NotApplicableError
        At infinite depth, which has no layers.
    """
    require_layers(network)
    decay, defect = defect_decay(STRENGTH, TIME), Symbol("D", real=True)
    decays = Step(
        (defect * decay).diff(TIME),
        -2 * STRENGTH * defect * decay,
        "a linear equation for every entry of the defect, solved",
        shown=(Derivative(defect * decay, TIME), -2 * STRENGTH * defect * decay),
    )
    return Derivation(
        name=NAME,
        network=network,
        statement=r"Along $dW_p/dt = -\partial L/\partial W_p$ with $L(W) = E(W_N \cdots W_1) + \mu \sum_p |W_p|^2/2$ "
        r"the defects $D_p = W_{p+1}^{\mathsf T} W_{p+1} - W_p W_p^{\mathsf T}$ are constant for $\mu = 0$, and decay "
        r"exactly like $e^{-2 \mu t}$ otherwise.",
        steps=(*_defect_steps(), decays, _velocity_step()),
        result=decay,
        subject=(r"D_p(t)/D_p(0)",),
        reference=REFERENCE,
        residual=_residual,
    )


def _against(side: Matrix) -> Expr:
    """<Y, .> with generic Y: the equality of two matrices as one of numbers."""
    return frobenius_product(symbolic_matrix("y", *side.shape), side)


def _named(*names: str) -> tuple[MatrixSymbol, ...]:
    """Matrices as the steps are written with them."""
    return tuple(MatrixSymbol(name, 2, 2) for name in names)


def _defect_steps() -> tuple[Step, Step]:
    """Two neighbouring layers W_p and W_q, q = p + 1, between A and B, with a generic gradient G."""
    layers, gradient = symbolic_layers(WIDTHS), symbolic_matrix("G", WIDTHS[-1], WIDTHS[0])
    pull = adjoint(layers, gradient)
    moved = tuple(-slope - STRENGTH * layer for layer, slope in zip(layers, pull, strict=True))
    B, W, V, A, G = _named("B", "W_p", "W_q", "A", "G")
    force, next_force, rate, next_rate = _named("F_p", "F_q", "Wdot_p", "Wdot_q")
    return (
        Step(
            _against(layers[2].T @ pull[2]),
            _against(pull[1] @ layers[1].T),
            "q = p+1; with A and B the products of the layers to the left and right both feel the same force",
            shown=(V.T * next_force, force * W.T),
            where={force: V.T * A.T * G * B.T, next_force: A.T * G * B.T * W.T},
        ),
        Step(
            _against(defect_velocity(layers, moved)[1]),
            _against(-2 * STRENGTH * defects(layers)[1]),
            "the forces cancel in the velocity of the defect, and the regularizer is left",
            shown=(
                V.T * next_rate + next_rate.T * V - W * rate.T - rate * W.T,
                -2 * STRENGTH * (V.T * V - W * W.T),
            ),
            where={rate: -force - STRENGTH * W, next_rate: -next_force - STRENGTH * V},
        ),
    )


def _velocity_step() -> Step:
    """dX/dt in terms of the layers, balanced or not: dφ dφ* for three of them."""
    widths = (2, 1, 2, 2)
    layers, gradient = symbolic_layers(widths), symbolic_matrix("G", widths[-1], widths[0])
    W, V, U = layers
    terms = [(U @ V) @ (U @ V).T @ gradient, U @ U.T @ gradient @ W.T @ W, gradient @ (V @ W).T @ (V @ W)]
    G, *named = _named("G", "W_1", "W_2", "W_3")
    first, second, third = named
    forces = _named("F_1", "F_2", "F_3")
    return Step(
        _against(-differential(layers, adjoint(layers, gradient))),
        _against(-sum(terms[1:], terms[0])),
        "the end-to-end matrix of layers that need not be balanced, here of three, moves by",
        shown=(
            -(third * second * forces[0] + third * forces[1] * first + forces[2] * second * first),
            -(third * second * second.T * third.T * G)
            - third * third.T * G * first.T * first
            - G * first.T * second.T * second * first,
        ),
        where={
            forces[0]: second.T * third.T * G,
            forces[1]: third.T * G * first.T,
            forces[2]: G * first.T * second.T,
        },
    )


# ---------------------------------------------------------------------------------- against the definition


def _residual(derivation: Derivation, route: str) -> float:
    """The velocity of the defects of random layers, whose gradient is that of differences of the loss."""
    worst = 0.0
    for _, _, point in instances(derivation.network, route):
        layers = random_layers(point, WIDER)
        strength, target = abs(point.random()), point.random_matrix()
        # The exponential at t = 0: its rate there is all that a linear equation needs.
        (rate,) = values_at([derivation.result.diff(TIME).subs(TIME, 0)], {STRENGTH: strength}, route)
        velocities = _layer_flow(point, layers, target, strength)
        changes = difference_quotient(defects, layers, velocities)
        expected = [rate * defect for defect in defects(layers)]
        errors = [change - value for change, value in zip(changes, expected, strict=True)]
        moved = _velocity_error(layers, target, strength, velocities)
        worst = max(worst, relative_size(errors, [*changes, *layers]), moved)
    return worst


def _layer_flow(point: Point, layers: list[Any], target: Any, strength: Any) -> list[Any]:
    """-∂L/∂W_p for E(X) = |X - C|²/2, by central differences, exact as L is quadratic in each entry."""

    def loss(moved: list[Any]) -> Any:
        difference = end_to_end(moved) - target
        energy = inner_product([difference], [difference]) + strength * inner_product(moved, moved)
        return energy / (2 * point.beta)

    velocities = []
    for p, layer in enumerate(layers):
        velocity = 0 * layer
        for unit in directions(point, layer):
            up, down = (loss([*layers[:p], layer + sign * unit, *layers[p + 1 :]]) for sign in (1, -1))
            velocity = velocity - (up - down) / 2 * unit
        velocities.append(velocity)
    return velocities


def difference_quotient(function: Any, layers: list[Any], velocities: list[Any]) -> list[Any]:
    """The derivative of a quadratic function along velocities: a central difference is exact."""
    ends = (function([W + sign * V for W, V in zip(layers, velocities, strict=True)]) for sign in (1, -1))
    return [(up - down) / 2 for up, down in zip(*ends, strict=True)]


def _velocity_error(layers: list[Any], target: Any, strength: Any, velocities: list[Any]) -> float:
    """dX/dt, one layer moved at a time, against dφ dφ* ∇E and the regularizer's -μ N X."""
    X = end_to_end(layers)
    moved = [end_to_end([*layers[:p], V, *layers[p + 1 :]]) for p, V in enumerate(velocities)]
    formula = -differential(layers, adjoint(layers, X - target)) - strength * len(layers) * X
    return relative_size([sum(moved[1:], moved[0]) - formula], [formula])
