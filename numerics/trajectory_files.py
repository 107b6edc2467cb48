"""Trajectories in .npz files, without pickles."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from .energies import Energy
from .stored_values import StoredValueError, read_values, write_values
from .trajectory import Trajectory

__all__ = ["load_trajectory", "save_trajectory"]

LABEL = "trajectory"


def save_trajectory(path: str | os.PathLike[str], trajectory: Trajectory, *, overwrite: bool = False) -> None:
    """Write a trajectory: times, points, energies, network and statistics, to the last bit.

    A completion or symbolic energy is saved with it; of one of the user's own only the values E(X(t)).

    Parameters
    ----------
    path : path
        Should end in .npz: that is what the file is.
    trajectory : Trajectory
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    TypeError
        If it is no trajectory.
    FileExistsError
        If the file exists and `overwrite` is False.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from geometry import DeepLinearNetwork
    >>> from numerics import MatrixCompletion, balanced_start, gradient_flow
    >>> energy = MatrixCompletion.from_array([[1.0, float("nan")], [0.5, 0.25]])
    >>> network = DeepLinearNetwork(3, shape=(2, 2))
    >>> trajectory = gradient_flow(energy, network, balanced_start(network), [0.0, 1.0])
    >>> with TemporaryDirectory() as folder:
    ...     save_trajectory(Path(folder, "flow.npz"), trajectory)
    ...     loaded = load_trajectory(Path(folder, "flow.npz"))
    >>> (loaded.singular_values == trajectory.singular_values).all(), loaded.network.depth
    (np.True_, 3)
    """
    if not isinstance(trajectory, Trajectory):
        raise TypeError(f"trajectory must be a Trajectory, not {type(trajectory).__name__}")
    if Path(path).exists() and not overwrite:
        raise FileExistsError(f"{path} exists; choose another name, or replace it with overwrite=True")
    write_values(path, trajectory, LABEL)


def load_trajectory(path: str | os.PathLike[str], *, energy: Energy | None = None) -> Trajectory:
    """Read a trajectory that `save_trajectory` wrote.

    Parameters
    ----------
    path : path
    energy : Energy, optional
        For a trajectory of an energy of one's own, which the file does not hold.

    Raises
    ------
    StoredValueError
        If the file is damaged or holds something else.
    ValueError
        If the energy has another shape than the network.
    OSError
        If it cannot be opened.
    """
    trajectory = read_values(path, LABEL)
    if not isinstance(trajectory, Trajectory):
        raise StoredValueError(f"{path} holds no trajectory")
    if energy is None:
        return trajectory
    if tuple(energy.shape) != tuple(trajectory.network.shape):
        raise ValueError(f"energy must have the network's shape {trajectory.network.shape}, not {tuple(energy.shape)}")
    return replace(trajectory, energy_function=energy)
