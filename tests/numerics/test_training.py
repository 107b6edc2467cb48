"""Gradient descent on the layers against the rule written out with full matrices."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sympy import Matrix, symbols

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix, MatrixCompletion, SymbolicEnergy, balanced_start
from numerics.layers import Layers
from numerics.training import DivergenceError, TrainingState, train
from numerics.training_rule import GradientDescent
from numerics.training_sharpness import sharpness

Array = NDArray[np.float64]
SHAPE = (5, 4)


def low_rank_matrix() -> Array:
    """Of rank two and norm 1."""
    generator = np.random.default_rng(0)
    M = generator.standard_normal((SHAPE[0], 2)) @ generator.standard_normal((2, SHAPE[1]))
    return np.asarray(M / np.linalg.norm(M))


def observed_array() -> Array:
    """Two thirds of it, NaN elsewhere."""
    return np.where(np.random.default_rng(3).random(SHAPE) < 1 / 3, np.nan, low_rank_matrix())


ENERGY = MatrixCompletion.from_array(observed_array())


def multiplied(layers: list[Array], size: int) -> Array:
    product = np.eye(size)
    for layer in layers:
        product = layer @ product
    return product


def full_gradients(layers: list[Array]) -> list[Array]:
    """(W_N ⋯ W_{p+1})ᵀ (X - M) (W_{p-1} ⋯ W_1)ᵀ on the observed entries, with full matrices."""
    n = layers[0].shape[1]
    slope = np.nan_to_num(multiplied(layers, n) - observed_array())
    return [multiplied(layers[p + 1 :], len(W)).T @ slope @ multiplied(layers[:p], n).T for p, W in enumerate(layers)]


def descended(layers: Layers, h: float, beta: float, nesterov: bool, steps: int) -> list[Array]:
    """PyTorch's SGD: v = β v + g, then W - h v, or W - h (g + β v)."""
    W, v = [layer.copy() for layer in layers], [np.zeros_like(layer) for layer in layers]
    for _ in range(steps):
        gradients = full_gradients(W)
        for p, g in enumerate(gradients):
            v[p] = beta * v[p] + g
            W[p] = W[p] - h * (g + beta * v[p] if nesterov else v[p])
    return W


# ------------------------------------------------------------------------------------------ the rule


@pytest.mark.parametrize(("beta", "nesterov"), [(0.0, False), (0.7, False), (0.7, True)])
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize("width", ["thin", "full"])
def test_steps_are_those_of_the_rule(depth: int, beta: float, nesterov: bool, width: str) -> None:
    network = DeepLinearNetwork(depth, SHAPE)
    start = Layers.random(network, 0.5, width, seed=1)
    run = train(ENERGY, network, start, 0.1, 30, momentum=beta, nesterov=nesterov, record=10)
    expected = descended(start, 0.1, beta, nesterov, 30)
    for ours, theirs in zip(run.final_layers, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-13)
    np.testing.assert_allclose(run.matrix(-1), multiplied(expected, 4), atol=1e-13)
    # And not those of another rule.
    other = descended(start, 0.1, beta, not nesterov, 30) if beta else descended(start, 0.101, 0.0, False, 30)
    assert np.linalg.norm(run.final_layers[0] - other[0]) > 1e-6
    assert run.steps.tolist() == [0, 10, 20, 30]
    assert run.singular_values.shape == (4, 4)
    assert run.losses.shape == (31,)
    assert run.losses[-1] == pytest.approx(np.sum(np.nan_to_num(run.matrix(-1) - observed_array()) ** 2) / 2)
    assert run.state.step == 30
    assert not run.diverged
    assert run.converged is None


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(2, 4), rate=st.floats(1e-3, 0.3))
def test_a_step_moves_the_defects_by_the_square_of_the_rate(seed: int, depth: int, rate: float) -> None:
    """By exactly h² (g_{p+1}ᵀ g_{p+1} - g_p g_pᵀ): the terms of first order cancel, as they do for the flow."""
    network = DeepLinearNetwork(depth, SHAPE)
    start = Layers.random(network, 1.0, 4, seed)
    end = train(ENERGY, network, start, rate, 1).final_layers
    g = full_gradients(list(start))
    for p, (before, after) in enumerate(zip(start.defects(), end.defects(), strict=True)):
        expected = rate**2 * (g[p + 1].T @ g[p + 1] - g[p] @ g[p].T)
        size = np.linalg.norm(start.vector()) ** 2 + rate**2 * sum(float(np.sum(G**2)) for G in g)
        np.testing.assert_allclose(after - before, expected, atol=1e-14 * size)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_hidden_rotations_do_not_change_the_product(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = DeepLinearNetwork(3, SHAPE)
    start = Layers.random(network, 0.7, 4, seed)
    first, second = (np.linalg.qr(generator.standard_normal((4, 4)))[0] for _ in range(2))
    turned = Layers((first @ start[0], second @ start[1] @ first.T, start[2] @ second.T))
    ends = [train(ENERGY, network, layers, 0.1, 40, momentum=0.5).matrix(-1) for layers in (start, turned)]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-12)


def test_times_are_those_of_the_flow() -> None:
    network, rescaled = DeepLinearNetwork(3, SHAPE, 2), DeepLinearNetwork(3, SHAPE, 2, rescaled=True)
    start = balanced_start(network, 0.5)
    for net, factor in ((network, 1), (rescaled, 3)):
        run = train(ENERGY, net, start, 0.01, 20, momentum=0.75, record=[20])
        np.testing.assert_allclose(run.times, [0.0, factor * 20 * 0.01 / 0.25])


# -------------------------------------------------------------------------- where it starts and stops


def test_starts() -> None:
    network = DeepLinearNetwork(3, SHAPE, 2)
    point = balanced_start(network, 0.5, 2)
    from_point, from_layers = (
        train(ENERGY, network, start, 0.1, 10) for start in (point, Layers.balanced(network, point))
    )
    np.testing.assert_array_equal(from_point.matrix(-1), from_layers.matrix(-1))
    # Wide balanced layers keep the rank under gradient descent, too: points have the network's.
    wide = train(ENERGY, network, Layers.balanced(network, point, "full", seed=3), 0.1, 10)
    np.testing.assert_allclose(wide.matrix(-1), from_point.matrix(-1), atol=1e-13)
    assert wide.factored[-1].rank == 2


def test_training_stops_at_a_bound() -> None:
    network = DeepLinearNetwork(2, SHAPE, 2)
    start = balanced_start(network, 0.5)
    by_loss = train(ENERGY, network, start, 0.3, 20_000, loss_bound=1e-6)
    assert by_loss.converged
    assert by_loss.losses[-1] <= 1e-6 < by_loss.losses[-2]
    assert by_loss.steps[-1] == by_loss.state.step == len(by_loss.losses) - 1
    by_gradient = train(ENERGY, network, start, 0.3, 20_000, gradient_bound=1e-3)
    assert by_gradient.converged
    before = train(ENERGY, network, start, 0.3, by_gradient.state.step - 1)
    norms = [
        np.sqrt(sum(np.sum(g**2) for g in full_gradients(list(run.final_layers)))) for run in (before, by_gradient)
    ]
    assert norms[1] <= 1e-3 < norms[0]
    short = train(ENERGY, network, start, 0.3, 5, loss_bound=1e-12)
    assert short.converged is False


def test_recorded_steps() -> None:
    network = DeepLinearNetwork(2, SHAPE, 2)
    start = balanced_start(network, 0.5)
    assert train(ENERGY, network, start, 0.1, 7, record=3).steps.tolist() == [0, 3, 6, 7]
    assert train(ENERGY, network, start, 0.1, 7, record=[2, 5]).steps.tolist() == [0, 2, 5, 7]
    assert len(train(ENERGY, network, start, 0.1, 1000).steps) == 101
    kept = train(ENERGY, network, start, 0.1, 7, record=3, keep_layers=True)
    for layers, point, loss in zip(kept.layers, kept.factored, kept.recorded_losses, strict=True):
        np.testing.assert_array_equal(layers.product().to_array(), point.to_array())
        assert loss == pytest.approx(ENERGY(point))
    assert kept.layers[-1] is kept.final_layers
    assert train(ENERGY, network, start, 0.1, 7).layers == ()
    told: list[tuple[float, float]] = []
    run = train(ENERGY, network, start, 0.1, 0, progress=lambda step, last: told.append((step, last)))
    assert run.steps.tolist() == [0]
    assert told == []
    train(ENERGY, network, start, 0.1, 3, progress=lambda step, last: told.append((step, last)))
    assert told == [(1, 3), (2, 3), (3, 3)]


# ---------------------------------------------------------------------- interruption, batches, divergence


@pytest.mark.parametrize("batch_size", [None, 5])
@pytest.mark.parametrize("seed", [4, "generator"])
def test_an_interrupted_run_ends_at_the_same_point(batch_size: int | None, seed: Any, tmp_path: Path) -> None:
    network = DeepLinearNetwork(3, SHAPE, 2)
    start = Layers.random(network, 0.5, seed=5)

    def seeded() -> Any:
        return np.random.Generator(np.random.MT19937(4)) if seed == "generator" else seed

    options: dict[str, Any] = {"momentum": 0.5, "batch_size": batch_size}
    whole = train(ENERGY, network, start, 0.05, 40, seed=seeded(), **options)
    half = train(ENERGY, network, start, 0.05, 17, seed=seeded(), **options)
    half.state.save(tmp_path / "state")
    for state in (half.state, TrainingState.load(tmp_path / "state")):
        rest = train(ENERGY, network, state, 0.05, 23, **options)
        assert rest.state.step == rest.steps[-1] == 40
        assert rest.steps[0] == 17
        for ours, theirs in zip(rest.final_layers, whole.final_layers, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(np.concatenate([half.losses[:-1], rest.losses]), whole.losses)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.ones(2))
    (tmp_path / "text").write_text("no archive")
    for name in ("other.npz", "text"):
        with pytest.raises(ValueError, match="no file of a TrainingState"):
            TrainingState.load(tmp_path / name)


@pytest.mark.parametrize("weighted", [False, True])
def test_batches_have_the_full_gradient_as_their_mean(weighted: bool) -> None:
    """Over all batches of one size the first step is, in the mean, that of all entries."""
    weights = np.random.default_rng(6).uniform(0.5, 2.0, SHAPE) if weighted else None
    energy = MatrixCompletion.from_array(observed_array(), weights)
    network = DeepLinearNetwork(2, SHAPE, 2)
    start = Layers.random(network, 1.0, seed=7)
    full = train(energy, network, start, 0.1, 1)
    runs = [train(energy, network, start, 0.1, 1, batch_size=4, seed=seed) for seed in range(400)]
    moves = np.array([run.final_layers.vector() - start.vector() for run in runs])
    expected = full.final_layers.vector() - start.vector()
    error = np.std(moves, axis=0) / np.sqrt(len(moves))
    assert (np.abs(moves.mean(axis=0) - expected) < 5 * error + 1e-15).all()
    losses = np.array([run.losses[0] for run in runs])
    assert abs(losses.mean() - full.losses[0]) < 5 * losses.std() / np.sqrt(len(runs))
    # All entries make the full batch.
    whole = train(energy, network, start, 0.1, 3, batch_size=energy.observations)
    np.testing.assert_array_equal(whole.matrix(-1), train(energy, network, start, 0.1, 3).matrix(-1))


def test_divergence_tells_a_rate_that_works() -> None:
    network = DeepLinearNetwork(3, SHAPE, 2)
    start = balanced_start(network, 1.0)
    with pytest.raises(DivergenceError, match=r"diverged.*learning rates up to .* are stable") as caught:
        train(ENERGY, network, start, 2.0, 500)
    run = caught.value.run
    assert run.diverged
    assert np.isfinite(run.final_layers.vector()).all()
    stable = run.rule.stable_rate(sharpness(ENERGY, run.final_layers))
    assert f"{stable:.3g}" in str(caught.value)
    assert stable < 2.0
    assert not train(ENERGY, network, start, 0.5 * stable, 500).diverged
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.run.state.step == run.state.step
    assert train(ENERGY, network, start, 2.0, 500, on_divergence="return").diverged


def test_a_loss_without_a_lower_bound_diverges() -> None:
    X = Matrix(1, 1, symbols("x:1", real=True))
    energy = SymbolicEnergy(-(X[0, 0] ** 3), X)
    network = DeepLinearNetwork(1, (1, 1))
    with pytest.raises(DivergenceError, match="learning_rate"):
        train(energy, network, FactoredMatrix.from_matrix([[1.0]]), 0.1, 1000)


@pytest.mark.parametrize(("beta", "nesterov"), [(0.0, False), (0.5, False), (0.5, True)])
def test_sharpness_bounds_the_rate(beta: float, nesterov: bool) -> None:
    """Near a minimum, rates just below the stable one come back and those just above do not."""
    network = DeepLinearNetwork(2, SHAPE, 2)
    minimum = Layers.balanced(network, FactoredMatrix.from_matrix(low_rank_matrix(), 2))
    generator = np.random.default_rng(8)
    near = Layers(tuple(W + 1e-7 * generator.standard_normal(W.shape) for W in minimum))
    largest = GradientDescent(1.0, beta, nesterov).stable_rate(sharpness(ENERGY, minimum, tolerance=1e-10))
    losses = [
        train(ENERGY, network, near, factor * largest, 400, momentum=beta, nesterov=nesterov).losses
        for factor in (0.97, 1.03)
    ]
    assert losses[0][-1] < losses[0][0]
    assert losses[1].max() > 1e3 * losses[1][0]


# ---------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"learning_rate": np.nan}, "learning_rate must be positive"),
        ({"momentum": 1.0}, "momentum must be at least 0 and below 1"),
        ({"momentum": -0.1}, "momentum must be at least 0 and below 1"),
        ({"nesterov": True}, "nesterov is a form of momentum"),
        ({"steps": -1}, "steps must be at least 0"),
        ({"steps": 2.5}, "steps must be an integer"),
        ({"record": 0}, "record must be at least 1"),
        ({"record": [0, 11]}, "record must be steps between 0 and 10, not 11"),
        ({"loss_bound": 0.0}, "loss_bound must be positive"),
        ({"gradient_bound": -1.0}, "gradient_bound must be positive"),
        ({"on_divergence": "ignore"}, "on_divergence must be"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 1000}, "batch_size must be at most"),
        ({"seed": -1}, "seed must be"),
        ({"start": Layers(([[1.0]],))}, "as many as the network is deep"),
    ],
)
def test_refused_arguments(options: dict[str, Any], message: str) -> None:
    network = DeepLinearNetwork(2, SHAPE, 2)
    arguments: dict[str, Any] = {"start": balanced_start(network), "learning_rate": 0.1, "steps": 10} | options
    with pytest.raises(ValueError, match=message):
        train(ENERGY, network, **arguments)


def test_other_refusals() -> None:
    network = DeepLinearNetwork(2, (1, 1))
    X = Matrix(1, 1, symbols("x:1", real=True))
    with pytest.raises(ValueError, match="batch_size needs a MatrixCompletion, not a SymbolicEnergy"):
        train(SymbolicEnergy(X[0, 0] ** 2, X), network, balanced_start(network), 0.1, 1, batch_size=1)
    with pytest.raises(TypeError, match="start must be a FactoredMatrix, Layers or a TrainingState"):
        train(ENERGY, DeepLinearNetwork(2, SHAPE), np.eye(3), 0.1, 1)  # type: ignore[arg-type]
    # A step of a single layer leaves the matrices of rank two.
    single = DeepLinearNetwork(1, SHAPE, 2)
    with pytest.raises(ValueError, match="projected"):
        train(ENERGY, single, balanced_start(single), 0.1, 1)
