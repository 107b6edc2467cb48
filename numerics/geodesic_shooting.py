r"""Multiple shooting for the geodesic between two matrices of one rank.

The path is cut at points C_0 = X, C_1, …, C_K = Y.  Unknown are the points X_i near C_i and the velocities there, in
frames of the tangent spaces that are orthonormal in the network's metric; demanded is that the geodesic from each
arrives at the next, with its velocity.  The equations are solved by Newton's method with differenced Jacobians.
Cutting keeps each piece short: over a length of several units geodesics of ill-conditioned matrices diverge
exponentially, and one shot from X to Y cannot be aimed.

Source: Ascher, Mattheij, Russell, *Numerical Solution of Boundary Value Problems for ODEs* (1988), chapter 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from .factored import FactoredMatrix
from .geodesic_starts import ConnectingPath
from .geodesics import GeodesicError, geodesic
from .network_kernels import network_kernels

__all__ = ["TangentFrame", "shoot"]

Array = NDArray[np.float64]

PIECES = (1, 4, 12)
"""How many the path is cut into, one attempt after the other."""

MOST_ITERATIONS = 12
"""Of Newton's method."""

MOST_HALVINGS = 4
"""Of a step of Newton's method."""

FIRST_ADVANCE = 1e-4
"""The share of a piece of the path that gives its velocity."""

HOPELESS = 3.0
"""How much larger than its length the first defect of a path may be before it is cut into more pieces."""

LOOSE = 1e-7
"""The tolerance of the integration until Newton's method has converged to it."""

DIFFERENCE = 1e-4
"""The step of differenced Jacobians."""

MOST_EVALUATIONS = 2000
"""Right-hand sides of a piece that is tried; those that are not wild take some hundred."""


@dataclass(frozen=True)
class TangentFrame:
    """A frame of the tangent space at a point, orthonormal in the network's metric."""

    U: Array
    S: Array
    V: Array
    left: Array
    right: Array
    network: DeepLinearNetwork

    @classmethod
    def at(cls, network: DeepLinearNetwork, point: FactoredMatrix) -> TangentFrame:
        left, right = (np.linalg.svd(W)[0][:, W.shape[1] :] for W in (point.U, point.V))
        return cls(point.U, point.S, point.V, left, right, network)

    def _scaled(self, block: Array, left: Array, right: Array, sign: int) -> tuple[Array, Array, Array]:
        """A^{sign/2} of the parts of a vector."""
        kernels = network_kernels(self.network)
        R, sigma, Qt = np.linalg.svd(self.S)
        root = kernels.multiplier_matrix(sigma) ** (sign / 2)
        null = np.asarray(kernels.null(sigma)) if left.size or right.size else np.ones_like(sigma)
        share = null ** (sign / 2)
        return R @ (root * (R.T @ block @ Qt.T)) @ Qt, (left @ Qt.T * share) @ Qt, (right @ R * share) @ R.T

    def components(self, vector: Array) -> Array:
        """Those of a vector (m, n), of which the normal part is dropped."""
        right, left = vector @ self.V, vector.T @ self.U
        parts = self._scaled(self.U.T @ right, self.left.T @ right, self.right.T @ left, -1)
        return np.concatenate([part.ravel() for part in parts])

    def vector(self, components: Array) -> Array:
        """The vector (m, n) of given components."""
        r, a, b = len(self.S), self.left.shape[1], self.right.shape[1]
        parts = np.split(components, [r * r, r * r + a * r])
        shaped = [part.reshape(rows, r) for part, rows in zip(parts, (r, a, b), strict=True)]
        block, left, right = self._scaled(shaped[0], shaped[1], shaped[2], 1)
        return np.asarray((self.U @ block + self.left @ left) @ self.V.T + self.U @ (self.right @ right).T)


def shoot(network: DeepLinearNetwork, X: FactoredMatrix, path: ConnectingPath, rtol: float) -> Array:
    """The velocity at X, (m, n), of a geodesic that is at the path's end after time 1.

    Raises
    ------
    GeodesicError
        If none was found near the path.
    """
    for pieces in PIECES:
        solution = _MultipleShooting(network, X, path, pieces, rtol).solve()
        if solution is not None:
            return TangentFrame.at(network, X).vector(solution)
    raise GeodesicError(f"Newton's method did not converge, with the path cut into {PIECES[-1]} pieces either")


class _MultipleShooting:
    """The equations for one number K of pieces.

    The unknowns are the velocity at X, (d,), and for each inner point its displacement and velocity, (d,) each.
    """

    def __init__(
        self, network: DeepLinearNetwork, X: FactoredMatrix, path: ConnectingPath, pieces: int, rtol: float
    ) -> None:
        self.network, self.pieces, self.rtol, self.final_rtol = network, pieces, max(rtol, LOOSE), rtol
        self.points = [X, *(path.at(k / pieces) for k in range(1, pieces + 1))]
        self.frames = [TangentFrame.at(network, point) for point in self.points]
        self.path = path

    def guess(self) -> Array:
        """The path itself, with its velocities."""
        parts = []
        for k, (point, frame) in enumerate(zip(self.points[:-1], self.frames[:-1], strict=True)):
            moved = self.path.at(k / self.pieces + FIRST_ADVANCE).to_array() - point.to_array()
            velocity = frame.components(moved) / FIRST_ADVANCE
            parts += [velocity] if k == 0 else [np.zeros_like(velocity), velocity]
        return np.concatenate(parts)

    def solve(self) -> Array | None:
        """The components of the velocity at X; None where Newton's method does not converge."""
        unknowns = self.guess()
        ends = self._ends(unknowns)
        if ends is None:
            return None
        value, jacobian = self._defects(unknowns, ends), None
        if np.linalg.norm(value) > HOPELESS * max(1.0, float(np.linalg.norm(unknowns))) and self.pieces < PIECES[-1]:
            return None
        for _ in range(MOST_ITERATIONS):
            norm = float(np.linalg.norm(value))
            if norm <= 10 * self.rtol * max(1.0, float(np.linalg.norm(unknowns))):
                if self.rtol == self.final_rtol:
                    return unknowns[: len(value) // (2 * self.pieces - 1)]
                self.rtol = self.final_rtol
                ends = self._ends(unknowns)
                if ends is None:
                    return None
                value = self._defects(unknowns, ends)
                continue
            fresh = jacobian is None
            if jacobian is None:
                jacobian = self._jacobian(unknowns, ends)
            if jacobian is None:
                return None
            accepted = self._descend(unknowns, np.asarray(-np.linalg.solve(jacobian, value)), norm)
            if accepted is None and fresh:
                return None
            if accepted is not None:
                unknowns, ends, value = accepted
            if accepted is None or np.linalg.norm(value) > norm / 5:
                jacobian = None
        return None

    def _parts(self, unknowns: Array) -> list[Array]:
        """Displacement and velocity at each point, (2 d,); no displacement at X."""
        d = len(unknowns) // (2 * self.pieces - 1)
        return [*np.concatenate([np.zeros(d), unknowns]).reshape(self.pieces, 2 * d)]

    def _state(self, k: int, part: Array) -> tuple[FactoredMatrix, Array]:
        """The point X_k and a tangent vector there."""
        displacement, velocity = np.split(part, 2)
        point, vector = self.points[k], self.frames[k].vector(velocity)
        if displacement.any():
            moved = point.to_array() + self.frames[k].vector(displacement)
            point = FactoredMatrix.from_matrix(moved, point.rank)
        against = vector - point.U @ (point.U.T @ vector)
        return point, vector - (against - (against @ point.V) @ point.V.T)

    def _flow(self, k: int, part: Array) -> tuple[Array, Array] | None:
        """Where the geodesic from X_k is at the end of its piece, and its velocity there."""
        try:
            point, velocity = self._state(k, part)
            times = [0.0, 1 / self.pieces]
            path = geodesic(self.network, point, velocity, times, self.rtol, MOST_EVALUATIONS)
        except (GeodesicError, ValueError):
            return None
        return path.matrix(-1), path.velocity(-1)

    def _ends(self, unknowns: Array) -> list[tuple[Array, Array]] | None:
        ends = []
        for k, part in enumerate(self._parts(unknowns)):
            end = self._flow(k, part)
            if end is None:
                return None
            ends.append(end)
        return ends

    def _defect(self, k: int, end: tuple[Array, Array], following: Array | None) -> Array:
        """What arrives at the end of piece k, less what starts there; at Y the velocity is free."""
        frame = self.frames[k + 1]
        if following is None:
            return frame.components(end[0] - self.points[-1].to_array())
        point, velocity = self._state(k + 1, following)
        return np.concatenate([frame.components(end[0] - point.to_array()), frame.components(end[1] - velocity)])

    def _defects(self, unknowns: Array, ends: list[tuple[Array, Array]]) -> Array:
        parts = [*self._parts(unknowns), None]
        return np.concatenate([self._defect(k, end, parts[k + 1]) for k, end in enumerate(ends)])

    def _jacobian(self, unknowns: Array, ends: list[tuple[Array, Array]]) -> Array | None:
        """Each unknown of X_k moves the defects before and after it only."""
        parts, d = self._parts(unknowns), len(unknowns) // (2 * self.pieces - 1)
        defects = self._defects(unknowns, ends)
        jacobian = np.zeros((len(unknowns), len(unknowns)))
        for column in range(len(unknowns)):
            k = (column + d) // (2 * d)
            part = parts[k].copy()
            part[(column + d) % (2 * d)] += DIFFERENCE
            end = self._flow(k, part)
            if end is None:
                return None
            after = self._defect(k, end, parts[k + 1] if k + 1 < self.pieces else None)
            rows = slice(2 * d * k, 2 * d * k + len(after))
            jacobian[rows, column] = (after - defects[rows]) / DIFFERENCE
            if k > 0:
                rows = slice(2 * d * (k - 1), 2 * d * k)
                jacobian[rows, column] = (self._defect(k - 1, ends[k - 1], part) - defects[rows]) / DIFFERENCE
        return jacobian

    def _descend(
        self, unknowns: Array, step: Array, norm: float
    ) -> tuple[Array, list[tuple[Array, Array]], Array] | None:
        """Unknowns with smaller defects, their pieces' ends and their defects; the step is halved where needed."""
        for _ in range(MOST_HALVINGS + 1):
            moved = unknowns + step
            ends = self._ends(moved)
            if ends is not None:
                value = self._defects(moved, ends)
                if np.linalg.norm(value) < (1 - 1e-3) * norm:
                    return moved, ends, value
            step = step / 2
        return None
