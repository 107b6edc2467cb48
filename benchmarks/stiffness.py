"""Stiff flows from small starts: escape times against their exact values, and a square completion problem at depth oo.

python -m benchmarks.stiffness [--quick]
"""

from __future__ import annotations

if __name__ == "__main__":  # before NumPy and JAX are imported
    from . import one_thread  # noqa: F401

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from sympy import oo

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix, MatrixCompletion, gradient_flow

from .peers import CompletionProblem, TimeLimitError, completion_problem
from .peers.square_flow import SampledFlow, diffrax_square_flow, scipy_square_flow

Array = NDArray[np.float64]
Flow = Callable[[CompletionProblem, Array], SampledFlow]
Configuration = tuple[str, str, str | None]
"""Chart, engine, method."""

EXPLANATION = """\
1. E = ½ |X - diag(3, 2, 1, ½)|² from s I. The singular values decouple, dσ/dt = -λ(σ, σ)(σ - target), so the time
   at which each reaches half its target is an integral, here to 30 digits. All solvers run at their default tolerances
   (for diffrax, which has none, those of SciPy); SciPy's stiff ones also at tolerances that follow the start, as one
   would choose who knows what is to come. Bold: wrong by more than 1e-3. SciPy differences its Jacobians, and those
   right-hand sides count; ours come from the formula, and their number stands beside as J.
2. 30 x 30 at depth ∞, of full rank from s times an orthogonal matrix, half the entries of a matrix of rank 3 and norm 1
   seen, until t = 60/s.
"""

TARGETS = (3.0, 2.0, 1.0, 0.5)
SCALES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-8)
SQUARE_SCALES = (1e-3, 1e-4, 1e-6)
SCIPY_DEFAULTS: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-6}
MAX_STEPS = 400_000 // 6
MOST_STEPS = 20_000
"""Of ours."""
ESCAPE_ERROR = 1e-3
FINE = np.linspace(-2 * ESCAPE_ERROR, 2 * ESCAPE_ERROR, 81)
COARSE = np.geomspace(3 * ESCAPE_ERROR, 0.5, 20)
AROUND = np.concatenate([-COARSE[::-1], FINE, COARSE])
"""Times relative to the exact escape: each crossing is located to 5e-5 where it is right."""

OURS: tuple[Configuration, ...] = (
    ("auto", "auto", None),
    ("factored", "scipy", None),
    ("factored", "sundials", None),
    ("factored", "diffrax", None),
)


# ------------------------------------------------------------------------------------ escape times


def diagonal_problem(depth: Any, scale: float) -> CompletionProblem:
    """½ |X - diag(targets)|² from scale times the identity, ending after the last escape."""
    D = np.diag(TARGETS)
    network = DeepLinearNetwork(depth, D.shape)
    start = FactoredMatrix.from_matrix(scale * np.eye(len(D)))
    end = 1.5 * max(escape_times(depth, scale))
    return CompletionProblem(MatrixCompletion.from_array(D), network, start, end, D)


def escape_times(depth: Any, scale: float) -> list[float]:
    """The time at which each singular value is half its target: ∫ dσ / (λ(σ, σ) (target - σ)) from the start.

    λ(σ, σ) = N σ^{2-2/N} is summed from the definition; at infinite depth, rescaled, it is σ².
    """
    with mpmath.workdps(30):

        def speed(sigma: mpmath.mpf, target: float) -> mpmath.mpf:
            if depth == oo:
                return sigma**2 * (target - sigma)
            exponents = (mpmath.mpf(2 * (depth - p) + 2 * (p - 1)) / depth for p in range(1, depth + 1))
            return sum(sigma**exponent for exponent in exponents) * (target - sigma)

        times = []
        for target in TARGETS:
            low, high = mpmath.log(scale), mpmath.log(mpmath.mpf(target) / 2)
            pieces = mpmath.linspace(low, high, 12)
            times.append(float(mpmath.quad(lambda u, g=target: mpmath.exp(u) / speed(mpmath.exp(u), g), pieces)))
        return times


def sampled_times(exact: Sequence[float], end: float) -> Array:
    """0, many times around each exact escape, and the end."""
    around = np.concatenate([time * (1 + AROUND) for time in exact])
    return np.unique(np.concatenate([[0.0], around[around < end], [end]]))


def escape_error(times: Array, singular_values: Array, exact: Sequence[float]) -> float:
    """The largest relative error of the escape times; infinite where one never escapes."""
    worst = 0.0
    for target, time, path in zip(sorted(TARGETS, reverse=True), exact, singular_values.T, strict=True):
        escaped = np.flatnonzero(path >= target / 2)
        if not len(escaped) or escaped[0] == 0:
            return np.inf
        after = escaped[0]
        share = (target / 2 - path[after - 1]) / (path[after] - path[after - 1])
        crossing = times[after - 1] + share * (times[after] - times[after - 1])
        worst = max(worst, abs(crossing / time - 1))
    return float(worst)


def diagonal_solvers(limit: float) -> dict[str, Flow]:
    """By name, at their default tolerances, and SciPy's stiff ones also at tolerances that follow the start."""
    solvers: dict[str, Flow] = {_named(each): partial(toolkit_flow, configuration=each) for each in OURS}
    solvers["this, auto, auto, rtol 1e-6"] = partial(toolkit_flow, configuration=OURS[0], rtol=1e-6)
    for method in ("LSODA", "Radau", "BDF", "DOP853"):
        solvers[f"SciPy, {method}"] = partial(scipy_square_flow, method=method, limit=limit, **SCIPY_DEFAULTS)
    for method in ("LSODA", "Radau", "BDF"):
        solvers[f"SciPy, {method}, rtol 1e-6, atol 1e-6 s"] = partial(
            scipy_square_flow, method=method, rtol=1e-6, atol=None, limit=limit
        )
    for method in ("Tsit5", "Dopri8"):
        solvers[f"diffrax, {method}"] = partial(
            diffrax_square_flow, method=method, max_steps=MAX_STEPS, **SCIPY_DEFAULTS
        )
    return solvers


def diagonal_cell(solve: Flow, depth: Any, scale: float) -> str:
    """The error of the escape times, and the evaluations."""
    problem, escapes = diagonal_problem(depth, scale), escape_times(depth, scale)
    times = sampled_times(escapes, problem.end)
    flow = solve(problem, times)
    error = escape_error(times, np.asarray(np.linalg.svd(flow.X, compute_uv=False)), escapes)
    shown = "never escapes" if np.isinf(error) else "< 1e-4" if error < 1e-4 else f"{error:.0e}"
    exact = f", {flow.exact_jacobians} J" if flow.exact_jacobians else ""
    return f"{shown if error <= ESCAPE_ERROR else f'**{shown}**'} ({flow.evaluations}{exact})"


# --------------------------------------------------------------------- the square completion problem


def square_problem(scale: float) -> CompletionProblem:
    """30 x 30 at depth oo, half the entries of a matrix of rank 3 and norm 1, from scale times an orthogonal matrix."""
    side = 30
    drawn = completion_problem(oo, 60 / scale, shape=(side, side), rank=3, observations=side**2 // 2, norm=1.0)
    network = DeepLinearNetwork(oo, (side, side))
    generator = np.random.default_rng(0)
    Q, R = np.linalg.qr(generator.standard_normal((side, side)))
    start = FactoredMatrix(Q * np.sign(np.diag(R)), scale * np.eye(side), np.eye(side))
    return CompletionProblem(drawn.energy, network, start, drawn.end, drawn.target)


def unseen_error(problem: CompletionProblem, X: Array) -> float:
    """The relative error in the norm of the entries that were not observed."""
    unseen = np.ones(X.shape, dtype=bool)
    unseen[problem.energy.rows, problem.energy.columns] = False
    return float(np.linalg.norm((X - problem.target)[unseen]) / np.linalg.norm(problem.target[unseen]))


def square_solvers(limit: float, rtol: float = 1e-6) -> dict[str, Flow]:
    """By name, all at one relative tolerance, with absolute ones that follow the start."""
    solvers: dict[str, Flow] = {_named(each): partial(toolkit_flow, configuration=each, rtol=rtol) for each in OURS}
    for method in ("BDF", "LSODA", "DOP853"):
        solvers[f"SciPy, {method}"] = partial(scipy_square_flow, method=method, rtol=rtol, atol=None, limit=limit)
    return solvers


def square_cell(solve: Flow, scale: float) -> str:
    """Seconds, evaluations, Jacobians, error on the unseen entries."""
    problem = square_problem(scale)
    begin = perf_counter()
    flow = solve(problem, np.array([0.0, problem.end]))
    seconds = perf_counter() - begin
    return f"{seconds:.3g} s, {flow.evaluations}, {flow.jacobians}, {unseen_error(problem, flow.X[-1]):.1e}"


# ------------------------------------------------------------------------------------------ common


def toolkit_flow(
    problem: CompletionProblem, times: Array, configuration: Configuration, rtol: float | None = None
) -> SampledFlow:
    """This toolkit's flow, at its default tolerances unless rtol is given."""
    chart, engine, method = configuration
    options: dict[str, Any] = {"chart": chart, "engine": engine, "method": method, "max_steps": MOST_STEPS}
    if rtol is not None:
        options["rtol"] = rtol
    trajectory = gradient_flow(problem.energy, problem.network, problem.start, times, **options)
    statistics = trajectory.statistics
    X = np.array([trajectory.matrix(index) for index in range(len(times))])
    spent = statistics.evaluations + statistics.jacobian_evaluations + statistics.jacobian_products
    exact = statistics.jacobians if statistics.jacobian_evaluations == 0 else 0
    return SampledFlow(X, spent, statistics.jacobians, exact)


def _named(configuration: Configuration) -> str:
    return "this, " + ", ".join(part for part in configuration if part)


def attempted(cell: Callable[[], str]) -> str:
    """The cell, or why there is none."""
    try:
        return cell()
    except TimeLimitError as error:
        return str(error).partition("took ")[2]
    except ImportError:
        return "not installed"
    except (ValueError, TypeError) as error:
        return "not offered" if "must be one of" in str(error) else f"failed: {str(error)[:60]}"
    except RuntimeError as error:  # FlowError among them
        return f"failed: {str(error)[:60]}"


def table(corner: str, solvers: Mapping[str, Flow], scales: Sequence[float], cell: Callable[[Flow, float], str]) -> str:
    """Every solver from every start, as a Markdown table; each row is printed as soon as it is there."""
    heads = [corner, *(f"from {scale:.0e}" for scale in scales)]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for name, solve in solvers.items():
        lines.append(f"| {name} | {' | '.join(attempted(partial(cell, solve, scale)) for scale in scales)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def run(quick: bool) -> str:
    """Both parts, as Markdown."""
    scales = (1e-3, 1e-5, 1e-8) if quick else SCALES
    parts = [
        f"Depth {'∞' if depth == oo else depth}: largest relative error of the four escape times (right-hand sides, "
        "those for Jacobians included).\n\n"
        + table(
            "diagonal problem",
            diagonal_solvers(5.0 if quick else 60.0),
            scales,
            lambda solve, scale, depth=depth: diagonal_cell(solve, depth, scale),  # type: ignore[misc]
        )
        for depth in (3, oo)
    ]
    parts.append(
        "30 x 30 at depth ∞, rtol 1e-6: seconds, right-hand sides (with those of Jacobians), Jacobians, error "
        "on the unseen entries.\n\n"
        + table(
            "square completion problem",
            square_solvers(10.0 if quick else 300.0),
            SQUARE_SCALES,
            square_cell,
        )
    )
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="three starts, at most 5 s a run, 10 s for the square problems"
    )
    run(parser.parse_args().quick)


if __name__ == "__main__":
    main()
