r"""The Metropolis adjustment: steps as proposals, accepted so that the equilibrium is exact whatever their length.

In the chart Y, all r x r matrices, the equilibrium has the density exp(-E/T) (times exp S) over Π_{k<l} s_kl a_kl,
and the steps of `FlatStep` are normal.  Their covariance depends on X beyond depth 1: a share of order √h is rejected.

Source: Roberts, Tweedie, Bernoulli 2 (1996); Girolami, Calderhead, J. R. Stat. Soc. B 73 (2011), with a metric;
Bou-Rabee, Donev, Vanden-Eijnden, Multiscale Model. Simul. 12 (2014), for the order of rejections.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork, compile_kernel

from .langevin_energies import BatchedEnergy
from .langevin_frames import Frames, diagonal, transposed
from .langevin_normal_steps import NormalStep
from .langevin_steps import FlatStep

__all__ = ["MetropolisStep"]

Array = NDArray[np.float64]


class MetropolisStep(FlatStep):
    """Adjusted steps at finite depth.

    Attributes
    ----------
    rejected : array (chains,) of int
        How many proposals were rejected so far.
    """

    def __init__(self, network: DeepLinearNetwork, energy: BatchedEnergy, temperature: float, entropy: bool) -> None:
        super().__init__(network, energy, temperature, entropy)
        self.rejected: NDArray[np.int64] = np.zeros(1, dtype=np.int64)
        self._entropy = compile_kernel(network.entropy(), network.singular_values) if entropy else None
        self._last: tuple[Frames, float, NormalStep, Array] | None = None

    def log_density(self, frames: Frames) -> Array:
        """-E/T (+ S) - log Π_{k<l} s_kl a_kl, (chains,): the equilibrium with respect to dY, up to a constant."""
        pairs = self.kernels.pair_coefficients(frames.y)
        value = -self.energy.values(self.matrices(frames)) / self.temperature
        if self._entropy is not None:
            value = value + self._entropy(*np.moveaxis(self.singular_values(frames), -1, 0))
        return np.asarray(value - np.log(pairs.symmetric() * pairs.skew()).sum(axis=-1))

    def __call__(self, frames: Frames, h: float, noise: Array, uniform: Array) -> Frames:
        """The frames a time h later: those proposed, or the old ones."""
        if self._last is None or self._last[0] is not frames or self._last[1] != h:
            self._last = frames, h, self.distribution(frames, h), self.log_density(frames)
        _, _, forth, density = self._last
        step = forth.of(noise)
        proposed, P, Q = self.moved(frames, step)
        back = self.distribution(proposed, h)
        returned = self.basis.coordinates(transposed(P) @ diagonal(frames.y) @ Q - diagonal(proposed.y))
        proposed_density = self.log_density(proposed)
        gain = proposed_density + back.log_density(returned) - density - forth.log_density(step)
        accepted = uniform < np.exp(np.minimum(gain, 0.0))
        self.rejected = self.rejected + ~accepted
        frames = proposed.where(accepted, frames)
        self._last = frames, h, back.where(accepted, forth), np.where(accepted, proposed_density, density)
        return frames
