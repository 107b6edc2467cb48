r"""Many gradient flows of small matrices in one compiled program.

Each flow takes steps of its own, so none waits for the stiffest; the row of them is shared out to threads.
The coordinates are the frame of the singular vectors at the start of each step (`compiled.velocity`), so that small
singular values stay relatively accurate down to 1e-15 of the largest; steps are explicit of order 8, and
linearly implicit with extrapolation from where stability limits them (`compiled.steps`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry import DeepLinearNetwork, compile_kernel

from .energies import Energy, SymbolicEnergy
from .factored import FactoredMatrix
from .flow_errors import FlowError, warn_of_restrictions
from .network_kernels import explicit_shape, network_kernels
from .worker_pools import available_processors

__all__ = ["BatchedTrajectories", "batched_gradient_flow"]

Array = NDArray[np.float64]

SMALLEST_RTOL = 1e-13
CHUNKS_PER_THREAD = 8
"""Flows differ in what they take; with several chunks for each thread all end at about the same time."""


@dataclass(frozen=True, eq=False)
class BatchedTrajectories:
    """Gradient flows from several starts, at the same times.

    Attributes
    ----------
    times : array (T,)
    matrices : array (B, T, m, n)
        X(t); NaN from where a flow failed.
    singular_values : array (B, T, r)
        Decreasing; more accurate than those of `matrices` where they are small.
    energies : tuple of Energy
        One for each flow, or a single one.
    network : DeepLinearNetwork
    evaluations, steps, rejected_steps, implicit_steps : arrays (B,) of int
        What each flow took; implicit steps are counted whether accepted or not.
    reached : array (B,)
        The time that was reached, times[-1] unless the flow failed.
    """

    times: Array
    matrices: Array
    singular_values: Array
    energies: tuple[Energy, ...]
    network: DeepLinearNetwork
    evaluations: NDArray[np.int64]
    steps: NDArray[np.int64]
    rejected_steps: NDArray[np.int64]
    implicit_steps: NDArray[np.int64]
    reached: Array

    def __len__(self) -> int:
        return len(self.matrices)

    @cached_property
    def energy(self) -> Array:
        """E(X(t)), (B, T)."""
        single = self.energies[0]
        if len(self.energies) == 1 and isinstance(single, SymbolicEnergy):
            m, n = single.shape
            value = compile_kernel(single.expression, list(single.entries))
            return np.asarray(value(*np.moveaxis(self.matrices.reshape(*self.matrices.shape[:2], m * n), -1, 0)))
        each = self.energies if len(self.energies) > 1 else self.energies * len(self)
        return np.array([[energy(X) for X in matrices] for energy, matrices in zip(each, self.matrices, strict=True)])

    @cached_property
    def log_volume(self) -> Array:
        """log √det g^N, (B, T); -inf where singular values coalesce."""
        return network_kernels(self.network).log_volume_at(self.singular_values)


def batched_gradient_flow(
    energy: Energy | Sequence[Energy],
    network: DeepLinearNetwork,
    starts: ArrayLike | Sequence[FactoredMatrix],
    times: ArrayLike,
    *,
    rtol: float = 1e-8,
    atol: float | None = None,
    max_steps: int = 100_000,
    threads: int | None = None,
    failures: str = "raise",
) -> BatchedTrajectories:
    """Integrate dX/dt = -A_N(∇E(X)) from many starts; for matrices of up to about 6 x 6.

    A thousand 2 x 2 flows to t = 50 at rtol = 1e-8 take 0.25 to 0.4 s of one processor, shared out to all there are.
    The first call ever compiles for half a minute, and the machine code is kept on disk; for another depth or
    energy a second is enough.  Needs the extra `compiled`.

    Parameters
    ----------
    energy : Energy, or sequence (B,) of them
        A SymbolicEnergy, or quadratic ones such as `MatrixCompletion`, whose data may differ from start to start.
    network : DeepLinearNetwork
    starts : array (B, m, n), or sequence (B,) of FactoredMatrix
        Of the network's rank.  The latter keep the relative accuracy of small singular values.
    times : array (T,)
        Increasing; steps end there.
    rtol : float
        Relative tolerance of each singular value in a step.
    atol : float, optional
        Absolute tolerance; rtol times the smallest singular value of each start unless given.
    max_steps : int
        Steps of a flow, accepted or not, before it is given up.
    threads : int, optional
        As many as there are processors to use unless given.
    failures : {"raise", "return"}
        What to do about flows that fail: raise a `FlowError` for the first, or return NaN from there.

    Returns
    -------
    BatchedTrajectories

    Raises
    ------
    ImportError
        If Numba is not installed.
    ValueError, TypeError
        If an argument makes no sense, or the energy is neither symbolic nor quadratic.
    FlowError
        If a flow fails and `failures` is "raise".

    Warns
    -----
    FrozenSpacesWarning, ProjectedFlowWarning
        Where `gradient_flow` warns.
    """
    from .compiled.flow import FINISHED, SWITCHING

    grid = _grid(times)
    _validate(rtol, atol, max_steps, threads, failures)
    lefts, spectra, rights = _decomposed(network, starts)
    energies = (energy,) if isinstance(energy, Energy) else tuple(energy)
    gradient, data = _compiled_energies(energies, network, len(spectra))
    warn_of_restrictions(network)
    tolerances = np.full(len(spectra), np.nan if atol is None else atol)
    tolerances = np.where(np.isnan(tolerances), rtol * spectra[:, -1], tolerances)
    columns = _Columns(lefts, spectra, rights, tolerances, data, len(grid))
    columns.integrate(network, gradient, grid, rtol, SWITCHING, max_steps, threads or available_processors())
    failed = np.flatnonzero(columns.counts[:, 4] != FINISHED)
    if len(failed) and failures == "raise":
        raise _flow_error(columns, failed, max_steps)
    return BatchedTrajectories(
        times=grid,
        matrices=columns.matrices,
        singular_values=columns.singular_values,
        energies=energies,
        network=network,
        evaluations=columns.counts[:, 0],
        steps=columns.counts[:, 1],
        rejected_steps=columns.counts[:, 2],
        implicit_steps=columns.counts[:, 3],
        reached=columns.reached,
    )


def _grid(times: ArrayLike) -> Array:
    grid = np.array(times, dtype=np.float64)
    if grid.ndim != 1 or len(grid) < 2 or not np.isfinite(grid).all() or not (np.diff(grid) > 0).all():
        raise ValueError(f"times must be at least two finite, increasing numbers, not {times!r}")
    return grid


def _validate(rtol: float, atol: float | None, max_steps: int, threads: int | None, failures: str) -> None:
    if not SMALLEST_RTOL <= rtol < 1:
        raise ValueError(f"rtol must be between {SMALLEST_RTOL} and 1, not {rtol}")
    if atol is not None and not (np.isfinite(atol) and atol > 0):
        raise ValueError(f"atol must be positive and finite, not {atol}")
    for name, count in (("max_steps", max_steps), ("threads", threads)):
        if count is not None and not (isinstance(count, int) and count > 0):
            raise ValueError(f"{name} must be a positive integer, not {count!r}")
    if failures not in ("raise", "return"):
        raise ValueError(f"failures must be 'raise' or 'return', not {failures!r}")


def _decomposed(network: DeepLinearNetwork, starts: Any) -> tuple[Array, Array, Array]:
    """U (B, m, r), σ (B, r) and V (B, n, r) of the starts."""
    (m, n), r = explicit_shape(network), network.coframe.rank
    if isinstance(starts, Sequence) and len(starts) and all(isinstance(start, FactoredMatrix) for start in starts):
        wrong = [start for start in starts if start.shape != (m, n) or start.rank != r]
        if wrong:
            raise ValueError(
                f"starts must be of the network's shape {(m, n)} and rank {r}, not {wrong[0].shape} and {wrong[0].rank}"
            )
        U, sigma, V = (np.stack(parts) for parts in zip(*(start.decomposition for start in starts), strict=True))
    else:
        matrices = np.asarray(starts, dtype=np.float64)
        if matrices.ndim != 3 or matrices.shape[1:] != (m, n) or len(matrices) == 0:
            raise ValueError(f"starts must be an array (B, {m}, {n}), not one of shape {matrices.shape}")
        if not np.isfinite(matrices).all():
            raise ValueError(f"starts must be finite, but starts[{np.argwhere(~np.isfinite(matrices))[0][0]}] is not")
        U, sigma, Vt = np.linalg.svd(matrices, full_matrices=False)
        U, sigma, V = U[:, :, :r], sigma[:, :r], Vt[:, :r].transpose(0, 2, 1)
    singular = np.flatnonzero(~(sigma[:, -1] > np.finfo(float).eps * sigma[:, 0]))
    if len(singular):
        raise ValueError(
            f"starts must have rank {r}, but starts[{singular[0]}] has the singular values {sigma[singular[0]]}"
        )
    return np.ascontiguousarray(U), np.ascontiguousarray(sigma), np.ascontiguousarray(V)


def _compiled_energies(energies: Sequence[Energy], network: DeepLinearNetwork, batch: int) -> tuple[Any, Array]:
    """The gradient as a compiled function, and the data of each flow, (B, …)."""
    from .compiled.functions import affine_data, affine_gradient, symbolic_gradient

    if len(energies) not in (1, batch):
        raise ValueError(f"energy must be one, or one for each of the {batch} starts, not {len(energies)}")
    for energy in energies:
        if not isinstance(energy, Energy):
            raise TypeError(f"energy must have a shape, a value and a gradient, not be a {type(energy).__name__}")
        if tuple(energy.shape) != explicit_shape(network):
            raise ValueError(f"energy must have the network's shape {network.shape}, not {tuple(energy.shape)}")
    symbolic = energies[0]
    if len(energies) == 1 and isinstance(symbolic, SymbolicEnergy):
        return symbolic_gradient(symbolic), np.zeros((batch, 1))
    data = np.stack([affine_data(energy) for energy in energies])
    return affine_gradient(), np.broadcast_to(data, (batch, data.shape[1])).copy()


class _Columns:
    """What the flows start from, and what they leave, one row each."""

    def __init__(self, lefts: Array, spectra: Array, rights: Array, atols: Array, data: Array, times: int) -> None:
        (batch, m, r), n = lefts.shape, rights.shape[1]
        self.lefts, self.spectra, self.rights, self.atols, self.data = lefts, spectra, rights, atols, data
        self.matrices = np.full((batch, times, m, n), np.nan)
        self.singular_values = np.full((batch, times, r), np.nan)
        self.counts = np.zeros((batch, 5), dtype=np.int64)
        self.reached = np.empty(batch)

    def integrate(
        self,
        network: DeepLinearNetwork,
        gradient: Any,
        grid: Array,
        rtol: float,
        method: int,
        max_steps: int,
        threads: int,
    ) -> None:
        """Fill the rows, in chunks, by several threads: compiled code does not hold the interpreter."""
        from .compiled.flow import flows
        from .compiled.functions import multipliers

        (m, n), r = explicit_shape(network), network.coframe.rank
        moving = m * r * network.moves_left_space, n * r * network.moves_right_space
        functions = *multipliers(network), gradient

        def fill(rows: slice) -> None:
            start = self.lefts[rows], self.spectra[rows], self.rights[rows]
            results = self.matrices[rows], self.singular_values[rows], self.counts[rows], self.reached[rows]
            how = rtol, self.atols[rows], method, max_steps
            flows(*start, grid, *how, *functions, self.data[rows], *moving, network.keeps_rank, *results)

        batch = len(self.spectra)
        length = -(-batch // (threads * CHUNKS_PER_THREAD))
        chunks = [slice(first, first + length) for first in range(0, batch, length)]
        with warnings.catch_warnings():
            # Numba calls functions with fixed types experimental.
            warnings.filterwarnings("ignore", message="First-class function type feature")
            fill(slice(0, 0))
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, chunks))


def _flow_error(columns: _Columns, failed: NDArray[np.intp], max_steps: int) -> FlowError:
    from .compiled.flow import TOO_MANY_STEPS

    first = int(failed[0])
    known = np.flatnonzero(~np.isnan(columns.singular_values[first, :, 0]))[-1]
    state = FactoredMatrix.from_matrix(columns.matrices[first, known])
    slow = columns.counts[first, 4] == TOO_MANY_STEPS
    why = f"not finished after max_steps = {max_steps} steps" if slow else "the step became too small"
    others = f", and {len(failed) - 1} others failed" if len(failed) > 1 else ""
    return FlowError(
        f"flow {first} failed{others}: {why}; failures='return' keeps the others",
        float(columns.reached[first]),
        state,
    )
