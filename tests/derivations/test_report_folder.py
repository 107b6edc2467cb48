"""The folder of a report: what was in it before is the user's."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from derivations import CheckResult, verify
from derivations.report import write_report
from geometry import DeepLinearNetwork


class _Flow:
    """What a report reads of a flow."""

    filled = np.zeros((44, 52))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Reports without the minute of computing: a line for each run that was begun."""
    begun: list[str] = []

    def run(*_: object) -> list[tuple[str, list[CheckResult]]]:
        begun.append("run")
        return [("check", [CheckResult("a check", "float", True, 0.0, 1.0)])]

    story = "derivations.report.story"
    monkeypatch.setattr(f"{story}._run", run)
    monkeypatch.setattr(f"{story}._claims", lambda *_: [])
    monkeypatch.setattr(f"{story}._write_formulas", lambda *_: [])
    monkeypatch.setattr(f"{story}.draw", lambda *_: None)
    monkeypatch.setattr(f"{story}.write_table", lambda *_: None)
    monkeypatch.setattr(f"{story}.min", lambda *_, **__: _Flow(), raising=False)
    monkeypatch.setattr(f"{story}.index_page", lambda *_: "page")
    return begun


def overwritten(folder: Path) -> None:
    """Replace the report in a folder, or refuse to: either may be right."""
    with suppress(OSError):
        write_report(folder, overwrite=True)


def test_a_table_of_dln_verify_is_no_report(tmp_path: Path, runs: list[str]) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work", encoding="utf-8")
    verify(["multiplier"], ["float"], [DeepLinearNetwork(2, (2, 2))]).write(folder / "verification.json")
    overwritten(folder)
    assert (folder / "thesis.tex").is_file()


def test_what_was_added_to_a_report_stays(tmp_path: Path, runs: list[str]) -> None:
    folder = tmp_path / "report"
    write_report(folder)
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    overwritten(folder)
    assert (folder / "notes.txt").is_file()


def test_the_working_directory_is_not_emptied(tmp_path: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(tmp_path / "report")
    monkeypatch.chdir(tmp_path / "report")
    overwritten(Path())
    assert (tmp_path / "report" / "index.html").is_file()


def test_an_empty_working_directory_takes_the_report(
    tmp_path: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_report(Path())
    assert (tmp_path / "index.html").is_file()


def test_a_link_is_followed_or_refused_before_anything_runs(tmp_path: Path, runs: list[str]) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    try:
        write_report(tmp_path / "link")
    except OSError:
        assert runs == []
    else:
        assert (tmp_path / "link" / "index.html").is_file()


def test_missing_parents_are_made(tmp_path: Path, runs: list[str]) -> None:
    write_report(tmp_path / "a" / "b" / "report")
    assert (tmp_path / "a" / "b" / "report" / "index.html").is_file()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["report"]
