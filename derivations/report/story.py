"""Putting the report together: what is run, what is checked, what is written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from sympy import Expr, Symbol, oo

from geometry import DeepLinearNetwork
from numerics import Table, write_table

from ..derivation import CheckResult
from ..mauna_loa import WEEKS, YEARS, weekly_matrix
from ..verification import Verification, verify
from .cross_checks import chart_checks, depth_checks
from .figures import draw, label
from .formulas import REPORTED, compile_document, kernel_module, latex_document
from .page import index_page
from .problems import NO_BETTER_THAN_THE_MEAN, FlowResult, run_monthly, run_weekly

__all__ = ["DEFAULT_DEPTHS", "write_report"]

Depth: TypeAlias = int | Expr
Progress: TypeAlias = Callable[[str, float], None]

DEFAULT_DEPTHS: tuple[Depth, ...] = (1, 2, 3, 10, oo)
WEEKLY_DEPTHS = (2, 3)
CROSS_CHECK_DEPTHS = (2, 3)
NOT_JUDGED = (2,)
"""Between the two: shown, but the report makes no claim."""


@dataclass(frozen=True)
class _Task:
    """Something to run in a process of its own."""

    kind: str
    what: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


def write_report(
    directory: Path | str,
    depths: Sequence[Depth] | None = None,
    *,
    seed: int = 0,
    jobs: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Verification:
    """Write the report into a new folder; nothing is left there when it fails half-way.

    Parameters
    ----------
    directory : path
        Must not exist, or be empty, unless `overwrite`.
    depths : sequence of int or oo, optional
        1, 2, 3, 10 and oo unless given.
    seed : int
        Of what is held out, of starts, and of random points.
    jobs : int, optional
        Processes; the number of cores unless given.
    overwrite : bool
        Whether an earlier report may be replaced.
    progress : callable, optional
        Called with what was done last and the share done.

    Returns
    -------
    Verification
        All checks, those of verification.json.

    Raises
    ------
    ValueError
        If a depth is symbolic or given twice, or `jobs` is not positive.
    FileExistsError
        If the folder has something in it.
    """
    chosen = _validated_depths(DEFAULT_DEPTHS if depths is None else tuple(depths))
    workers = (os.cpu_count() or 1) if jobs is None else jobs
    if workers < 1:
        raise ValueError(f"jobs must be at least 1, not {jobs}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, but is {seed}")
    with _new_folder(Path(directory), overwrite) as folder:
        results = _run(_tasks(chosen, seed), workers, progress)
        monthly = [result for kind, result in results if kind == "monthly"]
        weekly = [result for kind, result in results if kind == "weekly"]
        checks = [check for kind, table in results if kind == "check" for check in table]
        checks += _claims(monthly, weekly)
        table = Verification((*checks, *_write_formulas(folder, chosen)))
        best = min(weekly, key=lambda result: result.unseen[-1])
        record = weekly_matrix()
        (folder / "figures").mkdir()
        draw(folder / "figures", monthly, best, record)
        labels = tuple(str(year) for year in YEARS), tuple(f"week {week}" for week in range(1, WEEKS + 1))
        write_table(folder / "completed.csv", Table(best.filled, *labels))
        table.write(folder / "verification.json", seed)
        page = index_page(monthly, weekly, table, seed, (folder / "formulas.pdf").exists())
        (folder / "index.html").write_text(page, encoding="utf-8")
    return table


def _validated_depths(depths: tuple[Depth, ...]) -> tuple[Depth, ...]:
    for depth in depths:
        if isinstance(DeepLinearNetwork(depth, (1, 1)).depth, Symbol):
            raise ValueError(f"depths of the report must be integers or oo, not {depth}")
    if not depths or len(set(depths)) < len(depths):
        raise ValueError(f"depths must be at least one, each once, not {depths}")
    return depths


@contextmanager
def _new_folder(directory: Path, overwrite: bool) -> Iterator[Path]:
    """A folder that takes its name when everything in it is written."""
    # Links and "." stand for the folder that is meant.
    directory = Path(os.path.realpath(directory))
    present = directory.exists() and (not directory.is_dir() or any(directory.iterdir()))
    if present and not overwrite:
        raise FileExistsError(f"{directory} exists and is not empty; choose another folder, or --overwrite")
    if present and not all((directory / name).is_file() for name in ("index.html", "verification.json")):
        raise FileExistsError(f"{directory} holds no earlier report, so --overwrite does not replace it")
    directory.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        yield work
        if directory.exists():
            _move_into(work, directory)
        else:
            work.chmod(0o755)
            work.rename(directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _move_into(work: Path, directory: Path) -> None:
    """Replace the files of an earlier report one by one; what else is in the folder is the user's."""
    (directory / "formulas.pdf").unlink(missing_ok=True)  # it may be older than formulas.tex
    for path in sorted(work.rglob("*")):
        target = directory / path.relative_to(work)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        else:
            os.replace(path, target)


def _tasks(depths: tuple[Depth, ...], seed: int) -> list[_Task]:
    """The longest first, so that no process waits at the end."""
    tasks = [_Task("check", "depth N against depth ∞", depth_checks, (seed,))]
    tasks += [_Task("check", f"theorem {name}", verify, ([name],)) for name in reversed(REPORTED)]
    tasks += [_Task("monthly", f"square problem, depth {depth}", run_monthly, (depth, seed)) for depth in depths[::-1]]
    tasks += [_Task("weekly", f"weekly record, depth {depth}", run_weekly, (depth, seed)) for depth in WEEKLY_DEPTHS]
    tasks += [_Task("check", f"charts, depth {depth}", chart_checks, (depth, seed)) for depth in CROSS_CHECK_DEPTHS]
    return tasks


def _run(tasks: list[_Task], workers: int, progress: Progress | None) -> list[tuple[str, Any]]:
    """The results with their kinds; flows by increasing depth, checks in the order of the tasks."""
    results: dict[int, Any] = {}

    def done(index: int, value: Any) -> None:
        results[index] = value
        if progress is not None:
            progress(tasks[index].what, len(results) / (len(tasks) + 1))

    if workers == 1:
        for index, task in enumerate(tasks):
            done(index, task.function(*task.arguments))
    else:
        with ProcessPoolExecutor(workers) as pool:
            futures = {pool.submit(task.function, *task.arguments): index for index, task in enumerate(tasks)}
            try:
                for future in as_completed(futures):
                    done(futures[future], future.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in active_children():
                    process.terminate()
                raise
    ordered = [(tasks[index].kind, results[index]) for index in range(len(tasks))]
    flows = sorted((entry for entry in ordered if entry[0] != "check"), key=lambda entry: float(entry[1].depth))
    return [entry for entry in ordered if entry[0] == "check"] + flows


def _claims(monthly: Sequence[FlowResult], weekly: Sequence[FlowResult]) -> list[CheckResult]:
    """What the report says of the two problems, as checks."""
    checks = []
    for result in monthly:
        share = float(result.unseen[-1]) / result.mean_error
        if result.depth in NO_BETTER_THAN_THE_MEAN:
            name = "square problem, depth 1: the unseen entries stay at the mean, |1 - error/mean|"
            checks.append(_claim(name, abs(1 - share), 0.05))
        elif result.depth not in NOT_JUDGED:
            name = f"square problem, depth {label(result)}"
            sigma = result.singular_values[-1]
            checks.append(_claim(f"{name}: error/mean on unseen entries", share, 0.1))
            checks.append(_claim(f"{name}: third over second singular value", float(sigma[2] / sigma[1]), 0.25))
    shares = [float(result.unseen[-1]) / result.mean_error for result in weekly]
    checks.append(_claim("weekly record, depth 2 or 3: error/mean on the held-out tenth", min(shares), 1 / 30))
    unfinished = sum(not result.converged for result in (*monthly, *weekly))
    checks.append(_claim("flows that did not converge", unfinished, 0))
    return checks


def _claim(name: str, figure: float, bound: float) -> CheckResult:
    return CheckResult(name, "float", bool(np.isfinite(figure) and figure <= bound), float(figure), bound)


def _write_formulas(folder: Path, depths: tuple[Depth, ...]) -> list[CheckResult]:
    """formulas.tex, formulas.pdf where pdflatex is there, and kernels.py."""
    (folder / "kernels.py").write_text(kernel_module(depths), encoding="utf-8")
    source = folder / "formulas.tex"
    source.write_text(latex_document(depths), encoding="utf-8")
    try:
        compiled = compile_document(source)
    except RuntimeError as error:
        return [CheckResult("formulas.tex compiles", "exact", False, 1.0, 0.0, str(error)[-400:])]
    return [] if compiled is None else [CheckResult("formulas.tex compiles", "exact", True, 0.0, 0.0)]
