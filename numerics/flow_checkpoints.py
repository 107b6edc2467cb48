"""Checkpoints of a flow: interrupted and resumed, it comes to the same result as if it had not been.

At a checkpoint the solver starts afresh from what is saved, whether the run goes on or is interrupted there:
so a resumed run repeats the uninterrupted one bit for bit.  The file has no pickles and is replaced in one piece.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from .charts import Chart
from .flow_events import EventRecord
from .flow_run import FlowRun, Recording
from .stored_values import StoredValueError, read_values, write_values

__all__ = ["Checkpoints"]

LABEL = "flow checkpoint"
COUNTS = ("evaluations", "jacobians", "jacobian_products", "steps", "realignments", "drift", "method", "time")


class Checkpoints:
    """The file of a run, written every so many steps.

    Parameters
    ----------
    path : path
    every : int
        Steps between two checkpoints.
    identity : mapping of str to str
        Keys of what the run is: a file of another run is refused.
    """

    def __init__(self, path: str | os.PathLike[str], every: int, identity: dict[str, str]) -> None:
        if not isinstance(every, int | np.integer) or every < 1:
            raise ValueError(f"checkpoint_every must be a positive number of steps, not {every!r}")
        if not Path(path).parent.is_dir():
            raise FileNotFoundError(f"checkpoint {path} cannot be written: there is no folder {Path(path).parent}")
        self.path, self.every, self.identity = Path(path), every, identity

    def after_step(self, run: FlowRun, recording: Recording) -> bool:
        """Save the run where it is time; the solver is then to start afresh."""
        if run.steps % self.every:
            return False
        start = run.chart.start
        content = {
            "identity": self.identity,
            "counts": {name: getattr(run, name) for name in COUNTS}
            | {
                "chooses_method": run.chooses_method,
                "jacobian_evaluations": run.jacobian_evaluations + run.chart.difference_evaluations,
            },
            "choices": list(run.changes),
            "chart": [start.U, start.S, start.V],
            "coordinates": run.coordinates,
            "step": run.next_step,
            "limited": run.stiffness.limited,
            "events": [
                [run.events.index(record.event), record.time, record.index, record.singular_values]
                for record in run.watch.records
            ],
            "recording": {
                "times": np.array(recording.times),
                "waiting": np.array(recording.waiting),
                "stride": recording.stride,
                "U": np.array([point.U for point in recording.points]),
                "S": np.array([point.S for point in recording.points]),
                "V": np.array([point.V for point in recording.points]),
                "coordinates": np.array(recording.coordinates),
            },
        }
        write_values(self.path, content, LABEL)
        return True

    def resume(self, run: FlowRun, recording: Recording) -> bool:
        """Put a run where its checkpoint was; whether there was one.

        Raises
        ------
        ValueError
            If the file is of another run.
        StoredValueError
            If it is damaged.
        """
        if not self.path.exists():
            return False
        content = read_values(self.path, LABEL)
        try:
            self._require_same_run(content["identity"])
            self._restore(run, recording, content)
        except (KeyError, TypeError, IndexError) as error:
            raise StoredValueError(f"{self.path} is no checkpoint of this version: {error}") from error
        return True

    def _require_same_run(self, identity: dict[str, str]) -> None:
        different = [name for name in self.identity if identity.get(name) != self.identity[name]]
        if different:
            raise ValueError(
                f"checkpoint {self.path} is of another run: it differs in {', '.join(different)}; "
                "give another file, or delete this one to start again"
            )

    def _restore(self, run: FlowRun, recording: Recording, content: dict[str, Any]) -> None:
        for name, value in content["counts"].items():
            setattr(run, name, value)
        run.changes = list(content["choices"])
        chart = _restored_chart(run.chart, *content["chart"])
        run.chart, run.coordinates = chart, content["coordinates"]
        run.first_step = run.next_step = content["step"]
        run.stiffness.limited = content["limited"]
        run.watch.records = [
            EventRecord(run.events[number], time, index, sigma) for number, time, index, sigma in content["events"]
        ]
        run.watch.restart(chart, run.coordinates)
        kept = content["recording"]
        point = type(chart.start)
        recording.times, recording.waiting = kept["times"].tolist(), kept["waiting"].tolist()
        recording.stride = kept["stride"]
        recording.points = [point(U, S, V) for U, S, V in zip(kept["U"], kept["S"], kept["V"], strict=True)]
        recording.coordinates = list(kept["coordinates"]) if chart.keeps_coordinates else []


def _restored_chart(chart: Chart, U: Any, S: Any, V: Any) -> Chart:
    """The chart around the point it was around; that of the run's start where it still is."""
    start = chart.start
    if all(np.array_equal(mine, saved) for mine, saved in ((start.U, U), (start.S, S), (start.V, V))):
        return chart
    restored = type(chart)(chart.energy, chart.network, type(start)(U, S, V))
    if chart.is_compiled:
        restored.compile()
    return restored
