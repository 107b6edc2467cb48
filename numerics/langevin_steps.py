r"""Steps of the Langevin equation on the matrices of rank r, in the flat chart Y (see `geometry.langevin_chart`).

Euler-Maruyama in the frame of X, weak order 1, as a matrix step: with standard normal ξ, symmetric and skew parts,

    diag(y) + b h + √(2T h) (s∘sym ξ + a∘skew ξ) = P diag(y') Qᵀ,     U' = U P,  V' = V Q.

Singular values that coalesce repel each other by themselves.  At y_r = 0, where the determinant of a square X changes
its sign, nothing happens: a singular value of Y that went through zero comes out positive, with a column of V turned
round.  That is reflection of y at 0 with both signs equally likely, the process on *all* matrices; it has exp(-E/T) vol
on all of them as its equilibrium, where one that kept the sign would have it on a component.  (At infinite depth
singular matrices are infinitely far away, and the sign is kept.)

Against null directions, B and C of the noise, (m-r) x r and r x (n-r), turn U and V by the angles √λ(σ_k, 0)/σ_k times
B_ak and C_ka, and pull the new y like further rows and columns: to the singular values of diag(y') over B Q and Cᵀ P,
whose right singular vectors turn U' and V' alike.  So y keeps away from 0 by itself, as it should: almost no path of
rank r < max(m, n) reaches a lower rank.  At infinite depth nothing moves towards null directions, and X moves as its
r x r core does.

Where y_k and y_l are both within the noise √(2T h) of 0, coefficients with a pole 1/y_k there are taken at √(2T h): the
noise decides then, and an explicit step with the pole would be thrown far out.

Far out multipliers are large, and what the energy confines relaxes at the rates of J = √λ ∂²E √λ.  So the step is
exponential: drift times φ(J h), covariance times φ(2 J h), φ(x) = (1 - e^{-x})/x, which is exact for a quadratic energy
at depth 1 and m = n = r.  It leaves out two things of order h² that count where J h is large, both proportional to the
variance T h (1 - φ(2 J h)) - ½ (mean)² by which a pair's symmetric or skew component moves less than free noise would:

- Δy supposes free noise; its pull s²/(y_k - y_l) or a²/(y_k + y_l) is missing in y_k;
- the force -∂_k E on y_k is to be averaged over the fast component, along which ∂²E grows like (σ_k ∓ σ_l)²: it
  pushes back by ∂_k log (σ_k ∓ σ_l).

The two poles cancel.  (Against a null direction the pull is w²/(2 y_k), and ∂²E grows like σ_k².)  Where all relaxes,
what remains is the force of the free energy T/2 log det J of fast directions.

Source: Kloeden, Platen, *Numerical solution of stochastic differential equations* (1992), section 14.1, for weak
order; Jentzen, Kloeden, Proc. R. Soc. A 465 (2009), for exponential steps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from .langevin_energies import BatchedEnergy
from .langevin_frames import (
    Frames,
    SingularBasis,
    completed,
    diagonal,
    right_decomposition,
    skew_part,
    spectral_decomposition,
    svd,
    symmetric_part,
    transposed,
    turned,
)
from .langevin_kernels import FlatKernels, PairCoefficients, flat_kernels
from .langevin_normal_steps import NormalStep, Relaxation
from .network_kernels import network_kernels

__all__ = ["FlatStep", "TurningStep"]

Array = NDArray[np.float64]

SMALLEST = 1e-150
"""Singular values below it are taken for it where multipliers are evaluated, which square them."""


class FlatStep:
    """Steps at finite depth, in Y = U diag(√N σ^{1/N}) Vᵀ.

    Parameters
    ----------
    network : DeepLinearNetwork
    energy : BatchedEnergy
    temperature : float
    entropy : bool
        Whether the free energy is E - T S.
    """

    turning: bool = False
    """Whether skew noise turns U against V."""

    def __init__(self, network: DeepLinearNetwork, energy: BatchedEnergy, temperature: float, entropy: bool) -> None:
        self.energy, self.temperature, self.entropy = energy, temperature, entropy
        self.rank = network.coframe.rank
        self.basis = moving_basis(network)
        self.noise_shape: tuple[int, ...] = (self.basis.dimension,)
        self.kernels: FlatKernels = flat_kernels(network, self.turning)
        self.multipliers = network_kernels(network)

    def frames(self, U: Array, sigma: Array, V: Array) -> Frames:
        """The frames of U diag(σ) Vᵀ, (chains, m, r), (chains, r) and (chains, n, r)."""
        left, right = completed(U, self.basis.rows), completed(V, self.basis.columns)
        return Frames(left, np.asarray(self.kernels.coordinate(sigma)), right)

    def frames_of(self, X: Array) -> Frames:
        """The frames of matrices (chains, m, n) of rank r."""
        U, sigma, Vt = np.linalg.svd(X, full_matrices=False)
        return self.frames(U[..., : self.rank], sigma[..., : self.rank], transposed(Vt)[..., : self.rank])

    def singular_values(self, frames: Frames) -> Array:
        """σ, (chains, r), kept representable."""
        return np.maximum(self.kernels.singular_value(frames.y), SMALLEST)

    def matrices(self, frames: Frames) -> Array:
        """X, (chains, m, n)."""
        return (frames.left * self.kernels.singular_value(frames.y)[:, None, :]) @ transposed(frames.right)

    def slope_and_relaxation(self, frames: Frames) -> tuple[Array, Relaxation]:
        """grad E in an orthonormal frame of the metric along the singular vectors, (chains, q), and J there."""
        X, sigma = self.matrices(frames), self.singular_values(frames)
        lengths = np.sqrt(self.multipliers.multiplier_matrix(sigma))
        null_lengths = np.sqrt(self.multipliers.null(sigma)) if self.basis.has_null_directions else sigma
        weights = self.basis.entries(lengths, null_lengths)
        slope = weights * self.basis.coordinates(transposed(frames.U) @ self.energy.gradients(X) @ frames.V)
        if self.energy.hessians is None:
            return slope, Relaxation.of(None)
        hessian = self.basis.form(self.energy.hessians(X), frames.U, frames.V)
        return slope, Relaxation.of(weights[:, :, None] * hessian * weights[:, None, :])

    def distribution(self, frames: Frames, h: float) -> NormalStep:
        """The distribution of a step of length h, in the chart."""
        pairs = self.kernels.pair_coefficients(frames.y, np.sqrt(2 * self.temperature * h))
        null = np.ones((len(frames.y), len(self.basis.null_places)))
        stretch = np.concatenate([np.ones_like(frames.y), pairs.symmetric(), self._skew(pairs), null], axis=-1)
        slope, relaxation = self.slope_and_relaxation(frames)
        mean = -h * relaxation.drift(h, slope)
        missing = self.temperature * h * (1 - relaxation.variances(h)) - mean**2 / 2
        mean *= stretch
        mean[:, : self.rank] += h * self.drift(frames, pairs) + self.shift(pairs, missing)
        mean[:, : self.rank] += self.null_shift(frames, missing)
        return NormalStep(mean, stretch, relaxation, h, self.temperature)

    def drift(self, frames: Frames, pairs: PairCoefficients) -> Array:
        """T d, and T grad S with entropy, along y: (chains, r)."""
        total = pairs.drift(self.rank)
        if self.entropy:
            total += pairs.gathered(*pairs.pair_entropy_slopes(), self.rank)
        return self.temperature * total

    def shift(self, pairs: PairCoefficients, missing: Array) -> Array:
        """What the missing variances (chains, q) move y by, (chains, r)."""
        total, count = np.zeros((len(missing), self.rank)), len(pairs.k)
        for start, (larger, smaller) in zip((self.rank, self.rank + count), pairs.shifts(), strict=True):
            part = missing[:, start : start + count]
            total += pairs.gathered(part * larger, part * smaller, self.rank)
        return total

    def null_shift(self, frames: Frames, missing: Array) -> Array:
        """What those against null directions move y by, (chains, r)."""
        if not self.basis.has_null_directions:
            return np.zeros(1)
        return self.kernels.null_shift(frames.y) * self.basis.null_sums(missing)

    def _skew(self, pairs: PairCoefficients) -> Array:
        return pairs.skew()

    def __call__(self, frames: Frames, h: float, noise: Array, uniform: Array) -> Frames:
        """The frames a time h later."""
        return self.moved(frames, self.distribution(frames, h).of(noise))[0]

    def moved(self, frames: Frames, step: Array) -> tuple[Frames, Array, Array]:
        """The new frames, and P and Q, by which the singular vectors are combined anew."""
        core, rows, columns = self.basis.blocks(step)
        turn, (P, y, Q) = self.moved_core(frames.y, core)
        if self.basis.has_null_directions:
            stack = np.concatenate([diagonal(y), rows @ Q, transposed(columns) @ P], axis=-2)
            y, R = right_decomposition(stack)
            P, Q = P @ R, Q @ R
        angles = self.kernels.null_turn(frames.y)[:, None, :]
        left = turned(frames.U, turn, rows * angles, P)
        right = turned(frames.V, None if turn is None else -turn, transposed(columns) * angles, Q)
        return Frames(left, y, right), P, Q

    def moved_core(self, y: Array, core: Array) -> tuple[Array | None, tuple[Array, Array, Array]]:
        """By which angles the core turns U against V, or None, and P, y', Q, with y' ≥ 0 at finite depth."""
        return None, svd(diagonal(y) + core)


class TurningStep(FlatStep):
    """Steps at infinite or large depth: the symmetric part moves U diag(y) Uᵀ, the skew one turns U against V."""

    turning = True

    def _skew(self, pairs: PairCoefficients) -> Array:
        return pairs.turn()

    def moved_core(self, y: Array, core: Array) -> tuple[Array | None, tuple[Array, Array, Array]]:
        """P turns both; a column of Q with a singular value that went through zero is turned round."""
        P, values = spectral_decomposition(diagonal(y) + symmetric_part(core))
        if not self.kernels.scales:
            return skew_part(core), (P, values, P)
        order = np.argsort(-np.abs(values), axis=-1)
        P, values = np.take_along_axis(P, order[:, None, :], axis=-1), np.take_along_axis(values, order, axis=-1)
        return skew_part(core), (P, np.abs(values), P * np.where(values < 0, -1.0, 1.0)[:, None, :])


def moving_basis(network: DeepLinearNetwork) -> SingularBasis:
    """Coordinates of the tangent vectors that the metric's noise has: none against spaces that are frozen."""
    coframe = network.coframe
    rows, columns = (
        int(nullity) if moves else 0
        for nullity, moves in (
            (coframe.left_nullity, network.moves_left_space),
            (coframe.right_nullity, network.moves_right_space),
        )
    )
    return SingularBasis(coframe.rank, rows, columns)
