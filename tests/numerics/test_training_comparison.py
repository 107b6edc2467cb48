"""Discrete training beside the flow: orders of the distance, with the layers integrated by code of this file's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from geometry import DeepLinearNetwork
from numerics import MatrixCompletion, balanced_start
from numerics.layers import Layers
from numerics.training import train
from numerics.training_comparison import compare_with_flow, modified_flow
from numerics.training_rule import GradientDescent

Array = NDArray[np.float64]
CASES = [(2, "unbalanced"), (3, "balanced"), (5, "unbalanced")]
RULES: list[dict[str, Any]] = [{}, {"momentum": 0.5}, {"momentum": 0.5, "nesterov": True}]


def observed_array() -> Array:
    generator = np.random.default_rng(0)
    M = generator.standard_normal((6, 2)) @ generator.standard_normal((2, 5))
    return np.where(generator.random((6, 5)) < 0.3, np.nan, M / np.linalg.norm(M, 2))


ENERGY = MatrixCompletion.from_array(observed_array())


def start_of(depth: int, kind: str) -> tuple[DeepLinearNetwork, Any]:
    network = DeepLinearNetwork(depth, (6, 5), 3)
    return network, balanced_start(network, 0.3) if kind == "balanced" else Layers.random(network, 0.5, seed=2)


def multiplied(layers: list[Array], size: int) -> Array:
    product = np.eye(size)
    for layer in layers:
        product = layer @ product
    return product


def gradients(layers: Layers) -> Array:
    """∂L/∂W with full matrices, as one vector."""
    W = list(layers)
    slope = np.nan_to_num(multiplied(W, 5) - observed_array())
    parts = [multiplied(W[p + 1 :], len(V)).T @ slope @ multiplied(W[:p], 5).T for p, V in enumerate(W)]
    return np.concatenate([part.ravel() for part in parts])


def integrated(start: Layers, time: float, strength: float = 0.0) -> Array:
    """dW/dt = -∇(L + (strength/2) |∇L|²) by DOP853, the second term by differences along the gradient."""

    def velocity(_: float, vector: Array) -> Array:
        slope = gradients(Layers.from_vector(vector, start.shapes))
        step = 1e-6
        moved = (gradients(Layers.from_vector(vector + sign * step * slope, start.shapes)) for sign in (1, -1))
        return -slope - strength * np.subtract(*moved) / (2 * step)

    solution = solve_ivp(velocity, (0, time), start.vector(), "DOP853", rtol=1e-11, atol=1e-13)
    assert solution.success
    return np.asarray(solution.y[:, -1])


@pytest.mark.parametrize(("depth", "kind"), CASES)
def test_the_flow_is_that_of_the_layers(depth: int, kind: str) -> None:
    network, start = start_of(depth, kind)
    layers = start if isinstance(start, Layers) else Layers.balanced(network, start)
    (begin, end) = modified_flow(ENERGY, network, start, [0.0, 3.0])
    np.testing.assert_array_equal(begin.vector(), layers.vector())
    np.testing.assert_allclose(end.vector(), integrated(layers, 3.0), atol=1e-8)
    rule = GradientDescent(0.1, 0.5)
    (modified,) = modified_flow(ENERGY, network, start, [0.0, 3.0], rule)[1:]
    np.testing.assert_allclose(modified.vector(), integrated(layers, 3.0, rule.modification), atol=1e-7)
    assert np.linalg.norm(modified.vector() - end.vector()) > 1e-3


def test_times_may_repeat() -> None:
    network, start = start_of(2, "balanced")
    first, second, third = modified_flow(ENERGY, network, start, [0.0, 0.0, 1.0])
    np.testing.assert_array_equal(first.vector(), second.vector())
    assert np.linalg.norm(third.vector() - first.vector()) > 1e-3
    (only,) = modified_flow(ENERGY, network, start, [2.0])
    np.testing.assert_array_equal(only.vector(), first.vector())


@pytest.mark.parametrize("options", RULES, ids=["plain", "heavy ball", "Nesterov"])
@pytest.mark.parametrize(("depth", "kind"), CASES)
def test_orders_in_the_rate(depth: int, kind: str, options: dict[str, Any]) -> None:
    """One against the flow, two against the modified one, one for the defects."""
    network, start = start_of(depth, kind)
    rates = [0.01, 0.005]
    plain = compare_with_flow(ENERGY, network, start, rates, 3.0, **options)
    modified = compare_with_flow(ENERGY, network, start, rates, 3.0, **options, modified=True)
    assert plain.order() == pytest.approx(1, abs=0.1)
    assert plain.defect_order() == pytest.approx(1, abs=0.05)
    assert modified.order() == pytest.approx(2, abs=0.1)
    assert (modified.distances < 0.2 * plain.distances).all()
    assert (plain.steps * np.array(rates) / (1 - options.get("momentum", 0.0))).tolist() == pytest.approx([3.0] * 2)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (RULES[0], "modification"),
        (RULES[0], "effective_rate"),
        *((rule, fault) for rule in RULES[1:] for fault in ("modification", "lag", "effective_rate")),
    ],
)
def test_a_wrong_correction_is_of_first_order(
    options: dict[str, Any], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutants: the modification half as large, the momentum's lag forgotten, its rate a hundredth too large."""
    network, start = start_of(3, "balanced")
    true = getattr(GradientDescent, fault)
    factor = {"modification": 0.5, "lag": 0.0, "effective_rate": 1.01}[fault]
    monkeypatch.setattr(GradientDescent, fault, property(lambda rule: factor * true.fget(rule)))
    wrong = compare_with_flow(ENERGY, network, start, [0.01, 0.005], 3.0, **options, modified=True)
    assert wrong.order() < 1.4


def test_distances_are_those_of_the_matrices() -> None:
    network, start = start_of(3, "balanced")
    comparison = compare_with_flow(ENERGY, network, start, [0.05], 2.0, snapshots=1)
    X = train(ENERGY, network, start, 0.05, 40).matrix(-1)
    layers = Layers.from_vector(integrated(Layers.balanced(network, start), 2.0), ((3, 5), (3, 3), (6, 3)))
    Y = multiplied(list(layers), 5)
    assert comparison.distances[0] == pytest.approx(np.linalg.norm(X - Y) / np.linalg.norm(Y), rel=1e-6)
    assert comparison.steps.tolist() == [40]


def test_rescaled_networks_are_compared_in_their_own_time() -> None:
    start = start_of(3, "balanced")[1]
    plain, rescaled = (
        compare_with_flow(
            ENERGY, DeepLinearNetwork(3, (6, 5), 3, rescaled=rescaled), start, [0.05, 0.02], time, modified=modified
        )
        for rescaled, time, modified in ((False, 2.0, True), (True, 6.0, True))
    )
    np.testing.assert_array_equal(plain.steps, rescaled.steps)
    np.testing.assert_allclose(plain.distances, rescaled.distances, rtol=1e-3)


def test_a_rate_that_diverges_is_infinitely_far() -> None:
    network, start = start_of(3, "balanced")
    comparison = compare_with_flow(ENERGY, network, start, [5.0, 0.1, 0.05], 100.0, snapshots=2, rtol=1e-8)
    assert comparison.distances[0] == np.inf
    assert np.isfinite(comparison.distances[1:]).all()
    with pytest.raises(ValueError, match="at least two learning rates"):
        compare_with_flow(ENERGY, network, start, [0.1], 2.0).order()


def test_refused_arguments() -> None:
    network, start = start_of(3, "balanced")
    with pytest.raises(ValueError, match=r"learning_rate 0\.5 takes 4 steps to 2\.0, fewer than snapshots = 10"):
        compare_with_flow(ENERGY, network, start, [0.5], 2.0)
    for time in (0.0, np.inf):
        with pytest.raises(ValueError, match="time must be positive"):
            compare_with_flow(ENERGY, network, start, [0.1], time)
    with pytest.raises(ValueError, match="snapshots must be at least 1"):
        compare_with_flow(ENERGY, network, start, [0.1], 2.0, snapshots=0)
    for times in ([1.0, 0.0], [], [np.nan]):
        with pytest.raises(ValueError, match="times must be finite numbers that do not decrease"):
            modified_flow(ENERGY, network, start, times)
