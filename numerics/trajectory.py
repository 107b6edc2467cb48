"""Trajectories of gradient flows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from .energies import Energy
from .factored import FactoredMatrix
from .flow_events import EventRecord
from .layers import Layers
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
    jacobian_products : int
        Exact products of the Jacobian with directions, each of about the cost of a velocity or two.
    choices : tuple of str
        What was chosen, and why: the chart, the method, and changes of it on the way.
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
    jacobian_products: int = 0
    choices: tuple[str, ...] = ()

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
    events : tuple of EventRecord
        What happened of the events that were asked for, in the order of their times.
    layers : tuple of Layers, T of them
        In the layers chart; empty otherwise.
    """

    times: Array
    factored: tuple[FactoredMatrix, ...]
    energy_function: Energy
    network: DeepLinearNetwork
    chart: str
    statistics: FlowStatistics
    converged: bool | None = None
    events: tuple[EventRecord, ...] = ()
    layers: tuple[Layers, ...] = ()

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

    @property
    def conserved_defects(self) -> tuple[Array, ...]:
        """W_{p+1}ᵀ W_{p+1} - W_p W_pᵀ at the start, which the flow of the layers conserves; empty in other charts."""
        return self.layers[0].defects() if self.layers else ()

    def matrix(self, index: int) -> Array:
        """All of X at times[index], (m, n)."""
        return self.factored[index].to_array()

    def __repr__(self) -> str:
        first, last = self.times[0], self.times[-1]
        return (
            f"Trajectory({self.network}, chart={self.chart!r}, {len(self.times)} times {first:.6g} … {last:.6g}, "
            f"energy {self.energy[0]:.6g} … {self.energy[-1]:.6g})"
        )

    def _repr_html_(self) -> str:
        from .displays import trajectory_html

        return trajectory_html(self)
