"""The engines against each other and against the layers; what they choose; what they need."""

from __future__ import annotations

import sys
from typing import Any

import mpmath
import numpy as np
import pytest
from sympy import Matrix, oo, symbols

from geometry import DeepLinearNetwork
from numerics import (
    FactoredMatrix,
    FlowError,
    MatrixCompletion,
    Ridge,
    SymbolicEnergy,
    balanced_start,
    gradient_flow,
)
from numerics.charts import FactoredChart, LayersChart
from numerics.charts.factored_velocity import velocity_function
from numerics.solvers import Stiffness, Tolerances, start_solver
from numerics.solvers.stiffness import limited_steps

ENGINES = [
    {"engine": "auto"},
    {"engine": "sundials"},
    {"engine": "sundials", "chart": "layers"},
    {"engine": "sundials", "chart": "matrix"},
    {"engine": "diffrax"},
]
EXTRAS = {"sundials": "sksundae", "diffrax": "diffrax"}


def completion(shape: tuple[int, int], rank: int, share: float, seed: int) -> MatrixCompletion:
    generator = np.random.default_rng(seed)
    M = generator.standard_normal((shape[0], rank)) @ generator.standard_normal((rank, shape[1]))
    return MatrixCompletion.from_array(np.where(generator.random(shape) < share, M / np.linalg.norm(M), np.nan))


def require(engine: str) -> None:
    if engine in EXTRAS:
        pytest.importorskip(EXTRAS[engine])


@pytest.mark.parametrize("options", ENGINES, ids=lambda options: "-".join(options.values()))
@pytest.mark.parametrize(("depth", "rank"), [(2, 2), (3, 5), (oo, 5)])
def test_engines_agree(options: dict[str, Any], depth: Any, rank: int) -> None:
    require(options["engine"])
    if depth == oo and options.get("chart") == "layers":
        pytest.skip("there are no layers at infinite depth")
    energy, network = completion((5, 5), 2, 0.7, 0), DeepLinearNetwork(depth, (5, 5), rank)
    start, times = balanced_start(network, 0.1, 1), [0.0, 2.0, 10.0]
    expected = gradient_flow(energy, network, start, times, engine="scipy", method="DOP853", rtol=1e-12)
    found = gradient_flow(energy, network, start, times, rtol=1e-9, **options)
    for i in (1, 2):
        assert np.linalg.norm(found.matrix(i) - expected.matrix(i)) < 1e-6 * np.linalg.norm(expected.matrix(i))
    assert np.linalg.norm(expected.matrix(2) - expected.matrix(0)) > 0.05


def test_diffrax_takes_symbolic_energies() -> None:
    require("diffrax")
    X = Matrix(2, 2, symbols("x:4", real=True))
    energy = SymbolicEnergy((X[0, 0] - 1) ** 2 / 2 + (X[1, 1] - 1) ** 2 / 2 + (X[0, 1] * X[1, 0]) ** 2, X)
    network = DeepLinearNetwork(3, (2, 2))
    start = FactoredMatrix.from_matrix([[0.3, 0.2], [-0.1, 0.2]])
    expected = gradient_flow(energy, network, start, [0.0, 5.0], engine="scipy").matrix(-1)
    found = gradient_flow(energy, network, start, [0.0, 5.0], engine="diffrax", method="Tsit5").matrix(-1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_diffrax_refuses_what_it_cannot_trace() -> None:
    require("diffrax")
    network = DeepLinearNetwork(2, (2, 2))
    with pytest.raises(ValueError, match="Ridge"):
        gradient_flow(Ridge((2, 2), 1.0), network, balanced_start(network), [0.0, 1.0], engine="diffrax")
    energy = completion((2, 2), 1, 1.0, 0)
    with pytest.raises(ValueError, match="factored chart"):
        gradient_flow(energy, network, balanced_start(network), [0.0, 1.0], engine="diffrax", chart="matrix")


@pytest.mark.parametrize(("engine", "extra"), [("sundials", "stiff"), ("diffrax", "jax")])
def test_a_missing_extra_is_named(engine: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sksundae", "sksundae.cvode", "diffrax"):
        monkeypatch.setitem(sys.modules, name, None)
    network = DeepLinearNetwork(2, (2, 2))
    with pytest.raises(ImportError, match=f"extra '{extra}'"):
        gradient_flow(completion((2, 2), 1, 1.0, 0), network, balanced_start(network), [0.0, 1.0], engine=engine)


def test_auto_does_without_sundials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sksundae", "sksundae.cvode"):
        monkeypatch.setitem(sys.modules, name, None)
    trajectory = stiff_run()
    assert trajectory.statistics.method == "BDF"


def stiff_run(**options: Any) -> Any:
    """A singular value that has converged, at a high rate, while another is still small."""
    network = DeepLinearNetwork(4, (2, 2))
    energy = MatrixCompletion.from_array(np.diag([20.0, 1.0]))
    start = FactoredMatrix(np.eye(2), np.diag([1.0, 0.02]), np.eye(2))
    return gradient_flow(energy, network, start, [0.0, 50.0], rtol=1e-7, **options)


def test_auto_changes_to_an_implicit_method_where_stability_limits_the_steps() -> None:
    require("sundials")
    trajectory = stiff_run()
    assert trajectory.statistics.method == "CVODE"
    assert any("CVODE from t" in choice for choice in trajectory.statistics.choices)
    assert trajectory.statistics.evaluations < stiff_run(engine="scipy", method="DOP853").statistics.evaluations / 5
    np.testing.assert_allclose(trajectory.matrix(-1), np.diag([20.0, 1.0]), atol=1e-6)


def test_stiffness_needs_many_limited_steps_and_a_long_way_to_go() -> None:
    chart = FactoredChart(
        completion((3, 3), 1, 1.0, 0), DeepLinearNetwork(2, (3, 3)), balanced_start(DeepLinearNetwork(2, (3, 3)), 1.0)
    )
    solver = start_solver(chart, "DOP853", 0.0, chart.coordinates(chart.start), np.inf, Tolerances(1e-6, 1e-9))
    solver.step()
    solver.step_size = 10 / chart.fastest_rate(solver.coordinates)
    assert not Stiffness().shows(chart, solver, np.inf)
    watch = Stiffness()
    assert [watch.shows(chart, solver, np.inf) for _ in range(6)] == [False] * 5 + [True]
    watch = Stiffness()
    assert not any(watch.shows(chart, solver, solver.time + solver.step_size) for _ in range(30))


def test_compiled_steps_are_given_up_later() -> None:
    assert limited_steps(14, 1.0, 3.0, np.inf, 1000) == 15
    assert limited_steps(998, 1.0, 3.0, np.inf, 1000) == 999
    assert limited_steps(14, 1.0, 3.0, 1001.0, 1000) == 1000
    assert limited_steps(14, 1.0, 1.0, 1001.0, 1000) == 0


def test_methods_belong_to_their_engines() -> None:
    network = DeepLinearNetwork(2, (2, 2))
    energy, start = completion((2, 2), 1, 1.0, 0), balanced_start(network)
    for engine, method in (("scipy", "CVODE"), ("sundials", "BDF"), ("diffrax", "RK45")):
        with pytest.raises(ValueError, match="method must be one of"):
            gradient_flow(energy, network, start, [0.0, 1.0], engine=engine, method=method)
    with pytest.raises(ValueError, match="engine must be one of"):
        gradient_flow(energy, network, start, [0.0, 1.0], engine="euler")


@pytest.mark.parametrize(("depth", "rank"), [(3, 2), (oo, 2), (oo, 5)])
@pytest.mark.filterwarnings("ignore::numerics.FrozenSpacesWarning")
def test_compiled_velocities_are_the_same(depth: Any, rank: int) -> None:
    pytest.importorskip("numba")
    generator = np.random.default_rng(5)
    network, energy = DeepLinearNetwork(depth, (7, 5), rank), completion((7, 5), 2, 0.6, 3)
    weighted = MatrixCompletion.from_entries(
        rows=energy.rows,
        columns=energy.columns,
        values=energy.values,
        shape=energy.shape,
        weights=generator.uniform(0.5, 2.0, energy.observations),
    )
    plain, compiled = (FactoredChart(weighted, network, balanced_start(network, 0.3, 2)) for _ in range(2))
    compiled.compile()
    assert compiled.is_cheap
    coordinates = plain.coordinates(plain.start)
    coordinates = coordinates + 0.05 * generator.standard_normal(coordinates.size)
    np.testing.assert_allclose(
        compiled.velocity(0.0, coordinates), plain.velocity(0.0, coordinates), rtol=1e-10, atol=1e-13
    )
    right = generator.standard_normal(coordinates.size)
    solutions = [chart.preconditioner(coordinates)(0.7, right) for chart in (plain, compiled)]
    np.testing.assert_allclose(solutions[1], solutions[0], rtol=1e-10, atol=1e-13)
    inspections = [(chart.drift(coordinates), chart.orientation(coordinates)) for chart in (plain, compiled)]
    np.testing.assert_allclose(inspections[1], inspections[0], rtol=1e-10)


@pytest.mark.parametrize("depth", [2, 3, 7])
def test_compiled_layers_are_the_same(depth: int) -> None:
    pytest.importorskip("numba")
    generator = np.random.default_rng(8)
    network, energy = DeepLinearNetwork(depth, (7, 5), 3, rescaled=depth == 3), completion((7, 5), 2, 0.6, 3)
    plain, compiled = (LayersChart(energy, network, balanced_start(network, 0.3, 2)) for _ in range(2))
    compiled.compile()
    assert compiled.field is not None
    coordinates = plain.coordinates(plain.start)
    coordinates = coordinates + 0.1 * generator.standard_normal(coordinates.size)
    np.testing.assert_allclose(compiled.velocity(0.0, coordinates), plain.velocity(0.0, coordinates), atol=1e-14)


@pytest.mark.parametrize("chart", ["factored", "layers"])
def test_compiled_steps_are_those_of_scipy(chart: str) -> None:
    """The same steps, the same interpolation within them, to rounding."""
    pytest.importorskip("numba")
    network, energy = DeepLinearNetwork(3, (7, 5), 3), completion((7, 5), 2, 0.6, 3)
    start, times = balanced_start(network, 0.05, 2), np.linspace(0.0, 20.0, 30)
    plain, compiled = (
        gradient_flow(
            energy, network, start, times, chart=chart, engine="scipy", method="DOP853", rtol=1e-7, compiled=compiled
        )
        for compiled in (False, True)
    )
    assert compiled.statistics.steps == plain.statistics.steps
    assert compiled.statistics.evaluations == plain.statistics.evaluations
    for mine, theirs in zip(compiled.factored, plain.factored, strict=True):
        np.testing.assert_allclose(mine.to_array(), theirs.to_array(), atol=1e-12)


def test_compiled_steps_give_up_where_scipy_does() -> None:
    """Negative weights repel, and the flow blows up in finite time."""
    pytest.importorskip("numba")
    network = DeepLinearNetwork(2, (2, 2))
    energy = completion((2, 2), 1, 1.0, 0)
    repelling = MatrixCompletion(energy.rows, energy.columns, energy.values, energy.shape, -np.ones(4))
    with pytest.raises(FlowError, match="DOP853 failed"):
        gradient_flow(
            repelling,
            network,
            balanced_start(network, 1.0),
            [0.0, 50.0],
            engine="scipy",
            method="DOP853",
            compiled=True,
        )


def test_the_preconditioner_inverts_where_everything_is_observed() -> None:
    """With all entries seen and X at the minimum, J is -A_N exactly."""
    generator = np.random.default_rng(4)
    M = generator.standard_normal((5, 2)) @ generator.standard_normal((2, 4))
    network, start = DeepLinearNetwork(3, (5, 4), 2), FactoredMatrix.from_matrix(M, 2)
    chart = FactoredChart(MatrixCompletion.from_array(M), network, start)
    coordinates = chart.coordinates(start)
    jacobian, gamma = chart.jacobian(0.0, coordinates), 0.8
    tangent = jacobian @ generator.standard_normal(coordinates.size)
    solution = chart.preconditioner(coordinates)(gamma, tangent)
    np.testing.assert_allclose(solution - gamma * jacobian @ solution, tangent, atol=1e-10 * np.abs(tangent).max())
    # A preconditioner with another curvature would not.
    chart.__dict__["typical_curvature"] = 0.5
    wrong = chart.preconditioner(coordinates)(gamma, tangent)
    assert np.abs(wrong - gamma * jacobian @ wrong - tangent).max() > 0.01 * np.abs(tangent).max()


@pytest.mark.parametrize("depth", [1, 2, 3, 10, oo])
@pytest.mark.parametrize(("shape", "rank"), [((4, 3), 2), ((3, 3), 3), ((5, 3), 3)])
@pytest.mark.filterwarnings("ignore::numerics.FrozenSpacesWarning", "ignore::numerics.ProjectedFlowWarning")
def test_linearizations_are_derivatives(depth: Any, shape: tuple[int, int], rank: int) -> None:
    """Central differences of the velocity, at coalescing singular values as well."""
    generator = np.random.default_rng(6)
    network, energy = DeepLinearNetwork(depth, shape, rank), completion(shape, 2, 0.7, 1)
    for start in (balanced_start(network, 0.7, 3), balanced_start(network, 0.7, 4)):
        chart = FactoredChart(energy, network, start)
        coordinates = chart.coordinates(start)
        if start is not balanced_start:
            coordinates = coordinates + 0.1 * generator.standard_normal(coordinates.size)
        direction = generator.standard_normal(coordinates.size)
        step = 1e-6
        ahead, behind = (chart.velocity(0.0, coordinates + sign * step * direction) for sign in (1, -1))
        exact = chart.linearization(coordinates)(direction)
        np.testing.assert_allclose(exact, (ahead - behind) / (2 * step), atol=1e-7 * max(1.0, np.abs(exact).max()))


def test_linearization_at_a_balanced_start_has_no_singularity() -> None:
    network, energy = DeepLinearNetwork(3, (4, 4)), completion((4, 4), 2, 0.7, 1)
    chart = FactoredChart(energy, network, balanced_start(network, 0.5, 0))
    coordinates = chart.coordinates(chart.start)
    direction = np.random.default_rng(0).standard_normal(coordinates.size)
    exact, step = chart.linearization(coordinates)(direction), 1e-6
    ahead, behind = (chart.velocity(0.0, coordinates + sign * step * direction) for sign in (1, -1))
    np.testing.assert_allclose(exact, (ahead - behind) / (2 * step), atol=1e-8)


@pytest.mark.parametrize(("depth", "bound"), [(2, 1e-9), (3, 1e-8), (10, 1e-4), (oo, 1e-2)])
def test_velocities_of_small_singular_values(depth: Any, bound: float) -> None:
    """Beside large ones, in a chart along the singular vectors, against the definition with 60 digits."""
    generator, sigma = np.random.default_rng(1), np.array([1.0, 0.5, 2e-8, 1e-8])
    noise = generator.standard_normal((4, 4)) * (1 - np.eye(4))
    S, slope = np.diag(sigma) + 0.1 * np.sqrt(np.outer(sigma, sigma)) * noise, generator.standard_normal((4, 4))
    velocity = velocity_function(DeepLinearNetwork(depth, (4, 4)), compiled=False)
    found = velocity(S, np.eye(4), np.eye(4), slope, slope.T)[0]
    with mpmath.workdps(60):
        U, values, Vt = mpmath.svd_r(mpmath.matrix(S.tolist()))
        block, moved = U.T * mpmath.matrix(slope.tolist()) * Vt.T, U.T * mpmath.matrix(found.tolist()) * Vt.T
        for k in range(4):
            speed = values[k] ** 2 if depth == oo else depth * values[k] ** (2 - mpmath.mpf(2) / depth)
            assert abs(moved[k, k] / (-speed * block[k, k]) - 1) < bound


def test_failures_of_sundials_are_flow_errors() -> None:
    require("sundials")
    X = Matrix(2, 2, symbols("x:4", real=True))
    energy = SymbolicEnergy(-(X[0, 0] ** 4), X)
    start = FactoredMatrix.from_matrix([[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(FlowError, match="CVODE"):
        gradient_flow(energy, DeepLinearNetwork(2, (2, 2)), start, [0.0, 10.0], engine="sundials")


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-3, 1e-4])
def test_square_completion_at_infinite_depth(scale: float) -> None:
    """Half of the entries, from a small multiple of an orthogonal matrix: the unseen ones come out."""
    require("sundials")
    generator = np.random.default_rng(0)
    M = generator.standard_normal((30, 3)) @ generator.standard_normal((3, 30))
    M /= np.linalg.norm(M)
    seen = generator.random(M.shape) < 0.5
    network = DeepLinearNetwork(oo, (30, 30))
    energy = MatrixCompletion.from_array(np.where(seen, M, np.nan))
    trajectory = gradient_flow(energy, network, balanced_start(network, scale, 0), [0.0, 60 / scale], rtol=1e-6)
    error = np.linalg.norm((trajectory.matrix(-1) - M)[~seen]) / np.linalg.norm(M[~seen])
    assert error < 30 * scale
    assert trajectory.statistics.evaluations < 10_000
