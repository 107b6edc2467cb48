"""Discrete training: the cost of a step, and its distance from the flow against the learning rate.

    python -m benchmarks.training

The peer of a step is gradient descent as the experiments of the field run it: full layers, the product formed, the
residual masked, and the gradient by backpropagation through the layers, in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork
from numerics import MatrixCompletion, balanced_start
from numerics.layers import Layers
from numerics.training import train
from numerics.training_comparison import compare_with_flow

Array = NDArray[np.float64]
DEPTHS = (2, 3, 5)
SIDE, RANK, SEEN = 100, 5, 2000
STEPS, ROUNDS = 200, 5
RATES = (0.1, 0.05, 0.025, 0.0125)
RULES: tuple[tuple[str, dict[str, float | bool]], ...] = (
    ("plain", {}),
    ("heavy ball 0.9", {"momentum": 0.9}),
    ("Nesterov 0.9", {"momentum": 0.9, "nesterov": True}),
)


def observations(side: int, seen: int) -> Array:
    """Some entries of a matrix of rank five and spectral norm 1, NaN elsewhere."""
    generator = np.random.default_rng(0)
    M = generator.standard_normal((side, RANK)) @ generator.standard_normal((RANK, side))
    observed = np.full(side * side, np.nan)
    places = generator.choice(side * side, seen, replace=False)
    observed[places] = (M / np.linalg.norm(M, 2)).ravel()[places]
    return observed.reshape(side, side)


def full_layer_descent(observed: Array, start: Layers, rate: float, steps: int) -> list[Array]:
    """Backpropagation through full layers, as an automatic differentiation would do it."""
    mask, target = np.isfinite(observed), np.nan_to_num(observed)
    layers = [layer.copy() for layer in start]
    for _ in range(steps):
        products = [layers[0]]
        for layer in layers[1:]:
            products.append(layer @ products[-1])
        slope = mask * (products[-1] - target)
        for p in range(len(layers) - 1, -1, -1):
            gradient = slope @ products[p - 1].T if p else slope
            slope = layers[p].T @ slope
            layers[p] = layers[p] - rate * gradient
    return layers


def milliseconds(function: Callable[[], object], steps: int) -> float:
    """Of a step, in one call."""
    start = perf_counter()
    function()
    return (perf_counter() - start) / steps * 1e3


def cost_of_a_step(side: int, seen: int, steps: int) -> None:
    """Thin and full layers of ours beside full layers in NumPy."""
    observed = observations(side, seen)
    energy = MatrixCompletion.from_array(observed)
    print(f"a step on {side} x {side}, {seen} entries seen, in ms:")
    print(f"{'depth':>6} {'thin':>9} {'full':>9} {'NumPy full':>11} {'thin/NumPy':>11} {'full/NumPy':>11}")
    for depth in DEPTHS:
        network = DeepLinearNetwork(depth, (side, side), RANK)
        point = balanced_start(network, 0.1)
        thin, full = (Layers.balanced(network, point, width, seed=0) for width in ("thin", "full"))
        runs: tuple[Callable[[], object], ...] = (
            lambda network=network, thin=thin: train(energy, network, thin, 0.1, steps, record=[0]),
            lambda network=network, full=full: train(energy, network, full, 0.1, steps, record=[0]),
            lambda full=full: full_layer_descent(observed, full, 0.1, steps),
        )
        for run in runs:
            run()
        rounds = [[milliseconds(run, steps) for run in runs] for _ in range(ROUNDS)]
        times = [median(column) for column in zip(*rounds, strict=True)]
        ratios = [median(row[position] / row[2] for row in rounds) for position in (0, 1)]
        print(f"{depth:>6} {times[0]:9.3f} {times[1]:9.3f} {times[2]:11.3f} {ratios[0]:11.2f} {ratios[1]:11.2f}")


def distance_to_the_flow() -> None:
    """The largest relative distance until t = 20, from the flow and from that of the modified loss."""
    energy = MatrixCompletion.from_array(observations(20, 200))
    print("\nlargest relative distance to the flow until t = 20 (20 x 20, rank 5, 200 entries, start 0.3)")
    print(f"{'depth':>6} {'rule':<15} {'against':<14}" + "".join(f"{f'η = {rate}':>12}" for rate in RATES) + "   order")
    for depth in DEPTHS:
        network = DeepLinearNetwork(depth, (20, 20), RANK)
        start = balanced_start(network, 0.3)
        for name, options in RULES:
            rates = [rate * (1 - options.get("momentum", 0.0)) for rate in RATES]
            for against, modified in (("flow", False), ("modified flow", True)):
                beside = compare_with_flow(energy, network, start, rates, 20.0, modified=modified, **options)  # type: ignore[arg-type]
                distances = "".join(f"{distance:12.1e}" for distance in beside.distances)
                print(f"{depth:>6} {name:<15} {against:<14}{distances} {beside.order():7.2f}")
            defects = "".join(f"{change:12.1e}" for change in beside.defect_changes)
            print(f"{depth:>6} {name:<15} {'defects moved':<14}{defects} {beside.defect_order():7.2f}")


if __name__ == "__main__":
    cost_of_a_step(SIDE, SEEN, STEPS)
    cost_of_a_step(1000, 20_000, 10)
    distance_to_the_flow()
