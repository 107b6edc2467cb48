"""What is looked at after each step in the factored chart: written once, for NumPy and for compilation."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compilation import jitted

__all__ = ["inspection_function"]

Array = NDArray[np.float64]


@lru_cache(maxsize=2)
def inspection_function(compiled: bool) -> Callable[[Array, Array, Array], tuple[float, float, float, float, float]]:
    """(S, U, V) to (drift, sign of det S, σ_1, σ_r, mixing).

    The drift is max |UᵀU - I|, |VᵀV - I|.  The mixing is the square of the largest off-diagonal entry of S:
    times the relative rounding of S, over σ_1, it is the rounding of the smallest singular value.
    """

    def inspect(S: Any, U: Any, V: Any) -> tuple[Any, Any, Any, Any, Any]:
        unit, mixed = np.eye(len(S)), np.abs(S - np.diag(np.diag(S)))
        drift = max(np.abs(U.T @ U - unit).max(), np.abs(V.T @ V - unit).max())
        sigma = np.linalg.svd(S)[1]
        sign = np.linalg.slogdet(S)[0]
        return drift, sign, sigma[0], sigma[-1], mixed.max() ** 2

    return jitted(inspect) if compiled else inspect
