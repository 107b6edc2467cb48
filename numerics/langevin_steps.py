r"""Steps of the Langevin equation on the matrices of full rank m = n = r, in the flat chart Y (see `langevin_kernels`).

Euler-Maruyama in the frame of X, weak order 1, as a matrix step: with standard normal ξ, symmetric and skew parts,

    diag(y) + b h + √(2T h) (s∘sym ξ + a∘skew ξ) = P diag(y') Qᵀ,     U' = U P,  V' = V Q.

Singular values that coalesce repel each other by themselves.  At y_r = 0, where the determinant of X changes its sign,
nothing happens: a singular value of Y that went through zero comes out positive, with a column of V turned round.
That is reflection of y at 0 with both signs equally likely, the process on *all* matrices; it has exp(-E/T) vol on
all of them as its equilibrium, where one that kept the sign would have it on a component.  (At infinite depth singular
matrices are infinitely far away, and the sign is kept.)

Far out multipliers are large, and what the energy confines relaxes at the rates of J = √λ ∂²E √λ.  So the step is
exponential: drift times φ(J h), covariance times φ(2 J h), φ(x) = (1 - e^{-x})/x, which is exact for a quadratic energy
in flat space.  It leaves out two things of order h² that count where J h is large, both proportional to the variance
T h (1 - φ(2 J h)) - ½ (mean)² by which a pair's symmetric or skew component moves less than free noise would:

- Δy supposes free noise; its pull s²/(y_k - y_l) or a²/(y_k + y_l) is missing in y_k;
- the force -∂_k E on y_k is to be averaged over the fast component, along which ∂²E grows like (σ_k ∓ σ_l)²: it
  pushes back by ∂_k log (σ_k ∓ σ_l).

The two poles cancel.  Where all relaxes, what remains is the force of the free energy T/2 log det J of fast directions.

Source: Kloeden, Platen, *Numerical solution of stochastic differential equations* (1992), section 14.1, for weak
order; Jentzen, Kloeden, Proc. R. Soc. A 465 (2009), for exponential steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from .langevin_energies import BatchedEnergy
from .langevin_frames import (
    Frames,
    SingularBasis,
    diagonal,
    rotated,
    skew_part,
    spectral_decomposition,
    svd,
    symmetric_part,
    transposed,
)
from .langevin_kernels import FlatKernels, PairCoefficients, flat_kernels
from .network_kernels import network_kernels

__all__ = ["FlatStep", "NormalStep", "Relaxation", "TurningStep"]

Array = NDArray[np.float64]

SMALLEST = 1e-150
"""Singular values below it are taken for it where multipliers are evaluated, which square them."""


def share(x: Array) -> Array:
    """φ(x) = (1 - e^{-x})/x, 1 at 0."""
    positive = np.maximum(x, np.finfo(float).tiny)
    return np.asarray(-np.expm1(-positive) / positive)


@dataclass(frozen=True)
class Relaxation:
    """Functions of J, from its eigenvalues (chains, q) and eigenvectors (chains, q, q); None where J is taken for 0."""

    rates: Array | None
    vectors: Array | None

    @classmethod
    def of(cls, J: Array | None) -> Relaxation:
        """From J, (chains, q, q) symmetric; directions in which the energy is not convex do not relax."""
        if J is None:
            return cls(None, None)
        rates, vectors = np.linalg.eigh(J)
        return cls(np.maximum(rates, 0.0), vectors)

    def drift(self, h: float, vector: Array) -> Array:
        """φ(J h) z."""
        return vector if self.rates is None else self._apply(share(h * self.rates), vector)

    def noise(self, h: float, vector: Array) -> Array:
        """φ(2 J h)^{1/2} z."""
        return vector if self.rates is None else self._apply(np.sqrt(share(2 * h * self.rates)), vector)

    def standardized(self, h: float, vector: Array) -> Array:
        """φ(2 J h)^{-1/2} z."""
        return vector if self.rates is None else self._apply(share(2 * h * self.rates) ** -0.5, vector)

    def variances(self, h: float) -> Array | float:
        """The diagonal of φ(2 J h), (chains, q)."""
        if self.rates is None or self.vectors is None:
            return 1.0
        return np.asarray(np.sum(self.vectors**2 * share(2 * h * self.rates)[:, None, :], axis=-1))

    def log_determinant(self, h: float) -> Array | float:
        """log det φ(2 J h)^{1/2}, (chains,)."""
        return 0.0 if self.rates is None else np.asarray(np.log(share(2 * h * self.rates)).sum(axis=-1) / 2)

    def _apply(self, values: Array, vector: Array) -> Array:
        assert self.vectors is not None
        inner = np.squeeze(vector[:, None, :] @ self.vectors, axis=1) * values
        return np.asarray(np.squeeze(self.vectors @ inner[..., None], axis=-1))

    def where(self, chosen: NDArray[np.bool_], other: Relaxation) -> Relaxation:
        """Itself where `chosen`, (chains,), and another elsewhere."""
        if self.rates is None or self.vectors is None or other.rates is None or other.vectors is None:
            return self
        return Relaxation(
            np.where(chosen[:, None], self.rates, other.rates),
            np.where(chosen[:, None, None], self.vectors, other.vectors),
        )


@dataclass(frozen=True)
class NormalStep:
    """A normal distribution of steps in the frames of X, in the coordinates of `SingularBasis`, (chains, q).

    Attributes
    ----------
    mean : array
    stretch : array
        1 on the diagonal, s_kl and a_kl: what the chart multiplies an orthonormal frame's components by.
    relaxation : Relaxation
    h, temperature : float
    """

    mean: Array
    stretch: Array
    relaxation: Relaxation
    h: float
    temperature: float

    def of(self, noise: Array) -> Array:
        """The step that standard normal numbers (chains, q) make."""
        return self.mean + self.stretch * np.sqrt(2 * self.temperature * self.h) * self.relaxation.noise(self.h, noise)

    def log_density(self, step: Array) -> Array:
        """The logarithm of the density of a step, (chains,), up to a constant."""
        rest = (step - self.mean) / (self.stretch * np.sqrt(2 * self.temperature * self.h))
        square = np.sum(self.relaxation.standardized(self.h, rest) ** 2, axis=-1)
        spread = np.log(self.stretch).sum(axis=-1) + self.relaxation.log_determinant(self.h)
        return np.asarray(-square / 2 - spread)

    def where(self, chosen: NDArray[np.bool_], other: NormalStep) -> NormalStep:
        """Itself where `chosen`, (chains,), and another of the same length elsewhere."""
        mean, stretch = (
            np.where(chosen[:, None], mine, theirs)
            for mine, theirs in ((self.mean, other.mean), (self.stretch, other.stretch))
        )
        return NormalStep(mean, stretch, self.relaxation.where(chosen, other.relaxation), self.h, self.temperature)


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
        self.basis = SingularBasis(self.rank)
        self.noise_shape: tuple[int, ...] = (self.rank**2,)
        self.kernels: FlatKernels = flat_kernels(network, self.turning)
        self.multipliers = network_kernels(network)

    def frames(self, U: Array, sigma: Array, V: Array) -> Frames:
        """The frames of U diag(σ) Vᵀ, (chains, r, r) and (chains, r)."""
        return Frames(U, np.asarray(self.kernels.coordinate(sigma)), V)

    def frames_of(self, X: Array) -> Frames:
        """The frames of matrices (chains, r, r)."""
        U, sigma, Vt = np.linalg.svd(X)
        return self.frames(U, sigma, transposed(Vt))

    def singular_values(self, frames: Frames) -> Array:
        """σ, (chains, r), kept representable."""
        return np.maximum(self.kernels.singular_value(frames.y), SMALLEST)

    def matrices(self, frames: Frames) -> Array:
        """X, (chains, r, r)."""
        return (frames.U * self.kernels.singular_value(frames.y)[:, None, :]) @ transposed(frames.V)

    def slope_and_relaxation(self, frames: Frames) -> tuple[Array, Relaxation]:
        """grad E in an orthonormal frame of the metric along the singular vectors, (chains, q), and J there."""
        X = self.matrices(frames)
        lengths = np.sqrt(self.multipliers.multiplier_matrix(self.singular_values(frames)))
        slope = self.basis.coordinates(lengths * (transposed(frames.U) @ self.energy.gradients(X) @ frames.V))
        if self.energy.hessians is None:
            return slope, Relaxation.of(None)
        weights = self.basis.entries(lengths)
        hessian = self.basis.form(self.energy.hessians(X), frames.U, frames.V)
        return slope, Relaxation.of(weights[:, :, None] * hessian * weights[:, None, :])

    def distribution(self, frames: Frames, h: float) -> NormalStep:
        """The distribution of a step of length h, in the chart."""
        pairs = self.kernels.pair_coefficients(frames.y)
        stretch = np.concatenate([np.ones_like(frames.y), pairs.symmetric(), self._skew(pairs)], axis=-1)
        slope, relaxation = self.slope_and_relaxation(frames)
        mean = -h * relaxation.drift(h, slope)
        missing = self.temperature * h * (1 - relaxation.variances(h)) - mean**2 / 2
        mean *= stretch
        mean[:, : self.rank] += h * self.drift(frames, pairs) + self.shift(pairs, missing)
        return NormalStep(mean, stretch, relaxation, h, self.temperature)

    def drift(self, frames: Frames, pairs: PairCoefficients) -> Array:
        """T d, and T grad S with entropy, along y: (chains, r)."""
        total = pairs.drift(self.rank)
        if self.entropy:
            total += self.entropic(frames, pairs)
        return self.temperature * total

    def entropic(self, frames: Frames, pairs: PairCoefficients) -> Array:
        """The components of grad S along y, (chains, r)."""
        return np.asarray(self.kernels.speed(self.singular_values(frames))) * pairs.entropy_slope(self.rank)

    def shift(self, pairs: PairCoefficients, missing: Array) -> Array:
        """What the missing variances (chains, q) move y by, (chains, r)."""
        total, count = np.zeros((len(missing), self.rank)), len(pairs.k)
        for start, (larger, smaller) in zip((self.rank, self.rank + count), pairs.shifts(), strict=True):
            part = missing[:, start : start + count]
            total += pairs.gathered(part * larger, part * smaller, self.rank)
        return total

    def _skew(self, pairs: PairCoefficients) -> Array:
        return pairs.skew()

    def __call__(self, frames: Frames, h: float, noise: Array, uniform: Array) -> Frames:
        """The frames a time h later."""
        return self.moved(frames, self.distribution(frames, h).of(noise))[0]

    def moved(self, frames: Frames, step: Array) -> tuple[Frames, Array, Array]:
        """The new frames, and P and Q, by which they are turned against the old ones."""
        P, y, Q = svd(diagonal(frames.y) + self.basis.matrices(step))
        return Frames(frames.U @ P, y, frames.V @ Q), P, Q


class TurningStep(FlatStep):
    """Steps at infinite or large depth: the symmetric part moves U diag(y) Uᵀ, the skew one turns U against V."""

    turning = True

    def _skew(self, pairs: PairCoefficients) -> Array:
        return pairs.turn()

    def moved(self, frames: Frames, step: Array) -> tuple[Frames, Array, Array]:
        """The new frames; both are turned by P, and a column of V with a singular value that went through zero."""
        matrix = self.basis.matrices(step)
        P, y = spectral_decomposition(diagonal(frames.y) + symmetric_part(matrix))
        left, right = rotated(frames.U, skew_part(matrix)), rotated(frames.V, -skew_part(matrix))
        if not self.kernels.scales:
            return Frames(left @ P, y, right @ P), P, P
        order = np.argsort(-np.abs(y), axis=-1)
        P, y = np.take_along_axis(P, order[:, None, :], axis=-1), np.take_along_axis(y, order, axis=-1)
        Q = P * np.where(y < 0, -1.0, 1.0)[:, None, :]
        return Frames(left @ P, np.abs(y), right @ Q), P, Q
