r"""The slow flow: at large depth the block is slaved, and the spaces follow the gradient of what is left of E."""

from __future__ import annotations

from typing import Any

from sympy import Limit, Matrix, Symbol, Tuple, cos, oo, sin

import geometry.slow_flow
from geometry import DeepLinearNetwork

from ..check_points import instances, values_at
from ..definition import Point
from ..derivation import Derivation, NotApplicableError
from ..references import COHEN_MENON_VERASZTO
from ..step import Step
from .multiplier import defining_null_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "slow-flow"
REFERENCE = COHEN_MENON_VERASZTO.at("for the multiplier")

SIGMA, TARGET = Symbol("sigma", positive=True), Symbol("s", positive=True)
ANGLE = Symbol("theta", real=True)


def networks() -> tuple[DeepLinearNetwork, ...]:
    """With null spaces on one side and on both."""
    N = Symbol("N", positive=True)
    return (DeepLinearNetwork(N, (2, 1)), DeepLinearNetwork(N, (3, 2), 1), DeepLinearNetwork(N, (3, 2), 2))


def derive(network: DeepLinearNetwork) -> Derivation:
    """At large N the block is at its minimizer S*, and dU/dt = -(I - U Uᵀ) ∇E V S*ᵀ in plain time.

    Raises
    ------
    NotApplicableError
        If there are no null spaces, a size is symbolic, the field is not R, or the time is rescaled.
    """
    (m, n), N = network.shape, Symbol("N", positive=True)
    target = Matrix(m, n, lambda i, j: _entry(i, j)) if isinstance(m, int) and isinstance(n, int) else Matrix()
    try:
        flow = geometry.slow_flow.slow_flow(network, lambda X: _square_loss(X, target))
    except ValueError as error:
        raise NotApplicableError(str(error)) from error
    finite = DeepLinearNetwork(N, network.shape, network.rank)
    mobility = geometry.slow_flow.space_mobility(network, SIGMA)
    reached = flow.left.T * target * flow.right
    parts = [("S^*", flow.block), ("dU/dt", flow.left_velocity), ("dV/dt", flow.right_velocity)]
    return Derivation(
        name=NAME,
        network=network,
        statement=r"In plain time and to leading order in $1/N$ the block $S = U^{\mathsf T} X V$ is the minimizer of "
        r"$E = \tfrac12 |X - M|^2$ on its spaces, which move by $dU/dt = -(I - U U^{\mathsf T}) \nabla E\, V "
        r"S^{\mathsf T}$ and $dV/dt = -(I - V V^{\mathsf T}) \nabla E^{\mathsf T} U S$.",
        steps=(
            Step(
                defining_null_multiplier(finite, SIGMA),
                finite.pair_null_multiplier(SIGMA),
                "the one term of the sum that reaches the null space",
            ),
            Step(
                Limit(finite.pair_null_multiplier(SIGMA) / SIGMA, N, oo),
                mobility,
                "the mobility of the spaces as N grows",
            ),
            Step(reached[0, 0], flow.block[0, 0], "the slaved block, as U and V are orthonormal"),
            _angle_step(),
        ),
        result=Tuple(*(entry for _, matrix in parts for entry in matrix)),
        subject=tuple(
            f"({name})_{{{i + 1}{k + 1}}}"
            for name, matrix in parts
            for i in range(matrix.rows)
            for k in range(matrix.cols)
        ),
        reference=REFERENCE,
        residual=_residual,
    )


def _entry(i: int, j: int) -> Symbol:
    return Symbol(f"M_{i + 1}{j + 1}", real=True)


def _square_loss(X: Matrix, target: Matrix) -> Any:
    return sum((x - goal) ** 2 for x, goal in zip(X, target, strict=True)) / 2


def _angle_step() -> Step:
    """For M = (s, 0) and X = σ (cos θ, sin θ): dθ/dt = -s² sin θ cos θ, so tan θ decays like exp(-s² t)."""
    column = DeepLinearNetwork(Symbol("N", positive=True), (2, 1))
    flow = geometry.slow_flow.slow_flow(column, lambda X: _square_loss(X, Matrix([TARGET, 0])))
    values = dict(zip([*flow.left, *flow.right], [cos(ANGLE), sin(ANGLE), 1], strict=True))
    velocity = flow.left_velocity.subs(values)
    # dθ/dt = (-sin θ, cos θ) · dU/dt.
    turn = -sin(ANGLE) * velocity[0] + cos(ANGLE) * velocity[1]
    return Step(-(TARGET**2) * sin(ANGLE) * cos(ANGLE), turn, "a column turns towards its target M = (s, 0)")


def _residual(derivation: Derivation, route: str) -> float:
    """The block's gradient, and -A_N(∇E) on the null spaces, where one term of the sum is left, at its limit.

    (I - U Uᵀ) A_N(Z) V = (I - U Uᵀ) Z (XᵀX)^{(N-1)/N} V, and dU/dt is that times -S⁻¹.
    """
    _, _, point = instances(derivation.network, route)[0]
    M, r = point.random_matrix(), point.rank
    U, V = point.U[:, 0:r], point.V[:, 0:r]
    numbers = _numbers(point, M, U, V)
    found = values_at(list(derivation.result), numbers, route)
    block, left, right = _matrices(point, found)
    X = U @ block @ V.T
    slope = X - M
    expected_left = _projected(point, U, slope @ X.T @ X @ V, block)
    expected_right = _projected(point, V, slope.T @ X @ X.T @ U, block.T)
    return max(_size(U.T @ slope @ V), _size(left - expected_left), _size(right - expected_right))


def _numbers(point: Point, M: Any, U: Any, V: Any) -> dict[Symbol, Any]:
    m, n = point.shape
    numbers = {_entry(i, j): M[i, j] for i in range(m) for j in range(n)}
    for letter, frame, side in (("U", U, m), ("V", V, n)):
        for i in range(side):
            for k in range(point.rank):
                numbers[Symbol(f"{letter}_{i + 1}{k + 1}", real=True)] = frame[i, k]
    return numbers


def _matrices(point: Point, entries: list[Any]) -> list[Any]:
    (m, n), r = point.shape, point.rank
    remaining, matrices = iter(entries), []
    for rows in (r, m, n):
        matrix = point.matrix(rows, r)
        for i in range(rows):
            for k in range(r):
                matrix[i, k] = next(remaining)
        matrices.append(matrix)
    return matrices


def _projected(point: Point, frame: Any, image: Any, block: Any) -> Any:
    """-(I - U Uᵀ) image S⁻¹."""
    normal = image - frame @ (frame.T @ image)
    return -point.solve(block.T, normal.T).T


def _size(matrix: Any) -> float:
    rows, columns = (matrix.rows, matrix.cols) if hasattr(matrix, "rows") else matrix.shape
    return max(float(abs(matrix[i, j])) for i in range(rows) for j in range(columns))
