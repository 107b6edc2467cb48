r"""The chart X = U S Vᵀ with a full r x r matrix S: no singularity where singular values cross.

With S = P D Qᵀ, G̃ = (UP)ᵀ ∇E (VQ), the multiplier matrix λ and c_k = λ(d_k, 0)/d_k,

    dS/dt = -P (λ∘G̃) Qᵀ,
    dU/dt = -(I - U Uᵀ) ∇E V Q diag(c) Pᵀ,     dV/dt = -(I - V Vᵀ) ∇Eᵀ U P diag(c) Qᵀ.

U (V) is left out of the coordinates where the flow does not move it.

The velocities of small singular values are found beside those of large ones, which go into the same entries of S.  In a
chart along the singular vectors (off-diagonal entries a tenth of √(σ_k σ_l)) that of a σ of 1e-8 times the largest is
good to about 1e-10 at depth 3, 1e-6 at depth 10 and 3e-5 at infinite depth; of one of 1e-12 times the largest it is
noise beyond depth 10.  Where S is full, 1e-8 is noise at infinite depth already, as long as the large ones still move.

Source: the gauge UᵀdU = VᵀdV = 0 of Koch and Lubich, *Dynamical low-rank approximation*, SIAM J.
Matrix Anal. Appl. 29 (2007), applied to the flow of arXiv 2210.12497.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from ..compilation import compiles
from ..energies import Energy, MatrixCompletion
from ..energies.restricted import QuadraticEnergy
from ..energy_products import gradient_products
from ..factored import FactoredMatrix
from .chart import Chart, LinearMap, Preconditioner
from .completion_velocity import completion_velocity, frozen_velocity
from .factored_inspection import inspection
from .factored_jacobian import FrozenCore, velocity_derivatives
from .factored_linearization import FactoredLinearization
from .factored_preconditioner import preconditioner_function
from .factored_velocity import velocity_function
from .traceable_velocity import TraceableField, traceable_velocity

__all__ = ["FactoredChart"]

Array = NDArray[np.float64]

RESOLUTION = 0.1
"""How well, relatively, the smallest singular value has to be resolved by the entries of S."""


PASSES = 3
"""A gradient takes so many multiplications for each observed entry and column: one for X, two for the products."""
MOST_GRADIENTS = 100
"""What an energy in frozen spaces may cost to prepare, in gradients: far fewer than a flow takes."""
SMALL = 2**20
"""So many numbers it may need meanwhile, or twice as many as were observed."""


class FactoredChart(Chart):
    """Coordinates (S, U, V), flattened one after the other."""

    def __init__(self, energy: Energy, network: DeepLinearNetwork, start: FactoredMatrix) -> None:
        super().__init__(energy, network, start)
        self.moves_left, self.moves_right = network.moves_left_space, network.moves_right_space
        self._inspected: tuple[Array, tuple[float, ...]] | None = None
        self._velocity_of_products = velocity_function(network, compiled=False)
        # Where the spaces are frozen a quadratic energy is one of S alone, seen from the frame of the start.
        self._seen: Energy
        self._restricted = None if self.moves_left or self.moves_right else _restricted(energy, start)
        self._seen, self._frame = energy, (start.U, start.V)
        if self._restricted is not None:
            self._seen, self._frame = self._restricted, (np.eye(start.rank), np.eye(start.rank))

    def compile(self) -> None:
        """Compile the velocity, which takes seconds and saves a good part of each evaluation of small problems."""
        if compiles():
            self.is_compiled = True
            if self._restricted is not None:
                self.field = frozen_velocity(self._restricted, self.network, self.typical_curvature)
            else:
                self.field = completion_velocity(self.energy, self.network, self.start, self.typical_curvature)
            self._velocity_of_products = velocity_function(self.network, compiled=True)

    def _split(self, coordinates: Array) -> tuple[Array, Array, Array]:
        (m, n), r = self.start.shape, self.start.rank
        S, position = coordinates[: r * r].reshape(r, r), r * r
        U, V = self._frame
        if self.moves_left:
            U = coordinates[position : position + m * r].reshape(m, r)
            position += m * r
        if self.moves_right:
            V = coordinates[position : position + n * r].reshape(n, r)
        return S, U, V

    def _join(self, S: Array, U: Array, V: Array) -> Array:
        parts = [S, *([U] if self.moves_left else []), *([V] if self.moves_right else [])]
        return np.concatenate([part.ravel() for part in parts])

    def coordinates(self, point: FactoredMatrix) -> Array:
        """(S, U, V) as one vector."""
        return self._join(point.S, point.U, point.V)

    def point(self, coordinates: Array) -> FactoredMatrix:
        """The point, with columns brought back to orthonormal ones."""
        S, U, V = self._split(coordinates)
        if self._restricted is not None:
            return FactoredMatrix.unchecked(self.start.U, S.copy(), self.start.V)
        return FactoredMatrix.orthonormalized(U, S, V)

    def _velocity(self, coordinates: Array) -> Array:
        if self.field is not None:
            return self.field(coordinates)
        S, U, V = self._split(coordinates)
        slope_right, slope_left, _ = gradient_products(self._seen, U @ S, V, U, V)
        return self._join(*self._velocity_of_products(S, U, V, slope_right, slope_left))

    def traceable_velocity(self) -> TraceableField:
        """The velocity as a function of JAX arrays."""
        return traceable_velocity(self._seen, self.network, *self._frame)

    def linearization(self, coordinates: Array) -> LinearMap:
        """The derivative of the velocity, exact where the energy has a Hessian."""
        linear = FactoredLinearization(self._seen, self.kernels, *self._split(coordinates))

        def product(direction: Array) -> Array:
            dS, dU, dV = self._split(direction)
            return self._join(*linear(dS, dU if self.moves_left else None, dV if self.moves_right else None))

        return product

    def preconditioner(self, coordinates: Array) -> Preconditioner:
        """The inverse of I + γ c A_N, c the energy's typical curvature: see `factored_preconditioner`."""
        P, sigma, Qt = np.linalg.svd(self._split(coordinates)[0])
        multiplier = self.typical_curvature * self.kernels.multiplier_matrix(sigma)
        null = self.typical_curvature * np.asarray(self.kernels.null(sigma))
        solve = preconditioner_function(self.network, self.is_compiled)
        return lambda gamma, residual: solve(gamma, residual, P, Qt, multiplier, null)

    def _inspection(self, coordinates: Array) -> tuple[float, ...]:
        """Drift, orientation, largest singular value and resolution, computed once for each step."""
        if self._inspected is None or self._inspected[0] is not coordinates:
            S, U, V = (np.ascontiguousarray(part) for part in self._split(coordinates))
            self._inspected = coordinates, inspection(S, U, V)
        return self._inspected[1]

    def fastest_rate(self, coordinates: Array) -> float:
        """The typical curvature times the largest multiplier."""
        largest = self._inspection(coordinates)[2]
        return self.typical_curvature * float(self.kernels.pair(largest, largest))

    def jacobian(self, time: float, coordinates: Array) -> Array:
        """The derivative as a matrix; along U and V written down where the Hessian of the energy is a pattern."""
        linear = self.linearization(coordinates)
        pattern = getattr(self.energy, "hessian_pattern", None)
        size, core_size = coordinates.size, self.start.rank**2
        written_down = pattern is not None and (self.moves_left or self.moves_right)
        jacobian = np.empty((size, size))
        for index in range(core_size if written_down else size):
            direction = np.zeros(size)
            direction[index] = 1.0
            jacobian[:, index] = linear(direction)
        if not written_down:
            return jacobian
        S, U, V = self._split(coordinates)
        P, sigma, Qt = np.linalg.svd(S)
        multiplier, rate = self.kernels.multiplier_matrix(sigma), np.asarray(self.kernels.null_rate(sigma))
        slope = self.energy.gradient(FactoredMatrix.unchecked(U, S, V))
        core = FrozenCore(U, S, V, P, Qt.T, multiplier, rate, slope, pattern)
        position = core_size
        if self.moves_left:
            d_core, d_left, d_right = velocity_derivatives(core)
            jacobian[:, position : position + U.size] = self._stack(d_core, d_left, d_right)
            position += U.size
        if self.moves_right:
            d_core, d_right, d_left = velocity_derivatives(core.transposed())
            jacobian[:, position:] = self._stack(d_core.transpose(1, 0, 2, 3), d_left, d_right)
        return jacobian

    def _stack(self, d_core: Array, d_left: Array, d_right: Array) -> Array:
        parts = [d_core, *([d_left] if self.moves_left else []), *([d_right] if self.moves_right else [])]
        return np.concatenate([part.reshape(part.shape[0] * part.shape[1], -1) for part in parts])

    def noise(self, rtol: float) -> Array:
        """rtol times the smallest singular value for S, times the columns' mean entry for U and V."""
        (m, n), r = self.start.shape, self.start.rank
        return rtol * self._join(
            np.full((r, r), self.smallest), np.full((m, r), 1 / np.sqrt(m)), np.full((n, r), 1 / np.sqrt(n))
        )

    def scale(self, coordinates: Array) -> Array:
        """For S the geometric mean of the norms of an entry's row and column."""
        S, U, V = self._split(coordinates)
        rows, columns = np.linalg.norm(S, axis=1), np.linalg.norm(S, axis=0)
        core = np.sqrt(np.outer(rows, columns))
        return np.maximum(self._join(core, np.ones_like(U), np.ones_like(V)), np.finfo(float).tiny)

    def drift(self, coordinates: Array) -> float:
        """The defect of orthonormality of U and V."""
        return self._inspection(coordinates)[0]

    def orientation(self, coordinates: Array) -> float:
        """The sign of det S."""
        return self._inspection(coordinates)[1]

    def least_resolution(self, rtol: float) -> float:
        """Relative to σ_r σ_1 over the square of the largest off-diagonal entry of S."""
        return rtol / RESOLUTION

    def realigned(self, coordinates: Array, rtol: float) -> FactoredChart | None:
        """The chart along the singular vectors, where S cannot carry its smallest singular value.

        The entries of S are accurate to rtol times their size.  A singular value far below the
        largest one is the small difference of large entries unless S is nearly diagonal.
        """
        if self._inspection(coordinates)[3] > self.least_resolution(rtol):
            return None
        point = self.point(coordinates)
        left, values, right = point.decomposition
        chart = FactoredChart(self.energy, self.network, FactoredMatrix(left, np.diag(values), right))
        if self.is_compiled:
            chart.compile()
        return chart


def _restricted(energy: Energy, start: FactoredMatrix) -> QuadraticEnergy | None:
    """The energy as one of S in the spaces of the start, where that pays."""
    if not isinstance(energy, MatrixCompletion):
        return None
    (m, n), r, seen = start.shape, start.rank, energy.observations
    gradient, preparation = PASSES * seen * r, seen * r**2 + m * r**4
    pays = r**4 <= gradient and preparation <= MOST_GRADIENTS * gradient
    return energy.restricted(start.U, start.V) if pays and (m + n) * r**2 <= 2 * seen + SMALL else None
