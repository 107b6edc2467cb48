r"""Two unbalanced layers whose defect is a multiple of the identity move X by a spectral metric as well."""

from __future__ import annotations

from typing import Any

from sympy import Expr, MatrixSymbol, Symbol

from geometry import DeepLinearNetwork, SpectralMetric
from geometry.constant_defect import constant_defect_metric, layer_square
from geometry.layers import (
    adjoint,
    defects,
    differential,
    end_to_end,
    frobenius_product,
    symbolic_layers,
    symbolic_matrix,
)

from ..check_points import instances, values_at
from ..definition import Point
from ..derivation import Derivation, NotApplicableError
from ..layer_points import relative_size
from ..references import ARORA_COHEN_HAZAN
from ..step import Step

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "constant-defect"
REFERENCE = ARORA_COHEN_HAZAN
DEFECT = Symbol("delta", real=True)


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those of two layers and full rank, one of symbolic rank, and over C and H."""
    r = Symbol("r", integer=True, positive=True)
    return (
        DeepLinearNetwork(2, (3, 3)),
        DeepLinearNetwork(2, (r, r), r),
        DeepLinearNetwork(2, (2, 2), field="C"),
        DeepLinearNetwork(2, (2, 2), field="H"),
    )


def derive(network: DeepLinearNetwork) -> Derivation:
    """Layers with W_2ᵀ W_2 - W_1 W_1ᵀ = δ move X by the metric with λ(a, b) = √(a² + δ²/4) + √(b² + δ²/4).

    Raises
    ------
    NotApplicableError
        Unless there are two layers and m = n = r.
    """
    if network.depth != 2 or network.coframe.has_null_directions:
        raise NotApplicableError(f"a constant defect gives a metric for two layers and m = n = r, not for {network}")
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    metric: SpectralMetric = constant_defect_metric(network.rank, DEFECT, network.field)
    multiplier = metric.pair_multiplier(a, b)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"Where $W_2^{\mathsf T} W_2 - W_1 W_1^{\mathsf T} = \delta$, which the layer flow conserves, $S = "
        r"W_2 W_2^{\mathsf T}$ and $T = W_1^{\mathsf T} W_1$ are functions of $X = W_2 W_1$, and $dX/dt = "
        r"-(S \nabla E + \nabla E\, T)$ is the gradient flow in a spectral metric with the multiplier $s_k + t_l$.",
        steps=(
            *_square_steps(),
            _eigenvalue_step(a, DEFECT, "s: the positive solution, an eigenvalue of S"),
            _eigenvalue_step(a, -DEFECT, "t: the same with the opposite sign of the defect, an eigenvalue of T"),
            Step(
                layer_square(a, DEFECT) + layer_square(b, -DEFECT),
                multiplier,
                "S acts from the left, T from the right: symmetric, since s - t is the defect everywhere",
            ),
        ),
        result=multiplier,
        subject=(r"\lambda_{kl}",),
        reference=REFERENCE,
        residual=_residual,
    )


def _square_steps() -> tuple[Step, Step]:
    """X Xᵀ and Xᵀ X for two layers with any defect D."""
    layers = symbolic_layers((2, 3, 2))
    W, V = layers
    X, (defect,) = end_to_end(layers), defects(layers)
    S, T, D, first, second, product = (MatrixSymbol(name, 2, 2) for name in ("S", "T", "D", "W_1", "W_2", "X"))
    test = symbolic_matrix("y", 2, 2)
    where = {S: second * second.T, T: first.T * first, D: second.T * second - first * first.T}
    left, right = V @ V.T, W.T @ W
    return (
        Step(
            frobenius_product(test, left @ left - V @ defect @ V.T),
            frobenius_product(test, X @ X.T),
            "for two layers with the defect D, which is taken to be delta times the identity in what follows",
            shown=(S * S - second * D * second.T, product * product.T),
            where={S: where[S], D: where[D]},
        ),
        Step(
            frobenius_product(test, right @ right + W.T @ defect @ W),
            frobenius_product(test, X.T @ X),
            "and on the other side",
            shown=(T * T + first.T * D * first, product.T * product),
            where={T: where[T], D: where[D]},
        ),
    )


def _eigenvalue_step(sigma: Symbol, defect: Expr, reason: str) -> Step:
    name = Symbol("s" if defect == DEFECT else "t", positive=True)
    square = {name: layer_square(sigma, defect)}
    return Step.abbreviated(name**2 - defect * name, sigma**2, reason, square)


# ---------------------------------------------------------------------------------- against the definition


def _residual(derivation: Derivation, route: str) -> float:
    """Layers with a constant defect: dφ dφ* on them against the derived multiplier, entry by entry."""
    worst = 0.0
    for _, _, point in instances(derivation.network, route):
        defect = point.random()
        # e ± δ/e are rational, and the difference of their squares is the same for all e.
        parts = [1 + abs(defect) + point.singular_values[k] for k in range(point.rank)]
        left, right = ([(e + sign * defect / e) / 2 for e in parts] for sign in (1, -1))
        middle = point.unitary_matrix(point.rank)
        layers = [middle @ _diagonal(point, right) @ point.V.T, point.U @ _diagonal(point, left) @ middle.T]
        expected = defect * middle @ middle.T
        worst = max(worst, relative_size([defects(layers)[0] - expected], layers))
        values = [x * y for x, y in zip(left, right, strict=True)]
        worst = max(worst, _operator_error(derivation, point, layers, values, defect, route))
    return worst


def _diagonal(point: Point, values: list[Any]) -> Any:
    size = point.beta * point.rank
    diagonal = point.matrix(size, size)
    for i in range(size):
        diagonal[i, i] = values[i // point.beta]
    return diagonal


def _operator_error(
    derivation: Derivation, point: Point, layers: list[Any], values: list[Any], defect: Any, route: str
) -> float:
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    Z = point.random_matrix()
    before, after = (point.components(vector) for vector in (Z, differential(layers, adjoint(layers, Z))))
    worst = 0.0
    for position, (k, l, _) in enumerate(point.tangent_basis()):
        numbers = {a: values[k], b: values[l], DEFECT: defect}
        (weight,) = values_at([derivation.result], numbers, route)
        error = after[position, 0] - weight * before[position, 0]
        worst = max(worst, abs(float(error)) / abs(float(weight)))
    return worst
