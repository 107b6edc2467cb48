"""Ensembles: order, what is computed how often, and what becomes of failures and of dying processes."""

from __future__ import annotations

import functools
import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numerics.ensembles import EnsembleError, Failure, ensemble
from tests.numerics import ensemble_runs
from tests.numerics.ensemble_runs import Point, executions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def points(marks: Path, count: int, seconds: float = 0.0) -> list[Point]:
    return [Point(str(marks), float(value), seconds) for value in range(count)]


# ------------------------------------------------------------------------------------ results


def test_results_come_in_the_order_of_the_parameters(threads, marks):
    # The first ones take longest.
    slow_first = [Point(str(marks), float(value), 0.05 * (value < 2)) for value in range(8)]
    results = ensemble(ensemble_runs.square, slow_first, threads)
    assert [result["square"] for result in results] == [value**2 for value in range(8)]


def test_the_standard_pool_has_processes_of_one_thread():
    pytest.importorskip("threadpoolctl")
    before = dict(os.environ)
    assert ensemble(ensemble_runs.blas_threads, [0.0, 1.0]) == [1, 1]
    assert dict(os.environ) == before


def test_equal_parameters_are_computed_once(threads, marks):
    twice = points(marks, 5) + points(marks, 5)[::-1]
    results = ensemble(ensemble_runs.square, twice, threads)
    assert executions(marks) == dict.fromkeys(map(float, range(5)), 1)
    assert results == results[::-1]


def test_no_parameters_make_no_results():
    assert ensemble(ensemble_runs.square, []) == []


def test_parameters_without_a_content_key_do_without_a_checkpoint(threads, tmp_path):
    values = [object(), object()]
    assert ensemble(id, values, threads) == [id(value) for value in values]
    with pytest.raises(TypeError, match="no content key"):
        ensemble(id, values, threads, checkpoint=tmp_path)


def test_partial_fixes_arguments(threads):
    assert ensemble(functools.partial(operator.add, 2), [1, 2], threads) == [3, 4]


class Counting(Executor):
    """Runs a call only when it is asked for the second to next one, and counts how many are under way."""

    def __init__(self) -> None:
        self.under_way: list[tuple[Future[Any], Any]] = []
        self.most = 0

    def submit(self, function: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.under_way.append((future, functools.partial(function, *arguments)))
        self.most = max(self.most, len(self.under_way))
        if len(self.under_way) == 5:
            while self.under_way:
                waiting, call = self.under_way.pop()
                waiting.set_result(call())
        return future


def test_no_more_than_in_flight_are_handed_over():
    executor = Counting()
    assert ensemble(abs, list(range(-20, 0)), executor, in_flight=5) == list(range(20, 0, -1))
    assert executor.most == 5


# ------------------------------------------------------------------------------------ progress


def test_progress_counts_up_to_all(threads, marks):
    seen: list[tuple[int, int]] = []
    ensemble(ensemble_runs.square, points(marks, 3) * 2, threads, progress=lambda *counts: seen.append(counts))
    assert seen == [(2, 6), (4, 6), (6, 6)]


def test_no_bar_where_there_is_no_terminal(threads, capfd):
    ensemble(abs, [1, 2], threads, progress=True)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.strip() == ""


# ------------------------------------------------------------------------------------ failures


def test_a_failing_run_does_not_lose_the_others(threads, marks, caplog):
    values = [Point(str(marks), value) for value in (1.0, -1.0, 2.0)]
    first, failure, last = ensemble(ensemble_runs.square_or_raise, values, threads)
    assert (first, last) == (1.0, 4.0)
    assert isinstance(failure, Failure)
    assert isinstance(failure.exception, ValueError)
    assert failure.parameter is values[1]
    assert "in square_or_raise" in failure.traceback
    assert "no root of -1.0" in caplog.text


def test_a_failing_run_can_raise(threads, marks, tmp_path):
    values = [Point(str(marks), value) for value in (1.0, -1.0)]
    with pytest.raises(EnsembleError, match=r"no root of -1\.0") as caught:
        ensemble(ensemble_runs.square_or_raise, values, threads, failures="raise", checkpoint=tmp_path / "kept")
    assert caught.value.failure.parameter is values[1]
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_exception_that_cannot_travel_is_told_all_the_same():
    good, failure = ensemble(ensemble_runs.raise_stubborn, [1.0, -1.0])
    assert good == 1.0
    assert "Stubborn: both are needed" in str(failure.exception)


def test_failures_are_computed_again(threads, marks, tmp_path):
    values = [Point(str(marks), value) for value in (1.0, -1.0)]
    for _ in range(2):
        ensemble(ensemble_runs.square_or_raise, values, threads, checkpoint=tmp_path / "kept")
    assert executions(marks) == {1.0: 1, -1.0: 2}


# ------------------------------------------------------------------------------------ dying processes


@pytest.mark.parametrize("given", [False, True], ids=["standard pool", "given pool"])
def test_a_process_that_dies_once(marks, given, caplog):
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        results = ensemble(ensemble_runs.kill_this_process_once, points(marks, 6), pool if given else None)
    assert results == [value**2 for value in range(6)]
    assert "a worker died" in caplog.text


def test_a_run_that_always_takes_its_process_down_is_found(marks):
    results = ensemble(ensemble_runs.kill_this_process, points(marks, 5), retries=1)
    assert [result for result in results if not isinstance(result, Failure)] == [0.0, 1.0, 4.0, 16.0]
    assert results[3].parameter.value == 3.0
    assert executions(marks)[3.0] == 2


def test_a_pool_that_cannot_be_replaced_is_told(marks):
    class Pool(ThreadPoolExecutor):
        """Broken from the start."""

    def refuse() -> None:
        raise RuntimeError("no workers today")

    with Pool(1, initializer=refuse) as pool:
        results = ensemble(abs, [1, 2], pool)
    assert all(isinstance(result, Failure) for result in results)


SCRIPT = """
from pathlib import Path
from numerics.ensembles import ensemble
from tests.numerics.ensemble_runs import Point, square
{guard}
    ensemble(square, [Point({marks!r}, float(value), {seconds}) for value in range({count})], checkpoint={kept!r})
"""


def script(tmp_path: Path, marks: Path, **parts: Any) -> Path:
    path = tmp_path / "sweep.py"
    path.write_text(SCRIPT.format(marks=str(marks), kept=str(tmp_path / "kept"), **parts), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_so(tmp_path, marks):
    path = script(tmp_path, marks, guard="if True:", seconds=0.0, count=6)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, path], env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode != 0
    assert "if __name__ == '__main__'" in result.stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send there")
def test_an_interrupt_leaves_what_is_kept(tmp_path, marks):
    path = script(tmp_path, marks, guard='if __name__ == "__main__":', seconds=0.3, count=200)
    process = subprocess.Popen(
        [sys.executable, path], env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "kept").glob("*.npz"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    interrupted = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert time.monotonic() - interrupted < 20
    kept = len(list((tmp_path / "kept").glob("*.npz")))
    assert 3 <= kept < 200
    already = sum(executions(marks).values())
    ensemble(
        ensemble_runs.square, points(marks, kept, 0.3), ThreadPoolExecutor(2), checkpoint=tmp_path / "kept", in_flight=2
    )
    # Handed out in order, so that all but the last few of these were kept.
    assert sum(executions(marks).values()) - already <= 4


# ------------------------------------------------------------------------------------ bad arguments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"failures": "ignore"}, "failures must be"),
        ({"retries": -1}, "retries must be"),
        ({"in_flight": 0}, "in_flight must be"),
        ({"save": str}, "both of save and load"),
        ({"save": str, "load": float}, "checkpoint"),
    ],
)
def test_senseless_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ensemble(abs, [1], **options)


def test_a_run_that_processes_cannot_import_is_refused():
    with pytest.raises(TypeError, match="top level of a module"):
        ensemble(lambda value: value, [1])
    with pytest.raises(TypeError, match="run must be a function"):
        ensemble("abs", [1])  # type: ignore[arg-type]


def test_a_run_without_a_name_of_its_own_has_no_checkpoint(threads, tmp_path):
    with pytest.raises(TypeError, match="no name of its own"):
        ensemble(lambda value: value, [1], threads, checkpoint=tmp_path)


def test_numpy_parameters(threads):
    arrays = [np.arange(3.0), np.arange(3.0) + 2**-50]
    assert ensemble(np.sum, arrays, threads) == [3.0, 3.0 + 3 * 2**-50]
