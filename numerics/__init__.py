"""Numerics of deep linear networks, on kernels emitted by `geometry`."""

from .charts import SpectralCrossingError
from .energies import Energy, MatrixCompletion, SymbolicEnergy
from .factored import FactoredMatrix, balanced_start
from .flows import Convergence, FlowError, FrozenSpacesWarning, ProjectedFlowWarning, gradient_flow
from .riemannian import inner_product, log_volume, operator
from .trajectory import FlowStatistics, Trajectory

__all__ = [
    "Convergence",
    "Energy",
    "FactoredMatrix",
    "FlowError",
    "FlowStatistics",
    "FrozenSpacesWarning",
    "MatrixCompletion",
    "ProjectedFlowWarning",
    "SpectralCrossingError",
    "SymbolicEnergy",
    "Trajectory",
    "balanced_start",
    "gradient_flow",
    "inner_product",
    "log_volume",
    "operator",
]
