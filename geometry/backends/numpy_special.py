"""Special functions of SciPy, under the names that kernels call them by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["gamma", "hypergeometric", "lambert_w", "log_gamma"]


def gamma(x: Any) -> Any:
    """Γ(x)."""
    from scipy.special import gamma as scipy_gamma

    return scipy_gamma(x)


def log_gamma(x: Any) -> Any:
    """log Γ(x); NaN for x < 0, where it is complex or Γ has poles."""
    from scipy.special import gammaln

    return np.where(np.less(x, 0), np.nan, gammaln(x))


def lambert_w(x: Any, branch: int = 0) -> Any:
    """The real branches 0 and -1 of W e^W = x; NaN where they are complex."""
    from scipy.special import lambertw

    value = lambertw(x, branch)
    return np.where(value.imag == 0, value.real, np.nan)


def hypergeometric(above: tuple[Any, ...], below: tuple[Any, ...], x: Any) -> Any:
    """pFq for (p, q) = (0, 1), (1, 1), (2, 1)."""
    from scipy.special import hyp0f1, hyp1f1, hyp2f1

    functions: dict[tuple[int, int], Callable[..., Any]] = {(0, 1): hyp0f1, (1, 1): hyp1f1, (2, 1): hyp2f1}
    try:
        function = functions[len(above), len(below)]
    except KeyError:
        raise ValueError(f"NumPy kernels have no hypergeometric function of type {len(above)}F{len(below)}") from None
    return function(*above, *below, x)
