"""Mini-batches of observed entries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import index

import numpy as np
from numpy.typing import NDArray

from .energies import Energy, MatrixCompletion
from .factored import random_generator
from .layer_gradients import loss_and_layer_gradients
from .training_run import TrainingState

__all__ = ["Batches", "counted"]

Matrices = tuple[NDArray[np.float64], ...]


def counted(name: str, value: int, smallest: int) -> int:
    """An integer of at least `smallest`.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    try:
        count = index(value)
    except TypeError as error:
        raise ValueError(f"{name} must be an integer, not {value!r}") from error
    if count < smallest:
        raise ValueError(f"{name} must be at least {smallest}, not {count}")
    return count


@dataclass(frozen=True)
class Batches:
    """The losses of the steps: that of all entries, or of some drawn for each step.

    Attributes
    ----------
    energy : Energy
    size : int or None
        Of a batch; None for all entries.
    generator : Generator
    """

    energy: Energy
    size: int | None
    generator: np.random.Generator

    @classmethod
    def of(cls, energy: Energy, size: int | None, seed: int | np.random.Generator, state: TrainingState) -> Batches:
        """Batches that go on where the state's left off.

        Raises
        ------
        ValueError
            If the energy is no sum over observed entries, or has not so many.
        """
        generator = random_generator(seed)
        if size is None:
            return cls(energy, None, generator)
        if type(energy) is not MatrixCompletion:
            raise ValueError(f"batch_size needs a MatrixCompletion, not a {type(energy).__name__}; leave it out")
        if counted("batch_size", size, 1) > energy.observations:
            raise ValueError(f"batch_size must be at most the {energy.observations} observed entries, not {size}")
        if state.generator_state is not None:
            bits = getattr(np.random, state.generator_state["bit_generator"])()
            bits.state = state.generator_state
            generator = np.random.Generator(bits)
        return cls(energy, size, generator)

    def remembered(self, state: TrainingState) -> TrainingState:
        """The state with that of the generator, so that it draws the same batches again."""
        return state if self.size is None else replace(state, generator_state=dict(self.generator.bit_generator.state))

    def loss_and_gradients(self, layers: Matrices) -> tuple[float, Matrices]:
        """L and its gradients on the next batch, scaled so that their means are those of all entries."""
        if self.size is None or not isinstance(self.energy, MatrixCompletion):
            return loss_and_layer_gradients(self.energy, layers)
        energy = self.energy
        # Sorted, as the energy has its entries.
        chosen = np.sort(self.generator.choice(energy.observations, self.size, replace=False))
        weights = None if energy.weights is None else energy.weights[chosen]
        rows, columns = energy.rows[chosen], energy.columns[chosen]
        batch = replace(energy, rows=rows, columns=columns, values=energy.values[chosen], weights=weights)
        loss, gradients = loss_and_layer_gradients(batch, layers)
        share = energy.observations / self.size
        return share * loss, tuple(share * gradient for gradient in gradients)
