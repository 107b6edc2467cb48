"""What discrete training returns, and what it goes on from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from .factored import FactoredMatrix
from .layers import Layers
from .training_rule import GradientDescent

__all__ = ["DivergenceError", "TrainingRun", "TrainingState"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrainingState:
    """What training goes on from, to the same result as without a break.

    Attributes
    ----------
    step : int
        Steps done.
    layers : Layers
    buffer : tuple of arrays, of the layers' shapes
        b_k, the accumulated gradients of the momentum.
    generator_state : dict, optional
        Of the generator that draws mini-batches, before the next draw.
    """

    step: int
    layers: Layers
    buffer: tuple[Array, ...]
    generator_state: dict[str, Any] | None = None

    def save(self, path: str | PathLike[str]) -> None:
        """Write an .npz file without pickles, which replaces an older one only once it is complete."""
        arrays = {f"{letter}_{p}": array for letter, kept in self._sequences() for p, array in enumerate(kept, 1)}
        told = json.dumps({"step": self.step, "generator_state": self.generator_state}, default=np.ndarray.tolist)
        target = Path(path)
        unfinished = target.with_name(target.name + ".unfinished")
        with unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, told=np.array(told), **arrays)
        unfinished.replace(target)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> TrainingState:
        """Read what `save` wrote; training goes on from it as if it had not been interrupted.

        Raises
        ------
        ValueError
            If the file holds something else.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                told = json.loads(str(file["told"]))
                count = sum(name.startswith("W_") for name in file.files)
                layers, buffer = ([file[f"{letter}_{p}"] for p in range(1, count + 1)] for letter in "Wb")
        except (KeyError, BadZipFile, ValueError) as error:
            raise ValueError(f"path {str(path)!r} is no file of a TrainingState: {error}") from error
        return cls(int(told["step"]), Layers(tuple(layers)), tuple(buffer), told["generator_state"])

    def _sequences(self) -> tuple[tuple[str, tuple[Array, ...]], ...]:
        return ("W", self.layers.matrices), ("b", self.buffer)


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A run of gradient descent.

    Attributes
    ----------
    steps : array (T,) of int
        The recorded steps, the first and the last one among them.
    factored : tuple of FactoredMatrix, T of them
        X at the recorded steps.
    defect_changes : array (T,)
        How far the defects W_{p+1}ᵀ W_{p+1} - W_p W_pᵀ, which the flow conserves, have moved since the first step of
        this run: the largest entry.
    losses : array (K + 1,)
        L before each of the K steps and after the last one; of the mini-batch where there are any.
    rule : GradientDescent
    network : DeepLinearNetwork
    state : TrainingState
        After the last step; after divergence that of the lowest loss.
    converged : bool or None
        Whether a bound was met; None where there was none.
    diverged : bool
    layers : tuple of Layers, T of them
        At the recorded steps, where they were to be kept; empty otherwise.
    """

    steps: NDArray[np.intp]
    factored: tuple[FactoredMatrix, ...]
    defect_changes: Array
    losses: Array
    rule: GradientDescent
    network: DeepLinearNetwork
    state: TrainingState
    converged: bool | None
    diverged: bool
    layers: tuple[Layers, ...] = ()

    @property
    def final_layers(self) -> Layers:
        """The layers of the state."""
        return self.state.layers

    @property
    def recorded_losses(self) -> Array:
        """L at the recorded steps, (T,)."""
        return self.losses[self.steps - self.steps[:1]]

    @property
    def times(self) -> Array:
        """The time in the network's flow that the recorded steps stand for, (T,): η k, times N for a rescaled one."""
        return np.asarray(
            self.rule.effective_rate * float(self.network.operator_divisor) * self.steps, dtype=np.float64
        )

    @cached_property
    def singular_values(self) -> Array:
        """(T, r), decreasing along each row."""
        return np.array([point.singular_values for point in self.factored])

    def matrix(self, position: int) -> Array:
        """All of X at steps[position], (m, n)."""
        return self.factored[position].to_array()


class DivergenceError(RuntimeError):
    """The loss grew without bound.

    Attributes
    ----------
    run : TrainingRun
        Up to there; its state is that of the lowest loss.
    """

    def __init__(self, message: str, run: TrainingRun) -> None:
        super().__init__(message)
        self.run = run

    def __reduce__(self) -> tuple[type[DivergenceError], tuple[str, TrainingRun]]:
        return type(self), (str(self), self.run)
