"""Checkpoints: what is kept is not computed again, and what is damaged is never believed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from numerics.ensembles import ensemble
from tests.numerics import ensemble_runs
from tests.numerics.ensemble_runs import Point, executions


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def points(marks: Path, count: int) -> list[Point]:
    return [Point(str(marks), float(value)) for value in range(count)]


class StopAfter:
    """Interrupts a sweep, as Ctrl-C would."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, done: int, total: int) -> None:
        if done == self.count:
            raise KeyboardInterrupt


def test_a_second_session_computes_the_rest_only(threads, marks, tmp_path):
    kept = tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt):
        ensemble(ensemble_runs.square, points(marks, 8), threads, checkpoint=kept, progress=StopAfter(4), in_flight=1)
    first = executions(marks)
    assert len(first) == 4
    results = ensemble(ensemble_runs.square, points(marks, 8), threads, checkpoint=kept)
    assert [result["square"] for result in results] == [value**2 for value in range(8)]
    assert executions(marks) == dict.fromkeys(map(float, range(8)), 1)


def test_a_finished_sweep_needs_no_workers(threads, marks, tmp_path):
    kept = tmp_path / "kept"
    first = ensemble(ensemble_runs.square, points(marks, 3), threads, checkpoint=kept)
    assert ensemble(ensemble_runs.square, points(marks, 3), lambda: 1 / 0, checkpoint=kept) == first  # type: ignore[arg-type]


def test_runs_and_parameters_that_differ_do_not_share_results(threads, marks, tmp_path):
    kept = tmp_path / "kept"
    ensemble(ensemble_runs.square, points(marks, 2), threads, checkpoint=kept)
    one_bit = Point(str(marks), float(np.nextafter(1.0, 2.0)))
    assert ensemble(ensemble_runs.square, [one_bit], threads, checkpoint=kept)[0]["square"] > 1.0
    assert ensemble(ensemble_runs.square_or_raise, points(marks, 2), threads, checkpoint=kept) == [0.0, 1.0]


def damages(content: bytes) -> dict[str, bytes]:
    """A file cut off, emptied, of something else, and with one bit flipped in many places."""
    flipped = {}
    for place in range(0, len(content), 7):
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 8)
        flipped[f"bit of byte {place}"] = bytes(changed)
    return {"cut": content[: len(content) // 2], "empty": b"", "text": b"not a result", **flipped}


def test_a_damaged_file_is_moved_aside_and_computed_again(threads, marks, tmp_path, caplog):
    kept = tmp_path / "kept"
    (before,) = ensemble(ensemble_runs.square, points(marks, 1), threads, checkpoint=kept)
    (path,) = kept.glob("*.npz")
    content = path.read_bytes()
    silent = 0
    for damage in damages(content).values():
        path.write_bytes(damage)
        caplog.clear()
        count = executions(marks)[0.0]
        (after,) = ensemble(ensemble_runs.square, points(marks, 1), threads, checkpoint=kept)
        assert after["square"] == before["square"]
        if executions(marks)[0.0] == count:
            # Only where the bit has no meaning, such as a date in the archive, is the file sound.
            assert after == before
            silent += 1
        else:
            assert "damaged" in caplog.text
    aside = {moved.read_bytes() for moved in kept.glob("*.damaged*")}
    assert len(aside) == len(damages(content)) - silent > 0.5 * len(damages(content))


def test_a_result_under_another_key_is_not_believed(threads, marks, tmp_path):
    kept = tmp_path / "kept"
    ensemble(ensemble_runs.square, points(marks, 2), threads, checkpoint=kept)
    one, other = kept.glob("*.npz")
    one.write_bytes(other.read_bytes())
    results = ensemble(ensemble_runs.square, points(marks, 2), threads, checkpoint=kept)
    assert [result["square"] for result in results] == [0.0, 1.0]


def test_results_keep_their_types(threads, tmp_path):
    for _ in range(2):
        assert ensemble(ensemble_runs.pair, [1.5], threads, checkpoint=tmp_path) == [(1.5, -1.5)]


def test_what_cannot_be_kept_is_refused_with_the_remedy(threads, tmp_path):
    with pytest.raises(TypeError, match="save=…, load=…"):
        ensemble(ensemble_runs.unstorable, [1.0], threads, checkpoint=tmp_path)


def test_save_and_load(threads, tmp_path):
    options = {"checkpoint": tmp_path, "save": lambda result: type(result).__name__, "load": lambda name: [name]}
    assert type(ensemble(ensemble_runs.unstorable, [1.0], threads, **options)[0]) is object
    assert ensemble(ensemble_runs.unstorable, [1.0], threads, **options) == [["object"]]
