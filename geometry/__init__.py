"""Symbolic Riemannian geometry of orthogonally invariant metrics on rank-r matrices.

The deep linear network X = W_N ⋯ W_1 is the instance this package is named for:

>>> from sympy import symbols
>>> from geometry import DeepLinearNetwork
>>> N = symbols("N", positive=True)
>>> DeepLinearNetwork(depth=N, shape=(3, 3)).multiplier(0, 1)
N*PowerDifferenceMean(sigma_1, sigma_2, 2, 2/N)
"""

from .coframe import SingularCoframe
from .derivative_kernels import gradient_kernel, hessian_kernel, jacobian_kernel
from .divided_differences import PowerDividedDifference
from .indexed import IndexedProduct, IndexedSum, SingularValue
from .kernels import Kernel, compile_kernel
from .means import LogarithmicMean, PowerDifference, PowerDifferenceMean, explicit, recognize_means
from .metric import SpectralMetric
from .network import DeepLinearNetwork
from .parsing import ExpressionError, parse_depth, parse_expression

__all__ = [
    "DeepLinearNetwork",
    "ExpressionError",
    "IndexedProduct",
    "IndexedSum",
    "Kernel",
    "LogarithmicMean",
    "PowerDifference",
    "PowerDifferenceMean",
    "PowerDividedDifference",
    "SingularCoframe",
    "SingularValue",
    "SpectralMetric",
    "compile_kernel",
    "explicit",
    "gradient_kernel",
    "hessian_kernel",
    "jacobian_kernel",
    "parse_depth",
    "parse_expression",
    "recognize_means",
]
