"""The completion problem that all solve, and what comes back from a solver."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix, MatrixCompletion, balanced_start

__all__ = ["CompletionProblem", "Outcome", "TimeLimitError", "completion_problem"]

Array = NDArray[np.float64]


class TimeLimitError(RuntimeError):
    """A solver was stopped because it took too long."""


@dataclass(frozen=True, eq=False)
class CompletionProblem:
    """The gradient flow of ½ Σ (X_ij - M_ij)² over the observed entries, from a balanced start until `end`."""

    energy: MatrixCompletion
    network: DeepLinearNetwork
    start: FactoredMatrix
    end: float
    target: Array

    @property
    def infinitely_deep(self) -> bool:
        """Then there are no layers."""
        return bool(self.network.is_infinitely_deep)

    @property
    def depth(self) -> int:
        """The number of layers."""
        return self.network.layer_count()

    @property
    def layer_scale(self) -> float:
        """The size of a layer at the start."""
        return float(self.start.singular_values[-1] ** (1 / self.depth))

    def layers(self, width: int | None = None) -> list[Array]:
        """Balanced layers W_1, …, W_N over the start, of hidden width r, or wider with zeros in the rest."""
        U, sigma, V = self.start.decomposition
        r = self.start.rank
        width = r if width is None else width
        root = np.zeros((width, width))
        root[:r, :r] = np.diag(sigma ** (1 / self.depth))
        middle = [root.copy() for _ in range(self.depth - 2)]
        return [root[:, :r] @ V.T, *middle, U @ root[:r, :]]

    def error(self, X: Array, reference: Array) -> float:
        """The relative error in the Frobenius norm."""
        return float(np.linalg.norm(X - reference) / np.linalg.norm(reference))


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a solver returned.

    Attributes
    ----------
    X : array (m, n)
        At the problem's end.
    evaluations : int
        Velocities, those that were differenced for Jacobians included.
    jacobians : int
    detail : dict
        Anything else worth keeping.
    """

    X: Array
    evaluations: int
    jacobians: int = 0
    detail: dict[str, Any] = field(default_factory=dict)


def completion_problem(
    depth: Any,
    end: float,
    *,
    seed: int = 0,
    shape: tuple[int, int] = (100, 100),
    rank: int = 5,
    observations: int = 2000,
    norm: float = 100.0,
    scale: float = 1e-2,
) -> CompletionProblem:
    """M = A Bᵀ with Gaussian factors, in Frobenius norm `norm`, seen at uniformly drawn places.

    At norm 100 = √(mn) the typical entry is 1, as in the experiments of Arora, Cohen, Hu, Luo, arXiv 1905.13655.
    """
    generator = np.random.default_rng(seed)
    m, n = shape
    M = generator.standard_normal((m, rank)) @ generator.standard_normal((rank, n))
    M *= norm / np.linalg.norm(M)
    places = np.sort(generator.choice(m * n, observations, replace=False))
    rows, columns = places // n, places % n
    energy = MatrixCompletion.from_entries(rows=rows, columns=columns, values=M[rows, columns], shape=shape)
    network = DeepLinearNetwork(depth, shape, rank)
    return CompletionProblem(energy, network, balanced_start(network, scale, seed), end, M)
