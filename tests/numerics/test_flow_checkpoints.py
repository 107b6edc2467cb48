"""Interrupted and resumed runs against uninterrupted ones, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geometry import DeepLinearNetwork
from numerics import Escape, FactoredMatrix, Layers, MatrixCompletion, RankLoss, balanced_start, gradient_flow
from numerics.stored_values import StoredValueError

NETWORK = DeepLinearNetwork(3, (4, 3), 2)
TIMES = np.linspace(0.0, 60.0, 13)


class Interruption(Exception):
    """What the test interrupts a run with."""


def interrupt_at(limit: float) -> Any:
    def progress(time: float, end: float) -> None:
        if time > limit:
            raise Interruption

    return progress


def energy() -> MatrixCompletion:
    generator = np.random.default_rng(0)
    M = generator.standard_normal((4, 1)) @ generator.standard_normal((1, 3))
    return MatrixCompletion.from_array(np.where(generator.random((4, 3)) < 0.8, M / np.linalg.norm(M), np.nan))


def start() -> FactoredMatrix:
    return balanced_start(NETWORK, 0.05, 3)


@pytest.mark.parametrize(
    "options",
    [{"engine": "scipy"}, {"engine": "sundials"}, {"engine": "auto"}, {"engine": "scipy", "chart": "layers"}],
    ids=lambda options: "-".join(options.values()),
)
def test_resumed_runs_are_the_same(options: dict[str, Any], tmp_path: Path) -> None:
    if options["engine"] == "sundials":
        pytest.importorskip("sksundae")
    # A multistep method needs some steps to come up to speed again.
    settings = {
        "checkpoint_every": 5 if options["engine"] == "auto" else 60,
        "rtol": 1e-6,
        "events": [Escape(0.2)],
        "compiled": False,
        **options,
    }
    whole = gradient_flow(energy(), NETWORK, start(), TIMES, checkpoint=tmp_path / "whole.npz", **settings)
    path = tmp_path / "run.npz"
    for limit in (12.0, 35.0):
        with pytest.raises(Interruption):
            gradient_flow(energy(), NETWORK, start(), TIMES, checkpoint=path, progress=interrupt_at(limit), **settings)
        assert path.exists()
    resumed = gradient_flow(energy(), NETWORK, start(), TIMES, checkpoint=path, **settings)
    np.testing.assert_array_equal(resumed.times, whole.times)
    for mine, theirs in zip(resumed.factored, whole.factored, strict=True):
        np.testing.assert_array_equal(mine.to_array(), theirs.to_array())
    assert resumed.statistics == whole.statistics
    assert [(record.time, record.index) for record in resumed.events] == [
        (record.time, record.index) for record in whole.events
    ]
    assert len(resumed.events) > 0


def test_runs_to_convergence_resume_too(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "until": 1e-6,
        "checkpoint_every": 20,
        "keep": 20,
        "engine": "scipy",
        "method": "DOP853",
        "compiled": False,
    }
    whole = gradient_flow(energy(), NETWORK, start(), checkpoint=tmp_path / "whole.npz", **settings)
    path = tmp_path / "run.npz"
    with pytest.raises(Interruption):
        gradient_flow(energy(), NETWORK, start(), checkpoint=path, progress=interrupt_at(20.0), **settings)
    resumed = gradient_flow(energy(), NETWORK, start(), checkpoint=path, **settings)
    np.testing.assert_array_equal(resumed.times, whole.times)
    np.testing.assert_array_equal(resumed.matrix(-1), whole.matrix(-1))
    assert len(whole.times) <= 21
    assert whole.converged


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    gradient_flow(energy(), NETWORK, start(), TIMES, checkpoint=path, checkpoint_every=20)
    with pytest.raises(ValueError, match="another run: it differs in start"):
        gradient_flow(energy(), NETWORK, balanced_start(NETWORK, 0.05, 4), TIMES, checkpoint=path, checkpoint_every=20)
    other = MatrixCompletion.from_array(np.ones((4, 3)))
    with pytest.raises(ValueError, match="energy"):
        gradient_flow(other, NETWORK, start(), TIMES, checkpoint=path, checkpoint_every=20)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StoredValueError):
        gradient_flow(energy(), NETWORK, start(), TIMES, checkpoint=path, checkpoint_every=20)


@pytest.mark.parametrize("every", [1, 3])
def test_checkpoints_on_steps_that_turned_the_chart(tmp_path: Path, every: int) -> None:
    """There the solver is a fresh one, without a last step."""
    generator = np.random.default_rng(1)
    data = MatrixCompletion.from_array(generator.standard_normal((4, 4)))
    network = DeepLinearNetwork(3, shape=(4, 4))
    graded = FactoredMatrix.from_matrix(np.diag([1, 1e-3, 1e-6, 1e-9]))
    path = tmp_path / "run.npz"
    settings = {"checkpoint": path, "checkpoint_every": every, "compiled": False}
    saved = gradient_flow(data, network, graded, [0, 0.5], **settings)
    plain = gradient_flow(data, network, graded, [0, 0.5])
    assert saved.statistics.realignments > 0
    assert saved.statistics.steps < 20 * plain.statistics.steps
    np.testing.assert_allclose(saved.matrix(-1), plain.matrix(-1), atol=1e-5)
    resumed = gradient_flow(data, network, graded, [0, 0.5], **settings)
    np.testing.assert_array_equal(resumed.matrix(-1), saved.matrix(-1))


def test_a_checkpoint_of_other_events_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    gradient_flow(energy(), NETWORK, start(), TIMES, checkpoint=path, checkpoint_every=20, events=[Escape(0.5)])
    with pytest.raises(ValueError, match="differs in events"):
        gradient_flow(energy(), NETWORK, start(), TIMES, checkpoint=path, checkpoint_every=20, events=[RankLoss(1e-7)])


def test_checkpoints_that_cannot_be_written_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        gradient_flow(energy(), NETWORK, start(), TIMES, checkpoint=tmp_path / "absent" / "run.npz")
    for every in (0, 2.5):
        with pytest.raises(ValueError, match="checkpoint_every"):
            gradient_flow(energy(), NETWORK, start(), TIMES, checkpoint=tmp_path / "run.npz", checkpoint_every=every)


def test_memory_is_bounded_by_what_is_kept() -> None:
    everything = gradient_flow(energy(), NETWORK, start(), until=1e-8)
    thinned = gradient_flow(energy(), NETWORK, start(), until=1e-8, keep=10)
    assert len(thinned.times) <= 10 < len(everything.times)
    assert set(thinned.times) <= set(everything.times)
    assert thinned.times[0] == 0.0
    assert thinned.times[-1] == everything.times[-1]
    with pytest.raises(ValueError, match="keep must be at least 2"):
        gradient_flow(energy(), NETWORK, start(), until=1e-8, keep=1)


def test_unbalanced_layers_run_and_report_their_defects() -> None:
    layers = Layers.random(NETWORK, 0.3, seed=2)
    trajectory = gradient_flow(energy(), NETWORK, layers, [0.0, 5.0, 20.0])
    assert trajectory.chart == "layers"
    assert len(trajectory.layers) == 3
    assert max(np.abs(defect).max() for defect in trajectory.conserved_defects) > 0.1
    for before, after in zip(trajectory.conserved_defects, trajectory.layers[-1].defects(), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)
    assert trajectory.statistics.balancedness_drift < 1e-6
    with pytest.raises(ValueError, match="needs chart='layers'"):
        gradient_flow(energy(), NETWORK, layers, [0.0, 1.0], chart="factored")
