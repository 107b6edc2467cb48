"""`dln complete`: the user's own matrix."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from sympy import Expr

from numerics import Completion, Table, complete, hold_out, read_table, root_mean_square, write_table

__all__ = ["complete_file"]

MANY_UNKNOWNS = 4000
"""From here on a flow takes minutes."""


def complete_file(
    data: Path,
    output: Path,
    *,
    depth: int | Expr,
    rank: int | None,
    held_out: float = 0.0,
    scale: float = 1e-3,
    rtol: float = 1e-6,
    seed: int = 0,
    overwrite: bool = False,
    header: bool | None = None,
    labels: bool | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> str:
    """Complete a CSV file and write the result, labels kept; returns a summary.

    Observed entries are written as they were, gaps with the fit.  With `held_out` a share of the
    observed entries is first left out, to say how good the fit is on entries it has not seen.

    Raises
    ------
    ValueError
        If the file or a parameter makes no sense; nothing is written then.
    FileExistsError
        If the output exists and `overwrite` is False.
    """
    table = read_table(data, header=header, labels=labels)
    if output.exists() and not overwrite:
        raise FileExistsError(f"{output} exists; choose another name, or --overwrite")

    _warn_of_size(table.values.shape, rank)

    def run(values: np.ndarray, what: str) -> Completion:
        if progress is not None:
            progress(what, 0.0)
        return complete(values, depth=depth, rank=rank, seed=seed, scale=scale, rtol=rtol, resolution=table.resolution)

    lines = []
    if held_out:
        lines.append(_held_out_line(table, held_out, seed, run))
    completion = run(table.values, "all entries")
    write_table(output, replace(table, values=completion.filled), overwrite=overwrite)
    gaps = int(np.isnan(table.values).sum())
    baseline = root_mean_square((completion.mean - table.values)[~np.isnan(table.values)])
    found = [name for name, there in (("header", table.column_labels), ("row labels", table.row_labels)) if there]
    statistics = completion.trajectory.statistics
    shown = ", ".join(f"{value:.6g}" for value in completion.singular_values[:8])
    more = ", …" if len(completion.singular_values) > 8 else ""
    return "\n".join(
        [
            f"{data}: {table.values.shape[0]} x {table.values.shape[1]}, {' and '.join(found) or 'no labels'}, "
            f"{gaps} gaps filled, written to {output}",
            *lines,
            f"mean {completion.mean:.6g} removed; singular values of the rest: {shown}{more}",
            f"root mean square error on the observed entries: {completion.observed_error:.4g}; "
            f"filling in the mean gives {baseline:.4g}",
            f"depth {depth}, seed {seed}, rtol {statistics.rtol:g}, {statistics.steps} steps of {statistics.method}, "
            f"{'converged' if completion.trajectory.converged else 'not converged'}",
        ]
    )


def _warn_of_size(shape: tuple[int, ...], rank: int | None) -> None:
    """A velocity costs the cube of the rank; without the extra `stiff` a step costs the cube of the unknowns."""
    r = min(shape) if rank is None else rank
    unknowns = r * r + r * (sum(shape) if (r, r) != shape else 0)
    if unknowns > MANY_UNKNOWNS:
        warnings.warn(
            f"rank {r} of a {shape[0]} x {shape[1]} matrix makes {unknowns} unknowns, which takes long, and "
            "without the extra `stiff` much memory; a low --rank such as 5 is faster",
            stacklevel=3,
        )


def _held_out_line(table: Table, share: float, seed: int, run: Callable[[np.ndarray, str], Completion]) -> str:
    training, mask = hold_out(table.values, share, seed)
    completion = run(training, "without the held-out entries")
    error = root_mean_square((completion.completed - table.values)[mask])
    baseline = root_mean_square((completion.mean - table.values)[mask])
    return f"on {int(mask.sum())} held-out entries: error {error:.4g}; filling in the mean gives {baseline:.4g}"
