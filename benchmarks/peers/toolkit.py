"""This project's own solver, called like a peer."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

from numerics import gradient_flow

from .problem import CompletionProblem, Outcome, TimeLimitError

__all__ = ["toolkit"]


def toolkit(
    problem: CompletionProblem, chart: str, engine: str, method: str | None, limit: float
) -> Callable[[float], Outcome]:
    """`numerics.gradient_flow` in a chart, with an engine and a method."""

    def solve(rtol: float) -> Outcome:
        deadline = perf_counter() + limit

        def watch(_: float, __: float) -> None:
            if perf_counter() > deadline:
                raise TimeLimitError(f"{chart}, {engine} took more than {limit:g} s")

        trajectory = gradient_flow(
            problem.energy,
            problem.network,
            problem.start,
            [0.0, problem.end],
            chart=chart,
            engine=engine,
            method=method,
            rtol=rtol,
            compiled=True,
            # A compiled engine would have to come back to Python for it.
            progress=watch if engine == "scipy" else None,
        )
        statistics = trajectory.statistics
        chosen = " ".join(str(part) for part in (trajectory.chart, statistics.method))
        return Outcome(
            np.asarray(trajectory.matrix(-1)),
            statistics.evaluations + statistics.jacobian_evaluations + statistics.jacobian_products,
            statistics.jacobians,
            detail={"chosen": chosen},
        )

    return solve
