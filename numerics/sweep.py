"""A sweep under way: what waits, what runs, what is home, and what to do when a worker dies."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from .ensemble_store import EnsembleStore
from .worker_pools import Workers

__all__ = ["EnsembleError", "Failure", "Progress", "Sweep"]

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with the runs done, and the runs in all."""

HOPELESS = 3
"""So many runs may die for good before anything has returned."""


@dataclass(frozen=True)
class Failure:
    """In the place of the result of a run that failed.

    Attributes
    ----------
    parameter : object
    exception : Exception
        What the run raised, or `BrokenExecutor` if its process died.
    traceback : str
        Where, as text from the process it ran in.
    """

    parameter: Any
    exception: BaseException
    traceback: str = field(default="", repr=False)


class EnsembleError(RuntimeError):
    """A run failed and `failures` is "raise"; the cause is what it raised.

    Attributes
    ----------
    failure : Failure
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"the run at parameter {failure.parameter!r} failed: {failure.exception!r}")
        self.failure = failure

    def __reduce__(self) -> tuple[type[EnsembleError], tuple[Failure]]:
        return type(self), (self.failure,)


@dataclass
class Sweep:
    """What is known of a sweep under way; a run goes by its key."""

    run: Callable[[Any], Any]
    points: list[Any]
    places: dict[Any, list[int]]
    results: list[Any]
    store: EnsembleStore | None
    failures: str
    retries: int
    report: Progress
    done: int = 0
    returned: int = 0
    deaths: int = 0
    attempts: dict[Any, int] = field(default_factory=dict)
    waiting: deque[Any] = field(default_factory=deque)
    suspects: deque[Any] = field(default_factory=deque)
    under_way: dict[Future[Any], Any] = field(default_factory=dict)
    home: SimpleQueue[Future[Any]] = field(default_factory=SimpleQueue)

    def take_kept(self) -> None:
        """Take the results that are kept; the others wait."""
        for key in self.places:
            found, result = (False, None) if self.store is None else self.store.find(key)
            if found:
                self._enter(key, result)
            else:
                self.waiting.append(key)
        if self.done:
            logger.info("%d of %d results were kept", self.done, len(self.points))

    def compute(self, workers: Workers, in_flight: int) -> None:
        """Compute the rest."""
        try:
            while self.waiting or self.suspects or self.under_way:
                while self.waiting and not self.suspects and len(self.under_way) < in_flight:
                    self._submit(self.waiting.popleft(), workers)
                # One by one, once all others are home.
                if self.suspects and not self.under_way:
                    self._submit(self.suspects.popleft(), workers)
                self._collect(self.home.get(), workers)
        except BaseException:
            self._rescue()
            raise

    def _submit(self, key: Any, workers: Workers) -> None:
        self.attempts[key] = self.attempts.get(key, 0) + 1
        try:
            future = workers.submit(_attempt, self.run, self.points[self.places[key][0]], self.attempts[key])
        except BrokenExecutor as error:
            # A worker died while it was idle, or before the death of the last one was noticed.
            future = Future()
            future.set_exception(error)
        self.under_way[future] = key
        future.add_done_callback(self.home.put)

    def _collect(self, future: Future[Any], workers: Workers) -> None:
        if future not in self.under_way:
            return  # it went down with the others, below
        error = CancelledError() if future.cancelled() else future.exception()
        if isinstance(error, BrokenExecutor):
            self._bury(workers, error)
            return
        key = self.under_way.pop(future)
        if error is None:
            self._finish(key, *future.result())
        elif _is_death(error) and self.attempts[key] <= self.retries:
            self.waiting.append(key)
        else:
            self._fail(key, error)

    def _bury(self, workers: Workers, error: BrokenExecutor) -> None:
        """The executor broke, and all that was under way with it: any of these runs may be to blame."""
        wait(self.under_way)
        lost, self.under_way = self.under_way, {}
        replaced = workers.replace()
        logger.warning("a worker died with %d runs under way (%s)", len(lost), error)
        for future, key in lost.items():
            if not future.cancelled() and future.exception() is None:
                self._finish(key, *future.result())
            elif replaced and self.attempts[key] <= self.retries:
                self.suspects.append(key)
            else:
                self.deaths += 1
                self._fail(key, error)
        if self.deaths >= HOPELESS and not self.returned:
            raise RuntimeError(
                "workers die whatever they run; in a script call ensemble under if __name__ == '__main__':, since new "
                f"processes import the script, and see that there is memory enough ({error})"
            ) from error

    def _finish(self, key: Any, result: Any, failure: Failure | None) -> None:
        self.returned += 1
        if failure is not None:
            self._fail(key, failure.exception, failure.traceback)
            return
        if self.store is not None:
            self.store.keep(key, result)
        self._enter(key, result)

    def _fail(self, key: Any, error: BaseException, text: str = "") -> None:
        failure = Failure(self.points[self.places[key][0]], error, text)
        logger.warning("the run at parameter %r failed: %r", failure.parameter, error)
        if self.failures == "raise":
            raise EnsembleError(failure) from error
        self._enter(key, failure)

    def _enter(self, key: Any, result: Any) -> None:
        for index in self.places[key]:
            self.results[index] = result
        self.done += len(self.places[key])
        self.report(self.done, len(self.points))

    def _rescue(self) -> None:
        """Call off what is under way, but keep what is home."""
        for future, key in self.under_way.items():
            future.cancel()
            if self.store is None or not future.done() or future.cancelled() or future.exception() is not None:
                continue
            result, failure = future.result()
            if failure is None:
                # What interrupted the sweep may have been that results cannot be kept.
                with suppress(TypeError, OSError):
                    self.store.keep(key, result)


def _is_death(error: BaseException) -> bool:
    """Whether it was not the run that failed but what ran it; Dask's exceptions by name, as it may not be there."""
    return isinstance(error, CancelledError) or type(error).__name__ in ("KilledWorker", "FutureCancelledError")


def _attempt(run: Callable[[Any], Any], parameter: Any, attempt: int) -> tuple[Any, Failure | None]:
    """In the worker: the result, or how it failed.

    The number of the attempt only tells schedulers that know calls by their arguments to call again.
    """
    try:
        return run(parameter), None
    except Exception as error:
        text = traceback.format_exc()
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            # An exception that does not survive the journey would take the whole pool down.
            error = RuntimeError(f"{type(error).__qualname__}: {error}")
        return None, Failure(parameter, error, text)
