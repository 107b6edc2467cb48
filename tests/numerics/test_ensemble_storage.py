"""Values and trajectories in files without pickles: they come back to the last bit, or not at all."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy
from sympy import Float, Function, Matrix, Rational, cos, oo, pi, symbols

from geometry import DeepLinearNetwork
from numerics import MatrixCompletion, SymbolicEnergy, balanced_start, gradient_flow
from numerics.expression_tree import expression_from_tree, expression_tree
from numerics.stored_values import StoredValueError, is_storable, read_values, write_values
from numerics.trajectory_files import load_trajectory, save_trajectory

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text(max_size=5)
ARRAYS = hypothesis_numpy.arrays(
    st.sampled_from(["f8", "f4", "i8", "u1", "?", "c16", ">f8", "U3", "M8[s]"]),
    hypothesis_numpy.array_shapes(min_dims=0, max_side=3),
)
VALUES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def same(first: Any, second: Any) -> bool:
    """Equal in type and bits, NaN included."""
    if type(first) is not type(second):
        return False
    if isinstance(first, np.ndarray | np.generic):
        return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    return repr(first) == repr(second)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
def test_values_come_back(tmp_path: Path, value: Any) -> None:
    write_values(tmp_path / "value.npz", value, "test")
    assert same(read_values(tmp_path / "value.npz", "test"), value)
    assert [path.name for path in tmp_path.iterdir()] == ["value.npz"]


@pytest.mark.parametrize("value", [object(), np.array([None]), {1: 2}, {"a": [object()]}, {1, 2}, np.float64])
def test_what_cannot_be_stored_is_refused(tmp_path: Path, value: Any) -> None:
    assert not is_storable(value)
    with pytest.raises(TypeError, match="value"):
        write_values(tmp_path / "value.npz", value, "test")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "value.npz"
    write_values(path, 1.0, "test")
    with pytest.raises(StoredValueError, match="holds 'test'"):
        read_values(path, "trajectory")
    np.savez(path, a=np.zeros(3))
    with pytest.raises(StoredValueError, match="not written by this package"):
        read_values(path, "test")
    with pytest.raises(FileNotFoundError):
        read_values(tmp_path / "none.npz", "test")


def test_a_changed_array_is_found(tmp_path: Path) -> None:
    """Also where the archive itself is sound: its checksums were made anew."""
    path = tmp_path / "value.npz"
    write_values(path, np.zeros(3), "test")
    with np.load(path) as file:
        parts = dict(file)
    parts["array_0"][1] = 5e-324
    np.savez(path, **parts)
    with pytest.raises(StoredValueError, match="digest"):
        read_values(path, "test")


def test_pickles_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "value.npz"
    np.savez(path, structure=np.array([{"a": 1}], dtype=object))
    with pytest.raises(StoredValueError, match="damaged"):
        read_values(path, "test")


def test_expressions_come_back() -> None:
    x, y = symbols("x y", real=True)
    expression = Rational(1, 3) * x**2 + Float("0.1", 30) * cos(pi * y) - 2 * x * y + 0.1
    assert expression_from_tree(expression_tree(expression)) == expression
    with pytest.raises(TypeError, match="not stored"):
        expression_tree(Function("f")(x))
    with pytest.raises(ValueError, match="unknown kind"):
        expression_from_tree(["__import__", ["Integer", "1"]])


# ------------------------------------------------------------------------------------ trajectories


def trajectory_of(energy: Any, depth: Any = 3) -> Any:
    network = DeepLinearNetwork(depth, (2, 2))
    return gradient_flow(energy, network, balanced_start(network), [0.0, 1.0, 2.0], rtol=1e-6)


X = Matrix(2, 2, symbols("x11 x12 x21 x22", real=True))
COMPLETION = MatrixCompletion.from_array([[1.0, np.nan], [0.5, 2.0]], [[2.0, 1.0], [1.0, 1.0]])


@pytest.mark.parametrize(
    ("energy", "depth"),
    [(COMPLETION, 3), (COMPLETION, oo), (SymbolicEnergy((X[0, 0] - 0.1) ** 2 + X[1, 1] ** 4, X), 2)],
)
def test_trajectories_come_back(tmp_path: Path, energy: Any, depth: Any) -> None:
    trajectory = trajectory_of(energy, depth)
    save_trajectory(tmp_path / "flow.npz", trajectory)
    loaded = load_trajectory(tmp_path / "flow.npz")
    for name in ("times", "singular_values", "energy", "log_volume"):
        assert (getattr(loaded, name) == getattr(trajectory, name)).all()
    for mine, theirs in zip(loaded.factored, trajectory.factored, strict=True):
        assert all((getattr(mine, part) == getattr(theirs, part)).all() for part in "USV")
    for name in ("network", "chart", "statistics", "converged"):
        assert getattr(loaded, name) == getattr(trajectory, name)
    again = [loaded.energy_function(point) for point in loaded.factored]
    assert again == [trajectory.energy_function(point) for point in trajectory.factored]


class OwnEnergy:
    """An energy that no file can hold."""

    shape = (2, 2)

    def __call__(self, X: Any) -> float:
        return float(np.sum(X.to_array() ** 2)) if hasattr(X, "to_array") else float(np.sum(X**2))

    def gradient(self, X: Any) -> Any:
        return 2 * (X.to_array() if hasattr(X, "to_array") else X)


def test_an_energy_of_ones_own(tmp_path: Path) -> None:
    path, energy = tmp_path / "flow.npz", OwnEnergy()
    trajectory = trajectory_of(energy)
    save_trajectory(path, trajectory)
    loaded = load_trajectory(path)
    assert (loaded.energy == trajectory.energy).all()
    with pytest.raises(ValueError, match="OwnEnergy was not saved"):
        loaded.energy_function(loaded.factored[0])
    assert load_trajectory(path, energy=energy).energy_function is energy
    with pytest.raises(ValueError, match="energy must have the network's shape"):
        load_trajectory(path, energy=MatrixCompletion.from_array(np.eye(3)))


def test_a_file_is_not_replaced_unasked(tmp_path: Path) -> None:
    path, trajectory = tmp_path / "flow.npz", trajectory_of(COMPLETION)
    save_trajectory(path, trajectory)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        save_trajectory(path, trajectory)
    save_trajectory(path, dataclasses.replace(trajectory, converged=True), overwrite=True)
    assert load_trajectory(path).converged is True
    assert zipfile.is_zipfile(path)
    with pytest.raises(TypeError, match="must be a Trajectory"):
        save_trajectory(tmp_path / "other.npz", 1.0)  # type: ignore[arg-type]
