r"""The Riemannian Langevin equation, integrated: many chains at once, on the matrices or on the layers.

    dX = -A(∇E) dt + T ΔX dt + √(2T) A^{1/2} dW

downstairs (`geometry.langevin_equation`), or as noise on the balanced layers upstairs, which projects to it.  How a
step is made, and what happens where X is singular, is said in `langevin_steps` and `langevin_layers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry import DeepLinearNetwork

from .energies import Energy
from .factored import FactoredMatrix
from .langevin_arguments import (
    positive_number,
    positive_temperature,
    start_decompositions,
    time_grid,
    validate_problem,
)
from .langevin_energies import batched_energy
from .langevin_equilibria import warn_without_equilibrium
from .langevin_frames import Frames
from .langevin_kernels import flat_kernels
from .langevin_layers import LayersStep
from .langevin_metropolis import MetropolisStep
from .langevin_samples import LangevinSamples, LangevinStatistics
from .langevin_steps import FlatStep, TurningStep
from .langevin_streams import ChainStreams, chain_entropy
from .network_kernels import network_kernels

__all__ = ["LangevinError", "default_step", "langevin"]

Array = NDArray[np.float64]
Progress = Callable[[float, float], None]

LARGEST_STRETCH = 6.5
"""What the chart Y may multiply skew components of the noise by at most; beyond they turn U against V."""
STEP = 0.01
"""The default variance of the noise of a step, 2 T h λ(1, 1), in units of σ at σ = 1."""


class LangevinError(RuntimeError):
    """A chain left the representable numbers.

    Attributes
    ----------
    time : float
        When that was noticed.
    chains : tuple of int
        Their numbers.
    """

    def __init__(self, time: float, chains: tuple[int, ...], step: float) -> None:
        named = ", ".join(map(str, chains[:5])) + (", …" if len(chains) > 5 else "")
        super().__init__(
            f"the chains {named} ({len(chains)} in all) are no longer finite at t = {time:.6g} with steps of "
            f"{step:.3g}: choose a smaller step, or adjusted=True"
        )
        self.time = time
        self.chains = chains
        self._given = (time, chains, step)

    def __reduce__(self) -> tuple[type[LangevinError], tuple[float, tuple[int, ...], float]]:
        return type(self), self._given


def default_step(network: DeepLinearNetwork, temperature: float) -> float:
    """The step h with 2 T h λ(1, 1) = 0.01, below T = 1/2 the one of 1/2; for matrices and energies of order 1."""
    (speed,) = network_kernels(network).multiplier_matrix(np.ones(1)).ravel()
    return STEP / (2 * max(temperature, 0.5) * float(speed))


def langevin(
    energy: Energy,
    network: DeepLinearNetwork,
    start: FactoredMatrix | Sequence[FactoredMatrix],
    times: ArrayLike,
    temperature: float = 0.1,
    seed: int | np.random.Generator = 0,
    *,
    chains: int | range | None = None,
    step: float | None = None,
    space: str = "downstairs",
    entropy: bool | None = None,
    adjusted: bool = False,
    progress: Progress | None = None,
) -> LangevinSamples:
    r"""Integrate the Langevin equation of the network's metric, many chains at once.

    Downstairs X moves by dX = -A(∇F) dt + T ΔX dt + √(2T) A^{1/2} dW, Itô correction included, F = E or, with entropy,
    the free energy E - T S.  Upstairs balanced layers of hidden width r move by -∇L and noise, along all of their
    manifold with entropy, horizontally without; X is their product.  Both have the same law, and the equilibrium

        exp(-E/T) vol,     with entropy     exp(-E/T + S) vol,

    on all m x n matrices of rank r, vol being the volume that the metric has there, at depth 1 that of Frobenius'
    metric on these matrices.  S is the logarithm of the volume of the fibre of balanced layers.  For m = n = r chains
    pass det X = 0 at finite depth, and keep its sign at infinite depth.  Otherwise singular spaces are frozen at
    infinite depth: X = U S Vᵀ keeps the column and row space of its start, and its r x r core S moves as square
    matrices do under the energy E(U S Vᵀ).

    Supported is the real field, downstairs at integer and infinite depth, upstairs at integer depth.  Steps have weak
    order 1: expectations at a fixed time are wrong by O(h).

    Parameters
    ----------
    energy : Energy
        E.  `MatrixCompletion`, `SymbolicEnergy`, `Ridge` and their sums are evaluated for all chains at once, others
        matrix by matrix.  Hessians are used where there are any, and keep long steps stable and right where
        multipliers are large; without one, steps h are to keep h λ(σ_1, σ_1) ∂²E below 1.
    network : DeepLinearNetwork
        Rescaled ones (always at depth oo) have the metric times N: time runs N times as fast.
    start : FactoredMatrix, or a sequence of them
        X at times[0], for all chains or for each one.
    times : array (T,)
        Increasing; where the samples are wanted.  They start at times[0].
    temperature : float
        T, positive.
    seed : int or Generator
        The same seed gives the same chains.  A Generator is drawn from once.
    chains : int or range, optional
        How many, or which: the numbers of a chain depend on the seed and on its number only, so that
        range(0, 500) and range(500, 1000) can run in two processes and be put together.  By default one for each start.
    step : float, optional
        The longest step; `default_step` unless given.
    space : {"downstairs", "upstairs"}
    entropy : bool, optional
        Whether S counts; unless given, upstairs it does and downstairs it does not.
    adjusted : bool
        Accept or reject steps by Metropolis' rule, downstairs at finite depth and m = n = r: the equilibrium is then
        exact for every step, the time a chain takes to get there is not.
    progress : callable, optional
        Called with (time, last time) at each of the times.

    Returns
    -------
    LangevinSamples

    Raises
    ------
    ValueError, TypeError
        If an argument makes no sense, or the network is none that is supported.
    LangevinError
        If a chain diverges.

    Warns
    -----
    NoEquilibriumWarning
        Where it is known that exp(-E/T) has infinite mass: near matrices of lower rank, where E is finite there, and
        for the two diagonal entries of 2 x 2 matrices of rank 2.

    References
    ----------
    Menon, Yu, arXiv 2302.11653 and 2509.09088.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> from numerics import FactoredMatrix, MatrixCompletion
    >>> energy = MatrixCompletion.from_array([[1.0, 0.0], [0.0, 1.0]])
    >>> start = FactoredMatrix.from_matrix([[1.0, 0.0], [0.0, 0.5]])
    >>> samples = langevin(energy, DeepLinearNetwork(3, (2, 2)), start, [0.0, 0.1], temperature=0.01, chains=4)
    >>> samples.matrices.shape, samples.singular_values.shape
    ((4, 2, 2, 2), (4, 2, 2))
    """
    (U, sigma, V), numbers = start_decompositions(network, start, chains)
    T, grid = positive_temperature(temperature), time_grid(times)
    longest = default_step(network, T) if step is None else positive_number("step", step)
    counts_entropy = space == "upstairs" if entropy is None else bool(entropy)
    validate_problem(energy, network, space, adjusted, np.sqrt(2 * T * longest))
    warn_without_equilibrium(energy, network, (U[0] * sigma[0]) @ V[0].T, counts_entropy)
    integrator = _integrator(network, space, adjusted)(network, batched_energy(energy), T, counts_entropy)
    streams = ChainStreams(chain_entropy(seed), numbers)
    run = _Run(integrator, integrator.frames(U, sigma, V), streams, numbers, adjusted)
    recorded = [run.frames]
    for begin, end in pairwise(grid):
        recorded.append(run.advance(float(begin), float(end), longest))
        if progress is not None:
            progress(float(end), float(grid[-1]))
    y = np.stack([frames.y for frames in recorded], axis=1)
    return LangevinSamples(
        times=grid,
        chains=tuple(numbers),
        left=np.stack([frames.left for frames in recorded], axis=1),
        right=np.stack([frames.right for frames in recorded], axis=1),
        flat_coordinates=y,
        singular_values=np.asarray(integrator.kernels.singular_value(y)),
        network=network,
        temperature=T,
        space=space,
        statistics=run.statistics(),
    )


@dataclass
class _Run:
    """The chains, and what they took so far."""

    integrator: FlatStep
    frames: Frames
    streams: ChainStreams
    numbers: Sequence[int]
    adjusted: bool
    steps: int = 0
    longest: float = 0.0

    def advance(self, begin: float, end: float, longest: float) -> Frames:
        """The frames at the end of an interval, after equal steps."""
        count = max(1, int(np.ceil((end - begin) / longest * (1 - 1e-12))))
        h = (end - begin) / count
        # What overflows is found below, by the chain.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            try:
                for noise, uniform in self.streams.steps(count, self.integrator.noise_shape, self.adjusted):
                    self.frames = self.integrator(self.frames, h, noise, uniform)
            except np.linalg.LinAlgError as error:
                # Of a matrix that overflowed; the squares of multipliers overflow first.
                lost = np.asarray(~np.isfinite(self.integrator.matrices(self.frames) ** 4).all(axis=(-2, -1)))
                raise LangevinError(end, self._named(lost if lost.any() else ~lost), h) from error
        lost = np.asarray(~np.isfinite(self.frames.y).all(axis=-1))
        if lost.any():
            raise LangevinError(end, self._named(lost), h)
        self.steps += count
        self.longest = max(self.longest, h)
        return self.frames

    def _named(self, chosen: NDArray[np.bool_]) -> tuple[int, ...]:
        return tuple(self.numbers[int(i)] for i in np.flatnonzero(chosen))

    def statistics(self) -> LangevinStatistics:
        """The counts so far."""
        rejected = getattr(self.integrator, "rejected", np.zeros(1, dtype=np.int64))
        return LangevinStatistics(self.steps, self.longest, np.broadcast_to(rejected, len(self.numbers)).copy())


def _integrator(network: DeepLinearNetwork, space: str, adjusted: bool) -> type[FlatStep]:
    if space == "upstairs" and network.layer_count() > 1:
        return LayersStep
    if adjusted:
        return MetropolisStep
    return TurningStep if network.is_infinitely_deep or _skew_stretch(network) > LARGEST_STRETCH else FlatStep


def _skew_stretch(network: DeepLinearNetwork) -> float:
    """a_kl for σ_k = σ_l, its largest value."""
    kernels = flat_kernels(network, turning=False)
    return float(kernels.pair_coefficients(np.array([kernels.top, kernels.top])).skew()[0])
