"""Energies given by a user's own functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .protocol import Array, Point, as_array, check_shape, validated_shape
from .sums import Summable

__all__ = ["UserEnergy", "as_energy", "from_functions"]


class UserEnergy(Summable):
    """An energy given by Python functions of an array (m, n).

    Any object with `shape`, a value and `gradient` is an energy (see `Energy`); this one is for plain functions,
    and refuses values and gradients that are none.  `check_gradient` compares them.

    Parameters
    ----------
    value : callable
        X (m, n) → E(X).
    gradient : callable
        X (m, n) → ∇E(X) (m, n).
    shape : (m, n)
    hessian : callable, optional
        (X, Z) → the derivative of ∇E at X along Z, (m, n).

    Raises
    ------
    TypeError, ValueError
        If a function is not callable, the shape is not two positive integers, or what a function returns
        has the wrong shape.

    Examples
    --------
    >>> energy = UserEnergy(lambda X: np.sum(X**4) / 4, lambda X: X**3, (2, 2), lambda X, Z: 3 * X**2 * Z)
    >>> energy(np.ones((2, 2))), energy.gradient(2 * np.eye(2)).tolist()
    (1.0, [[8.0, 0.0], [0.0, 8.0]])
    """

    def __init__(
        self,
        value: Callable[[Array], float],
        gradient: Callable[[Array], ArrayLike],
        shape: tuple[int, int],
        hessian: Callable[[Array, Array], ArrayLike] | None = None,
    ) -> None:
        functions = {"value": value, "gradient": gradient} | ({} if hessian is None else {"hessian": hessian})
        for name, function in functions.items():
            if not callable(function):
                raise TypeError(f"{name} must be a function of a matrix, not {function!r}")
        self.shape = validated_shape(shape)
        self._value, self._gradient, self._hessian = value, gradient, hessian

    def __call__(self, X: Point) -> float:
        """E(X)."""
        value = np.asarray(self._value(self._array("X", X)))
        if value.size != 1 or np.iscomplexobj(value):
            raise ValueError(f"value must return a real number, not {value!r}")
        return float(value.reshape(()))

    def gradient(self, X: Point) -> Array:
        """∇E(X), (m, n)."""
        return self._matrix("gradient", self._gradient(self._array("X", X)))

    @property
    def hessian(self) -> Callable[[Point, Point], Array]:
        """The function (X, Z) → derivative of ∇E at X along Z.

        Raises
        ------
        AttributeError
            If none was given, so that `hasattr` tells.
        """
        second = self._hessian
        if second is None:
            raise AttributeError("the energy was given without a hessian")
        return lambda X, Z: self._matrix("hessian", second(self._array("X", X), self._array("Z", Z)))

    def _array(self, name: str, X: Point) -> Array:
        check_shape(name, X, self.shape)
        return as_array(X)

    def _matrix(self, name: str, returned: Any) -> Array:
        matrix = np.asarray(returned)
        if matrix.shape != self.shape or np.iscomplexobj(matrix):
            raise ValueError(
                f"{name} must return a real array of shape {self.shape}, not of shape {matrix.shape} ({matrix.dtype})"
            )
        return matrix.astype(np.float64, copy=False)


def from_functions(
    value: Callable[[Array], float],
    gradient: Callable[[Array], ArrayLike],
    hessian: Callable[[Array, Array], ArrayLike] | None = None,
    *,
    shape: tuple[int, int],
) -> UserEnergy:
    """A `UserEnergy`.

    Examples
    --------
    >>> from_functions(np.sum, np.ones_like, shape=(2, 3))(np.ones((2, 3)))
    6.0
    """
    return UserEnergy(value, gradient, shape, hessian)


def as_energy(energy: Any) -> Any:
    """An object with `shape`, `value(X)` and `gradient(X)` of arrays as an energy; anything else as it is."""
    if callable(energy) or not all(hasattr(energy, name) for name in ("shape", "value", "gradient")):
        return energy
    return UserEnergy(energy.value, energy.gradient, energy.shape, getattr(energy, "hessian", None))
