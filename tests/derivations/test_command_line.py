"""The command `dln`: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from derivations.command_line import main
from derivations.theorems import THEOREMS
from derivations.verification import verified_networks
from numerics import read_table

TABLE = "year,jan,feb,mar\n2001,1.5,,3.5\n2002,2.5,3.5,4.5\n2003,,4.5,5.5\n2004,4.5,5.5,6.5\n"


def ran(*arguments: object) -> int:
    """Run the command in this process; its exit status."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with one table in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text(TABLE, encoding="utf-8")
    return tmp_path


# --------------------------------------------------------------------------------------------- derive


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran("derive", "--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(THEOREMS)
    assert {"multiplier", "metric", "volume-form", "infinite-depth", "spectral-flow"} <= set(THEOREMS)
    for line, theorem in zip(lines, THEOREMS.values(), strict=True):
        assert line.endswith(f"[{theorem.REFERENCE.short}]")
        assert len(line.split("[")[0].split()) > 2  # what it claims


@pytest.mark.parametrize("theorem", ["multiplier", "metric", "volume-form", "infinite-depth", "spectral-flow"])
def test_derive_in_every_format(theorem: str, capsys: pytest.CaptureFixture[str]) -> None:
    printed = {}
    for output_format in ("text", "latex", "python", "json"):
        assert ran("derive", theorem, "--depth", "N", "--shape", 3, 2, "--format", output_format) == 0
        printed[output_format] = capsys.readouterr().out
    assert json.loads(printed["json"])["name"] == theorem
    assert r"\begin{align*}" in printed["latex"]
    compile(printed["python"], "<derived>", "exec")
    assert printed["text"].startswith(theorem)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--depth", "oo", "--shape", 3, 3),
        ("--depth", 7, "--shape", "m", "n", "--rank", 2),
        ("--depth", "L", "--shape", 5, 4, "--rank", 1, "--rescaled"),
        ("--depth", 2, "--shape", 2, 2, "--field", "H"),
    ],
)
def test_derive_for_other_networks(arguments: tuple[object, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert ran("derive", "volume-form", *arguments) == 0
    assert "Result: " in capsys.readouterr().out


def test_derive_the_flow_of_an_energy(capsys: pytest.CaptureFixture[str]) -> None:
    energy = "((X[0, 0] - 1)**2 + (X[1, 1] - 1)**2)/2"
    assert ran("derive", "spectral-flow", "--depth", 3, "--shape", 2, 2, "--energy", energy) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("dsigma_1/dt = ")


# --------------------------------------------------------------------------------------------- verify


def test_verify_writes_the_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran("verify", "multiplier", "volume-form", "--route", "float", "--json", "table.json") == 0
    content = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    assert set(content) == {"checks", "versions", "seed"}
    expected = sum(len(verified_networks(name)) for name in ("multiplier", "volume-form"))
    assert len(content["checks"]) == expected > 10
    for check in content["checks"]:
        assert set(check) == {"name", "route", "passed", "figure", "bound"}
        assert check["passed"] is True
        assert check["figure"] <= check["bound"]
    assert capsys.readouterr().out.count("passed") == expected


def test_verify_ends_with_1_when_a_check_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from geometry import DeepLinearNetwork

    original = DeepLinearNetwork.pair_multiplier
    monkeypatch.setattr(DeepLinearNetwork, "pair_multiplier", lambda self, a, b: 2 * original(self, a, b))
    assert ran("verify", "multiplier", "--route", "float", "--json", "table.json") == 1
    assert not any(check["passed"] for check in json.loads((folder / "table.json").read_text())["checks"])
    assert "FAILED" in capsys.readouterr().out


# -------------------------------------------------------------------------------------------- complete


@pytest.mark.parametrize("depth", ["1", "2", "3", "oo"])
@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        "1.5,,3.5\n2.5,3.5,4.5\n,4.5,5.5\n4.5,5.5,6.5\n",
        "a;b;c\n1.5;NA;3.5\n2.5;3.5;4.5\n?;4.5;5.5\n4.5;5.5;6.5\n",
    ],
    ids=["header and labels", "neither", "semicolons"],
)
@pytest.mark.filterwarnings("ignore::numerics.FrozenSpacesWarning")
def test_complete_fills_gaps_and_keeps_the_rest(
    depth: str, text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "data.csv").write_text(text, encoding="utf-8")
    assert ran("complete", "data.csv", "--depth", depth, "-o", "completed.csv") == 0
    before, after = read_table("data.csv"), read_table("completed.csv")
    seen = ~np.isnan(before.values)
    np.testing.assert_array_equal(after.values[seen], before.values[seen])
    assert np.isfinite(after.values).all()
    assert after.row_labels == before.row_labels
    assert after.column_labels == before.column_labels
    assert "2 gaps filled" in capsys.readouterr().out


def test_complete_tests_on_held_out_entries(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, columns = np.arange(12)[:, None], np.arange(10)[None, :]
    np.savetxt(folder / "product.csv", (1 + rows / 3) * (2 - columns / 7), delimiter=",", fmt="%.4f")
    assert ran("complete", "product.csv", "--depth", 2, "--rank", 2, "--held-out", 0.2, "-o", "completed.csv") == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "held-out" in line)
    error, mean = (float(part.split()[0]) for part in line.replace(";", "").split("error ")[1].split("gives "))
    assert error < mean / 10


def test_complete_is_told_what_is_a_label(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "years.csv").write_text("year,a,b\n1990,1,2\n1991,2,\n1992,3,6\n", encoding="utf-8")
    assert ran("complete", "years.csv", "--labels", "-o", "labelled.csv") == 0
    assert "3 x 2, header and row labels, 1 gaps filled" in capsys.readouterr().out
    assert (folder / "labelled.csv").read_text(encoding="utf-8").startswith("year,a,b\n1990,1,2\n1991,2,")
    assert ran("complete", "years.csv", "--no-labels", "-o", "plain.csv") == 0
    assert "3 x 3, header, 1 gaps filled" in capsys.readouterr().out


def test_complete_keeps_what_is_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "completed.csv").write_text("precious", encoding="utf-8")
    assert ran("complete", "data.csv", "-o", "completed.csv") == 2
    assert (folder / "completed.csv").read_text(encoding="utf-8") == "precious"
    assert "--overwrite" in capsys.readouterr().err
    assert ran("complete", "data.csv", "-o", "completed.csv", "--overwrite") == 0
    assert np.isfinite(read_table("completed.csv").values).all()


# ------------------------------------------------------------------------------------------- bad input

BAD_TABLES = {
    "text.csv": "1,2,3\n4,foo,6\n7,8,9\n",
    "infinite.csv": "1,2,3\n4,inf,6\n7,8,9\n",
    "ragged.csv": "1,2,3\n4,5\n",
    "empty.csv": "",
    "gaps.csv": ",,\n,,\n",
    "header.csv": "a,b\n",
}


@pytest.mark.parametrize("name", [*BAD_TABLES, "missing.csv"])
def test_tables_that_are_refused(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if name in BAD_TABLES:
        (folder / name).write_text(BAD_TABLES[name], encoding="utf-8")
    refused(folder, capsys, name, "complete", name, "-o", "completed.csv")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("complete", "data.csv", "-o", "c.csv", "--rank", 4), "rank"),
        (("complete", "data.csv", "-o", "c.csv", "--rank", 0), "rank"),
        (("complete", "data.csv", "-o", "c.csv", "--depth", 0), "depth"),
        (("complete", "data.csv", "-o", "c.csv", "--depth", 2.5), "depth"),
        (("complete", "data.csv", "-o", "c.csv", "--depth", "N"), "depth"),
        (("complete", "data.csv", "-o", "c.csv", "--scale", "nan"), "scale"),
        (("complete", "data.csv", "-o", "c.csv", "--scale", "inf"), "scale"),
        (("complete", "data.csv", "-o", "c.csv", "--rtol", 0), "rtol"),
        (("complete", "data.csv", "-o", "c.csv", "--held-out", 1.5), "share"),
        (("complete", "data.csv", "-o", "c.csv", "--held-out", "nan"), "share"),
        (("complete", "data.csv", "-o", "c.csv", "--seed", -1), "seed"),
        (("complete", "data.csv", "-o", "nowhere/c.csv"), "nowhere"),
        (("complete", "data.csv"), "output"),
        (("derive", "volume-form", "--depth", 0), "depth"),
        (("derive", "volume-form", "--depth", 2.5), "depth"),
        (("derive", "volume-form", "--depth", "nan"), "depth"),
        (("derive", "volume-form", "--depth", '__import__("os")'), "depth"),
        (("derive", "volume-form", "--shape", 3, 3, "--rank", 4), "rank"),
        (("derive", "volume-form", "--shape", 0, 3), "shape"),
        (("derive", "volume-form", "--shape", "3.5", 3), "shape"),
        (("derive", "volume-form", "--shape", "m", "n"), "rank"),
        (("derive", "volume-form", "--field", "Q"), "field"),
        (("derive", "volume-form", "--energy", "X[0, 0]"), "--energy"),
        (("derive", "volume-form", "--format", "word"), "format"),
        (("derive", "guess"), "unknown theorem 'guess'"),
        (("derive", "metric", "--depth", "oo", "--shape", 3, 2), "metric"),
        (("derive", "spectral-flow", "--energy", '__import__("os")'), "__import__"),
        (("derive", "spectral-flow", "--energy", "X.__class__"), "attribute"),
        (("derive", "spectral-flow", "--energy", "X[0, 0"), "not an expression"),
        (("derive", "spectral-flow", "--energy", "X[9, 9]"), "no entry"),
        (("derive", "spectral-flow", "--energy", "9**9**9**9"), "too large"),
        (("derive", "spectral-flow", "--energy", ""), "empty"),
        (("verify", "guess", "--json", "table.json"), "guess"),
        (("verify", "--route", "guess", "--json", "table.json"), "guess"),
        (("report", "-o", "report", "--depths", 1, 0), "depth"),
        (("report", "-o", "report", "--depths", 1, 1), "once"),
        (("report", "-o", "report", "--depths", "N"), "depths"),
        (("report", "-o", "report", "--depths"), "requires an argument"),
        (("verify", "--json", "nowhere/table.json"), "nowhere"),
        (("derive", "volume-form", "--depth", "N", "--shape", 3, "N", "--rank", 2), "both called N"),
        (("report", "-o", "report", "--seed", -1), "seed"),
        (("report", "-o", "report", "--jobs", 0), "jobs"),
        (("report", "-o", "data.csv"), "data.csv"),
        (("report", "-o", "."), "not empty"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_arguments_that_are_refused(
    arguments: tuple[object, ...], named: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(folder, capsys, named, *arguments)


def refused(folder: Path, capsys: pytest.CaptureFixture[str], named: str, *arguments: object) -> None:
    """Exit status 2, one line that names the culprit, and nothing written."""
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert ran(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("dln: ")
    assert printed.err.count("\n") == 1
    assert named in printed.err
    assert "Traceback" not in printed.err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_interrupted_runs_leave_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("derivations.completing.complete", interrupt)
    monkeypatch.setattr("derivations.report.story._run", interrupt)
    for arguments in (("complete", "data.csv", "-o", "completed.csv"), ("report", "-o", "report")):
        assert ran(*arguments) == 130
        assert "interrupted" in capsys.readouterr().err
        assert [path.name for path in folder.iterdir()] == ["data.csv"]


def test_as_a_process_of_its_own(folder: Path) -> None:
    """Nothing but the result on standard output, and no warnings of Python's."""
    command = [sys.executable, "-W", "error", "-m", "derivations.command_line"]
    source = Path(__file__).parents[2]
    run = subprocess.run(
        [*command, "derive", "multiplier", "--format", "json"],
        cwd=folder,
        env={"PYTHONPATH": str(source), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert json.loads(run.stdout)["name"] == "multiplier"


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("--help",), ("complete", "--help"), ("--version",)):
        assert ran(*arguments) == 0
        assert capsys.readouterr().out.strip()
