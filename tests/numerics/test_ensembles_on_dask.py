"""Ensembles on a real Dask scheduler with four worker processes, one of them killed on the way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from numerics.content_keys import content_key, function_name
from numerics.ensembles import Failure, ensemble
from tests.numerics import ensemble_runs
from tests.numerics.ensemble_runs import Point, executions

distributed = pytest.importorskip("distributed")

COUNT = 32
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    import dask

    settings = {"distributed.nanny.pre-spawn-environ.OPENBLAS_NUM_THREADS": 1}
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=4, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def points(marks: Path, count: int, seconds: float = 0.1) -> list[Point]:
    return [Point(str(marks), float(value), seconds) for value in range(count)]


class KillAWorker:
    """Once a quarter is done, kills the process of one worker, and notes what was kept by then."""

    def __init__(self, client: Any, kept: Path) -> None:
        self.client = client
        self.kept = kept
        self.killed: int | None = None
        self.kept_before: set[str] = set()

    def __call__(self, done: int, total: int) -> None:
        if done < total // 4 or self.killed is not None:
            return
        self.kept_before = {path.stem for path in self.kept.glob("*.npz")}
        # The processes of the workers, not of their nannies, which start new ones.
        processes = self.client.run(os.getpid)
        assert len(processes) == 4
        self.killed = min(processes.values())
        os.kill(self.killed, signal.SIGKILL)


def test_a_killed_worker_loses_nothing_that_was_kept(client, marks, tmp_path):
    kept = tmp_path / "kept"
    killer = KillAWorker(client, kept)
    sweep = points(marks, COUNT)
    results = ensemble(ensemble_runs.square, sweep, client.get_executor(), checkpoint=kept, progress=killer)
    assert killer.killed is not None
    assert [result["square"] for result in results] == [value**2 for value in range(COUNT)]
    assert len({result["process"] for result in results}) >= 4
    counts = executions(marks)
    assert set(counts) == {point.value for point in sweep}
    # Only what ran on the killed worker, or was on its way home from there, may have run twice.
    name = function_name(ensemble_runs.square)
    kept_before = [point.value for point in sweep if content_key((name, point)) in killer.kept_before]
    assert len(kept_before) == len(killer.kept_before) >= COUNT // 4
    assert {counts[value] for value in kept_before} == {1}
    # And a second session takes all of it from the folder.
    assert ensemble(ensemble_runs.square, sweep, client.get_executor(), checkpoint=kept) == results
    assert executions(marks) == counts


def test_a_second_session_resumes_a_half_done_sweep(client, marks, tmp_path):
    kept = tmp_path / "kept"
    client.wait_for_workers(4)
    with client.get_executor() as executor:
        ensemble(ensemble_runs.square, points(marks, 10, 0.0), executor, checkpoint=kept)
    with client.get_executor() as executor:
        results = ensemble(ensemble_runs.square, points(marks, 20, 0.0), executor, checkpoint=kept)
    assert [result["square"] for result in results] == [value**2 for value in range(20)]
    assert executions(marks) == dict.fromkeys(map(float, range(20)), 1)


def test_failures_come_home(client, marks):
    client.wait_for_workers(4)
    values = [Point(str(marks), value) for value in (1.0, -1.0)]
    good, failure = ensemble(ensemble_runs.square_or_raise, values, client.get_executor())
    assert good == 1.0
    assert isinstance(failure, Failure)
    assert isinstance(failure.exception, ValueError)


def test_a_run_without_a_module_is_sent_by_value(client):
    client.wait_for_workers(4)
    assert ensemble(lambda value: value + 1, [1, 2], client.get_executor()) == [2, 3]
