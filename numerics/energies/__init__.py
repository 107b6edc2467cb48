"""Energies E(X) on matrices, with their Euclidean gradients and Hessians.

Whatever has `shape`, a value and `gradient` is an energy (`Energy`); those of this package can be added to each other
and to a user's own, and multiplied with numbers.
"""

from .completion import MatrixCompletion
from .derivative_checks import DerivativeError, check_gradient, check_hessian
from .lazy_matrices import LowRankMatrix, MatrixSum, as_dense
from .protocol import Energy, EnergyWithHessian, Point
from .ridge import Ridge
from .sensing import LinearSensing
from .spectral import EntropicTerm, SpectralEnergy
from .sums import EnergySum
from .symbolic import SymbolicEnergy
from .user_functions import UserEnergy, from_functions

__all__ = [
    "DerivativeError",
    "Energy",
    "EnergySum",
    "EnergyWithHessian",
    "EntropicTerm",
    "LinearSensing",
    "LowRankMatrix",
    "MatrixCompletion",
    "MatrixSum",
    "Point",
    "Ridge",
    "SpectralEnergy",
    "SymbolicEnergy",
    "UserEnergy",
    "as_dense",
    "check_gradient",
    "check_hessian",
    "from_functions",
]
