"""What every chart of the flow supplies to the integrator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from ..energies import Energy
from ..factored import FactoredMatrix
from ..network_kernels import network_kernels

__all__ = ["Chart", "SpectralCrossingError"]

Array = NDArray[np.float64]


class SpectralCrossingError(ValueError):
    """Two singular values meet where the spectral chart is singular."""


class Chart(ABC):
    """Coordinates for dX/dt = -A_N(∇E(X)).

    The contract:

    1. `coordinates(point)` and `point(coordinates)` are inverse to each other, up to the gauge.
    2. `velocity` is the flow in coordinates, or NaN where it cannot be evaluated: the solver then
       tries a smaller step.
    3. `noise(rtol)` is the absolute tolerance below which a coordinate does not matter at the start.
    4. `scale(coordinates)` is the size of the change in each coordinate that matters, for differences.
    5. `drift(coordinates)` is the defect of the invariant that the exact flow keeps.
    6. `orientation(coordinates)` is the sign that it keeps beyond depth 1.

    Parameters
    ----------
    energy : Energy
    network : DeepLinearNetwork
    start : FactoredMatrix
    """

    def __init__(self, energy: Energy, network: DeepLinearNetwork, start: FactoredMatrix) -> None:
        self.energy = energy
        self.network = network
        self.start = start
        self.kernels = network_kernels(network)
        self.smallest = float(start.singular_values[-1])
        self.difference_evaluations = 0

    @abstractmethod
    def coordinates(self, point: FactoredMatrix) -> Array:
        """The coordinates of a point, a vector."""

    @abstractmethod
    def point(self, coordinates: Array) -> FactoredMatrix:
        """The point with these coordinates."""

    @abstractmethod
    def _velocity(self, coordinates: Array) -> Array:
        """The velocity, without care for overflow."""

    @abstractmethod
    def noise(self, rtol: float) -> Array:
        """Absolute tolerances, a vector: relative to the start, so that small starts keep their digits."""

    @abstractmethod
    def scale(self, coordinates: Array) -> Array:
        """Typical sizes of the coordinates, a positive vector."""

    @abstractmethod
    def drift(self, coordinates: Array) -> float:
        """The defect of the chart's invariant."""

    def velocity(self, time: float, coordinates: Array) -> Array:
        """The velocity; NaN where it overflows or a decomposition fails."""
        nothing = np.full_like(coordinates, np.nan)
        if not np.isfinite(coordinates).all():
            return nothing
        try:
            with np.errstate(all="ignore"):
                velocity = self._velocity(coordinates)
        except np.linalg.LinAlgError:
            return nothing
        return velocity if np.isfinite(velocity).all() else nothing

    def jacobian(self, time: float, coordinates: Array) -> Array:
        """The derivative of the velocity by one-sided differences at the coordinates' own scale."""
        return self.difference_columns(time, coordinates, range(coordinates.size))

    def difference_columns(self, time: float, coordinates: Array, indices: Iterable[int]) -> Array:
        """Columns of the Jacobian by one-sided differences."""
        here = self.velocity(time, coordinates)
        steps = np.sqrt(np.finfo(float).eps) * self.scale(coordinates)
        columns = []
        for index in indices:
            moved = coordinates.copy()
            moved[index] += steps[index]
            columns.append((self.velocity(time, moved) - here) / (moved[index] - coordinates[index]))
            self.difference_evaluations += 1
        return np.array(columns).T

    def orientation(self, coordinates: Array) -> float:
        """The sign of det S, or of det X in a chart without S, which a flow that keeps the rank keeps; 0 for none."""
        return 0.0

    def require_regular(self, time: float, coordinates: Array) -> None:
        """Raise where the chart is about to become singular; most never are."""
        return

    def realigned(self, coordinates: Array, rtol: float) -> Chart | None:
        """A chart adapted to this point, where the present one loses digits; None where it does not."""
        return None
