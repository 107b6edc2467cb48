"""Normal distributions of exponential steps, in the coordinates of `langevin_frames.SingularBasis`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NormalStep", "Relaxation"]

Array = NDArray[np.float64]


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
        1 on the diagonal, s_kl and a_kl for pairs, 1 against null directions: what the chart multiplies an orthonormal
        frame's components by.
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
