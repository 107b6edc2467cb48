"""Matrices with gaps in every format: what is read, and what is refused without harm."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from numerics import TableError, read_table
from numerics import matrix_files as module
from numerics.matrix_files import read_matrix

nan = float("nan")
EXPECTED = [[1.5, nan, 0.0], [nan, -2.0, 4.0]]
"""A zero that was observed, and gaps."""

ROWS, COLUMNS, VALUES = [0, 0, 1, 1], [0, 2, 1, 2], [1.5, 0.0, -2.0, 4.0]


def as_table(path: Path) -> Path:
    path.with_suffix(".csv").write_text("1.5,,0\n,-2,4\n", encoding="utf-8")
    return path.with_suffix(".csv")


def as_triples(path: Path) -> Path:
    lines = [f"{i},{j},{value}" for i, j, value in zip(ROWS, COLUMNS, VALUES, strict=True)]
    path.with_suffix(".csv").write_text("\n".join(["i,j,value", *lines[::-1]]), encoding="utf-8")
    return path.with_suffix(".csv")


def sparse() -> scipy.sparse.coo_array:
    return scipy.sparse.coo_array((VALUES, (ROWS, COLUMNS)), shape=(2, 3))


def as_coordinates(path: Path) -> Path:
    scipy.io.mmwrite(path.with_suffix(".mtx"), sparse())
    return path.with_suffix(".mtx")


def as_mtx_without_its_name(path: Path) -> Path:
    return as_coordinates(path).rename(path.with_suffix(".txt"))


def as_npz(path: Path) -> Path:
    np.savez(path.with_suffix(".npz"), anything=np.array(EXPECTED))
    return path.with_suffix(".npz")


def as_npz_with_a_mask(path: Path) -> Path:
    given = np.array(EXPECTED)
    np.savez_compressed(path.with_suffix(".npz"), values=np.nan_to_num(given, nan=7.0), observed=~np.isnan(given))
    return path.with_suffix(".npz")


def as_npy(path: Path) -> Path:
    np.save(path.with_suffix(".npy"), np.array(EXPECTED))
    return path.with_suffix(".npy")


def as_sparse_npz(path: Path) -> Path:
    scipy.sparse.save_npz(path.with_suffix(".npz"), sparse().tocsr())
    return path.with_suffix(".npz")


@pytest.mark.parametrize(
    "write",
    [
        as_table,
        as_triples,
        as_coordinates,
        as_mtx_without_its_name,
        as_npz,
        as_npz_with_a_mask,
        as_npy,
        as_sparse_npz,
    ],
)
def test_every_format_gives_the_same_matrix(write: Callable[[Path], Path], tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_matrix(write(tmp_path / "data")).values, EXPECTED)


def test_tables_are_read_as_before(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("year,a,b\n1990,1.25,2\n1991,,3\n1992,4,5\n", encoding="utf-8")
    plain, found = read_table(path, labels=False), read_matrix(path, labels=False)
    np.testing.assert_array_equal(found.values, plain.values)
    assert (found.column_labels, found.resolution) == (plain.column_labels, plain.resolution)
    assert read_matrix(path).row_labels == ("1990", "1991", "1992")


def test_a_square_of_three_columns_is_no_triples(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("1,2,3\n4,5,6\n", encoding="utf-8")
    assert read_matrix(path).values.shape == (2, 3)
    assert read_matrix(path, format="triples").values.shape == (2, 2)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("User,Item,Rating\n7,10,4\n7,11,5\n", (1, 2)),
        ("ann,tea,4.5\nbob,milk,2\n", (2, 2)),
        ("a,b,c\nann,tea,4.5\nbob,milk,2\n", (2, 2)),
        ("a,b,c\nann,4,4.5\nbob,3,2\n", (2, 2)),
        ("a,b,c\n1,2,4.5\n1,3,2\n", (2, 3)),
    ],
)
def test_triples_are_recognized_where_they_are_no_table(text: str, shape: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    assert read_matrix(path).values.shape == shape


@pytest.mark.parametrize(
    ("text", "rows", "columns"),
    [
        ("row,column,value\n10,b,1\n9,a,2\n", ("9", "10"), ("b", "a")),
        ("user;item;stars\nzoe;2;1\nann;11;2\n", ("zoe", "ann"), ("2", "11")),
        ("1\t1\t5\n1\t2\t4\n", ("1",), ("1", "2")),
    ],
)
def test_names_of_triples_in_order(text: str, rows: tuple[str, ...], columns: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    table = read_matrix(path, format="triples")
    assert (table.row_labels, table.column_labels) == (rows, columns)


def test_triples_have_the_resolution_of_their_values(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("i,j,v\n0.125,a,1.5\n0.25,b,2\n", encoding="utf-8")
    assert read_matrix(path).resolution == 0.1


def test_labels_in_npz(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, values=np.eye(2), other=np.ones((2, 2)), row_labels=["a", "b"], column_labels=np.array([1990, 1991]))
    table = read_matrix(path)
    assert (table.row_labels, table.column_labels) == (("a", "b"), ("1990", "1991"))


def test_symmetric_and_dense_matrix_market(tmp_path: Path) -> None:
    path = tmp_path / "t.mtx"
    path.write_text("%%MatrixMarket matrix coordinate real symmetric\n2 2 2\n1 1 3\n2 1 4\n", encoding="utf-8")
    np.testing.assert_array_equal(read_matrix(path).values, [[3, 4], [4, nan]])
    path.write_text("%%MatrixMarket matrix array real general\n2 1\n3\n4\n", encoding="utf-8")
    np.testing.assert_array_equal(read_matrix(path).values, [[3], [4]])


# ------------------------------------------------------------------------------------------ refusals

HEAD = "%%MatrixMarket matrix coordinate"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "row,column,value\na,b,1\na,b,2\n", "line 3: row 'a', column 'b' is listed twice"),
        ("t.csv", "row,column,value\na,b,one\n", "line 2, column 3: 'one' is not a number"),
        ("t.csv", "row,column,value\na,b,inf\n", "not finite"),
        ("t.csv", "row,column,value\na,,1\n", "line 2, column 2: there is no name"),
        ("t.csv", "row,column,value\n", "only a header"),
        ("t.csv", "row,column,value\na,b,NA\n", "no number in 1 lines"),
        ("t.mtx", "1 2 3\n", "not a Matrix Market file"),
        ("t.mtx", "", "not a Matrix Market file"),
        ("t.mtx", f"{HEAD} real general\n2 2 2\n1 1 5\n", "not a Matrix Market file"),
        ("t.mtx", f"{HEAD} real general\n2 2 1\n3 1 5\n", "not a Matrix Market file"),
        ("t.mtx", f"{HEAD} real general\n2 2 2\n1 1 5\n1 1 6\n", "row 1, column 1 is listed twice"),
        ("t.mtx", f"{HEAD} real general\n2 2 9\n1 1 5\n", "9 entries are announced"),
        ("t.mtx", f"{HEAD} real general\n2 2 0\n", "no entry is observed"),
        ("t.mtx", f"{HEAD} real general\n2 2 1\n1 1 inf\n", "finite"),
        ("t.mtx", f"{HEAD} complex general\n2 2 1\n1 1 5 1\n", "the entries are complex"),
        ("t.mtx", f"{HEAD} pattern general\n2 2 1\n1 1\n", "the entries are pattern"),
        ("t.mtx", f"{HEAD} real general\n999999999 999999999 1\n1 1 5\n", "more than can be completed"),
        ("t.mtx", "%%MatrixMarket matrix array real general\n999999999 999999999\n5\n", "more than can be completed"),
        ("t.npz", "PK but no archive", "not arrays of NumPy"),
        ("t.npz", "1,2\n", "neither .npz nor .npy"),
        ("t.npy", "", "neither .npz nor .npy"),
    ],
)
def test_text_that_is_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TableError) as error:
        read_matrix(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.eye(2), "b": np.eye(3)}, "2 matrices (a, b); call the one to complete values"),
        ({"a": np.ones(3)}, "0 matrices"),
        ({"values": np.eye(2) * 1j}, "real numbers"),
        ({"values": np.ones((0, 3))}, "no entries"),
        ({"values": np.array([["a"]])}, "real numbers"),
        ({"values": np.full((2, 2), nan)}, "no entry is observed"),
        ({"values": np.full((2, 2), np.inf)}, "finite"),
        ({"values": np.eye(2), "observed": np.ones((2, 2))}, "observed must be of bool"),
        ({"values": np.eye(2), "observed": np.ones((2, 3), bool)}, "observed must be of bool"),
        ({"values": np.eye(2), "row_labels": ["a"]}, "row_labels must be 2"),
        ({"values": np.eye(2), "row_labels": [0.5, 1.5]}, "strings or whole numbers"),
    ],
)
def test_arrays_that_are_refused(arrays: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(TableError) as error:
        read_matrix(path)
    assert message in str(error.value)


class Bomb:
    """An object that says when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_nothing_is_unpickled(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"t{suffix}"
    content = np.array([[Bomb()]], dtype=object)
    if suffix == ".npy":
        np.save(path, content)
    else:
        np.savez(path, values=content)
    with pytest.raises(TableError, match="not unpickled"):
        read_matrix(path)
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(TableError, match="neither"):
        read_matrix(path)


def test_a_small_file_of_a_huge_matrix_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ENTRIES", 1000)
    np.savez_compressed(tmp_path / "t.npz", values=np.zeros((300, 300)))
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("unpacked"))
    with pytest.raises(TableError, match="when unpacked"):
        read_matrix(tmp_path / "t.npz")


@pytest.mark.parametrize(
    ("name", "content"),
    [("indices", np.array([0, 10**6, 1, 2])), ("indptr", np.array([0, 10**6, 4])), ("shape", np.array([2]))],
)
def test_sparse_files_that_point_elsewhere_are_refused(name: str, content: np.ndarray, tmp_path: Path) -> None:
    path = as_sparse_npz(tmp_path / "t")
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays[name] = content
    np.savez(path, **arrays)
    with pytest.raises(TableError, match="not a sparse matrix"):
        read_matrix(path)


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    path = as_npz(tmp_path / "t")
    with pytest.raises(ValueError, match="format must be one of table, triples"):
        read_matrix(path, format="excel")
    with pytest.raises(ValueError, match="questions about text"):
        read_matrix(path, header=True)
    with pytest.raises(ValueError, match="leave out labels"):
        read_matrix(as_triples(tmp_path / "t"), labels=True)
    (tmp_path / "v.csv").write_text("1,2\n", encoding="utf-8")
    with pytest.raises(TableError, match="three fields"):
        read_matrix(tmp_path / "v.csv", format="triples")
    for name in ("missing.csv", "missing.mtx", "missing.npz"):
        with pytest.raises(FileNotFoundError):
            read_matrix(tmp_path / name)
