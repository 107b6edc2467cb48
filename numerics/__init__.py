"""Numerics of deep linear networks, on kernels emitted by `geometry`."""

from typing import TYPE_CHECKING

from .batched_flows import BatchedTrajectories, batched_gradient_flow
from .charts import SpectralCrossingError
from .completion import Completion, UnobservedWarning, complete, hold_out, root_mean_square
from .convergence import Convergence
from .cross_validation import Candidate, CrossValidation, cross_validate, truncated_svd, truncated_svd_rank
from .energies import (
    DerivativeError,
    Energy,
    EnergySum,
    EnergyWithHessian,
    EntropicTerm,
    LinearSensing,
    MatrixCompletion,
    Ridge,
    SpectralEnergy,
    SymbolicEnergy,
    UserEnergy,
    check_gradient,
    check_hessian,
    from_functions,
)
from .ensembles import EnsembleError, Failure, ensemble
from .factored import FactoredMatrix, balanced_start
from .files import Table, read_table, write_table
from .flow_errors import FlowError, FrozenSpacesWarning, ProjectedFlowWarning
from .flow_events import Crossing, Escape, EventRecord, RankLoss
from .flows import gradient_flow
from .geodesic_boundary import distance, geodesic_between, logarithm_map
from .geodesics import GeodesicError, GeodesicPath, exponential_map, geodesic
from .langevin_equation import LangevinError, langevin
from .langevin_equilibria import NoEquilibriumWarning
from .langevin_samples import LangevinSamples, LangevinStatistics, effective_sample_size
from .layers import Layers
from .matrix_files import read_matrix
from .riemannian import inner_product, log_volume, operator
from .stored_values import StoredValueError
from .table_fields import TableError
from .training import DivergenceError, TrainingRun, TrainingState, train
from .training_comparison import FlowComparison, compare_with_flow, modified_flow
from .training_rule import GradientDescent
from .training_sharpness import sharpness
from .trajectory import FlowStatistics, Trajectory
from .trajectory_files import load_trajectory, save_trajectory

if TYPE_CHECKING:
    from .matrix_completer import MatrixCompleter

__all__ = [
    "BatchedTrajectories",
    "Candidate",
    "Completion",
    "Convergence",
    "CrossValidation",
    "Crossing",
    "DerivativeError",
    "DivergenceError",
    "Energy",
    "EnergySum",
    "EnergyWithHessian",
    "EnsembleError",
    "EntropicTerm",
    "Escape",
    "EventRecord",
    "FactoredMatrix",
    "Failure",
    "FlowComparison",
    "FlowError",
    "FlowStatistics",
    "FrozenSpacesWarning",
    "GeodesicError",
    "GeodesicPath",
    "GradientDescent",
    "LangevinError",
    "LangevinSamples",
    "LangevinStatistics",
    "Layers",
    "LinearSensing",
    "MatrixCompleter",
    "MatrixCompletion",
    "NoEquilibriumWarning",
    "ProjectedFlowWarning",
    "RankLoss",
    "Ridge",
    "SpectralCrossingError",
    "SpectralEnergy",
    "StoredValueError",
    "SymbolicEnergy",
    "Table",
    "TableError",
    "TrainingRun",
    "TrainingState",
    "Trajectory",
    "UnobservedWarning",
    "UserEnergy",
    "balanced_start",
    "batched_gradient_flow",
    "check_gradient",
    "check_hessian",
    "compare_with_flow",
    "complete",
    "cross_validate",
    "distance",
    "effective_sample_size",
    "ensemble",
    "exponential_map",
    "from_functions",
    "geodesic",
    "geodesic_between",
    "gradient_flow",
    "hold_out",
    "inner_product",
    "langevin",
    "load_trajectory",
    "log_volume",
    "logarithm_map",
    "modified_flow",
    "operator",
    "read_matrix",
    "read_table",
    "root_mean_square",
    "save_trajectory",
    "sharpness",
    "train",
    "truncated_svd",
    "truncated_svd_rank",
    "write_table",
]


def __getattr__(name: str) -> object:
    """MatrixCompleter, for which scikit-learn is loaded only where it is asked for."""
    if name == "MatrixCompleter":
        from .matrix_completer import MatrixCompleter

        return MatrixCompleter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
