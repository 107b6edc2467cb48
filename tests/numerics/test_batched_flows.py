"""Batches of small flows against single ones, the layers, closed forms and the flow's symmetries."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from sympy import Expr, Matrix, cos, oo, symbols

pytest.importorskip("numba")

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix, FlowError, MatrixCompletion, SymbolicEnergy, balanced_start, gradient_flow
from numerics.batched_flows import batched_gradient_flow

Array = NDArray[np.float64]
DEPTHS = (1, 2, 3, 10, oo)
SYMBOLS = Matrix(2, 2, symbols("x11 x12 x21 x22", real=True))
DIAGONAL = SymbolicEnergy(((SYMBOLS[0, 0] - 1) ** 2 + (SYMBOLS[1, 1] - 1) ** 2) / 2, SYMBOLS)
AS_COMPLETION = MatrixCompletion.from_array([[1.0, np.nan], [np.nan, 1.0]])


@pytest.fixture(autouse=True)
def single_flows_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling them for each network would take longer than running them."""
    monkeypatch.setenv("DLN_COMPILE", "0")


def random_starts(count: int, shape: tuple[int, int] = (2, 2), scale: float = 1.0, seed: int = 0) -> Array:
    return scale * np.random.default_rng(seed).standard_normal((count, *shape))


def layers_flow(gradient: Any, start: Array, depth: int, time: float) -> Array:
    """X(time) by gradient descent on balanced square layers themselves: the independent route."""
    U, sigma, Vt = np.linalg.svd(start)
    n = len(sigma)
    layers = [np.diag(sigma ** (1 / depth)) for _ in range(depth)]
    layers[0], layers[-1] = layers[0] @ Vt, U @ layers[-1]
    if depth == 1:
        layers = [start]

    def velocity(_: float, entries: Array) -> Array:
        W = entries.reshape(depth, n, n)

        def product(factors: Any) -> Array:
            result = np.eye(n)
            for factor in factors:
                result = factor @ result
            return result

        slope = gradient(product(W))
        return -np.concatenate([(product(W[p + 1 :]).T @ slope @ product(W[:p]).T).ravel() for p in range(depth)])

    solution = solve_ivp(
        velocity, (0, time), np.concatenate([W.ravel() for W in layers]), "DOP853", rtol=1e-11, atol=1e-13
    )
    result = np.eye(n)
    for factor in solution.y[:, -1].reshape(depth, n, n):
        result = factor @ result
    return result


# ------------------------------------------------------------------------------- against other routes


@pytest.mark.parametrize("depth", DEPTHS)
def test_single_flows(depth: int | Expr) -> None:
    network, starts, times = DeepLinearNetwork(depth, (2, 2)), random_starts(20), [0.0, 1.0, 50.0]
    batch = batched_gradient_flow(DIAGONAL, network, starts, times)
    for index in (0, 7, 13):
        single = gradient_flow(DIAGONAL, network, FactoredMatrix.from_matrix(starts[index]), times, rtol=1e-11)
        for place in range(3):
            np.testing.assert_allclose(batch.matrices[index, place], single.matrix(place), rtol=0, atol=1e-7)
        np.testing.assert_allclose(batch.singular_values[index], single.singular_values, rtol=0, atol=1e-7)
        np.testing.assert_allclose(batch.energy[index, :2], single.energy[:2], rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(batch.log_volume[index, :2], single.log_volume[:2], rtol=1e-5)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_layers(depth: int) -> None:
    starts = random_starts(4, (3, 3), seed=3)
    target = np.random.default_rng(4).standard_normal((3, 3))
    energy = MatrixCompletion.from_array(np.where(np.eye(3) > 0, target, np.nan))
    batch = batched_gradient_flow(energy, DeepLinearNetwork(depth, (3, 3)), starts, [0.0, 2.0])

    def gradient(X: Array) -> Array:
        return np.eye(3) * (X - target)

    for start, found in zip(starts, batch.matrices[:, -1], strict=True):
        np.testing.assert_allclose(found, layers_flow(gradient, start, depth, 2.0), rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("depth", "shape", "rank"),
    [(2, (3, 2), 2), (3, (2, 3), 2), (3, (2, 3), 1), (2, (4, 4), 2), (3, (5, 6), 3), (oo, (4, 3), 2), (oo, (4, 4), 4)],
)
@pytest.mark.filterwarnings("ignore::numerics.FrozenSpacesWarning")
def test_other_shapes_and_ranks(depth: int | Expr, shape: tuple[int, int], rank: int) -> None:
    generator = np.random.default_rng(1)
    network = DeepLinearNetwork(depth, shape, rank)
    energy = MatrixCompletion.from_array(
        np.where(generator.random(shape) < 0.7, generator.standard_normal(shape), np.nan)
    )
    starts = [balanced_start(network, 0.3, seed) for seed in range(3)]
    batch = batched_gradient_flow(energy, network, starts, [0.0, 3.0])
    for start, found in zip(starts, batch.matrices[:, -1], strict=True):
        single = gradient_flow(energy, network, start, [0.0, 3.0], rtol=1e-11)
        np.testing.assert_allclose(found, single.matrix(-1), rtol=1e-7, atol=1e-7)


@pytest.mark.filterwarnings("ignore::numerics.ProjectedFlowWarning")
def test_the_projected_flow_at_depth_1() -> None:
    network = DeepLinearNetwork(1, (3, 3), 1)
    energy = MatrixCompletion.from_array(np.arange(9.0).reshape(3, 3) / 9)
    start = balanced_start(network, 0.5, 0)
    batch = batched_gradient_flow(energy, network, [start], [0.0, 2.0])
    single = gradient_flow(energy, network, start, [0.0, 2.0], rtol=1e-11)
    np.testing.assert_allclose(batch.matrices[0, -1], single.matrix(-1), rtol=0, atol=1e-7)


@pytest.mark.parametrize(("depth", "exponent"), [(1, 0.0), (2, 1.0), (3, 4 / 3), (oo, 2.0)])
def test_singular_values_of_diagonal_flows(depth: int | Expr, exponent: float) -> None:
    """dσ/dt = -c σ^p (σ - s) in each mode, from the definition's N terms at σ_k = σ_l (N of them, or their mean)."""
    count = 1 if depth == oo else int(depth)
    starts = np.array([np.diag([1e-3, 2e-3])])
    times = [0.0, 20.0, 400.0, 3000.0]
    energy = MatrixCompletion.from_array([[1.0, 0.0], [0.0, 0.5]])
    batch = batched_gradient_flow(energy, DeepLinearNetwork(depth, (2, 2)), starts, times)
    for k, target in enumerate((1.0, 0.5)):

        def velocity(_: float, s: Array, target: float = target) -> Array:
            return -count * np.abs(s) ** exponent * (s - target)

        expected = solve_ivp(velocity, (0, times[-1]), [starts[0, k, k]], "Radau", times, rtol=1e-11, atol=1e-15).y[0]
        np.testing.assert_allclose(batch.matrices[0, :, k, k], expected, rtol=2e-6)


# ------------------------------------------------------------------------------- stiffness and accuracy


@pytest.mark.parametrize(("depth", "scale", "end"), [(2, 1e-6, 60.0), (3, 1e-6, 1500.0), (oo, 1e-3, 3e4)])
def test_small_starts(depth: int | Expr, scale: float, end: float) -> None:
    """One singular value after the other leaves the saddle: explicit steps would be limited by stability."""
    starts = random_starts(8, scale=scale)
    network = DeepLinearNetwork(depth, (2, 2))
    batch = batched_gradient_flow(DIAGONAL, network, starts, [0.0, end])
    tighter = batched_gradient_flow(DIAGONAL, network, starts, [0.0, end], rtol=1e-11)
    np.testing.assert_allclose(batch.matrices, tighter.matrices, rtol=0, atol=1e-7)
    assert batch.evaluations.max() < 10_000
    single = gradient_flow(DIAGONAL, network, FactoredMatrix.from_matrix(starts[0]), [0.0, end], rtol=1e-10)
    np.testing.assert_allclose(batch.singular_values[0, -1, 0], single.singular_values[-1, 0], rtol=1e-6)


def test_the_implicit_method_takes_over() -> None:
    network = DeepLinearNetwork(10, (2, 2))
    batch = batched_gradient_flow(DIAGONAL, network, random_starts(20), [0.0, 1000.0])
    assert (batch.implicit_steps > 0).all()
    # At the rate 10 of this depth explicit steps of at most 0.6 would take 20,000 evaluations.
    assert batch.evaluations.max() < 4000


def test_both_methods_agree() -> None:
    """The explicit and the implicit one have nothing in common but the velocity."""
    flow = importlib.import_module("numerics.compiled.flow")
    batched_flows = importlib.import_module("numerics.batched_flows")
    network = DeepLinearNetwork(3, (2, 2))
    gradient, data = batched_flows._compiled_energies((AS_COMPLETION,), network, 20)
    ends = []
    for method in (flow.EXPLICIT, flow.IMPLICIT):
        lefts, spectra, rights = batched_flows._decomposed(network, random_starts(20))
        columns = batched_flows._Columns(lefts, spectra, rights, 1e-8 * spectra[:, -1], data, 2)
        columns.integrate(network, gradient, np.array([0.0, 20.0]), 1e-8, method, 10_000, 1)
        assert (columns.counts[:, 4] == flow.FINISHED).all()
        ends.append(columns.matrices[:, -1])
    np.testing.assert_allclose(*ends, rtol=0, atol=2e-7)


def test_the_error_falls_with_the_tolerance() -> None:
    network, starts, times = DeepLinearNetwork(3, (2, 2)), random_starts(50), [0.0, 5.0]
    exact = batched_gradient_flow(DIAGONAL, network, starts, times, rtol=1e-13).matrices
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8, 1e-10):
        found = batched_gradient_flow(DIAGONAL, network, starts, times, rtol=rtol).matrices
        errors.append(np.abs(found - exact).max() / rtol)
    assert max(errors) < 30


def test_a_singular_value_never_crosses_zero() -> None:
    """Beyond depth 1 the sign of det X stays, even where a singular value falls below all tolerances."""
    starts = random_starts(200, scale=1e-4)
    batch = batched_gradient_flow(DIAGONAL, DeepLinearNetwork(2, (2, 2)), starts, [0.0, 50.0])
    negative = np.linalg.det(starts) < 0
    assert (np.linalg.det(batch.matrices[negative, -1]) < 1e-15).all()
    # It ends at the rank-one matrices [[1, a], [1/a, 1]].
    assert (batch.singular_values[negative, -1, 1] < 1e-6).all()
    assert np.isfinite(batch.matrices).all()


@pytest.mark.parametrize("depth", DEPTHS)
def test_starts_with_equal_singular_values(depth: int | Expr) -> None:
    network = DeepLinearNetwork(depth, (2, 2))
    starts = [balanced_start(network, 0.1, seed) for seed in range(4)]
    batch = batched_gradient_flow(DIAGONAL, network, starts, [0.0, 2.0])
    for start, found in zip(starts, batch.matrices[:, -1], strict=True):
        single = gradient_flow(DIAGONAL, network, start, [0.0, 2.0], rtol=1e-11)
        np.testing.assert_allclose(found, single.matrix(-1), rtol=0, atol=1e-8)


@pytest.mark.parametrize("depth", [2, oo])
def test_crossing_singular_values(depth: int | Expr) -> None:
    """Diagonal starts stay diagonal, and their entries change places."""
    batch = batched_gradient_flow(
        MatrixCompletion.from_array([[1.0, 0.0], [0.0, 3.0]]),
        DeepLinearNetwork(depth, (2, 2)),
        np.array([np.diag([0.5, 0.4])]),
        np.linspace(0.0, 10.0, 6),
    )
    assert np.abs(batch.matrices[0, :, 0, 1]).max() == 0.0
    assert (np.diff(batch.singular_values[0], axis=1) <= 0).all()
    np.testing.assert_allclose(batch.singular_values[0, -1], [3.0, 1.0], rtol=1e-3)


# ------------------------------------------------------------------------------- symmetries and energies


@pytest.mark.parametrize("depth", [1, 3, oo])
def test_rotations_and_transposition(depth: int | Expr) -> None:
    """The flow of E(Pᵀ X Q) from P X Qᵀ is the rotated one, and that of E(Xᵀ) from Xᵀ the transposed one."""
    generator = np.random.default_rng(5)
    P, Q = (np.linalg.qr(generator.standard_normal((3, 3)))[0] for _ in range(2))
    target, starts = generator.standard_normal((3, 3)), random_starts(5, (3, 3), 0.5)
    network, times = DeepLinearNetwork(depth, (3, 3)), [0.0, 1.0]

    def end(M: Array, X: Array) -> Array:
        return batched_gradient_flow(MatrixCompletion.from_array(M), network, X, times).matrices[:, -1]

    plain = end(target, starts)
    np.testing.assert_allclose(end(P @ target @ Q.T, P @ starts @ Q.T), P @ plain @ Q.T, rtol=0, atol=1e-7)
    np.testing.assert_allclose(end(target.T, starts.transpose(0, 2, 1)), plain.transpose(0, 2, 1), rtol=0, atol=1e-7)


def test_the_order_and_the_company_do_not_matter() -> None:
    network, starts, times = DeepLinearNetwork(3, (2, 2)), random_starts(37), [0.0, 3.0]
    together = batched_gradient_flow(DIAGONAL, network, starts, times, threads=2)
    alone = batched_gradient_flow(DIAGONAL, network, starts[5:6], times, threads=1)
    assert (together.matrices[5] == alone.matrices[0]).all()
    assert len(together) == 37


def test_quadratic_energies_are_what_they_say() -> None:
    """The same energy as an expression and as observed entries, with weights."""
    weighted = MatrixCompletion.from_array([[1.0, np.nan], [0.5, 2.0]], [[2.0, 1.0], [3.0, 0.25]])
    X = SYMBOLS
    terms = 2 * (X[0, 0] - 1) ** 2 + 3 * (X[1, 0] - 0.5) ** 2 + (X[1, 1] - 2) ** 2 / 4
    network, starts, times = DeepLinearNetwork(3, (2, 2)), random_starts(10), [0.0, 2.0]
    first = batched_gradient_flow(weighted, network, starts, times)
    second = batched_gradient_flow(SymbolicEnergy(terms / 2, X), network, starts, times)
    np.testing.assert_allclose(first.matrices, second.matrices, rtol=0, atol=1e-8)
    np.testing.assert_allclose(first.energy, second.energy, rtol=1e-6, atol=1e-12)


def test_each_start_can_have_data_of_its_own() -> None:
    targets = random_starts(3, seed=9)
    energies = [MatrixCompletion.from_array(target) for target in targets]
    network = DeepLinearNetwork(1, (2, 2))
    batch = batched_gradient_flow(energies, network, random_starts(3), [0.0, 30.0])
    np.testing.assert_allclose(batch.matrices[:, -1], targets, rtol=0, atol=1e-8)
    assert batch.energy.shape == (3, 2)


def test_energies_that_are_not_quadratic() -> None:
    X = SYMBOLS
    energy = SymbolicEnergy(cos(X[0, 0]) + X[0, 1] ** 4 + X[1, 0] ** 2 * X[1, 1] ** 2 + X[1, 1] ** 2, X)
    network, starts = DeepLinearNetwork(2, (2, 2)), random_starts(5)
    batch = batched_gradient_flow(energy, network, starts, [0.0, 1.0])
    for start, found in zip(starts, batch.matrices[:, -1], strict=True):
        single = gradient_flow(energy, network, FactoredMatrix.from_matrix(start), [0.0, 1.0], rtol=1e-11)
        np.testing.assert_allclose(found, single.matrix(-1), rtol=0, atol=1e-7)


class Quartic:
    """An energy of a user's own that is not quadratic."""

    shape = (2, 2)

    def __call__(self, X: Any) -> float:
        return float(np.sum(np.asarray(X) ** 4))

    def gradient(self, X: Any) -> Array:
        return 4 * np.asarray(X) ** 3


# ------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"energy": Quartic()}, TypeError, "neither: run gradient_flow in an ensemble"),
        ({"energy": "x"}, TypeError, "energy must have"),
        ({"energy": [AS_COMPLETION] * 2}, ValueError, "one for each of the 3 starts"),
        ({"energy": MatrixCompletion.from_array(np.eye(3))}, ValueError, "network's shape"),
        ({"starts": np.zeros((3, 2, 2))}, ValueError, "starts must have rank 2"),
        ({"starts": np.zeros((3, 2, 3))}, ValueError, "starts must be an array"),
        ({"starts": np.full((3, 2, 2), np.nan)}, ValueError, "starts must be finite"),
        ({"times": [0.0]}, ValueError, "times must be"),
        ({"times": [1.0, 0.0]}, ValueError, "times must be"),
        ({"rtol": 1e-16}, ValueError, "rtol must be"),
        ({"atol": -1.0}, ValueError, "atol must be"),
        ({"max_steps": 0}, ValueError, "max_steps must be"),
        ({"threads": 0}, ValueError, "threads must be"),
        ({"failures": "ignore"}, ValueError, "failures must be"),
    ],
)
def test_senseless_arguments_are_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments: dict[str, Any] = {"energy": AS_COMPLETION, "starts": random_starts(3), "times": [0.0, 1.0]} | change
    with pytest.raises(error, match=message):
        batched_gradient_flow(network=DeepLinearNetwork(2, (2, 2)), **arguments)


def test_a_flow_that_fails_is_named() -> None:
    """E = -x⁴ grows without bound in finite time from one of the starts."""
    X = SYMBOLS
    energy = SymbolicEnergy(-(X[0, 0] ** 4), X)
    network = DeepLinearNetwork(1, (2, 2))
    starts = np.array([[[0.01, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 1.0]]])
    with pytest.raises(FlowError, match="flow 1 failed") as caught:
        batched_gradient_flow(energy, network, starts, [0.0, 1.0])
    # x' = 4 x³ from 2 is infinite at t = 1/(8 · 4).
    assert caught.value.time == pytest.approx(1 / 32, rel=1e-6)
    batch = batched_gradient_flow(energy, network, starts, [0.0, 1.0], failures="return")
    assert np.isfinite(batch.matrices[0]).all()
    assert np.isnan(batch.matrices[1, 1]).all()
    np.testing.assert_allclose(batch.reached, [1.0, 1 / 32], rtol=1e-6)


def test_too_many_steps_are_told() -> None:
    with pytest.raises(FlowError, match="flow 0 failed, and 2 others failed: not finished after max_steps = 5 steps"):
        batched_gradient_flow(DIAGONAL, DeepLinearNetwork(2, (2, 2)), random_starts(3), [0.0, 50.0], max_steps=5)


@pytest.mark.parametrize("wrong", ["pair", "null_rate"])
def test_a_wrong_multiplier_would_be_seen(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """That of depth 4 in the place of depth 3."""
    functions = importlib.import_module("numerics.compiled.functions")
    right = functions.multipliers

    def mutant(network: DeepLinearNetwork) -> Any:
        (pair, rate), (other_pair, other_rate) = (
            right(network),
            right(DeepLinearNetwork(4, network.shape, network.rank)),
        )
        return (other_pair, rate) if wrong == "pair" else (pair, other_rate)

    network = DeepLinearNetwork(3, (3, 2), 2)
    energy = MatrixCompletion.from_array(np.arange(6.0).reshape(3, 2) / 6)
    start = balanced_start(network, 0.3, 0)
    single = gradient_flow(energy, network, start, [0.0, 1.0], rtol=1e-9).matrix(-1)
    assert np.abs(batched_gradient_flow(energy, network, [start], [0.0, 1.0]).matrices[0, -1] - single).max() < 1e-7
    monkeypatch.setattr(functions, "multipliers", mutant)
    assert np.abs(batched_gradient_flow(energy, network, [start], [0.0, 1.0]).matrices[0, -1] - single).max() > 1e-3
