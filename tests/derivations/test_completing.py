"""`dln complete` from a file of the user's to what is written: every format, the choice, the account."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from derivations import completing
from derivations.command_line import main
from derivations.completion_files import CompletionFiles
from numerics import cross_validation, read_table

nan = float("nan")
TOLD = ("--depth", "2", "--rank", "2")


def ran(*arguments: object) -> int:
    """Run the command in this process; its exit status."""
    with pytest.raises(SystemExit) as end:
        main(["complete", *map(str, arguments)])
    return int(end.value.code or 0)


@pytest.fixture
def values() -> np.ndarray:
    """Of rank one, with noise and gaps."""
    generator = np.random.default_rng(2)
    matrix = np.outer(generator.uniform(1, 2, 12), generator.uniform(-2, 2, 9))
    matrix += 0.01 * generator.standard_normal(matrix.shape)
    matrix[generator.random(matrix.shape) < 0.2] = nan
    return matrix.round(3)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: np.ndarray) -> Path:
    """An empty working directory with the matrix in every format, and short cross-validations."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cross_validation, "RANKS", (1, 2))
    places = np.argwhere(~np.isnan(values))
    np.savetxt("table.csv", values, delimiter=",", fmt="%.3f")
    lines = [f"{i},{j},{values[i, j]:.3f}" for i, j in places]
    Path("triples.csv").write_text("\n".join(["row,column,value", *lines]) + "\n", encoding="utf-8")
    np.savez("arrays.npz", values)
    rows, columns = places.T
    scipy.io.mmwrite("market.mtx", scipy.sparse.coo_array((values[rows, columns], (rows, columns)), shape=values.shape))
    return tmp_path


@pytest.mark.parametrize("name", ["table.csv", "triples.csv", "arrays.npz", "market.mtx"])
def test_every_format_is_completed(name: str, folder: Path, values: np.ndarray) -> None:
    assert ran(name, *TOLD, "--held-out", 0, "-o", "completed.csv") == 0
    table = read_table("completed.csv", header=name == "triples.csv", labels=name == "triples.csv")
    seen = ~np.isnan(values)
    np.testing.assert_array_equal(table.values[seen], values[seen])
    assert np.isfinite(table.values).all()


def test_a_folder_gets_matrix_spectrum_picture_and_account(
    folder: Path, values: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran("table.csv", "--json", "-o", "out") == 0
    printed = json.loads(capsys.readouterr().out)
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {"completed.csv", "completed-singular-values.csv", "completed.png", "completed.json"}
    assert json.loads((folder / "out/completed.json").read_text(encoding="utf-8")) == printed
    assert (folder / "out/completed.png").read_bytes().startswith(b"\x89PNG")
    spectrum = read_table("out/completed-singular-values.csv", header=True, labels=True).values[:, 0]
    np.testing.assert_array_equal(spectrum, printed["singular_values"])
    assert printed["rank"] == len(spectrum)
    assert (printed["gaps"], printed["shape"]) == (int(np.isnan(values).sum()), [12, 9])
    assert {"dln-geometry", "numpy"} <= set(printed["versions"])
    assert printed["seed"] == 0


def test_depth_and_rank_are_chosen_and_the_baselines_stand_beside(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran("table.csv", "-o", "completed.csv") == 0
    content = json.loads((folder / "completed.json").read_text(encoding="utf-8"))
    best = min(content["cross_validation"], key=lambda candidate: candidate["error"])
    assert (content["depth"], content["rank"]) == (best["depth"], best["rank"])
    assert {candidate["depth"] for candidate in content["cross_validation"]} == {"2", "3", "4"}
    errors = content["held_out"]["errors"]
    own, mean, *svd = errors.values()
    assert list(errors)[:2] == ["this completion", "mean"]
    assert len(svd) == 2
    assert own < mean / 5
    text = capsys.readouterr().out
    assert "by cross-validation, the best of 4" in text
    assert f"on {content['held_out']['entries']} held-out entries: error {own:.4g}" in text
    assert "truncated SVD, rank " in text


def test_what_is_told_is_not_chosen(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran("table.csv", "--depth", 2, "--held-out", 0, "-o", "d.csv") == 0
    content = json.loads((folder / "d.json").read_text(encoding="utf-8"))
    assert {candidate["depth"] for candidate in content["cross_validation"]} == {"2"}
    assert content["held_out"] is None
    assert ran("table.csv", "--rank", 2, "--held-out", 0, "-o", "r.csv") == 0
    content = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    assert {candidate["rank"] for candidate in content["cross_validation"]} == {2}
    assert ran("table.csv", *TOLD, "--held-out", 0, "-o", "b.csv") == 0
    assert json.loads((folder / "b.json").read_text(encoding="utf-8"))["cross_validation"] is None
    assert "held" not in capsys.readouterr().out


def test_the_held_out_entries_take_no_part_in_the_choice(
    folder: Path, values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []
    original = completing.cross_validate

    def spy(array: np.ndarray, **options: object) -> cross_validation.CrossValidation:
        seen.append(array)
        return original(array, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(completing, "cross_validate", spy)
    assert ran("table.csv", "--depth", 2, "--held-out", 0.25, "-o", "c.csv") == 0
    (training,) = seen
    assert np.isfinite(training).sum() == round(0.75 * np.isfinite(values).sum())


def test_of_few_entries_none_is_hidden_unasked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("few.csv").write_text("1.5,2.5,\n3.5,,4.5\n2.5,3.5,4.0\n", encoding="utf-8")
    assert ran("few.csv", "-o", "c.csv") == 0
    assert "too few entries (7) to hold some out" in capsys.readouterr().out
    assert ran("few.csv", "--held-out", 0.2, "-o", "d.csv") == 0
    assert "on 1 held-out entries" in capsys.readouterr().out


def test_three_columns_without_a_gap_may_be_triples(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("three.csv").write_text("1,1,5.5\n1,2,3.5\n2,1,4.0\n", encoding="utf-8")
    assert ran("three.csv", "-o", "c.csv") == 0
    assert "say --format triples" in capsys.readouterr().out
    assert ran("three.csv", "--format", "triples", "-o", "d.csv") == 0
    assert "2 x 2, header and row labels, 1 gaps filled" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["completed.csv", "completed-singular-values.csv", "completed.png", "completed.json"])
def test_no_file_is_overwritten_silently(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out").mkdir()
    (folder / "out" / name).write_text("precious", encoding="utf-8")
    (folder / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    for output in ("out", "out/completed.csv"):
        assert ran("table.csv", *TOLD, "-o", output) == 2
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1
        assert name in printed
        assert "--overwrite" in printed
    assert {path.name for path in (folder / "out").iterdir()} == {name, "notes.txt"}
    assert (folder / "out" / name).read_text(encoding="utf-8") == "precious"
    assert ran("table.csv", *TOLD, "--held-out", 0, "-o", "out", "--overwrite") == 0
    assert (folder / "out" / name).read_bytes() != b"precious"
    assert (folder / "out" / "notes.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("table.csv", "-o", "c.npz"), "written as CSV"),
        (("table.csv", "-o", "nowhere/deep/out"), "nowhere"),
        (("table.csv", "-o", "table.csv/c.csv"), "table.csv"),
        (("table.csv", "-o", "c.csv", "--format", "excel"), "format"),
        (("arrays.npz", "-o", "c.csv", "--header"), "questions about text"),
        (("market.mtx", "-o", "c.csv", "--rtol", "nan"), "rtol"),
        (("table.csv", "-o", "c.csv", "--rank", 10), "rank"),
        (("broken.npz", "-o", "c.csv"), "not arrays of NumPy"),
        (("pickled.npy", "-o", "c.csv"), "not unpickled"),
        (("pickled.npz", "-o", "c.csv"), "not unpickled"),
    ],
)
def test_mistakes_give_one_line_and_write_nothing(
    arguments: tuple[object, ...], named: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("broken.npz").write_bytes(b"PK\x03\x04 and no more")
    np.save("pickled.npy", np.array([[{}]], dtype=object))
    np.savez("pickled.npz", values=np.array([[{}]], dtype=object))
    before = sorted(folder.rglob("*"))
    assert ran(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("dln: ")
    assert printed.err.count("\n") == 1
    assert named in printed.err
    assert sorted(folder.rglob("*")) == before


def test_a_write_that_fails_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError("the disk is full")

    before = sorted(folder.rglob("*"))
    monkeypatch.setattr(completing, "completion_picture", fails)
    for output in ("c.csv", "out"):
        assert ran("table.csv", *TOLD, "--held-out", 0, "-o", output) == 2
        assert sorted(folder.rglob("*")) == before


def test_links_stay_and_their_targets_are_replaced(folder: Path) -> None:
    (folder / "real.csv").write_text("old", encoding="utf-8")
    (folder / "link.csv").symlink_to(folder / "real.csv")
    assert ran("table.csv", *TOLD, "--held-out", 0, "-o", "link.csv", "--overwrite") == 0
    assert (folder / "link.csv").is_symlink()
    assert read_table(folder / "real.csv").values.shape == (12, 9)


def test_the_same_seed_gives_the_same_files(folder: Path) -> None:
    for name in ("a", "b"):
        assert ran("table.csv", *TOLD, "--held-out", 0, "--seed", 3, "-o", name) == 0
    for name in ("completed.csv", "completed-singular-values.csv"):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()


def test_names_of_files(tmp_path: Path) -> None:
    assert CompletionFiles.at(tmp_path).matrix == tmp_path / "completed.csv"
    assert CompletionFiles.at(tmp_path / "new").matrix == tmp_path / "new/completed.csv"
    assert CompletionFiles.at(tmp_path / "out.v1.csv").picture == tmp_path / "out.v1.png"
    assert CompletionFiles.at(tmp_path / "out.csv").singular_values == tmp_path / "out-singular-values.csv"
