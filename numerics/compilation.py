"""Numba where it is installed (extra `compiled`), plain Python where it is not: the same functions either way."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, TypeVar, cast

__all__ = ["COMPILE_VARIABLE", "compiles", "jitted"]

Function = TypeVar("Function", bound=Callable[..., Any])

COMPILE_VARIABLE = "DLN_COMPILE"
"""Set to 0, this environment variable turns compilation off."""


REGROUPED = {"contract", "reassoc", "nsz"}
"""Fused products, terms in another order, and no care for the sign of 0; infinities and NaN stay what they are."""


@lru_cache(maxsize=1)
def _numba_is_installed() -> bool:
    return find_spec("numba") is not None


def compiles() -> bool:
    """Whether functions are compiled."""
    return _numba_is_installed() and os.environ.get(COMPILE_VARIABLE) != "0"


def jitted(function: Function, regroups: bool = False) -> Function:
    """The function, compiled on its first call; sums are only added up in another order where that is said."""
    from numba import njit

    compiled: Any = njit(error_model="numpy", nogil=True, fastmath=REGROUPED if regroups else False)(function)
    return cast(Function, compiled)
