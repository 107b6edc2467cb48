"""The report: what is in the folder, what is claimed, and that nothing is lost on the way."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from sympy import Symbol, oo

from derivations import CheckResult
from derivations.command_line import main
from derivations.mauna_loa import weekly_matrix
from derivations.report import write_report
from derivations.report.formulas import compile_document, kernel_module, latex_document
from derivations.verification import Verification
from geometry import DeepLinearNetwork, compile_kernel
from numerics import read_table

DEPTHS = (1, 3, oo)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Verification, list[float]]:
    """A report on fewer depths, its checks, and the shares done that were told."""
    folder = tmp_path_factory.mktemp("report") / "story"
    told: list[float] = []
    table = write_report(folder, DEPTHS, seed=7, jobs=1, progress=lambda _, share: told.append(share))
    return folder, table, told


def test_every_check_passes(report: tuple[Path, Verification, list[float]]) -> None:
    _, table, told = report
    assert table.passed, [result for result in table if not result.passed]
    names = {result.name.split(" [")[0] for result in table}
    assert {"multiplier", "metric", "volume-form", "infinite-depth", "spectral-flow"} <= names
    for promised in ("layers chart", "spectral chart", "matrix chart", "spectral ODE", "dE/dt", "log volume", "slope"):
        assert any(promised in name for name in names), promised
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] <= 1


def test_the_folder_is_complete(report: tuple[Path, Verification, list[float]]) -> None:
    folder, table, _ = report
    content = json.loads((folder / "verification.json").read_text(encoding="utf-8"))
    assert content["seed"] == 7
    assert len(content["checks"]) == len(table)
    figures = list((folder / "figures").iterdir())
    assert len(figures) >= 4
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)
    # Nothing is left beside it.
    assert [path.name for path in folder.parent.iterdir()] == ["story"]
    completed, record = read_table(folder / "completed.csv"), weekly_matrix()
    assert completed.values.shape == record.shape == (44, 52)
    seen = np.isfinite(record)
    np.testing.assert_allclose(completed.values[seen], record[seen], rtol=0, atol=1e-9)
    # Carbon dioxide between 1958 and 2001, with a margin.
    assert completed.values.min() > 305
    assert completed.values.max() < 380
    assert completed.row_labels is not None
    assert completed.row_labels[0] == "1958"


class _Links(HTMLParser):
    """Collects the links and images of a page, and whether its elements nest."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("href", "src") and value]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page(report: tuple[Path, Verification, list[float]]) -> None:
    folder, table, _ = report
    page = (folder / "index.html").read_text(encoding="utf-8")
    parser = _Links()
    parser.feed(page)
    assert parser.open == []
    assert len(parser.links) >= 8
    # All there, nothing from outside.
    for link in parser.links:
        assert (folder / link).is_file(), link
    assert f"{len(table)} checks: all passed" in page
    formulas = re.sub("<[^>]*>", "", "".join(re.findall("<math.*?</math>", page, re.DOTALL)))
    assert "\\" not in formulas
    assert "{" not in formulas


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_formulas_compile(report: tuple[Path, Verification, list[float]]) -> None:
    folder, table, _ = report
    assert (folder / "formulas.pdf").read_bytes().startswith(b"%PDF")
    assert any(result.name == "formulas.tex compiles" for result in table)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_a_document_that_does_not_compile(tmp_path: Path) -> None:
    source = tmp_path / "formulas.tex"
    source.write_text(r"\documentclass{article}\begin{document}$\nosuchmacro$\end{document}", encoding="utf-8")
    with pytest.raises(RuntimeError, match="nosuchmacro"):
        compile_document(source)


def test_without_pdflatex_the_source_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    source = tmp_path / "formulas.tex"
    source.write_text("anything", encoding="utf-8")
    assert compile_document(source) is None
    assert source.read_text(encoding="utf-8") == "anything"


def test_latex_nests() -> None:
    source = latex_document([2, oo])
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end){(\w+\*?)}", source):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    assert source.count("{") == source.count("}")
    assert r"\section{Depth $\infty$}" in source


def test_kernels_are_those_of_geometry(tmp_path: Path) -> None:
    path = tmp_path / "emitted.py"
    path.write_text(kernel_module(DEPTHS), encoding="utf-8")
    specification = importlib.util.spec_from_file_location("emitted", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    sigma = np.array([2.0, 1.0, 1e-150]), np.array([2.0, 1 - 1e-14, 3e-151])
    for depth, name in ((1, "1"), (3, "3"), (oo, "infinity")):
        network = DeepLinearNetwork(depth, (2, 2))
        for expression, function in (
            (network.multiplier(0, 1), f"multiplier_depth_{name}"),
            (network.log_volume_density(), f"log_volume_density_depth_{name}"),
        ):
            expected = compile_kernel(expression, network.singular_values)(*sigma)
            with np.errstate(all="ignore"):
                found = getattr(module, function)(*sigma)
            np.testing.assert_array_equal(found, expected)


# --------------------------------------------------------------------------------- what may go wrong


def quick(monkeypatch: pytest.MonkeyPatch, passed: bool = True) -> None:
    """A report without the runs: the flows of one that took place are not needed here."""
    result = CheckResult("a check", "float", passed, 2.0, 1.0 + passed * 2)
    monkeypatch.setattr("derivations.report.story._run", lambda *_: [("check", [result])])
    monkeypatch.setattr("derivations.report.story._claims", lambda *_: [])
    monkeypatch.setattr("derivations.report.story._write_formulas", lambda *_: [])
    monkeypatch.setattr("derivations.report.story.draw", lambda *_: None)
    monkeypatch.setattr("derivations.report.story.write_table", lambda *_: None)
    monkeypatch.setattr("derivations.report.story.min", lambda *_, **__: _Nothing(), raising=False)
    monkeypatch.setattr("derivations.report.story.index_page", lambda *_: "page")


class _Nothing:
    filled = np.zeros((44, 52))


def test_exit_status_of_a_failing_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for passed, status in ((True, 0), (False, 1)):
        quick(monkeypatch, passed)
        with pytest.raises(SystemExit) as end:
            main(["report", "-o", str(tmp_path / str(status))])
        assert (end.value.code or 0) == status
        assert ("FAILED a check" in capsys.readouterr().out) is not passed
        assert json.loads((tmp_path / str(status) / "verification.json").read_text())["checks"][0]["passed"] is passed


def test_only_an_earlier_report_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    folder = tmp_path / "report"
    folder.mkdir()
    write_report(folder)
    with pytest.raises(FileExistsError, match="--overwrite"):
        write_report(folder)
    write_report(folder, overwrite=True)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(FileExistsError, match="no earlier report"):
        write_report(tmp_path / "precious", overwrite=True)
    assert (tmp_path / "precious" / "thesis.tex").read_text(encoding="utf-8") == "years of work"


def test_a_failing_run_leaves_the_earlier_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    folder = tmp_path / "report"
    write_report(folder)

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("derivations.report.story.draw", fail)
    with pytest.raises(OSError, match="no space left"):
        write_report(folder, overwrite=True)
    assert (folder / "index.html").read_text(encoding="utf-8") == "page"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"depths": []}, "depths"),
        ({"depths": [2, 2]}, "each once"),
        ({"depths": [Symbol("N", positive=True)]}, "integers or oo"),
        ({"depths": [0]}, "depth"),
        ({"depths": [2.5]}, "depth"),
        ({"jobs": 0}, "jobs"),
        ({"seed": -1}, "seed"),
    ],
)
def test_arguments_that_are_refused(arguments: dict[str, object], named: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=named):
        write_report(tmp_path / "report", **arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
