r"""Discrete training: gradient descent on the layers W_1, …, W_N, as people run it.

    W_p ← W_p - h ∂L/∂W_p,     L(W) = E(W_N ⋯ W_1),

with momentum and mini-batches where asked for.  The flow of the layers is its limit of small learning
rates; `numerics.training_comparison` measures how far apart they are.

Source: Arora, Cohen, Hazan, arXiv 1802.06509; Elkabetz, Cohen, arXiv 2107.06608.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from .energies import Energy
from .factored import FactoredMatrix
from .layers import Layers
from .training_batches import Batches, counted
from .training_rule import GradientDescent
from .training_run import DivergenceError, TrainingRun, TrainingState
from .training_sharpness import sharpness

__all__ = ["DivergenceError", "TrainingRun", "TrainingState", "train"]

Array = NDArray[np.float64]
Matrices = tuple[Array, ...]
Progress = Callable[[float, float], None]

DIVERGENCE = 1e8
"""Growth of the loss, over the larger of 1 and its first value, that counts as divergence."""
RECORDS = 100
"""About how many steps are recorded unless asked for otherwise."""


def train(
    energy: Energy,
    network: DeepLinearNetwork,
    start: FactoredMatrix | Layers | TrainingState,
    learning_rate: float,
    steps: int,
    *,
    momentum: float = 0.0,
    nesterov: bool = False,
    batch_size: int | None = None,
    seed: int | np.random.Generator = 0,
    record: int | Iterable[int] | None = None,
    keep_layers: bool = False,
    loss_bound: float | None = None,
    gradient_bound: float | None = None,
    on_divergence: str = "raise",
    progress: Progress | None = None,
) -> TrainingRun:
    r"""Gradient descent on the layers.

    Parameters
    ----------
    energy : Energy
        E; L(W) = E(W_N ⋯ W_1).
    network : DeepLinearNetwork
        Of finite depth.
    start : FactoredMatrix, Layers or TrainingState
        For a matrix the balanced layers of hidden width r over it.  The state of an earlier run continues it.
    learning_rate : float
        h, of the loss as it is.
    steps : int
        At most that many.
    momentum : float
        β; the rule is PyTorch's, see `GradientDescent`.
    nesterov : bool
        Nesterov's form of the momentum.
    batch_size : int, optional
        Take each step on that many of the observed entries, drawn without replacement, the gradient scaled so that its
        mean is the full one.  For a `MatrixCompletion`.
    seed : int or Generator
        Of the mini-batches; a state brings its own.
    record : int or iterable of int, optional
        Record X every so many steps, or at these ones, counted from the very first; about 100 times unless given.
    keep_layers : bool
        Keep the layers at the recorded steps, too, and not only X.
    loss_bound, gradient_bound : float, optional
        Stop where the loss, or the Frobenius norm of the gradient over all layers, is no larger.
    on_divergence : {"raise", "return"}
        What to do when the loss exceeds 1e8 times the larger of 1 and its first value, or is not finite.
    progress : callable, optional
        Called after each step with (step, last step).

    Returns
    -------
    TrainingRun

    Raises
    ------
    ValueError
        If an argument makes no sense; the message names it.
    DivergenceError
        With the run so far, the sharpness at its lowest loss and the largest learning rate that is stable there.

    Examples
    --------
    >>> from numerics import MatrixCompletion, balanced_start
    >>> energy = MatrixCompletion.from_array([[1.0, float("nan")], [0.5, 0.25]])
    >>> network = DeepLinearNetwork(3, shape=(2, 2))
    >>> run = train(energy, network, balanced_start(network, 0.1), 0.1, 5000, loss_bound=1e-12)
    >>> run.converged, bool(run.losses[-1] <= 1e-12), bool(run.defect_changes[-1] < 0.02)
    (True, True, True)
    """
    rule = GradientDescent(learning_rate, momentum, nesterov)
    _validate(loss_bound, gradient_bound, on_divergence)
    state = _state(network, start)
    last = state.step + counted("steps", steps, 0)
    descent = _Descent(network, rule, state, Batches.of(energy, batch_size, seed, state), keep_layers)
    run = descent.run(last, _recorded(record, state.step, last), loss_bound, gradient_bound, progress)
    if run.diverged and on_divergence == "raise":
        raise DivergenceError(_advice(energy, run), run)
    return run


def _validate(loss_bound: float | None, gradient_bound: float | None, on_divergence: str) -> None:
    for name, bound in (("loss_bound", loss_bound), ("gradient_bound", gradient_bound)):
        if bound is not None and not bound > 0:
            raise ValueError(f"{name} must be positive, not {bound}")
    if on_divergence not in ("raise", "return"):
        raise ValueError(f"on_divergence must be 'raise' or 'return', not {on_divergence!r}")


def _state(network: DeepLinearNetwork, start: FactoredMatrix | Layers | TrainingState) -> TrainingState:
    if isinstance(start, FactoredMatrix):
        start = Layers.balanced(network, start)
    if isinstance(start, Layers):
        start = TrainingState(0, start, tuple(np.zeros_like(layer) for layer in start))
    if not isinstance(start, TrainingState):
        raise TypeError(f"start must be a FactoredMatrix, Layers or a TrainingState, not {type(start).__name__}")
    start.layers.require_network(network)
    return start


def _recorded(record: int | Iterable[int] | None, first: int, last: int) -> set[int]:
    """The steps to record, besides the last one that is reached."""
    if isinstance(record, Iterable):
        wanted = {counted("record", step, 0) for step in record}
        outside = sorted(step for step in wanted if not first <= step <= last)
        if outside:
            raise ValueError(f"record must be steps between {first} and {last}, not {outside[0]}")
        return wanted | {first}
    stride = max((last - first) // RECORDS, 1) if record is None else counted("record", record, 1)
    return set(range(first, last + 1, stride))


def _advice(energy: Energy, run: TrainingRun) -> str:
    """What happened, and which rate would have been stable."""
    rule, state = run.rule, run.state
    steps = len(run.losses) - 1
    told = f"gradient descent diverged: its loss went from {run.losses[0]:.3g} to {run.losses[-1]:.3g} in {steps} steps"
    try:
        largest = rule.stable_rate(sharpness(energy, state.layers, tolerance=1e-3))
    except (ArithmeticError, ValueError):
        return f"{told}; take a learning_rate far below {rule.learning_rate}"
    where = f"at the lowest loss, in step {state.step}, learning rates up to {largest:.3g} are stable"
    if largest > rule.learning_rate:
        return f"{told}; {where}, but the layers are sharper elsewhere: halve the learning_rate {rule.learning_rate}"
    return f"{told}; {where}: take a learning_rate below that, not {rule.learning_rate}"


@dataclass
class _Descent:
    """The loop over the steps, and what it keeps."""

    network: DeepLinearNetwork
    rule: GradientDescent
    start: TrainingState
    batches: Batches
    keep_layers: bool
    steps: list[int] = field(default_factory=list)
    points: list[FactoredMatrix] = field(default_factory=list)
    defect_changes: list[float] = field(default_factory=list)
    layers: list[Layers] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    lowest: float = np.inf

    def run(
        self,
        last: int,
        recorded: set[int],
        loss_bound: float | None,
        gradient_bound: float | None,
        progress: Progress | None,
    ) -> TrainingRun:
        """Step until the last step, a bound or divergence."""
        bounded = loss_bound is not None or gradient_bound is not None
        state = calmest = self.start
        while True:
            state = self.batches.remembered(state)
            with np.errstate(all="ignore"):
                loss, gradients = self.batches.loss_and_gradients(state.layers.matrices)
            if -np.inf < loss < self.lowest:
                self.lowest, calmest = loss, state
            self.losses.append(loss)
            if self._diverged():
                return self._finished(calmest, False if bounded else None, diverged=True)
            met = _met(loss, gradients, loss_bound, gradient_bound)
            ends = met or state.step == last
            if ends or state.step in recorded:
                self._record(state)
            if ends:
                return self._finished(state, met if bounded else None, diverged=False)
            with np.errstate(all="ignore"):
                matrices, buffer = self.rule.step(state.layers.matrices, gradients, state.buffer)
            state = TrainingState(state.step + 1, Layers.unchecked(matrices), buffer)
            if progress is not None:
                progress(state.step, last)

    def _diverged(self) -> bool:
        first, loss = self.losses[0], self.losses[-1]
        return not np.isfinite(loss) or loss > DIVERGENCE * max(first, 1.0)

    def _record(self, state: TrainingState) -> None:
        self.steps.append(state.step)
        self.points.append(state.layers.product(self.network.coframe.rank))
        self.defect_changes.append(state.layers.defect_change(self.start.layers))
        if self.keep_layers:
            self.layers.append(state.layers)

    def _finished(self, state: TrainingState, converged: bool | None, diverged: bool) -> TrainingRun:
        return TrainingRun(
            steps=np.array(self.steps, dtype=np.intp),
            factored=tuple(self.points),
            defect_changes=np.array(self.defect_changes),
            losses=np.array(self.losses),
            rule=self.rule,
            network=self.network,
            state=state,
            converged=converged,
            diverged=diverged,
            layers=tuple(self.layers),
        )


def _met(loss: float, gradients: Matrices, loss_bound: float | None, gradient_bound: float | None) -> bool:
    if loss_bound is not None and loss <= loss_bound:
        return True
    if gradient_bound is None:
        return False
    return sum(float(np.sum(gradient**2)) for gradient in gradients) <= gradient_bound**2
