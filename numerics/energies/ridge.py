"""The squared norm, which adds weight decay of X to any energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..factored import FactoredMatrix
from .lazy_matrices import LowRankMatrix
from .protocol import Point, check_shape, validated_shape
from .sums import Summable, finite_number

__all__ = ["Ridge"]


@dataclass(frozen=True)
class Ridge(Summable):
    """E(X) = (c/2) |X|², the Frobenius norm.

    At a `FactoredMatrix` its gradient stays the product that it is.

    Parameters
    ----------
    shape : (m, n)
    strength : float
        c, finite; negative ones push outwards.

    Raises
    ------
    ValueError
        If the shape is not two positive integers, or the strength is not finite.

    Examples
    --------
    >>> Ridge((2, 2), 0.5)(np.ones((2, 2)))
    1.0
    """

    shape: tuple[int, int]
    strength: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", validated_shape(self.shape))
        object.__setattr__(self, "strength", finite_number("strength", self.strength))

    def __call__(self, X: Point) -> float:
        """E(X)."""
        check_shape("X", X, self.shape)
        if not isinstance(X, FactoredMatrix):
            return self.strength * float(np.sum(np.square(X))) / 2
        # The columns of a solver's trial point are not quite orthonormal.
        left, right = X.U @ X.S, X.V
        return self.strength * float(np.sum((left.T @ left) * (right.T @ right))) / 2

    def gradient(self, X: Point) -> Any:
        """∇E(X) = c X, (m, n): an array, or a `LowRankMatrix` at a `FactoredMatrix`."""
        return self.hessian(X, X)

    def hessian(self, X: Point, Z: Point) -> Any:
        """c Z, of the same kinds."""
        check_shape("X", X, self.shape)
        check_shape("Z", Z, self.shape)
        if isinstance(Z, FactoredMatrix):
            return LowRankMatrix(self.strength * (Z.U @ Z.S), Z.V)
        return self.strength * np.asarray(Z, dtype=np.float64)
