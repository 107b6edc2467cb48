"""What is known of the equilibrium of a Langevin equation before it is integrated."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork
from geometry.equilibrium import CLUSTER, completion_equilibrium_exists, mass_exponents

from .energies import Energy, MatrixCompletion

__all__ = ["NoEquilibriumWarning", "warn_without_equilibrium"]

Array = NDArray[np.float64]


class NoEquilibriumWarning(UserWarning):
    """exp(-E/T) has infinite mass, so that the chains converge to no law."""


def warn_without_equilibrium(energy: Energy, network: DeepLinearNetwork, start: Array, entropy: bool) -> None:
    """Warn the caller's caller where the verdicts of `geometry.equilibrium` leave no doubt.

    Parameters
    ----------
    energy : Energy
    network : DeepLinearNetwork
    start : array (m, n)
        A matrix of full rank; whether the energy is finite at singular ones is tried near it.
    entropy : bool
        Whether the density is exp(-E/T + S).

    Warns
    -----
    NoEquilibriumWarning
    """
    if not _has_finite_volume_at_singular(network, entropy) and _is_finite_at_singular(energy, start):
        reason = "the volume near singular matrices is infinite, and the energy finite there"
    elif _observes_the_diagonal(energy) and not _diagonal_confines(network, entropy):
        reason = "the volume of matrices with large entries off the diagonal is infinite"
    else:
        return
    warnings.warn(
        f"exp(-E/T) has infinite mass at depth {network.depth}: {reason}, so that the chains converge to no law; add a "
        "term to the energy that confines them",
        NoEquilibriumWarning,
        stacklevel=3,
    )


@lru_cache(maxsize=64)
def _has_finite_volume_at_singular(network: DeepLinearNetwork, entropy: bool) -> bool:
    return bool(mass_exponents(network, vertical_noise=entropy).at_zero.subs(CLUSTER, 1) > 0)


@lru_cache(maxsize=64)
def _diagonal_confines(network: DeepLinearNetwork, entropy: bool) -> bool:
    return bool(completion_equilibrium_exists(network, vertical_noise=entropy))


def _is_finite_at_singular(energy: Energy, start: Array) -> bool:
    U, sigma, Vt = np.linalg.svd(start)
    sigma[-1] = 0.0
    try:
        with np.errstate(all="ignore"):
            return bool(np.isfinite(energy((U * sigma) @ Vt)))
    except (ArithmeticError, ValueError):
        return False


def _observes_the_diagonal(energy: Energy) -> bool:
    """Whether the energy is that of `geometry.equilibrium.completion_exponents`, whatever the values."""
    if not isinstance(energy, MatrixCompletion) or energy.shape != (2, 2):
        return False
    return list(zip(energy.rows.tolist(), energy.columns.tolist(), strict=True)) == [(0, 0), (1, 1)]
