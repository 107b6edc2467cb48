"""Trajectories of gradient flows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from .energies import Energy
from .factored import FactoredMatrix
from .network_kernels import network_kernels

__all__ = ["FlowStatistics", "Trajectory"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FlowStatistics:
    """What a run took, and how well it kept what the exact flow keeps.

    Attributes
    ----------
    method : str
        SciPy's solver.
    rtol, atol : float
        The tolerances in force; atol is the smallest over the coordinates.
    evaluations : int
        Velocities, those for Jacobians not counted.
    jacobians, jacobian_evaluations : int
        Jacobians, and the velocities that their differences took.
    steps : int
        Accepted steps.
    realignments : int
        How often the factored chart was turned to the singular vectors.
    drift : float
        Largest defect at an accepted step of the chart's invariant, beyond that of the start:
        orthonormality of U and V, balancedness of the layers, or the distance to rank r.
    """

    method: str
    rtol: float
    atol: float
    evaluations: int
    jacobians: int
    jacobian_evaluations: int
    steps: int
    realignments: int
    drift: float

    @property
    def orthonormality_drift(self) -> float:
        """The drift, for the factored and the spectral chart."""
        return self.drift

    @property
    def balancedness_drift(self) -> float:
        """The drift, for the layers."""
        return self.drift


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A gradient flow at the times asked for.

    Attributes
    ----------
    times : array (T,)
    factored : tuple of FactoredMatrix, T of them
    energy_function : Energy
    network : DeepLinearNetwork
    chart : str
    statistics : FlowStatistics
    converged : bool or None
        Whether the bound of `until` was met; None where there was none.
    """

    times: Array
    factored: tuple[FactoredMatrix, ...]
    energy_function: Energy
    network: DeepLinearNetwork
    chart: str
    statistics: FlowStatistics
    converged: bool | None = None

    @cached_property
    def singular_values(self) -> Array:
        """(T, r), decreasing along each row."""
        return np.array([point.singular_values for point in self.factored])

    @cached_property
    def energy(self) -> Array:
        """E(X(t)), (T,)."""
        return np.array([self.energy_function(point) for point in self.factored])

    @cached_property
    def log_volume(self) -> Array:
        """log √det g^N at X(t), (T,); -inf where singular values coalesce."""
        return network_kernels(self.network).log_volume_at(self.singular_values)

    def matrix(self, index: int) -> Array:
        """All of X at times[index], (m, n)."""
        return self.factored[index].to_array()
