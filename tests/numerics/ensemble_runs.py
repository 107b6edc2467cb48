"""Runs for the tests of ensembles, in a module that other processes can import.

Each execution leaves a file of its own in a folder, so that executions can be counted over all processes.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Point:
    """A parameter that names the folder of its marks."""

    folder: str
    value: float
    seconds: float = 0.0


def mark(folder: str, name: str) -> None:
    (Path(folder) / f"{name}@{uuid.uuid4().hex}").touch()


def executions(folder: Path) -> dict[float, int]:
    """How often each value was computed."""
    counts: dict[float, int] = {}
    for path in folder.iterdir():
        value = float(path.name.partition("@")[0])
        counts[value] = counts.get(value, 0) + 1
    return counts


def square(point: Point) -> dict[str, Any]:
    time.sleep(point.seconds)
    mark(point.folder, str(point.value))
    return {"square": point.value**2, "process": os.getpid()}


def square_or_raise(point: Point) -> float:
    mark(point.folder, str(point.value))
    if point.value < 0:
        raise ValueError(f"no root of {point.value}")
    return point.value**2


def kill_this_process_once(point: Point) -> float:
    """At value 3 the first execution takes its process down."""
    first = not any(path.name.startswith("3.0@") for path in Path(point.folder).iterdir())
    mark(point.folder, str(point.value))
    if point.value == 3.0 and first:
        os.kill(os.getpid(), signal.SIGKILL)
    return point.value**2


def kill_this_process(point: Point) -> float:
    """At value 3 every execution takes its process down."""
    mark(point.folder, str(point.value))
    if point.value == 3.0:
        os.kill(os.getpid(), signal.SIGKILL)
    return point.value**2


class Stubborn(Exception):
    """Its pickle cannot be read, which would break a pool."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__("both are needed")


def raise_stubborn(value: float) -> float:
    if value < 0:
        raise Stubborn(1, 2)
    return value


def blas_threads(value: float) -> int:
    import numpy as np
    from threadpoolctl import threadpool_info

    assert np.eye(2) @ np.eye(2) is not None
    return max(pool["num_threads"] for pool in threadpool_info())


def pair(value: float) -> tuple[float, float]:
    return value, -value


def unstorable(value: float) -> object:
    return object()
