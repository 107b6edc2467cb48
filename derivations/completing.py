"""`dln complete`: the user's own matrix."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from geometry import DeepLinearNetwork
from numerics import Completion, Table, UnobservedWarning, complete, hold_out, root_mean_square, write_table
from numerics.cross_validation import CrossValidation, cross_validate, truncated_svd, truncated_svd_rank
from numerics.matrix_files import read_matrix

from .completion_files import CompletionFiles
from .completion_picture import completion_picture
from .verification import versions

__all__ = ["Account", "complete_file"]

Array = NDArray[np.float64]
Progress = Callable[[str, float], None]

MANY_UNKNOWNS = 4000
"""From here on a flow takes minutes."""

FEW_ENTRIES = 20
"""Of fewer observed ones none is hidden unasked: what is left says too little."""

SHARE = 0.1
"""Of the observed entries, held out unless told otherwise."""

ITERATIONS = 100
"""At most, of the iterated truncated SVD where its rank is chosen."""

MOST_ITERATIONS = 1000
SETTLED = 1e-5
"""Of the one that is held beside the completion: stopped early it would be a poor baseline."""

MOST_SHOWN = 8
"""Singular values on a line."""


@dataclass(frozen=True)
class Account:
    """What was run and how good it is.

    Attributes
    ----------
    content : mapping
        To be read by machine: of strings, numbers, lists and mappings only.
    text : str
        To be read by people.
    """

    content: Mapping[str, Any]
    text: str


@dataclass(frozen=True)
class _Options:
    """Of all flows."""

    depth: int | Expr | None
    rank: int | None
    scale: float
    rtol: float
    seed: int
    resolution: float | None

    def run(self, values: Array, depth: int | Expr, rank: int | None) -> Completion:
        return complete(
            values,
            depth=depth,
            rank=rank,
            seed=self.seed,
            scale=self.scale,
            rtol=self.rtol,
            resolution=self.resolution,
        )


@dataclass(frozen=True)
class _Choice:
    """Depth and rank, and where they come from; a rank of None is the full one."""

    depth: int | Expr
    rank: int | None
    validation: CrossValidation | None


def complete_file(
    data: Path,
    output: Path,
    *,
    depth: int | Expr | None = None,
    rank: int | None = None,
    held_out: float | None = None,
    scale: float = 1e-3,
    rtol: float = 1e-6,
    seed: int = 0,
    overwrite: bool = False,
    data_format: str | None = None,
    header: bool | None = None,
    labels: bool | None = None,
    progress: Progress | None = None,
) -> Account:
    """Complete a matrix in a file and write the result, labels kept.

    Observed entries are written as they were, gaps with the fit.  A share of the observed entries is first
    left out; depth and rank, where they are not given, are chosen by cross-validation on the others, so
    that the error on those left out is that of the choice too.

    Parameters
    ----------
    data : Path
        In one of the formats of `numerics.matrix_files`.
    output : Path
        A CSV file, or a folder for it; see `CompletionFiles` for what is written.
    depth : int or oo, optional
    rank : int, optional
    held_out : float, optional
        The share left out; a tenth unless given, and none of few entries.
    scale, rtol, seed
        As `complete` takes them.
    overwrite : bool
        Whether files of these names may be replaced.
    data_format : str, optional
    header, labels : bool, optional
        As `read_matrix` takes them.
    progress : callable, optional
        Called with (what is done, the share that is done).

    Returns
    -------
    Account

    Raises
    ------
    ValueError
        If the file or a parameter makes no sense; nothing is written then.
    FileExistsError
        If an output exists and `overwrite` is False.
    """
    table = read_matrix(data, format=data_format, header=header, labels=labels)
    files = CompletionFiles.at(output)
    files.check(overwrite)
    if not (np.isfinite(rtol) and rtol > 0):  # what the last flow would say after all others
        raise ValueError(f"rtol must be positive and finite, not {rtol}")
    options = _Options(depth, rank, scale, rtol, seed, table.resolution)
    report = progress or (lambda what, share: None)
    observed = int((~np.isnan(table.values)).sum())
    share = (SHARE if observed >= FEW_ENTRIES else 0.0) if held_out is None else held_out
    if share:
        training, hidden = hold_out(table.values, share, seed)
        choice = _choose(training, options, _part(report, 0.0, 0.8))
        report("without the held-out entries", 0.8)
        errors = _errors(table.values, training, hidden, choice, options)
    else:
        hidden, errors = np.zeros(table.values.shape, dtype=bool), {}
        choice = _choose(table.values, options, _part(report, 0.0, 0.9))
    report("all entries", 0.9)
    completion = options.run(table.values, choice.depth, choice.rank)
    content = _content(data, files, table, options, choice, completion, errors, int(hidden.sum()))
    with files.drafts(overwrite) as drafts:
        _write(drafts, table, completion, content, errors)
    return Account(content, _text(content, table, choice))


def _part(progress: Progress, start: float, end: float) -> Progress:
    return lambda what, share: progress(what, start + (end - start) * share)


def _choose(values: Array, options: _Options, progress: Progress) -> _Choice:
    """What is told, and the rest by cross-validation, if there are entries enough."""
    shape = (values.shape[0], values.shape[1])
    few = int((~np.isnan(values)).sum()) < FEW_ENTRIES * 3 // 4
    depth = 3 if options.depth is None else options.depth
    # Of lower rank than the full one it would stay in the spaces of the start, and there is no choice.
    frozen = options.rank is None and DeepLinearNetwork(depth, shape, 1).freezes_spaces
    if few or frozen or (options.depth is not None and options.rank is not None):
        _warn_of_size(shape, options.rank)
        return _Choice(depth, options.rank, None)
    if options.rank is not None:
        _warn_of_size(shape, options.rank)
    more: dict[str, Any] = {} if options.depth is None else {"depths": [depth]}
    if options.rank is not None:
        more["ranks"] = [options.rank]
    validation = cross_validate(
        values, seed=options.seed, scale=options.scale, resolution=options.resolution, progress=progress, **more
    )
    return _Choice(validation.depth, validation.rank, validation)


def _warn_of_size(shape: tuple[int, int], rank: int | None) -> None:
    """A velocity costs the cube of the rank; without the extra `stiff` a step costs the cube of the unknowns."""
    r = min(shape) if rank is None else rank
    unknowns = r * r + r * (sum(shape) if (r, r) != shape else 0)
    if unknowns > MANY_UNKNOWNS:
        warnings.warn(
            f"rank {r} of a {shape[0]} x {shape[1]} matrix makes {unknowns} unknowns, which takes long, and "
            "without the extra `stiff` much memory; a low --rank such as 5 is faster",
            stacklevel=4,
        )


def _errors(
    values: Array, training: Array, hidden: NDArray[np.bool_], choice: _Choice, options: _Options
) -> dict[str, float]:
    """On the held-out entries: of the flow first, then of the baselines."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnobservedWarning)  # of what is hidden here only
        completion = options.run(training, choice.depth, choice.rank)
    fits = {"this completion": completion.completed, "mean": np.full_like(values, completion.mean)}
    rank = truncated_svd_rank(training, seed=options.seed)
    fits[f"truncated SVD, rank {rank}"] = truncated_svd(training, rank)
    rank = truncated_svd_rank(training, iterations=ITERATIONS, seed=options.seed)
    fits[f"iterated truncated SVD, rank {rank}"] = truncated_svd(
        training, rank, iterations=MOST_ITERATIONS, tolerance=SETTLED
    )
    return {name: root_mean_square((fit - values)[hidden]) for name, fit in fits.items()}


# --------------------------------------------------------------------------------------------- output


def _write(
    files: CompletionFiles,
    table: Table,
    completion: Completion,
    content: Mapping[str, Any],
    errors: Mapping[str, float],
) -> None:
    write_table(files.matrix, replace(table, values=completion.filled))
    spectrum = completion.singular_values
    write_table(
        files.singular_values,
        Table(
            spectrum[:, None],
            tuple(str(k + 1) for k in range(len(spectrum))),
            ("singular value less the mean",),
            corner="k",
        ),
    )
    completion_picture(files.picture, table.values, completion.filled, spectrum, errors)
    files.account.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _content(
    data: Path,
    files: CompletionFiles,
    table: Table,
    options: _Options,
    choice: _Choice,
    completion: Completion,
    errors: Mapping[str, float],
    held_out: int,
) -> dict[str, Any]:
    observed = ~np.isnan(table.values)
    statistics = completion.trajectory.statistics
    return {
        "data": str(data),
        "shape": list(table.values.shape),
        "observed": int(observed.sum()),
        "gaps": int((~observed).sum()),
        "files": [str(path) for path in files.paths],
        "depth": str(choice.depth),
        "rank": completion.trajectory.network.rank,
        "cross_validation": None
        if choice.validation is None
        else [
            {"depth": str(candidate.depth), "rank": candidate.rank, "error": _finite(candidate.error)}
            for candidate in choice.validation.candidates
        ],
        "held_out": {"entries": held_out, "errors": dict(errors)} if errors else None,
        "mean": completion.mean,
        "singular_values": completion.singular_values.tolist(),
        "observed_error": completion.observed_error,
        "observed_error_of_the_mean": root_mean_square((completion.mean - table.values)[observed]),
        "converged": bool(completion.trajectory.converged),
        "steps": statistics.steps,
        "method": statistics.method,
        "seed": options.seed,
        "scale": options.scale,
        "rtol": statistics.rtol,
        "versions": versions(),
    }


def _finite(error: float) -> float | None:
    """JSON has no infinity."""
    return error if np.isfinite(error) else None


def _text(content: Mapping[str, Any], table: Table, choice: _Choice) -> str:
    found = [name for name, there in (("header", table.column_labels), ("row labels", table.row_labels)) if there]
    shown = ", ".join(f"{value:.6g}" for value in content["singular_values"][:MOST_SHOWN])
    more = ", …" if len(content["singular_values"]) > MOST_SHOWN else ""
    m, n = content["shape"]
    return "\n".join(
        [
            f"{content['data']}: {m} x {n}, {' and '.join(found) or 'no labels'}, {content['gaps']} gaps filled, "
            f"written to {content['files'][0]}",
            *["three columns and no gap; if the lines are row, column and value, say --format triples"]
            * (n == 3 and not content["gaps"]),
            *_choice_lines(choice),
            *_held_out_lines(content),
            f"mean {content['mean']:.6g} removed; singular values of the rest: {shown}{more}",
            f"root mean square error on the observed entries: {content['observed_error']:.4g}; "
            f"filling in the mean gives {content['observed_error_of_the_mean']:.4g}",
            f"depth {content['depth']}, rank {content['rank']}, seed {content['seed']}, rtol {content['rtol']:g}, "
            f"{content['steps']} steps of {content['method']}, "
            f"{'converged' if content['converged'] else 'not converged'}",
            f"see also {', '.join(Path(path).name for path in content['files'][1:])}",
        ]
    )


def _choice_lines(choice: _Choice) -> list[str]:
    if choice.validation is None:
        return []
    best, count = choice.validation.best, len(choice.validation.candidates)
    return [
        f"depth {best.depth} and rank {best.rank} by cross-validation, the best of {count}: "
        f"error {best.error:.4g} on the entries hidden there"
    ]


def _held_out_lines(content: Mapping[str, Any]) -> list[str]:
    if content["held_out"] is None:
        return [f"too few entries ({content['observed']}) to hold some out"] * (content["observed"] < FEW_ENTRIES)
    errors = dict(content["held_out"]["errors"])
    own, mean = errors.pop("this completion"), errors.pop("mean")
    return [
        f"on {content['held_out']['entries']} held-out entries: error {own:.4g}; filling in the mean gives {mean:.4g}",
        "on the same entries: " + "; ".join(f"{name}: {error:.4g}" for name, error in errors.items()),
    ]
