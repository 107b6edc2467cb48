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

APPROACH = (1e-3, 1e-6, 1e-9)
"""Smallest singular values, on the scale of the start's, at which an energy is tried near lower rank.  The rounding of
entries leaves them resolved; a barrier at a singular matrix would be that of a rounding error."""


class NoEquilibriumWarning(UserWarning):
    """exp(-E/T) has infinite mass, so that the chains converge to no law."""


def warn_without_equilibrium(energy: Energy, network: DeepLinearNetwork, start: Array, entropy: bool) -> None:
    """Warn the caller's caller where the verdicts of `geometry.equilibrium` leave no doubt.

    Parameters
    ----------
    energy : Energy
    network : DeepLinearNetwork
    start : array (m, n)
        A matrix of the network's rank; whether the energy is finite at ones of lower rank is tried near it.
    entropy : bool
        Whether the density is exp(-E/T + S).

    Warns
    -----
    NoEquilibriumWarning
    """
    if not _has_finite_volume_at_singular(network, entropy) and _is_finite_at_singular(energy, start, network):
        reason = "the volume near matrices of lower rank is infinite, and the energy finite there"
    elif _observes_the_diagonal(energy, network) and not _diagonal_confines(network, entropy):
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
    return bool(mass_exponents(_moving_core(network), vertical_noise=entropy).at_zero.subs(CLUSTER, 1) > 0)


def _moving_core(network: DeepLinearNetwork) -> DeepLinearNetwork:
    """The network of the matrices that X moves among: where its spaces are frozen, those of its r x r core."""
    if not network.freezes_spaces:
        return network
    return DeepLinearNetwork(network.depth, (network.rank, network.rank), network.rank, network.field, network.rescaled)


@lru_cache(maxsize=64)
def _diagonal_confines(network: DeepLinearNetwork, entropy: bool) -> bool:
    return bool(completion_equilibrium_exists(network, vertical_noise=entropy))


def _is_finite_at_singular(energy: Energy, start: Array, network: DeepLinearNetwork) -> bool:
    """Whether E converges as σ_r goes to zero: its last change is to be small against the one before, or nothing."""
    U, sigma, Vt = np.linalg.svd(start, full_matrices=False)
    rank, values = network.coframe.rank, []
    try:
        for factor in APPROACH:
            lowered = np.append(sigma[: rank - 1], factor * sigma[rank - 1])
            with np.errstate(all="ignore"):
                values.append(float(energy((U[:, :rank] * lowered) @ Vt[:rank])))
    except (ArithmeticError, ValueError):
        return False
    before, last = np.abs(np.diff(values))
    # Not so for what is infinite or no number.
    return bool(last <= before / 10 + 1e-9 * abs(values[-1]))


def _observes_the_diagonal(energy: Energy, network: DeepLinearNetwork) -> bool:
    """Whether the energy is that of `geometry.equilibrium.completion_exponents`, whatever the values."""
    if not isinstance(energy, MatrixCompletion) or energy.shape != (2, 2) or network.coframe.has_null_directions:
        return False
    return list(zip(energy.rows.tolist(), energy.columns.tolist(), strict=True)) == [(0, 0), (1, 1)]
