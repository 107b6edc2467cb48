r"""Energies of the singular values.

For a symmetric function f and X = U Σ Vᵀ of rank r, E(X) = f(σ_1, …, σ_r) has

    ∇E(X) = U diag(f_k) Vᵀ,     f_k = ∂f/∂σ_k,

and the derivative of this along Z, with B = UᵀZV, is U H Vᵀ and the parts against the null spaces:

    H_kk = Σ_l f_kl B_ll,
    H_kl = ½ (f_k - f_l)/(σ_k - σ_l) (B_kl + B_lk) + ½ (f_k + f_l)/(σ_k + σ_l) (B_kl - B_lk)     (k ≠ l),
    (I - UUᵀ) Z V diag(f_k/σ_k) Vᵀ + U diag(f_k/σ_k) UᵀZ (I - VVᵀ).

Since f is symmetric, f_k and f_kl are f_1, f_11 and f_12 with the arguments in another order: three emitted
kernels do for any rank.  Exchanging σ_k and σ_l along a straight line writes the divided difference as the mean of
f_11 - f_12 on it, which is smooth where they coalesce.

Source: A. S. Lewis, H. S. Sendov, *Twice differentiable spectral functions*, SIAM J. Matrix Anal. Appl. 23 (2001).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, sympify

from geometry import DeepLinearNetwork, Kernel, compile_kernel
from geometry.entropy import entropy

from ..factored import FactoredMatrix
from ..network_kernels import explicit_shape
from .lazy_matrices import LowRankMatrix
from .protocol import Array, Point, check_shape
from .sums import Summable, finite_number

__all__ = ["EntropicTerm", "SpectralEnergy"]

NEAR = 0.05
"""The relative gap from which a quotient of differences loses at most twenty roundings."""
NODES, WEIGHTS = np.polynomial.legendre.leggauss(6)
"""Gauss-Legendre: below the gap above, and with the nearest singularity at σ = 0, exact to 1e-19."""
SYMMETRY_TOLERANCE = 1e-10
SYMMETRY_POINTS = 3


class SpectralEnergy(Summable):
    """E(X) = f(σ_1, …, σ_r), for a symmetric expression in the singular values of a network.

    Parameters
    ----------
    expression : Expr
        f, in the network's singular values only, smooth where they are positive.
    network : DeepLinearNetwork
        Its shape, rank and symbols; nothing else of it matters.

    Raises
    ------
    TypeError, ValueError
        If the expression is no scalar, is not symmetric, has other symbols in it or cannot be compiled, or the
        network has a symbolic shape, rank or depth.

    Examples
    --------
    >>> network = DeepLinearNetwork(2, (2, 3))
    >>> a, b = network.singular_values
    >>> energy = SpectralEnergy((a**2 + b**2) / 2, network)
    >>> round(energy(np.ones((2, 3)) + np.eye(2, 3)), 12)
    6.0
    >>> energy.gradient(np.ones((2, 3)) + np.eye(2, 3)).round(12).tolist()
    [[2.0, 1.0, 1.0], [1.0, 2.0, 1.0]]
    """

    def __init__(self, expression: Expr, network: DeepLinearNetwork) -> None:
        if isinstance(expression, str):
            raise TypeError("expression must be a SymPy expression, not a string; see geometry.parse_expression")
        self.expression = sympify(expression)
        if not isinstance(self.expression, Expr):
            raise TypeError(f"expression must be a scalar SymPy expression, not {type(self.expression).__name__}")
        self.shape: tuple[int, int] = explicit_shape(network)
        self.network = network
        self._symbols = tuple(network.singular_values)
        self._value: Kernel = compile_kernel(self.expression, self._symbols)
        self._check_symmetry()
        self._slope: Kernel = compile_kernel(self.expression.diff(self._symbols[0]), self._symbols)

    def _check_symmetry(self) -> None:
        generator = np.random.default_rng(0)
        for _ in range(SYMMETRY_POINTS):
            sigma = generator.uniform(0.5, 1.5, self.rank)
            value, bound = self._value(*sigma), SYMMETRY_TOLERANCE
            for k in range(1, self.rank):
                order = np.arange(self.rank)
                order[[0, k]] = k, 0
                # Written so that NaN, outside of the domain of an expression, is no asymmetry.
                if abs(self._value(*sigma[order]) - value) > bound * max(1.0, abs(value)):
                    raise ValueError(
                        f"expression must be symmetric in the singular values, but exchanging {self._symbols[0]} and "
                        f"{self._symbols[k]} changes {self.expression}"
                    )

    @property
    def rank(self) -> int:
        """r."""
        return len(self._symbols)

    @cached_property
    def _second(self) -> Kernel:
        """(f_11, f_12)."""
        one, first = self._symbols[0], self.expression.diff(self._symbols[0])
        # A single singular value has no other one: it stands in for f_12, which is not looked at then.
        other = self._symbols[:2][-1]
        return compile_kernel([first.diff(one), first.diff(other)], self._symbols)

    @cached_property
    def _orders(self) -> NDArray[np.intp]:
        """Entry (k, l) is an order of all indices that begins with k, and with l for l ≠ k; (r, r, r)."""
        indices = range(self.rank)
        return np.array([[list(dict.fromkeys((k, l, *indices))) for l in indices] for k in indices])

    def __call__(self, X: Point) -> float:
        """E(X)."""
        return float(self._value(*self._decomposition(X)[1]))

    def slopes(self, singular_values: Array) -> Array:
        """The derivatives f_k, (r,)."""
        return np.asarray(self._slope(*np.moveaxis(singular_values[self._orders[:, 0]], -1, 0)))

    def gradient(self, X: Point) -> LowRankMatrix | Array:
        """∇E(X) = U diag(f_k) Vᵀ, (m, n): an array, or a `LowRankMatrix` at a `FactoredMatrix`."""
        U, sigma, V = self._decomposition(X)
        gradient = LowRankMatrix(U * self.slopes(sigma), V)
        return gradient if isinstance(X, FactoredMatrix) else gradient.toarray()

    def hessian(self, X: Point, Z: Point) -> LowRankMatrix | Array:
        """The derivative of ∇E at X along Z, (m, n), of the same kinds."""
        U, sigma, V = self._decomposition(X)
        check_shape("Z", Z, self.shape)
        Z_right, Z_left = _product(Z, V), _product(_transpose(Z), U)
        block = U.T @ Z_right
        slopes = self.slopes(sigma)
        turning = slopes / sigma
        core = self._core(sigma, slopes, block)
        left = np.hstack([U, (Z_right - U @ block) * turning])
        right = np.hstack([V @ core.T + (Z_left - V @ block.T) * turning, V])
        hessian = LowRankMatrix(left, right)
        return hessian if isinstance(X, FactoredMatrix) else hessian.toarray()

    def _core(self, sigma: Array, slopes: Array, block: Array) -> Array:
        """H, (r, r), from B."""
        second = np.asarray(self._second(*np.moveaxis(sigma[self._orders], -1, 0)))
        mixed = second[..., 1]
        np.fill_diagonal(mixed, np.diagonal(second[..., 0]))
        symmetric, skew = (block + block.T) / 2, (block - block.T) / 2
        sums = (slopes[:, None] + slopes) / (sigma[:, None] + sigma)
        core = self.divided_differences(sigma) * symmetric + sums * skew
        np.fill_diagonal(core, mixed @ np.diagonal(block))
        return np.asarray(core)

    def divided_differences(self, singular_values: Array) -> Array:
        """(f_k - f_l)/(σ_k - σ_l), (r, r), with its limit where they coalesce; zero on the diagonal."""
        sigma, slopes = singular_values, self.slopes(singular_values)
        gap, width = sigma[:, None] - sigma, sigma[:, None] + sigma
        near = np.abs(gap) <= NEAR * width
        differences = (slopes[:, None] - slopes) / np.where(near, 1.0, gap)
        above, below = np.nonzero(np.triu(near, 1))
        if len(above):
            differences[above, below] = differences[below, above] = self._mean_along_exchange(sigma, above, below)
        np.fill_diagonal(differences, 0.0)
        return np.asarray(differences)

    def _mean_along_exchange(self, sigma: Array, first: NDArray[np.intp], second: NDArray[np.intp]) -> Array:
        """The mean of f_11 - f_12 on the lines that exchange pairs of singular values, (pairs,)."""
        points = np.tile(sigma[self._orders[first, second]], (len(NODES), 1, 1))
        middle, half = (points[..., 0] + points[..., 1]) / 2, (points[..., 0] - points[..., 1]) / 2
        points[..., 0], points[..., 1] = middle + NODES[:, None] * half, middle - NODES[:, None] * half
        curvature = np.asarray(self._second(*np.moveaxis(points, -1, 0)))
        return np.asarray(WEIGHTS @ (curvature[..., 0] - curvature[..., 1]) / 2)

    def _decomposition(self, X: Point) -> tuple[Array, Array, Array]:
        """(U, σ, V) of the first r singular values."""
        check_shape("X", X, self.shape)
        if isinstance(X, FactoredMatrix):
            if X.rank < self.rank:
                raise ValueError(f"X must have at least the rank {self.rank} of the network, not {X.rank}")
            # A product of layers, or a solver's trial point: its columns need not be orthonormal.
            left, upper = np.linalg.qr(X.U)
            right, lower = np.linalg.qr(X.V)
            P, sigma, Qt = np.linalg.svd(upper @ X.S @ lower.T, full_matrices=False)
            U, Vt = left @ P, Qt @ right.T
        else:
            U, sigma, Vt = np.linalg.svd(np.asarray(X, dtype=np.float64), full_matrices=False)
        return U[:, : self.rank], sigma[: self.rank], Vt[: self.rank].T


class EntropicTerm(SpectralEnergy):
    """-T S_N(X), the entropic part of the free energy E - T S: it adds to any energy.

    Parameters
    ----------
    network : DeepLinearNetwork
    temperature : float
        T, not negative.
    hidden_width : int, optional
        As in `geometry.entropy.entropy`, the rank unless given.

    Raises
    ------
    ValueError
        If the temperature is negative or not finite, or the hidden width below the rank.

    Notes
    -----
    At infinite depth S is the limit of S_N - (N-1) log c - κ log N that `geometry.entropy.entropy` returns: the
    constants that diverge are left out.

    Source: Menon, Yu, arXiv 2509.09088.

    Examples
    --------
    >>> term = EntropicTerm(DeepLinearNetwork(2, (2, 2)), temperature=2.0)
    >>> term.gradient(np.diag([3.0, 1.0])).round(12).tolist()
    [[-0.25, 0.0], [0.0, -0.25]]
    """

    def __init__(self, network: DeepLinearNetwork, temperature: float, hidden_width: int | None = None) -> None:
        explicit_shape(network)
        self.temperature = finite_number("temperature", temperature)
        if self.temperature < 0:
            raise ValueError(f"temperature must not be negative, not {temperature}")
        super().__init__(-self.temperature * entropy(network, hidden_width), network)


def _product(Z: Point, columns: Array) -> Array:
    if isinstance(Z, FactoredMatrix):
        return np.asarray(Z.U @ (Z.S @ (Z.V.T @ columns)))
    return np.asarray(np.asarray(Z, dtype=np.float64) @ columns)


def _transpose(Z: Point) -> Point:
    if isinstance(Z, FactoredMatrix):
        return FactoredMatrix.unchecked(Z.V, Z.S.T, Z.U)
    return np.asarray(Z, dtype=np.float64).T
