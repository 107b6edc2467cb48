r"""The balancing flow: the L² regularizer drives any layers of one product to the balanced ones."""

from __future__ import annotations

from typing import Any

from sympy import Matrix, MatrixSymbol, Sum, Symbol, Trace, Tuple, diag, expand, sympify

from geometry import DeepLinearNetwork
from geometry.balancing import (
    fibre_velocity,
    least_regularizer,
    regularizer_derivative,
    regularizer_second_derivative,
    scalar_balancing_flow,
)
from geometry.layers import (
    adjoint,
    defect_decay,
    defect_velocity,
    defects,
    differential,
    frobenius_product,
    layer_singular_value,
    symbolic_layers,
    symbolic_matrix,
)
from geometry.submersion import LAYER_INDEX

from ..check_points import at_instance, instances, values_at
from ..definition import Point
from ..derivation import Derivation
from ..layer_points import balanced_layers_over, inner_product, random_invertible, relative_size
from ..references import LINDSEY_MENON
from ..step import Step
from .conserved_quantities import difference_quotient
from .riemannian_submersion import networks, require_layers

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "balancing-flow"
REFERENCE = LINDSEY_MENON
TIME = Symbol("t", positive=True)
COUNT = 3
"""The number of layers of the steps that need some."""


def derive(network: DeepLinearNetwork) -> Derivation:
    """The regularizer's gradient flow on a fibre converges to balanced layers, whose defects decay like exp(-2 t).

    Raises
    ------
    NotApplicableError
        At infinite depth, which has no layers.
    """
    require_layers(network)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"On the layers of hidden width $r$ with $W_N \cdots W_1 = X$, moved by $\xi_p W_p - W_p \xi_{p-1}$, "
        r"the critical points of $\frac12 \sum_p |W_p|^2$ are the balanced layers, where it is least; along its "
        r"gradient flow each defect $D_p = W_{p+1}^{\mathsf T} W_{p+1} - W_p W_p^{\mathsf T}$ decays exactly like "
        r"$e^{-2t}$.",
        steps=(
            _critical_step(),
            _convexity_step(),
            _value_step(network),
            _decay_step(),
            _hessian_step(network),
            _scalar_step(),
        ),
        result=Tuple(least_regularizer(network), defect_decay(sympify(1), TIME)),
        subject=(r"\min \tfrac12 \sum_p |W_p|^2", r"D_p(t)/D_p(0)"),
        reference=REFERENCE,
        residual=_residual,
    )


def _named(*names: str) -> tuple[MatrixSymbol, ...]:
    return tuple(MatrixSymbol(name, 2, 2) for name in names)


def _symmetric(letter: str, side: int) -> Matrix:
    entries = symbolic_matrix(letter, side, side)
    return Matrix(side, side, lambda i, j: entries[min(i, j), max(i, j)])


def _critical_step() -> Step:
    """What a generator between two layers does to the regularizer."""
    layers, generator = symbolic_layers((3, 2, 3)), symbolic_matrix("xi", 2, 2)
    W, V, xi = _named("W_p", "W_q", "xi_p")
    return Step(
        regularizer_derivative(layers, [generator]),
        -frobenius_product(generator, defects(layers)[0]),
        "q = p+1: what the generator of one hidden space contributes to the derivative; "
        "zero for all of them exactly where the layers are balanced",
        shown=(Trace(W.T * xi * W) - Trace(V.T * V * xi), Trace(xi.T * (W * W.T - V.T * V))),
    )


def _convexity_step() -> Step:
    """The second derivative along symmetric generators, for one layer between two hidden spaces."""
    (layer,) = symbolic_layers((3, 2))
    left, right = _symmetric("xi", 2), _symmetric("eta", 3)
    velocity = left @ layer - layer @ right
    acceleration = left @ velocity - velocity @ right
    W, V, xi, eta = _named("W_p", "V_p", "xi_p", "xi_q")
    return Step(
        frobenius_product(velocity, velocity) + frobenius_product(layer, acceleration),
        2 * frobenius_product(velocity, velocity),
        "q = p-1: for symmetric generators the regularizer is convex along exp(t xi), so critical points are minima",
        shown=(Trace(V.T * V) + Trace(W.T * (xi * V - V * eta)), 2 * Trace(V.T * V)),
        where={V: xi * W - W * eta},
    )


def _value_step(network: DeepLinearNetwork) -> Step:
    """The regularizer of balanced layers, for one singular value."""
    a, depth = Symbol("sigma_k", positive=True), sympify(network.depth)
    single = DeepLinearNetwork(network.depth, (1, 1))
    return Step(
        Sum(layer_singular_value(a, depth) ** 2 / 2, (LAYER_INDEX, 1, depth)),
        least_regularizer(single).xreplace({single.singular_values[0]: a}),
        "balanced layers share the singular values of which each has one N-th root in every layer",
    )


def _decay_step() -> Step:
    """The flow is a layer flow with -M for the gradient of the loss, and the regularizer."""
    widths = (2, 1, 2, 3)
    layers, multiplier = symbolic_layers(widths), symbolic_matrix("M", widths[-1], widths[0])
    velocities = [pull - layer for layer, pull in zip(layers, adjoint(layers, multiplier), strict=True)]
    test = symbolic_matrix("y", 2, 2)
    W, V, rate, next_rate = _named("W_p", "W_q", "Wdot_p", "Wdot_q")
    A, B, M = _named("A", "B", "M")
    return Step(
        frobenius_product(test, defect_velocity(layers, velocities)[1]),
        -2 * frobenius_product(test, defects(layers)[1]),
        "with the Lagrange multiplier M of the product X it is a regularized layer flow: defects decay",
        shown=(V.T * next_rate + next_rate.T * V - W * rate.T - rate * W.T, -2 * (V.T * V - W * W.T)),
        where={rate: V.T * A.T * M * B.T - W, next_rate: A.T * M * B.T * W.T - V},
    )


def _hessian_step(network: DeepLinearNetwork) -> Step:
    """The Hessian at balanced layers, in the entries kl = x and lk = y of the generators."""
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    roots = [layer_singular_value(value, sympify(network.depth)) for value in (a, b)]
    entries = [(Symbol(f"x_{p}", real=True), Symbol(f"y_{p}", real=True)) for p in range(1, COUNT)]
    means = {Symbol(f"s_{p}", real=True): (x + y) / 2 for p, (x, y) in enumerate(entries, 1)}
    across = fibre_velocity([diag(*roots)] * COUNT, [Matrix([[0, mean], [mean, 0]]) for mean in means])
    second = regularizer_second_derivative([diag(*roots)] * COUNT, [Matrix([[0, x], [y, 0]]) for x, y in entries])
    metric = expand(2 * inner_product(across, across))
    return Step(
        second,
        metric.xreplace(means),
        "at balanced layers, here three, the Hessian is twice the metric on symmetric generators and zero on skew "
        "ones, entries kl and lk = x and y: every other direction decays like exp(-2 t)",
        shown=(expand(second), metric),
        where=means,
    )


def _scalar_step() -> Step:
    """Scalar layers: the squares go to their harmonic mean."""
    equations = scalar_balancing_flow(COUNT)
    weights = [equation.lhs.args[0] for equation in equations]
    harmonic = COUNT / sum((weight**-2 for weight in weights[1:]), weights[0] ** -2)
    return Step(
        2 * weights[0] * equations[0].rhs,
        2 * (harmonic - weights[0] ** 2),
        "for scalar layers, here three: the square of each moves towards their harmonic mean",
    )


# ---------------------------------------------------------------------------------- against the definition


def _residual(derivation: Derivation, route: str) -> float:
    """Balanced layers and others over the same X: value, derivative, and the velocity of the constrained flow."""
    least, decay = derivation.result
    worst = 0.0
    for numeric, values, point in instances(derivation.network, route):
        layers = balanced_layers_over(point)
        numbers = dict(zip(numeric.singular_values, point.singular_values, strict=True))
        value, rate = values_at([at_instance(least, values), decay.diff(TIME).subs(TIME, 0)], numbers, route)
        found = inner_product(layers, layers) / (2 * point.beta)
        worst = max(worst, abs(float((found - value) / value)), _flow_error(point, _moved(point, layers), rate, found))
    return worst


def _moved(point: Point, layers: list[Any]) -> list[Any]:
    """g_p W_p g_{p-1}⁻¹ for random g_p: layers with the same product that are not balanced."""
    moved = list(layers)
    for p in range(len(layers) - 1):
        forth, back = random_invertible(point)
        moved[p], moved[p + 1] = forth @ moved[p], moved[p + 1] @ back
    return moved


def _flow_error(point: Point, layers: list[Any], rate: Any, least: Any) -> float:
    """The gradient -W + dφ* M in the fibre, by projection, and what it does to the defects."""
    basis = [adjoint(layers, point.outer(*element)) for element in point.tangent_basis()]
    gram, right = point.matrix(len(basis), len(basis)), point.matrix(len(basis), 1)
    for i, normal in enumerate(basis):
        right[i, 0] = inner_product(normal, layers)
        for j, other in enumerate(basis):
            gram[i, j] = inner_product(normal, other)
    weights = point.solve(gram, right)
    velocities = [-layer for layer in layers]
    for i, normal in enumerate(basis):
        velocities = [V + weights[i, 0] * N for V, N in zip(velocities, normal, strict=True)]
    changes = difference_quotient(defects, layers, velocities)
    errors = [change - rate * defect for change, defect in zip(changes, defects(layers), strict=True)]
    image = relative_size([differential(layers, velocities)], layers)
    # No layers over X have a lower value than balanced ones, up to rounding in the least digit that counts.
    higher = 0.0 if float(inner_product(layers, layers) / (2 * point.beta) - least) >= -1e-12 else 1.0
    return max(relative_size(errors, [*changes, *layers]), image, higher, _orthogonality(point, layers, velocities))


def _orthogonality(point: Point, layers: list[Any], velocities: list[Any]) -> float:
    """<V + W, ξ_p W_p - W_p ξ_{p-1}> = 0 for random generators: V is the gradient of -½ Σ |W_p|² in the fibre.

    Equivalently the derivative of the regularizer, -<ξ, D>, is -<V, ·>.
    """
    generators = [random_invertible(point)[0] for _ in layers[1:]]
    if not generators:
        return 0.0
    moves = [0 * layer for layer in layers]
    for p, generator in enumerate(generators):
        moves[p] = moves[p] + generator @ layers[p]
        moves[p + 1] = moves[p + 1] - layers[p + 1] @ generator
    slope = inner_product(generators, defects(layers))
    size = float(inner_product(moves, moves) * inner_product(layers, layers)) ** 0.5
    products = (inner_product(velocities, moves) - slope, inner_product(layers, moves) + slope)
    return max(float(abs(product)) / size if product != 0 else 0.0 for product in products)
