"""Sweeps: one function at many parameters, on any `concurrent.futures.Executor`.

Results are kept in a folder as they come, so that a sweep that was interrupted goes on where it stopped; a run
that fails, or takes its process down with it, does not lose the others.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from .content_keys import content_key, function_name
from .ensemble_store import EnsembleStore
from .sweep import EnsembleError, Failure, Progress, Sweep
from .worker_pools import Workers

__all__ = ["EnsembleError", "Failure", "ensemble"]


def ensemble(
    run: Callable[[Any], Any],
    parameters: Iterable[Any],
    executor: Executor | Callable[[], Executor] | None = None,
    *,
    checkpoint: str | Path | None = None,
    progress: Progress | bool | None = None,
    failures: str = "return",
    retries: int = 2,
    in_flight: int | None = None,
    save: Callable[[Any], Any] | None = None,
    load: Callable[[Any], Any] | None = None,
) -> list[Any]:
    """Evaluate `run` at each parameter.

    Parameters
    ----------
    run : callable
        Takes one parameter as its only argument; a mapping or a tuple is handed over as it is.  Other processes
        must be able to import it, so define it in a module; fix further arguments with `functools.partial`.  What is
        random takes its seed from the parameter.
    parameters : iterable (K,)
        What can be pickled.  Equal ones (to the bit) are computed once.
    executor : Executor or function that makes one, optional
        A pool of processes, Dask's `Client.get_executor()`, `mpi4py.futures.MPIPoolExecutor`, ….  Unless given a
        pool of as many new processes as there are processors to use, with one thread each.  One that is given is
        not shut down, one that is made here is.
    checkpoint : path, optional
        A folder.  Results are written there as they come, and taken from there if they are there already.
        The key is the name of `run` with the content of the parameter, not the code of `run`: after changing
        that, take another folder.
    progress : callable or bool, optional
        Called with (runs done, runs in all).  Unless given, or with True, there is a bar where the standard error
        is a terminal; with False there is none.
    failures : {"return", "raise"}
        What to do about a run that fails: return a `Failure` in the place of its result, or raise
        `EnsembleError` (results that are kept stay kept).
    retries : int
        How often a run whose process died is tried again.  After such a death the runs under way are tried one
        by one, to find the one to blame.
    in_flight : int, optional
        How many runs are handed to the executor at a time; twice its processes, or 1000 if it does not tell.
    save, load : callables, optional
        Turn a result into something that can be kept and back; see `stored_values` for what can be.

    Returns
    -------
    list (K,)
        Results, in the order of the parameters.

    Raises
    ------
    ValueError, TypeError
        If an argument makes no sense, `run` cannot be pickled, or a result or parameter cannot be kept.
    EnsembleError
        If a run fails and `failures` is "raise".

    Examples
    --------
    >>> import math
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor() as threads:
    ...     roots = ensemble(math.sqrt, [4.0, -1.0, 9.0], threads)
    >>> roots[0], roots[2], type(roots[1].exception).__name__
    (2.0, 3.0, 'ValueError')
    """
    points = list(parameters)
    _validate(run, executor, failures, retries, in_flight, checkpoint, save, load)
    store = None if checkpoint is None else EnsembleStore(Path(checkpoint), save, load)
    keys = _keys(run, points, required=store is not None)
    places: dict[Any, list[int]] = {}
    for index, key in enumerate(keys):
        places.setdefault(key, []).append(index)
    results: list[Any] = [None] * len(points)
    with _reporter(progress, len(points)) as report:
        sweep = Sweep(run, points, places, results, store, failures, retries, report)
        sweep.take_kept()
        if sweep.waiting:
            with Workers(executor) as workers:
                sweep.compute(workers, in_flight or workers.capacity)
    return results


def _validate(
    run: Any, executor: Any, failures: str, retries: int, in_flight: int | None, checkpoint: Any, save: Any, load: Any
) -> None:
    if not callable(run):
        raise TypeError(f"run must be a function of one parameter, not {run!r}")
    if failures not in ("return", "raise"):
        raise ValueError(f"failures must be 'return' or 'raise', not {failures!r}")
    if not isinstance(retries, int) or retries < 0:
        raise ValueError(f"retries must be an integer from 0, not {retries!r}")
    if in_flight is not None and (not isinstance(in_flight, int) or in_flight < 1):
        raise ValueError(f"in_flight must be a positive integer, not {in_flight!r}")
    if (save is None) != (load is None):
        raise ValueError("give both of save and load, or none: what is kept in another form must be turned back")
    if save is not None and checkpoint is None:
        raise ValueError("save and load are for a checkpoint folder; give checkpoint=…")
    if executor is not None:
        return
    try:
        pickle.dumps(run)
    except Exception as error:
        raise TypeError(
            f"run must be a function that other processes can import, but {run!r} cannot be pickled ({error}); define "
            "it at the top level of a module"
        ) from error
    innermost = run
    while isinstance(innermost, partial):
        innermost = innermost.func
    if getattr(innermost, "__module__", None) == "__main__" and not hasattr(sys.modules["__main__"], "__file__"):
        raise TypeError(
            f"run is {innermost!r} of an interactive session, which other processes cannot import; define it in a "
            "module, or give executor=concurrent.futures.ThreadPoolExecutor()"
        )


def _keys(run: Callable[[Any], Any], points: Sequence[Any], required: bool) -> list[Any]:
    """A key for each parameter; where none is required, one of its own for a parameter without known content."""
    if required:
        name = function_name(run)
        return [content_key((name, point)) for point in points]
    keys: list[Any] = []
    for index, point in enumerate(points):
        try:
            keys.append(content_key(point))
        except TypeError:
            keys.append(index)
    return keys


@contextmanager
def _reporter(progress: Progress | bool | None, total: int) -> Iterator[Progress]:
    """What to call after each run: the user's function, or a bar where there is a terminal to draw it on."""
    if progress is False:
        yield lambda done, total: None
    elif callable(progress):
        yield progress
    else:
        from rich.console import Console
        from rich.progress import Progress as ProgressBar

        console = Console(stderr=True)
        with ProgressBar(console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("runs", total=total)
            yield lambda done, total: bar.update(task, completed=done)
