"""Times of ours and of a peer, alternating in one run, and their ratio.

    python -m benchmarks.side_by_side

A ratio above 1 means that ours is slower. The peers are what a user would write without the toolkit: the quotient
through SymPy's lambdify (wrong near coalescence, but fast), and gradient descent on the layers themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
from sympy import lambdify

from derivations.mauna_loa import weekly_matrix
from geometry import DeepLinearNetwork, compile_kernel, explicit
from numerics import FactoredMatrix, MatrixCompletion, balanced_start, gradient_flow

ROUNDS = 7


def seconds(function: Callable[[], object]) -> float:
    """Of one call."""
    start = perf_counter()
    function()
    return perf_counter() - start


def compare(what: str, ours: Callable[[], object], peer: Callable[[], object], rounds: int = ROUNDS) -> None:
    """Print the median times and the median ratio of alternating calls."""
    ours(), peer()  # compiled and cached before the first round
    pairs = [(seconds(ours), seconds(peer)) for _ in range(rounds)]
    ratio = median(mine / theirs for mine, theirs in pairs)
    mine, theirs = (median(column) for column in zip(*pairs, strict=True))
    print(f"{what:<58} {mine * 1e3:9.2f} ms {theirs * 1e3:9.2f} ms  ratio {ratio:6.2f}")


def kernels() -> None:
    """The multiplier and the log density, a million times, against lambdify."""
    generator = np.random.default_rng(0)
    sigma = np.sort(generator.uniform(0.1, 2.0, (2, 1_000_000)), axis=0)[::-1]
    for depth in (2, 3, 10):
        network = DeepLinearNetwork(depth, (2, 2))
        for name, expression in (
            ("multiplier", network.multiplier(0, 1)),
            ("log density", network.log_volume_density()),
        ):
            ours = compile_kernel(expression, network.singular_values)
            naive = lambdify(network.singular_values, explicit(expression), "numpy")
            compare(
                f"{name}, depth {depth}, 10^6 pairs, against lambdify",
                lambda ours=ours: ours(*sigma),
                lambda naive=naive: naive(*sigma),
            )


def charts() -> None:
    """A completion problem to convergence, in the factored chart against the layers."""
    generator = np.random.default_rng(1)
    M = generator.standard_normal((16, 2)) @ generator.standard_normal((2, 12))
    energy = MatrixCompletion.from_array(np.where(generator.random(M.shape) < 0.6, M / np.linalg.norm(M), np.nan))
    for depth in (2, 3, 5):
        network = DeepLinearNetwork(depth, (16, 12), 3)
        start = balanced_start(network, 1e-3, 0)
        compare(
            f"16 x 12, rank 3, depth {depth}: factored chart against layers",
            lambda network=network, start=start: gradient_flow(energy, network, start, until=1e-5, rtol=1e-6),
            lambda network=network, start=start: gradient_flow(
                energy, network, start, until=1e-5, rtol=1e-6, chart="layers"
            ),
            rounds=3,
        )


def gradients() -> None:
    """A gradient at a factored point, against the dense residual: nearly all entries seen, and a hundredth of them."""
    generator = np.random.default_rng(2)
    record = weekly_matrix() - np.nanmean(weekly_matrix())
    sparse = np.where(generator.random((1500, 1000)) < 0.01, generator.standard_normal((1500, 1000)), np.nan)
    for what, matrix in (("weekly record, 97% seen", record), ("1500 x 1000, 1% seen", sparse)):
        energy = MatrixCompletion.from_array(matrix)
        point = FactoredMatrix.from_matrix(np.nan_to_num(matrix), rank=5)
        compare(
            f"{what}: 10 sparse gradients against dense residuals",
            lambda energy=energy, point=point: [energy.gradient(point) for _ in range(10)],
            lambda matrix=matrix, point=point: [
                np.where(np.isnan(matrix), 0.0, point.to_array() - matrix) for _ in range(10)
            ],
        )


if __name__ == "__main__":
    print(f"{'':<58} {'ours':>12} {'peer':>12}")
    for benchmark in (kernels, gradients, charts):
        benchmark()
