"""Numerics of deep linear networks, on kernels emitted by `geometry`."""

from .charts import SpectralCrossingError
from .completion import Completion, UnobservedWarning, complete, hold_out, root_mean_square
from .energies import Energy, MatrixCompletion, SymbolicEnergy
from .factored import FactoredMatrix, balanced_start
from .files import Table, read_table, write_table
from .flows import Convergence, FlowError, FrozenSpacesWarning, ProjectedFlowWarning, gradient_flow
from .riemannian import inner_product, log_volume, operator
from .table_fields import TableError
from .trajectory import FlowStatistics, Trajectory

__all__ = [
    "Completion",
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
    "Table",
    "TableError",
    "Trajectory",
    "UnobservedWarning",
    "balanced_start",
    "complete",
    "gradient_flow",
    "hold_out",
    "inner_product",
    "log_volume",
    "operator",
    "read_table",
    "root_mean_square",
    "write_table",
]
