"""Times of completion flows to a relative error of 1e-6, this toolkit and its peers alternating in one process.

    python -m benchmarks.completion_flows [--depths 2 3 4 10 100 oo] [--seeds 0 1 2] [--limit 30] [--quick]

For each solver the loosest tolerance on a grid of half decades that reaches the error is found; then all solvers of a
problem run in turns, with that tolerance, one thread each.  What JAX compiles is timed apart.
"""

from __future__ import annotations

if __name__ == "__main__":  # before NumPy and JAX are imported
    from . import one_thread  # noqa: F401

import argparse
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import oo

from numerics import FrozenSpacesWarning

from .peers import OURS, PEERS, CompletionProblem, TimeLimitError, completion_problem
from .peers.factored_chart import factored_scipy
from .peers.gradient_descent_torch import gradient_descent, torch_installed
from .peers.layers_scipy import loss_drop_time, thin_layers
from .tolerance_search import Measurement, loosest, timed

Array = NDArray[np.float64]

LATE_RATES = 3
RATES = tuple(10.0 ** -(exponent / 2) for exponent in range(0, 17))
LOSS_DROP = 1e4
ENDS: dict[Any, float] = {10: 1.5, 100: 0.4, oo: 40.0}
"""At depth 100 the rescaled time N t is 40, as at depth oo; at other depths the end is where the loss has dropped."""
DEPTHS = (2, 3, 4, 10, 100, oo)
LATEST = 20.0
ROUNDS = 7
LIMIT = 30.0
SECONDS_OF_ROUNDS = 20.0


@dataclass(frozen=True)
class Comparison:
    """All solvers on one problem; the references are two routes at tight tolerances, and how far they are apart."""

    problem: CompletionProblem
    depth: Any
    seed: int
    measurements: list[Measurement]
    reference_gap: float

    @property
    def label(self) -> str:
        """The depth as it is written."""
        return "∞" if self.depth == oo else str(self.depth)

    @property
    def ours(self) -> Measurement:
        """What a user gets who chooses nothing; the fastest of ours where that is not offered."""
        unasked = self.measurements[0]
        return unasked if unasked.rounds else self.best(OURS[0].family)

    def best(self, family: str) -> Measurement:
        """The fastest of a family; where none has a time, one that says why."""
        members = [each for each in self.measurements if each.family == family]
        return min(members, key=lambda each: each.seconds)


def problem_at(depth: Any, seed: int) -> CompletionProblem:
    """The problem with the end that belongs to its depth."""
    if depth in ENDS:
        return completion_problem(depth, ENDS[depth], seed=seed)
    end = loss_drop_time(completion_problem(depth, LATEST, seed=seed), LOSS_DROP)
    return completion_problem(depth, end, seed=seed)


def reference(problem: CompletionProblem) -> tuple[Array, float]:
    """X at the end by the factored chart at rtol 1e-12, and its distance to that by another route.

    The other route are the layers; at infinite depth, where there are none, another method.
    """
    X = factored_scipy(problem, "DOP853", np.inf)(1e-12).X
    if problem.infinitely_deep:
        other = factored_scipy(problem, "Radau", np.inf)(1e-10).X
    else:
        other = thin_layers(problem, "DOP853", np.inf)(1e-12).X
    return X, problem.error(other, X)


def compare(depth: Any, seed: int, limit: float, hopeless: Mapping[tuple[str, str], str] | None = None) -> Comparison:
    """Search the tolerances of all solvers, then let them run in turns.

    `hopeless` has remarks on those that need not be tried, as they took too long with another seed.
    """
    hopeless = hopeless or {}
    problem = problem_at(depth, seed)
    print(f"depth {depth}, seed {seed}, t = {problem.end:g}: references", flush=True)
    exact, gap = reference(problem)
    searched: list[tuple[Measurement, Any]] = []
    for solver in (*OURS, *PEERS):
        remark = hopeless.get((solver.family, solver.name))
        skipped = Measurement(solver.family, solver.name, remark=remark) if remark else None
        searched.append((skipped, None) if skipped else loosest(solver, problem, exact, limit))
        found = searched[-1][0]
        print(f"    {found.family}, {found.name}: {found.remark or f'rtol {found.tolerance:.0e}'}", flush=True)
    ready = [(measurement, solve) for measurement, solve in searched if solve is not None]
    for count in range(ROUNDS):
        for measurement, solve in ready:
            if count == 0 or sum(measurement.rounds) + measurement.seconds < SECONDS_OF_ROUNDS:
                assert measurement.tolerance is not None
                measurement.rounds.append(timed(solve, measurement.tolerance)[1])
    measurements = [measurement for measurement, _ in searched] + [descent(problem, exact, limit)]
    return Comparison(problem, depth, seed, measurements, gap)


def descent(problem: CompletionProblem, exact: Array, limit: float) -> Measurement:
    """PyTorch's gradient descent to the loss of the flow's end, at the fastest of the learning rates."""
    found = Measurement("PyTorch", "gradient descent")
    if not torch_installed():
        found.remark = "not installed"
    elif problem.infinitely_deep:
        found.remark = "no layers"
    else:
        loss = problem.energy(exact) * (1 + 1e-6)
        solve = gradient_descent(problem, loss, limit)
        found.remark = f"> {limit:g} s"
        late = 0
        for rate in RATES:
            if late == LATE_RATES:
                break
            try:
                outcome, seconds = timed(solve, rate)
            except TimeLimitError:  # too small a rate, or one so large that the loss goes up and down
                late += 1
                continue
            except RuntimeError:  # diverges
                continue
            if seconds > found.seconds:
                break
            found.tolerance, found.outcome, found.rounds = rate, outcome, [seconds]
            found.error, found.remark = problem.error(outcome.X, exact), ""
    return found


def detail(comparison: Comparison) -> str:
    """Every configuration of a comparison, as a Markdown table."""
    ours = comparison.ours
    lines = [
        "| solver | configuration | rtol | error | seconds | right-hand sides | Jacobians | compiling | time / ours |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in comparison.measurements:
        family, name = each.family, each.name
        if each.outcome is None or each.remark:
            lines.append(f"| {family} | {name} | | | {each.remark} | | | | |")
            continue
        chosen = each.outcome.detail.get("chosen")
        name = f"{name} ({chosen})" if chosen and "auto" in name else name
        lines.append(
            f"| {family} | {name} | {each.tolerance:.0e} | {each.error:.0e} | {each.seconds:.3g} | "
            f"{each.outcome.evaluations} | {each.outcome.jacobians or ''} | "
            f"{f'{each.compilation:.1f} s' if each.compilation > 0.5 else ''} | {each.ratio(ours):.2f} |"
        )
    return "\n".join(lines)


FAMILIES = (*dict.fromkeys(solver.family for solver in (*OURS, *PEERS)), "PyTorch")


def summary(comparisons: Sequence[Comparison]) -> str:
    """A row a depth: the best of each family, in seconds (right-hand sides), and the lead; medians of seeds.

    Gradient descent does not count for the lead, as it reaches a loss and not the error.
    """
    lines = ["| depth | this, unasked | " + " | ".join(("this, best", *FAMILIES[1:])) + " | best peer / this |"]
    lines.append("|" + "---|" * (len(FAMILIES) + 3))
    for depth in dict.fromkeys(each.depth for each in comparisons):
        rows = [each for each in comparisons if each.depth == depth]
        cells = [_cell([each.measurements[0] for each in rows])]
        cells += [_cell([each.best(family) for each in rows]) for family in FAMILIES]
        lead = median(min(each.best(family).ratio(each.ours) for family in FAMILIES[1:-1]) for each in rows)
        lines.append(f"| {rows[0].label} | " + " | ".join(cells) + f" | {lead:.2f} |")
    return "\n".join(lines)


def _cell(measurements: Sequence[Measurement]) -> str:
    """The median over seeds of seconds and right-hand sides, or why there are none."""
    done = [each for each in measurements if each.outcome is not None and each.rounds]
    if len(done) < len(measurements) or not done:
        return next((each.remark for each in measurements if each.remark), "")
    evaluations = median(each.outcome.evaluations for each in done if each.outcome is not None)
    return f"{median(each.seconds for each in done):.3g} s ({evaluations:.0f})"


def run(depths: Sequence[Any], seeds: Sequence[int], limit: float) -> list[Comparison]:
    """All comparisons, each printed as soon as it is there."""
    warnings.simplefilter("ignore", FrozenSpacesWarning)
    comparisons = []
    for depth in depths:
        hopeless: dict[tuple[str, str], str] = {}
        for seed in seeds:
            comparison = compare(depth, seed, limit, hopeless)
            hopeless |= {(e.family, e.name): e.remark for e in comparison.measurements if e.remark.startswith(">")}
            comparisons.append(comparison)
            print(f"depth {depth}, seed {seed}, t = {comparison.problem.end:g}, ", end="")
            print(f"two references {comparison.reference_gap:.0e} apart\n\n{detail(comparison)}\n", flush=True)
    return comparisons


def depth_argument(text: str) -> Any:
    """2, 3, … or oo."""
    return oo if text in ("oo", "∞") else int(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depths", nargs="+", type=depth_argument, default=DEPTHS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds that one run of a peer may take")
    parser.add_argument("--quick", action="store_true", help="depths 2 and 10, one seed, at most 5 s a run")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.depths, arguments.seeds, arguments.limit = [2, 10], [0], 5.0
    print(summary(run(arguments.depths, arguments.seeds, arguments.limit)))


if __name__ == "__main__":
    main()
