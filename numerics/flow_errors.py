"""What can go wrong in a flow, and what one should know about it."""

from __future__ import annotations

import warnings

from geometry import DeepLinearNetwork

from .factored import FactoredMatrix

__all__ = ["FlowError", "FrozenSpacesWarning", "ProjectedFlowWarning", "warn_of_restrictions"]


class FlowError(RuntimeError):
    """A solver gave up.

    Attributes
    ----------
    time : float
        The last time that was reached.
    state : FactoredMatrix
        X there.
    """

    def __init__(self, message: str, time: float, state: FactoredMatrix) -> None:
        largest, smallest = state.singular_values[0], state.singular_values[-1]
        super().__init__(f"{message} (at t = {time:.9g}, singular values from {largest:.3g} to {smallest:.3g})")
        self.time = time
        self.state = state
        self._given = (message, time, state)

    def __reduce__(self) -> tuple[type[FlowError], tuple[str, float, FactoredMatrix]]:
        return type(self), self._given


class FrozenSpacesWarning(UserWarning):
    """At infinite depth row or column spaces do not move, unless m = n = r."""


class ProjectedFlowWarning(UserWarning):
    """At depth 1 and r < min(m, n) the network's flow is the projected one."""


def warn_of_restrictions(network: DeepLinearNetwork) -> None:
    """Warn the caller of the calling function where the flow does not move freely."""
    if network.freezes_spaces:
        (m, n), r = network.shape, network.rank
        sides = " and ".join(name for name, side in (("column", m), ("row", n)) if side != r)
        warnings.warn(
            f"at infinite depth the {sides} space of a {m} x {n} matrix of rank {r} does not move: the flow runs "
            "within the spaces of the start; for low-rank learning start from a square matrix of full rank",
            FrozenSpacesWarning,
            stacklevel=3,
        )
    if network.is_projected:
        warnings.warn(
            "at depth 1 and rank r < min(m, n) the flow of X leaves the matrices of rank r; this is the projected flow",
            ProjectedFlowWarning,
            stacklevel=3,
        )
