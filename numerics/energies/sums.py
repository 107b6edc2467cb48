"""Sums and multiples of energies: `energy + energy`, `2.0 * energy`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from .lazy_matrices import linear_combination
from .protocol import Energy, Point

__all__ = ["EnergySum", "Summable", "finite_number"]


class Summable:
    """What lets energies be added, subtracted and multiplied with numbers.

    The other summand may be any object with `shape`, a value and `gradient`.
    """

    # Leaves `np.float64(2.0) * energy` to __rmul__ instead of making an array of objects.
    __array_ufunc__ = None

    def __add__(self, other: Any) -> EnergySum:
        return EnergySum.of((1.0, self), (1.0, other)) if isinstance(other, Energy) else NotImplemented

    def __radd__(self, other: Any) -> EnergySum:
        return EnergySum.of((1.0, other), (1.0, self)) if isinstance(other, Energy) else NotImplemented

    def __sub__(self, other: Any) -> EnergySum:
        return EnergySum.of((1.0, self), (-1.0, other)) if isinstance(other, Energy) else NotImplemented

    def __mul__(self, factor: Any) -> EnergySum:
        return EnergySum.of((factor, self)) if isinstance(factor, Real) else NotImplemented

    def __rmul__(self, factor: Any) -> EnergySum:
        return self * factor


@dataclass(frozen=True, eq=False)
class EnergySum(Summable):
    """E(X) = Σ c_i E_i(X).

    Gradients of sparse and low-rank terms stay what they are: the sum is an object with `@` and `T`
    (`MatrixSum`), and an array only where a term's gradient is one.

    Attributes
    ----------
    terms : tuple of (float, Energy)

    Examples
    --------
    >>> from numerics.energies import MatrixCompletion, Ridge
    >>> fit = MatrixCompletion.from_array([[1.0, float("nan")], [2.0, 3.0]])
    >>> energy = 2.0 * fit + Ridge((2, 2), strength=0.5)
    >>> energy(np.ones((2, 2))), energy.gradient(np.ones((2, 2))).tolist()
    (6.0, [[0.5, 0.5], [-1.5, -3.5]])
    """

    terms: tuple[tuple[float, Energy], ...]

    @classmethod
    def of(cls, *terms: tuple[Any, Any]) -> EnergySum:
        """From coefficients and energies, sums among them multiplied out.

        Raises
        ------
        ValueError
            If a coefficient is not finite, or the shapes differ.
        """
        flat: list[tuple[float, Energy]] = []
        for coefficient, energy in terms:
            factor = finite_number("the factor of an energy", coefficient)
            parts = energy.terms if isinstance(energy, EnergySum) else ((1.0, energy),)
            flat.extend((factor * inner, part) for inner, part in parts)
        shapes = {tuple(energy.shape) for _, energy in flat}
        if len(shapes) > 1:
            raise ValueError(f"energies that are added must have one shape, not {' and '.join(map(str, shapes))}")
        return cls(tuple(flat))

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return self.terms[0][1].shape

    def __call__(self, X: Point) -> float:
        """E(X)."""
        return float(sum(coefficient * energy(X) for coefficient, energy in self.terms))

    def gradient(self, X: Point) -> Any:
        """∇E(X), (m, n): an array or a `MatrixSum`."""
        return linear_combination(tuple((coefficient, energy.gradient(X)) for coefficient, energy in self.terms))

    @property
    def hessian(self) -> Callable[[Point, Point], Any]:
        """The function (X, Z) → derivative of ∇E at X along Z.

        Raises
        ------
        AttributeError
            If a term has none, so that `hasattr` tells whether the sum has one.
        """
        for _, energy in self.terms:
            if not hasattr(energy, "hessian"):
                raise AttributeError(f"{type(energy).__name__}, a term of the sum, has no hessian")
        return self._hessian

    def _hessian(self, X: Point, Z: Point) -> Any:
        terms: tuple[tuple[float, Any], ...] = self.terms
        return linear_combination(tuple((coefficient, energy.hessian(X, Z)) for coefficient, energy in terms))


def finite_number(name: str, value: Any) -> float:
    """A finite real number.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(float(value)):
        raise ValueError(f"{name} must be a finite real number, not {value!r}")
    return float(value)
