"""Cost of a right-hand side of completion flows against size, rank and depth, beside the products it cannot avoid.

    python -m benchmarks.right_hand_side [--quick] [--sizes 1000 10000 100000] [--ranks 5 10]

Each size runs in a process of its own, on one core, with one thread.
"""

from __future__ import annotations

if __name__ == "__main__":  # before NumPy is imported
    from . import one_thread  # noqa: F401

import argparse
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix, MatrixCompletion
from numerics.charts.factored_chart import FactoredChart
from numerics.sampled_products import (
    IMPLEMENTATIONS,
    available_implementation,
    gradient_products,
    sampled_product,
)

Array = NDArray[np.float64]

ENTRIES = {100: 2_000, 1_000: 180_000, 10_000: 2_000_000, 100_000: 20_000_000}
"""Observed entries of a square matrix of each size."""
RANKS = (5, 10)
DEPTH = 3
DEPTHS = (2, 3, 4, 10, 100, 1_000_000)
LARGEST_GATHER = 2_000_000
"""Entries up to which both factors are gathered whole: at 2e7 and rank 10 they take 3.2 GB."""
SECONDS_OF_ROUNDS = 2.0
FEWEST_ROUNDS, MOST_ROUNDS = 5, 200

EXPLANATION = """\
A right-hand side of completion, n x n with the entries given, in milliseconds (medians of rounds in turn, one core, one
thread). What cannot be avoided are two sparse-dense products (SciPy) and a sampled product; `gradient_products` does
all three, and the ratio is its time over the sum of theirs. The factored chart at depth 3 adds the orthogonal
projections and an r x r decomposition; for small matrices it is one compiled function. Memory is the peak of what is
allocated during one right-hand side of the chart, above the data.
"""


def problem(size: int, entries: int) -> MatrixCompletion:
    """As many entries in each row, one in each of as many intervals, shifted at random, with Gaussian values."""
    generator = np.random.default_rng(0)
    each = entries // size
    width = size // each
    places = width * np.arange(each, dtype=np.int32) + generator.integers(width, size=(size, each), dtype=np.int32)
    places += generator.integers(size, size=(size, 1), dtype=np.int32)
    columns = np.sort(places % size, axis=1).ravel()
    rows = np.repeat(np.arange(size, dtype=np.int32), each)
    return MatrixCompletion(rows, columns, generator.standard_normal(len(rows)), (size, size))


def start(size: int, rank: int) -> FactoredMatrix:
    """A point with singular values from 2 down to 1 and random singular spaces."""
    generator = np.random.default_rng(1)
    left, right = (np.linalg.qr(generator.standard_normal((size, rank)))[0] for _ in range(2))
    return FactoredMatrix(left, np.diag(np.linspace(2.0, 1.0, rank)), right)


def milliseconds(functions: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Medians of calls that take turns; of two calls in a row the faster counts, whose data are where it left them."""
    for function in functions.values():
        function()
    rounds: dict[str, list[float]] = {name: [] for name in functions}
    begin = perf_counter()
    while len(next(iter(rounds.values()))) < MOST_ROUNDS:
        for name, function in functions.items():
            rounds[name].append(min(_seconds(function) for _ in range(2)))
        if len(rounds[name]) >= FEWEST_ROUNDS and perf_counter() - begin > SECONDS_OF_ROUNDS:
            break
    return {name: 1e3 * median(seconds) for name, seconds in rounds.items()}


def _seconds(function: Callable[[], Any]) -> float:
    before = perf_counter()
    function()
    return perf_counter() - before


def gathered_products(energy: MatrixCompletion, left: Array, right: Array) -> tuple[Array, Array]:
    """As one would write it down: both factors gathered at all entries."""
    slope = energy.observed.copy()
    slope.data = np.einsum("ek,ek->e", left[energy.rows], right[energy.columns]) - energy.values
    return slope @ right, slope.T @ left


def measure(size: int, rank: int) -> dict[str, float]:
    """Times of one size and rank by name, and the memory of a right-hand side in MB."""
    energy, point = problem(size, ENTRIES[size]), start(size, rank)
    observed, left, right = energy.observed, point.U @ point.S, point.V
    chart = FactoredChart(energy, DeepLinearNetwork(DEPTH, (size, size), rank), point)
    coordinates = chart.coordinates(point)
    functions: dict[str, Callable[[], Any]] = {
        "two products": lambda: (observed @ right, observed.T @ left),
        "chart": lambda: chart.velocity(0.0, coordinates),
    }
    for name in implementations():
        functions[f"sampled {name}"] = partial(sampled_product, observed, left, right, name)
        functions[f"all {name}"] = partial(gradient_products, observed, left, right, left, right, None, name)
    if ENTRIES[size] <= LARGEST_GATHER:
        functions["gathered"] = lambda: gathered_products(energy, left, right)
    times = milliseconds(functions)
    return times | {"memory": peak_megabytes(functions["chart"])}


def implementations() -> list[str]:
    """Those installed, the one that is used first."""
    used = available_implementation()
    return [name for name in IMPLEMENTATIONS if name == used or name == "numpy"]


def peak_megabytes(function: Callable[[], Any]) -> float:
    """The most that NumPy holds during a call beyond what it held before."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (peak - before) / 1e6


def in_own_process(*arguments: object) -> Any:
    """What this module prints for --measure, read back."""
    command = [sys.executable, "-m", "benchmarks.right_hand_side", "--measure", *map(str, arguments)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def size_table(sizes: Sequence[int], ranks: Sequence[int]) -> str:
    """Cost against size and rank."""
    names = implementations()
    header = ["n", "entries", "r", "two products", *(f"sampled ({name})" for name in names)]
    header += [*(f"`gradient_products` ({name})" for name in names), "ratio", "two gathers", "chart", "memory"]
    lines = [_row(header), _row(["---:"] * len(header))]
    for size in sizes:
        for rank in ranks:
            times = in_own_process(size, rank)
            unavoidable = times["two products"] + times[f"sampled {names[0]}"]
            cells = [f"{size:,}", f"{ENTRIES[size]:,}", str(rank), _shown(times["two products"])]
            cells += [_shown(times[f"sampled {name}"]) for name in names]
            cells += [_shown(times[f"all {name}"]) for name in names]
            cells += [f"{times[f'all {names[0]}'] / unavoidable:.2f}", _shown(times.get("gathered"))]
            cells += [_shown(times["chart"]), f"{times['memory']:.3g} MB"]
            lines.append(_row(cells))
    return "\n".join(lines)


def depth_times(size: int, rank: int) -> dict[str, float]:
    """Times of the factored chart by depth."""
    energy, point = problem(size, ENTRIES[size]), start(size, rank)
    functions: dict[str, Callable[[], Any]] = {}
    for depth in DEPTHS:
        chart = FactoredChart(energy, DeepLinearNetwork(depth, (size, size), rank), point)
        functions[str(depth)] = partial(chart.velocity, 0.0, chart.coordinates(point))
    return milliseconds(functions)


def depth_table(sizes: Sequence[int], rank: int) -> str:
    """Cost against depth."""
    header = ["n", *(f"depth {depth:,}" for depth in DEPTHS)]
    lines = [_row(header), _row(["---:"] * len(header))]
    for size in sizes:
        times = in_own_process(size, rank, "--against-depth")
        lines.append(_row([f"{size:,}", *(_shown(times[str(depth)]) for depth in DEPTHS)]))
    return "\n".join(lines)


def _shown(time: float | None) -> str:
    return "" if time is None else f"{time:.3g}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def run(quick: bool, sizes: Sequence[int] | None = None, ranks: Sequence[int] = RANKS) -> str:
    """Both tables, as Markdown."""
    sizes = sizes or [size for size in ENTRIES if not quick or ENTRIES[size] <= LARGEST_GATHER]
    smaller = [size for size in sizes if ENTRIES[size] <= LARGEST_GATHER]
    against_depth = f"The factored chart against depth, r = {max(ranks)}:\n\n{depth_table(smaller, max(ranks))}"
    return f"{size_table(sizes, ranks)}\n\n{against_depth}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="without the largest size")
    parser.add_argument("--sizes", nargs="+", type=int, choices=ENTRIES)
    parser.add_argument("--ranks", nargs="+", type=int, default=list(RANKS))
    parser.add_argument("--measure", nargs=2, type=int, metavar=("SIZE", "RANK"), help=argparse.SUPPRESS)
    parser.add_argument("--against-depth", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        size, rank = arguments.measure
        print(json.dumps(depth_times(size, rank) if arguments.against_depth else measure(size, rank)))
        return
    print(f"{EXPLANATION}\n{run(arguments.quick, arguments.sizes, arguments.ranks)}")


if __name__ == "__main__":
    main()
