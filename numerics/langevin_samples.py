"""Samples of the Langevin equation, and how many independent ones they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry import DeepLinearNetwork

from .factored import FactoredMatrix

__all__ = ["LangevinSamples", "LangevinStatistics", "effective_sample_size"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LangevinStatistics:
    """What a run took.

    Attributes
    ----------
    steps : int
        Of each chain.
    longest_step : float
    rejections : array (chains,) of int
        How many of them a Metropolis adjustment rejected; zeros without one.
    """

    steps: int
    longest_step: float
    rejections: NDArray[np.int64]

    @property
    def acceptance(self) -> float:
        """The share of steps that were accepted."""
        return 1.0 - float(self.rejections.mean()) / max(self.steps, 1)


@dataclass(frozen=True, eq=False)
class LangevinSamples:
    """Chains of the Langevin equation at the times asked for.

    Attributes
    ----------
    times : array (T,)
    chains : tuple of int
        The numbers of the chains, which their random numbers belong to.
    left, right : array (chains, T, m, r), (chains, T, n, r)
        The singular vectors of X, as columns.
    flat_coordinates : array (chains, T, r)
        y, decreasing: √N σ^{1/N}, or log σ at infinite depth (times √N where rescaled).
    singular_values : array (chains, T, r)
        Decreasing; they may be as small as representable.
    network : DeepLinearNetwork
    temperature : float
    space : str
    statistics : LangevinStatistics
    """

    times: Array
    chains: tuple[int, ...]
    left: Array
    right: Array
    flat_coordinates: Array
    singular_values: Array
    network: DeepLinearNetwork
    temperature: float
    space: str
    statistics: LangevinStatistics

    @cached_property
    def matrices(self) -> Array:
        """X, (chains, T, m, n)."""
        return (self.left * self.singular_values[..., None, :]) @ np.swapaxes(self.right, -1, -2)

    def factored(self, chain: int, index: int) -> FactoredMatrix:
        """X of a chain, by its position in `chains`, at times[index]."""
        return FactoredMatrix(
            self.left[chain, index], np.diag(self.singular_values[chain, index]), self.right[chain, index]
        )


def effective_sample_size(values: ArrayLike) -> float:
    """How many independent samples give a mean as accurate as chains of correlated ones: C T/(1 + 2 Σ ρ_t).

    The autocorrelations ρ_t are averaged over the chains and summed while those of neighbouring times t = 2k, 2k + 1
    add up to more than zero (Geyer's initial positive sequence, which holds for reversible chains).

    Parameters
    ----------
    values : array (chains, T)
        Of one function, at equidistant times, after the chains have forgotten their start.

    Raises
    ------
    ValueError
        If there are fewer than four times, or the values are not finite or all the same.

    References
    ----------
    Geyer, Statistical Science 7 (1992), section 3.3.

    Examples
    --------
    >>> independent = np.random.default_rng(0).standard_normal((10, 500))
    >>> 4000 < effective_sample_size(independent) < 6000
    True
    >>> effective_sample_size(np.repeat(independent, 10, axis=1)) < 6000
    True
    """
    series = np.asarray(values, dtype=np.float64)
    if series.ndim != 2 or series.shape[1] < 4 or not np.isfinite(series).all():
        raise ValueError(f"values must be finite, (chains, T) with T ≥ 4, not of shape {series.shape}")
    chains, length = series.shape
    centred = series - series.mean()
    if not centred.any():
        raise ValueError("values must not be all the same: they have no autocorrelations")
    spectrum = np.abs(np.fft.rfft(centred, 2 * length, axis=1)) ** 2
    covariance = np.fft.irfft(spectrum.mean(axis=0))[:length] / np.arange(length, 0, -1)
    correlation = covariance / covariance[0]
    pairs = correlation[: length // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    positive = pairs[: negative[0]] if len(negative) else pairs
    # Σ over pairs counts ρ_0 = 1 once, where 1 + 2 Σ_{t>0} ρ_t wants it once and the others twice.
    return float(chains * length / max(2 * positive.sum() - 1, 1 / length))
