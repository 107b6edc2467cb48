"""When a flow has converged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from geometry import DeepLinearNetwork

from .energies import Energy
from .energy_products import gradient_products
from .factored import FactoredMatrix

__all__ = ["Convergence", "as_convergence", "slope_norm"]


@dataclass(frozen=True)
class Convergence:
    """When a flow has converged: any bound that is given suffices.

    Parameters
    ----------
    gradient_norm : float, optional
        Bound on the Frobenius norm of ∇E projected on the tangent space of the rank-r matrices
        (within frozen spaces at infinite depth), which is not small at a small start.
    energy : float, optional
        Bound on E.
    latest : float
        Stop there in any case.
    """

    gradient_norm: float | None = None
    energy: float | None = None
    latest: float = np.inf

    def __post_init__(self) -> None:
        for name in ("gradient_norm", "energy", "latest"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} of until must be positive, not {value}")
        if self.gradient_norm is None and self.energy is None and not np.isfinite(self.latest):
            raise ValueError("until needs a bound on the gradient norm or on the energy, or a latest time")

    def excess(self, energy: Energy, network: DeepLinearNetwork, point: FactoredMatrix) -> float:
        """The least logarithm of a quantity over its bound: not positive where a bound is met."""
        excesses = []
        if self.energy is not None:
            excesses.append(_log_ratio(energy(point), self.energy))
        if self.gradient_norm is not None:
            excesses.append(_log_ratio(slope_norm(energy, network, point), self.gradient_norm))
        return min(excesses, default=np.inf)


def _log_ratio(value: float, bound: float) -> float:
    """Finite for zero too, so that a search for where it vanishes can take it."""
    return float(np.log(max(value, np.finfo(float).tiny)) - np.log(bound))


def slope_norm(energy: Energy, network: DeepLinearNetwork, point: FactoredMatrix) -> float:
    """The Frobenius norm of ∇E projected on the directions in which the network can move."""
    U, V = point.U, point.V
    right, left, _ = gradient_products(energy, U @ point.S, V, U, V)
    block = U.T @ right
    parts = [block]
    if network.moves_left_space:
        parts.append(right - U @ block)
    if network.moves_right_space:
        parts.append(left - V @ block.T)
    return float(np.sqrt(sum(np.sum(part**2) for part in parts)))


def as_convergence(until: Convergence | Mapping[str, float] | float | None) -> Convergence | None:
    """A Convergence from what a user gives: itself, its fields, or a bound on the gradient norm."""
    if until is None or isinstance(until, Convergence):
        return until
    if isinstance(until, Mapping):
        known = [field.name for field in fields(Convergence)]
        unknown = [name for name in until if name not in known]
        if unknown:
            raise ValueError(f"until has the fields {', '.join(known)}, not {unknown[0]!r}")
        return Convergence(**until)
    try:
        return Convergence(gradient_norm=until + 0.0)
    except TypeError as error:
        raise ValueError(
            f"until must be a bound on the gradient norm, a Convergence or its fields, not {until!r}"
        ) from error
