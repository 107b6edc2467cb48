"""Compiled velocities against products of layers and of matrices, and compiled steps against single ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import oo

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix, FlowError, FrozenSpacesWarning, MatrixCompletion, balanced_start, gradient_flow
from numerics.charts import FactoredChart, LayersChart

pytest.importorskip("numba")

Array = NDArray[np.float64]


def completion(shape: tuple[int, int], rank: int, share: float, seed: int, weighted: bool = False) -> MatrixCompletion:
    generator = np.random.default_rng(seed)
    M = generator.standard_normal((shape[0], rank)) @ generator.standard_normal((rank, shape[1]))
    M[generator.random(shape) > share] = np.nan
    M[0, 0] = 1.0
    return MatrixCompletion.from_array(M, generator.uniform(0.5, 2.0, shape) if weighted else None)


def a_point(shape: tuple[int, int], rank: int, seed: int) -> FactoredMatrix:
    generator = np.random.default_rng(seed)
    U, V = (np.linalg.qr(generator.standard_normal((side, rank)))[0] for side in shape)
    return FactoredMatrix(U, generator.standard_normal((rank, rank)) + 2 * np.eye(rank), V)


@pytest.mark.parametrize("rank", [1, 3, 7, 11, 32])
def test_velocity_is_that_of_the_definition(rank: int) -> None:
    """dX/dt from (dS, dU, dV) is -A_N(∇E), a sum of N terms with powers of X Xᵀ and XᵀX."""
    shape, depth = (rank + 7, rank + 4), 3
    energy, point = completion(shape, 2, 0.5, rank, weighted=True), a_point(shape, rank, rank + 1)
    chart = FactoredChart(energy, DeepLinearNetwork(depth, shape, rank), point)
    chart.compile()
    assert chart.field is not None
    velocity = chart.velocity(0.0, chart.coordinates(point))
    dS, rest = velocity[: rank * rank].reshape(rank, rank), velocity[rank * rank :]
    dU, dV = rest[: point.U.size].reshape(point.U.shape), rest[point.U.size :].reshape(point.V.shape)
    dX = dU @ point.S @ point.V.T + point.U @ dS @ point.V.T + point.U @ point.S @ dV.T
    np.testing.assert_allclose(dX, -definition(point, energy, depth), atol=1e-12 * np.abs(dX).max())


def definition(point: FactoredMatrix, energy: MatrixCompletion, depth: int) -> Array:
    """A_N(∇E) = Σ_k (X Xᵀ)^{(N-k)/N} ∇E (XᵀX)^{(k-1)/N}."""
    U, sigma, V = point.decomposition
    slope = energy.gradient(point.to_array()).toarray()

    def power(frame: Array, exponent: float) -> Array:
        side = np.eye(len(frame)) if exponent == 0 else (frame * sigma ** (2 * exponent)) @ frame.T
        return np.asarray(side)

    terms = (power(U, (depth - k) / depth) @ slope @ power(V, (k - 1) / depth) for k in range(1, depth + 1))
    return np.asarray(sum(terms))


@pytest.mark.parametrize("width", [1, 3, 12])
@pytest.mark.parametrize("depth", [2, 3, 6])
def test_layers_move_against_the_differenced_loss(width: int, depth: int) -> None:
    shape = (width + 4, width + 3)
    energy, point = completion(shape, 2, 0.5, width, weighted=True), a_point(shape, width, width)
    chart = LayersChart(energy, DeepLinearNetwork(depth, shape, width), point)
    chart.compile()
    assert chart.field is not None
    generator = np.random.default_rng(1)
    coordinates = chart.coordinates(point)
    direction = generator.standard_normal(coordinates.size)

    def loss(shift: float) -> float:
        product = np.eye(shape[1])
        for layer in chart.layers(coordinates + shift * direction):
            product = layer @ product
        return energy(product)

    step = 1e-5
    slope = (8 * (loss(step) - loss(-step)) - (loss(2 * step) - loss(-2 * step))) / (12 * step)
    assert direction @ chart.velocity(0.0, coordinates) == pytest.approx(-slope, rel=1e-8, abs=1e-8)


SETTINGS: list[tuple[Any, tuple[int, int], int, str]] = [
    (2, (9, 7), 3, "factored"),
    (3, (9, 7), 3, "layers"),
    (4, (7, 7), 7, "factored"),
    (4, (7, 7), 7, "layers"),
    (oo, (9, 7), 3, "factored"),
    (oo, (7, 7), 7, "factored"),
    (1, (9, 7), 7, "factored"),
]


@pytest.mark.filterwarnings("ignore::numerics.FrozenSpacesWarning")
@pytest.mark.parametrize(("depth", "shape", "rank", "chart"), SETTINGS)
def test_many_steps_at_once_are_the_single_steps(depth: Any, shape: tuple[int, int], rank: int, chart: str) -> None:
    """To the last bit: somebody who looks at each step makes them single ones."""
    network, energy = DeepLinearNetwork(depth, shape, rank), completion(shape, 2, 0.6, 1)
    start, times = balanced_start(network, 0.01, 2), [0.0, 3.0, 3.1, 40.0]
    settings: dict[str, Any] = {"chart": chart, "rtol": 1e-6, "compiled": True}
    seen: list[float] = []
    single = gradient_flow(energy, network, start, times, progress=lambda time, _: seen.append(time), **settings)
    many = gradient_flow(energy, network, start, times, **settings)
    assert len(seen) == single.statistics.steps
    assert many.statistics == single.statistics
    for mine, theirs in zip(many.factored, single.factored, strict=True):
        np.testing.assert_array_equal(mine.to_array(), theirs.to_array())


def test_many_steps_stop_where_the_method_or_the_chart_has_to_be_changed() -> None:
    network = DeepLinearNetwork(3, (7, 7), 7)
    energy, start = completion((7, 7), 2, 1.0, 5), balanced_start(network, 1e-6, 1)
    settings: dict[str, Any] = {"chart": "factored", "compiled": True, "rtol": 1e-7}
    times = [0.0, 2e4]
    single = gradient_flow(energy, network, start, times, progress=lambda *_: None, **settings)
    many = gradient_flow(energy, network, start, times, **settings)
    assert many.statistics == single.statistics
    assert many.statistics.realignments > 0
    assert many.statistics.method != "DOP853"
    np.testing.assert_array_equal(many.matrix(-1), single.matrix(-1))


@pytest.mark.parametrize("kind", [FactoredChart, LayersChart])
def test_an_overflow_leaves_nothing_behind(kind: Any) -> None:
    chart = kind(completion((9, 7), 2, 0.6, 1), DeepLinearNetwork(3, (9, 7), 3), a_point((9, 7), 3, 1))
    chart.compile()
    coordinates = chart.coordinates(chart.start)
    before = chart.velocity(0.0, coordinates)
    for much in (1e200, np.inf, np.nan):
        assert not np.isfinite(chart.field(much * coordinates)).all()
    np.testing.assert_array_equal(chart.velocity(0.0, coordinates), before)


@pytest.mark.parametrize("scale", [1e160, 1e300])
def test_steps_that_overflow_are_made_smaller(scale: float) -> None:
    """A trial step with a NaN in it is the worst of all, and no reason for a longer one."""
    generator = np.random.default_rng(0)
    energy = MatrixCompletion.from_array(scale * generator.standard_normal((9, 7)))
    network = DeepLinearNetwork(3, (9, 7), 3)
    with pytest.raises(FlowError):
        gradient_flow(energy, network, balanced_start(network, 1.0), [0.0, 1.0], compiled=True, max_steps=50)


def test_many_steps_end_with_the_most_that_are_allowed() -> None:
    network, energy = DeepLinearNetwork(3, (9, 7), 3), completion((9, 7), 2, 0.6, 1)
    with pytest.raises(FlowError, match="max_steps = 7"):
        gradient_flow(energy, network, balanced_start(network, 0.01, 2), [0.0, 40.0], compiled=True, max_steps=7)


def test_the_chart_of_compiled_flows_is_the_cheaper_one() -> None:
    few, many = (DeepLinearNetwork(depth, (30, 20), 3) for depth in (4, 40))
    energy = completion((30, 20), 3, 0.5, 1)
    for network, chart in ((few, "layers"), (many, "factored")):
        trajectory = gradient_flow(energy, network, balanced_start(network, 0.1), [0.0, 1e-2], compiled=True)
        assert trajectory.chart == chart
    assert gradient_flow(energy, few, balanced_start(few, 0.1), [0.0, 1e-2], compiled=False).chart == "factored"


@pytest.mark.parametrize("weighted", [False, True])
def test_an_energy_in_frozen_spaces_is_one_of_the_core(weighted: bool) -> None:
    energy = completion((9, 7), 2, 0.5, 4, weighted)
    point, other = a_point((9, 7), 3, 1), a_point((9, 7), 3, 2)
    restricted = energy.restricted(point.U, point.V[:, :2])
    S, Z = other.S[:, :2], other.S[:, 1:]
    X = point.U @ S @ point.V[:, :2].T
    assert restricted(S) == pytest.approx(energy(X), rel=1e-13)
    expected = point.U.T @ energy.gradient(X).toarray() @ point.V[:, :2]
    np.testing.assert_allclose(restricted.gradient(S), expected, atol=1e-13 * np.abs(expected).max())
    turned = point.U @ Z @ point.V[:, :2].T
    expected = point.U.T @ energy.hessian(X, turned).toarray() @ point.V[:, :2]
    np.testing.assert_allclose(restricted.hessian(S, Z), expected, atol=1e-13 * np.abs(expected).max())
    with pytest.raises(ValueError, match="shape"):
        restricted(np.zeros((2, 3)))


def test_frozen_flows_are_those_of_all_observed_entries() -> None:
    """Against an energy that has the same gradient but cannot be restricted."""
    network, energy = DeepLinearNetwork(oo, (9, 7), 3), completion((9, 7), 2, 0.6, 1)

    class Unrestricted:
        shape = energy.shape

        def __call__(self, X: Any) -> float:
            return energy(X)

        def gradient(self, X: Any) -> Any:
            return energy.gradient(X)

    start = balanced_start(network, 0.01, 2)
    with pytest.warns(FrozenSpacesWarning):
        first = gradient_flow(energy, network, start, [0.0, 30.0], rtol=1e-10, compiled=True)
    with pytest.warns(FrozenSpacesWarning):
        second = gradient_flow(Unrestricted(), network, start, [0.0, 30.0], rtol=1e-10)
    np.testing.assert_allclose(first.matrix(-1), second.matrix(-1), atol=1e-8)
    np.testing.assert_array_equal(first.factored[-1].U, start.U)
