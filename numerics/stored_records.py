"""Points, networks, energies and trajectories as mappings of plain values and arrays, and back.

Each kind of record is named here and nowhere else; a file can ask for no other class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from sympy import Basic, Matrix, oo

from geometry import DeepLinearNetwork

from .energies import EnergySum, MatrixCompletion, Ridge, SymbolicEnergy
from .expression_tree import expression_from_tree, expression_tree
from .factored import FactoredMatrix
from .flow_events import Crossing, Escape, EventRecord, RankLoss
from .layers import Layers
from .trajectory import FlowStatistics, Trajectory

__all__ = ["UnsavedEnergy", "record_fields", "record_from_fields", "record_name"]


@dataclass(frozen=True)
class UnsavedEnergy:
    """In the place of an energy of the user's own, which no file can hold.

    The values of the energy along the trajectory are kept all the same.
    """

    description: str
    shape: tuple[int, int]

    def __call__(self, X: Any) -> float:
        """Raise, as E is not known."""
        raise ValueError(
            f"the energy {self.description} was not saved with the trajectory; load it with load_trajectory(energy=…)"
        )

    def gradient(self, X: Any) -> Any:
        """Raise, as E is not known."""
        return self(X)


@dataclass(frozen=True)
class _Kind:
    """How one class is taken apart and put together."""

    type: type
    take_apart: Callable[[Any], dict[str, Any]]
    put_together: Callable[..., Any]


def _own_fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _network_fields(network: DeepLinearNetwork) -> dict[str, Any]:
    if any(isinstance(size, Basic) for size in (*network.shape, network.rank)):
        raise TypeError(f"{network} has a symbolic shape or rank, which is not stored")
    depth = None if network.is_infinitely_deep else network.layer_count()
    return _own_fields(network) | {"depth": depth}


def _network(depth: int | None, **others: Any) -> DeepLinearNetwork:
    return DeepLinearNetwork(oo if depth is None else depth, **others)


def _symbolic_fields(energy: SymbolicEnergy) -> dict[str, Any]:
    rows, columns = energy.shape
    return {
        "expression": expression_tree(energy.expression),
        "entries": [[expression_tree(energy.entries[i, j]) for j in range(columns)] for i in range(rows)],
    }


def _symbolic(expression: Any, entries: list[list[Any]]) -> SymbolicEnergy:
    symbols = [[expression_from_tree(entry) for entry in row] for row in entries]
    return SymbolicEnergy(expression_from_tree(expression), Matrix(symbols))


def _is_saved(energy: Any) -> bool:
    """Whether there is a record of an energy, and of the terms of a sum."""
    if isinstance(energy, EnergySum):
        return all(_is_saved(term) for _, term in energy.terms)
    return record_name(energy) is not None


def _trajectory_fields(trajectory: Trajectory) -> dict[str, Any]:
    energy: Any = trajectory.energy_function
    if not _is_saved(energy):
        energy = UnsavedEnergy(type(energy).__qualname__, energy.shape)
    stacked = {name: np.stack([getattr(point, name) for point in trajectory.factored]) for name in "USV"}
    own = _own_fields(trajectory) | {"factored": stacked, "energy_function": energy}
    return own | {"energy": trajectory.energy}


def _trajectory(factored: Mapping[str, Any], energy: Any, **others: Any) -> Trajectory:
    points = tuple(FactoredMatrix(U, S, V) for U, S, V in zip(*(factored[name] for name in "USV"), strict=True))
    trajectory = Trajectory(factored=points, **others)
    # In the place of the cached property, which could not be evaluated for an energy that was not saved.
    trajectory.__dict__["energy"] = energy
    return trajectory


KINDS = {
    kind.type.__name__: kind
    for kind in (
        _Kind(FactoredMatrix, _own_fields, FactoredMatrix),
        _Kind(MatrixCompletion, _own_fields, MatrixCompletion),
        _Kind(Ridge, _own_fields, Ridge),
        _Kind(EnergySum, _own_fields, EnergySum),
        _Kind(SymbolicEnergy, _symbolic_fields, _symbolic),
        _Kind(UnsavedEnergy, _own_fields, UnsavedEnergy),
        _Kind(DeepLinearNetwork, _network_fields, _network),
        _Kind(FlowStatistics, _own_fields, FlowStatistics),
        _Kind(Layers, _own_fields, Layers),
        *(_Kind(kind, _own_fields, kind) for kind in (EventRecord, Escape, RankLoss, Crossing)),
        _Kind(Trajectory, _trajectory_fields, _trajectory),
    )
}


def record_name(value: Any) -> str | None:
    """The name of a value's kind; None where it has none."""
    name = type(value).__name__
    return name if name in KINDS and KINDS[name].type is type(value) else None


def record_fields(value: Any) -> dict[str, Any]:
    """What a record is made of: plain values, arrays and other records."""
    return KINDS[type(value).__name__].take_apart(value)


def record_from_fields(name: str, content: Mapping[str, Any]) -> Any:
    """The record of these fields, through the constructor's own checks.

    Raises
    ------
    ValueError
        If there is no kind of that name, or its fields are others.
    """
    if name not in KINDS:
        raise ValueError(f"the file has a record of the unknown kind {name!r}")
    try:
        return KINDS[name].put_together(**content)
    except TypeError as error:
        raise ValueError(
            f"the file has a {name} with other fields than this version of the package: {error}"
        ) from error
