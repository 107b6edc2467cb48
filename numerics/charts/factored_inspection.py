"""What is looked at after each step in the factored chart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["inspection"]

Array = NDArray[np.float64]


def inspection(S: Array, U: Array, V: Array) -> tuple[float, float, float, float]:
    """Drift, sign of det S, σ_1, and resolution.

    The drift is max |UᵀU - I|, |VᵀV - I|.  The resolution is σ_r σ_1 over the square of the largest off-diagonal entry
    of S: that square over σ_1, times the relative rounding of S, is the rounding of the smallest singular value.
    """
    unit, mixed = np.eye(len(S)), np.abs(S - np.diag(np.diag(S))).max() ** 2
    drift = max(np.abs(columns.T @ columns - unit).max() for columns in (U, V))
    sigma = np.linalg.svd(S, compute_uv=False)
    resolution = sigma[0] * sigma[-1] / mixed if mixed > 0 else np.inf
    return float(drift), float(np.linalg.slogdet(S)[0]), float(sigma[0]), float(resolution)
