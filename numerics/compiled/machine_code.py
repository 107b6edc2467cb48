"""How functions become machine code, and where it is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import scipy

try:
    import numba
except ImportError as error:
    raise ImportError("batches of flows need the extra 'compiled': pip install 'dln-geometry[compiled]'") from error

__all__ = ["compiled", "kept_on_disk", "sources_digest"]


def compiled(function: Callable[..., Any]) -> Any:
    """Compile for the types of arguments of the first call; 1/0 is infinite, and other threads can run meanwhile."""
    return numba.njit(error_model="numpy", nogil=True)(function)


def kept_on_disk(function: Callable[..., Any]) -> Any:
    """Compile, and keep the machine code for later sessions, where there is a place for it.

    Numba tells only from the one source file whether that is out of date, so the function has to close over
    `sources_digest`, which makes it part of the key.
    """
    try:
        return numba.njit(error_model="numpy", nogil=True, cache=True)(function)
    except RuntimeError:
        return compiled(function)


def sources_digest() -> str:
    """A hash of the sources of the program, and of the library that they take numbers from."""
    digest = hashlib.sha256(scipy.__version__.encode())
    for name in ("machine_code", "addresses", "matrices", "velocity", "steps", "flow"):
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()
