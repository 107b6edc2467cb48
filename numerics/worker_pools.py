"""The workers of an ensemble: an executor that is given, or a pool of processes, replaced when it breaks."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any

__all__ = ["Workers", "available_processors", "process_pool"]

UNKNOWN_CAPACITY = 1000
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""Read by the libraries when they are loaded, so they must stand before a process starts."""


def available_processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def process_pool() -> ProcessPoolExecutor:
    """A pool of new processes, which unlike forked ones are safe beside threads, on every system."""
    return ProcessPoolExecutor(available_processors(), multiprocessing.get_context("spawn"))


@contextmanager
def _single_threads() -> Iterator[None]:
    """Let processes that start meanwhile have one thread each, unless the user's environment says otherwise."""
    added = [name for name in THREAD_VARIABLES if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


class Workers:
    """An executor, and what to do when it breaks; a context in which it is used.

    Parameters
    ----------
    executor : Executor, function that makes one, or None
        None stands for `process_pool`.  What is made here is shut down here.
    """

    def __init__(self, executor: Executor | Callable[[], Executor] | None) -> None:
        given = isinstance(executor, Executor)
        self._make: Callable[[], Executor] | None = _maker(executor)
        self._made_here = not given
        self._executor: Executor = executor if given else self._make()  # type: ignore[assignment, misc]

    @property
    def capacity(self) -> int:
        """How many runs it should be handed at a time: enough to keep it busy."""
        workers = getattr(self._executor, "_max_workers", None)
        return 2 * workers if isinstance(workers, int) else UNKNOWN_CAPACITY

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Hand over a call.  Pools of processes start these as they are handed work, so not before."""
        with _single_threads():
            return self._executor.submit(function, *arguments)

    def replace(self) -> bool:
        """Put a new executor in the place of a broken one; whether that was possible."""
        if self._make is None:
            return False
        if self._made_here:
            self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor, self._made_here = self._make(), True
        return True

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._made_here:
            return
        # An interrupted sweep does not wait for runs that may take hours.
        processes = [] if error is None else list((getattr(self._executor, "_processes", None) or {}).values())
        self._executor.shutdown(wait=error is None, cancel_futures=True)
        for process in processes:
            process.terminate()


def _maker(executor: Executor | Callable[[], Executor] | None) -> Callable[[], Executor] | None:
    """What makes the executor that takes the place of a broken one."""
    if executor is None:
        return process_pool
    if isinstance(executor, ProcessPoolExecutor):
        # The pool does not say in public how it was made.
        names = ("_max_workers", "_mp_context", "_initializer", "_initargs")
        made_of = [getattr(executor, name, None) for name in names]
        return lambda: ProcessPoolExecutor(made_of[0], made_of[1], made_of[2], made_of[3] or ())
    return None if isinstance(executor, Executor) else executor
