"""The reduced flow against the flow of A_N from its definition, at growing depth."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sympy import Matrix, Symbol, lambdify, oo, symbols

from geometry import DeepLinearNetwork
from geometry.slow_flow import SlowFlow, slow_flow, space_mobility

N = Symbol("N", positive=True)
M = np.array([[1.1, 0.3], [0.4, 0.9], [-0.5, 0.2]])
OBSERVED = [(0, 0), (0, 1), (1, 0), (2, 1)]


def square_loss(X: Any, places: list[tuple[int, int]]) -> Any:
    return sum((X[i, j] - M[i, j]) ** 2 for i, j in places) / 2


def everything() -> list[tuple[int, int]]:
    return [(i, j) for i in range(3) for j in range(2)]


def end_of_slow_flow(flow: SlowFlow, u: Any, v: Any, until: float) -> Any:
    names = [*flow.left, *flow.right]
    rate = lambdify(names, [*flow.left_velocity, *flow.right_velocity])
    start = np.concatenate([u, v])
    end = solve_ivp(lambda _, y: rate(*y), (0, until), start, rtol=1e-10, atol=1e-12).y[:, -1]
    block = np.array(lambdify(names, flow.block)(*end), dtype=float)
    return end[:3, None] @ block @ end[None, 3:]


def end_of_flow(depth: int, places: list[tuple[int, int]], X: Any, until: float) -> Any:
    """dX/dt = -A_N(∇E) from the definition, X of rank one: of the N terms the inner ones see u uᵀ Z v vᵀ."""
    mask = np.zeros(M.shape)
    for place in places:
        mask[place] = 1

    def velocity(_: float, entries: Any) -> Any:
        Y = entries.reshape(M.shape)
        size = np.linalg.norm(Y)
        U, _, Vt = np.linalg.svd(Y)
        left, right = np.outer(U[:, 0], U[:, 0]), np.outer(Vt[0], Vt[0])
        Z = mask * (Y - M)
        image = left @ Z + Z @ right + (depth - 2) * left @ Z @ right
        return -(size ** (2 - 2 / depth)) * image.ravel()

    run = solve_ivp(velocity, (0, until), X.ravel(), method="LSODA", rtol=1e-9, atol=1e-11)
    return run.y[:, -1].reshape(M.shape)


@pytest.mark.parametrize("places", [everything(), OBSERVED], ids=["all entries", "completion"])
def test_deep_flow_approaches_the_slow_flow(places: list[tuple[int, int]]) -> None:
    """At depths 50, 200, 800 the distance falls like 1/N."""
    u, v = np.array([1.0, 0.0, 0.0]), np.array([0.8, 0.6])
    flow = slow_flow(DeepLinearNetwork(N, (3, 2), 1), lambda X: square_loss(X, places))
    start = end_of_slow_flow(flow, u, v, 1e-12)
    expected = end_of_slow_flow(flow, u, v, 1.0)
    assert np.linalg.norm(expected - start) > 0.1
    errors = [np.linalg.norm(end_of_flow(depth, places, start, 1.0) - expected) for depth in (50, 200, 800)]
    for coarse, fine in pairwise(errors):
        # Four times the depth; the next order changes the ratio by a few percent.
        assert 3.2 < coarse / fine < 4.8
    assert errors[-1] < 2e-2


def test_spaces_of_columns_follow_oja() -> None:
    """For m x 1 targets the slow flow is solved by the span of exp(t M Mᵀ) u: tan θ = tan θ_0 exp(-s² t)."""
    s = 1.3
    flow = slow_flow(DeepLinearNetwork(N, (2, 1)), lambda X: ((X[0, 0] - s) ** 2 + X[1, 0] ** 2) / 2)
    rate = lambdify([*flow.left, *flow.right], list(flow.left_velocity))
    start = np.array([np.cos(1.2), np.sin(1.2)])
    end = solve_ivp(lambda _, y: rate(*y, 1.0), (0, 2), start, rtol=1e-11, atol=1e-13).y[:, -1]
    assert abs(end[1] / end[0] - np.tan(1.2) * np.exp(-(s**2) * 2)) < 1e-8


def test_energy_falls_by_the_squares_of_the_velocities() -> None:
    """The envelope theorem: dE/dt = -|dU/dt|² - |dV/dt|², by central differences of the slaved energy."""
    flow = slow_flow(DeepLinearNetwork(N, (3, 2), 1), lambda X: square_loss(X, OBSERVED))
    names = [*flow.left, *flow.right]
    block, rate = lambdify(names, flow.block[0]), lambdify(names, [*flow.left_velocity, *flow.right_velocity])
    point = np.array([0.6, 0.0, 0.8, 0.8, -0.6])
    velocity = np.array(rate(*point))

    def energy(y: Any) -> float:
        return float(square_loss(block(*y) * np.outer(y[:3], y[3:]), OBSERVED))

    step = 1e-5
    slope = (energy(point + step * velocity) - energy(point - step * velocity)) / (2 * step)
    assert abs(slope + velocity @ velocity) < 1e-8


def test_block_of_higher_rank() -> None:
    """Fully observed, r = 2: S* = Uᵀ M V without a linear system."""
    flow = slow_flow(DeepLinearNetwork(N, (3, 2), 2), lambda X: square_loss(X, everything()))
    target = Matrix(M.tolist())
    assert (flow.block - flow.left.T * target * flow.right).applyfunc(lambda x: x.expand()).norm() < 1e-12
    assert flow.right_velocity.is_zero_matrix


def test_block_of_a_completion_of_rank_two() -> None:
    """The equations of S* hold where numpy's least squares over the observed entries puts the block."""
    rng = np.random.default_rng(5)
    places = [(i, j) for i in range(4) for j in range(4) if (i + j) % 3]
    target = rng.standard_normal((4, 4))
    network = DeepLinearNetwork(N, (4, 4), 2)
    flow = slow_flow(network, lambda X: sum((X[i, j] - float(target[i, j])) ** 2 for i, j in places) / 2)
    U, V = (np.linalg.qr(rng.standard_normal((4, 2)))[0] for _ in range(2))
    design = np.array([np.outer(U[i], V[j]).ravel() for i, j in places])
    solved = np.linalg.lstsq(design, np.array([target[place] for place in places]), rcond=None)[0]
    values = dict(zip([*flow.left, *flow.right, *flow.block], [*U.ravel(), *V.ravel(), *solved], strict=True))
    assert len(flow.block_equations) == 4
    assert all(abs(float((eq.lhs - eq.rhs).subs(values))) < 1e-12 for eq in flow.block_equations)


def test_mobility_is_the_limit() -> None:
    sigma = Symbol("sigma", positive=True)
    assert space_mobility(DeepLinearNetwork(3, (3, 2)), sigma) == sigma


def test_bad_input() -> None:
    m, r = symbols("m r", integer=True, positive=True)

    def loss(X: Any) -> Any:
        return X[0, 0] ** 2

    for network, message in (
        (DeepLinearNetwork(N, (2, 2)), "null spaces"),
        (DeepLinearNetwork(oo, (3, 2)), "plain time"),
        (DeepLinearNetwork(N, (3, 2), field="C"), "real field"),
        (DeepLinearNetwork(N, (m, 2), r), "explicit"),
    ):
        with pytest.raises(ValueError, match=message):
            slow_flow(network, loss)
    with pytest.raises(ValueError, match="quadratic"):
        slow_flow(DeepLinearNetwork(N, (3, 2), 1), lambda X: X[0, 0] ** 4)
    with pytest.raises(ValueError, match="determine"):
        slow_flow(DeepLinearNetwork(N, (3, 2), 2), loss)
