"""What every chart of the flow supplies to the integrator."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from ..energies import Energy
from ..energy_products import typical_curvature
from ..factored import FactoredMatrix
from ..network_kernels import network_kernels
from .traceable_velocity import TraceableField

__all__ = ["Chart", "CompiledField", "LinearMap", "Preconditioner", "SpectralCrossingError"]

Array = NDArray[np.float64]
LinearMap = Callable[[Array], Array]
Preconditioner = Callable[[float, Array], Array]
"""(γ, b) to about the solution x of (I - γJ) x = b, J the Jacobian of the velocity."""


@dataclass(frozen=True, eq=False)
class CompiledField:
    """A velocity as a compiled function, which other compiled functions can call.

    Attributes
    ----------
    velocity : callable
        (coordinates, data, result), which fills the result with the velocity.
    data : tuple
        What it needs beside the coordinates.
    watch : callable, optional
        (coordinates, data) to the drift, the orientation, the fastest rate and the resolution; see `Chart`.
    """

    velocity: Callable[..., None]
    data: tuple[Any, ...]
    watch: Callable[..., tuple[float, float, float, float]] | None = None

    def __call__(self, coordinates: Array) -> Array:
        """The velocity at coordinates."""
        result = np.empty_like(coordinates)
        self.velocity(coordinates, self.data, result)
        return result


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
    7. `linearization(coordinates)` is the derivative of the velocity as a linear map, None where there is
       no exact one; `preconditioner(coordinates)` about the inverse of I - γJ, None for the identity.
    8. `fastest_rate(coordinates)` is about the largest rate of decay, -J's largest eigenvalue.

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
        # A sum is finite where all its terms are, up to an overflow that a velocity of use has not.
        if math.isfinite(coordinates.sum()):
            try:
                with np.errstate(all="ignore"):
                    velocity = self._velocity(coordinates)
                if math.isfinite(velocity.sum()):
                    return velocity
            except (np.linalg.LinAlgError, ValueError):
                pass
        return np.full_like(coordinates, np.nan)

    def require_velocity(self, coordinates: Array) -> None:
        """Let an exception through that the energy raises here, and that `velocity` takes for an overflow."""
        with np.errstate(all="ignore"):
            self._velocity(coordinates)

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

    keeps_coordinates = False
    """Whether a trajectory should keep the coordinates, which hold more than the point."""

    is_compiled = False
    """Whether the velocity has been compiled."""
    field: CompiledField | None = None
    """The velocity as one compiled function, where it is one."""

    def compile(self) -> None:
        """Compile the velocity, where that is possible."""
        return

    @property
    def is_cheap(self) -> bool:
        """Whether a velocity costs less than an exact derivative of it."""
        return self.field is not None

    def traceable_velocity(self) -> TraceableField:
        """The velocity as a function of JAX arrays, for engine "diffrax".

        Raises
        ------
        ValueError
            If the chart or the energy has none.
        """
        raise ValueError("engine 'diffrax' integrates the factored chart only; use chart='factored', or another engine")

    def linearization(self, coordinates: Array) -> LinearMap | None:
        """The derivative of the velocity here, as a function of directions; None where it is not written down."""
        return None

    def preconditioner(self, coordinates: Array) -> Preconditioner | None:
        """About the inverse of I - γJ here; None where nothing better than the identity is known."""
        return None

    def fastest_rate(self, coordinates: Array) -> float:
        """About the largest rate of decay: the largest multiplier times the typical curvature of the energy."""
        sigma = self.point(coordinates).singular_values
        return self.typical_curvature * float(self.kernels.pair(sigma[0], sigma[0]))

    @cached_property
    def typical_curvature(self) -> float:
        """The mean eigenvalue of the energy's Hessian, about: see `energy_products`."""
        return typical_curvature(self.energy, self.start)

    def orientation(self, coordinates: Array) -> float:
        """The sign of det S, or of det X in a chart without S, which a flow that keeps the rank keeps; 0 for none."""
        return 0.0

    def require_regular(self, time: float, coordinates: Array) -> None:
        """Raise where the chart is about to become singular; most never are."""
        return

    def least_resolution(self, rtol: float) -> float:
        """How well the smallest singular value has to be resolved, or `realigned` gives another chart."""
        return 0.0

    def realigned(self, coordinates: Array, rtol: float) -> Chart | None:
        """A chart adapted to this point, where the present one loses digits; None where it does not."""
        return None
