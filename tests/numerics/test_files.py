"""Tables: what is read, what is refused and how, and that written floats come back."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics import Table, TableError, read_table, write_table
from numerics.table_fields import GAPS

nan = float("nan")


@pytest.fixture
def table_file(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def assert_read(path, values, row_labels=None, column_labels=None, resolution=None, **options):
    table = read_table(path, **options)
    np.testing.assert_array_equal(table.values, np.array(values, dtype=float))
    assert (table.row_labels, table.column_labels) == (row_labels, column_labels)
    assert table.resolution == resolution


# ------------------------------------------------------------------------------------ what is read


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n\n", ""])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("delimiter", ",;\t")
def test_delimiters_line_ends_and_byte_order_marks(table_file, delimiter, mark, end):
    line_end = end[:2] if end == "\r\n" else (end[:1] or "\n")
    text = line_end.join(delimiter.join(row) for row in (["1", "2", "-3"], ["4", "5e2", "+6"])) + end
    assert_read(table_file(mark + text.encode()), [[1, 2, -3], [4, 500, 6]])


@pytest.mark.parametrize("gap", [*GAPS, "  ", " NA "])
def test_gaps(table_file, gap):
    assert_read(table_file(f"1,{gap},3\n{gap},5,6\n"), [[1, nan, 3], [nan, 5, 6]])


def test_a_trailing_delimiter_is_a_column_of_gaps(table_file):
    assert_read(table_file("1,2,\n3,4,\n"), [[1, 2, nan], [3, 4, nan]])


@pytest.mark.parametrize(
    ("text", "rows", "columns"),
    [
        ("1,2\n3,4\n", None, None),
        ("a,b\n1,2\n3,4\n", None, ("a", "b")),
        ("a,1,2\nb,3,4\n", ("a", "b"), None),
        (",u,v\na,1,2\nb,3,4\n", ("a", "b"), ("u", "v")),
        ("name,u,v\na,1,2\nb,3,4\n", ("a", "b"), ("u", "v")),
        # A label may be missing, and the name of a column look like a number.
        ("name,u,7\na,1,2\n,3,4\n", ("a", ""), ("u", "7")),
        # The header over a label column alone is the row of a label.
        ("a,1,2\n7,3,4\nb,5,6\n", ("a", "7", "b"), None),
        ('"a, b",1;2\n', ("a, b",), None),
    ],
)
def test_text_tells_labels_from_numbers(table_file, text, rows, columns):
    if ";" in text:
        text = '"a, b";1;2\n"c, d";3;4\n'
        rows = ("a, b", "c, d")
    table = read_table(table_file(text))
    assert (table.row_labels, table.column_labels) == (rows, columns)
    assert table.values.ravel().tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0][: table.values.size]


@pytest.mark.parametrize(
    ("text", "shape", "rows", "columns"),
    [
        # Years along a side of a table of decimals, with a corner or not.
        ("1958,1959,1960\n316.1,317.3,\n", (1, 3), None, ("1958", "1959", "1960")),
        ("year,w\n1958,316.1\n1959,317.3\n1960,318\n", (3, 1), ("1958", "1959", "1960"), ("w",)),
        ("1958,316.1\n1959,317.3\n1960,318\n", (3, 1), ("1958", "1959", "1960"), None),
        # As pandas writes a frame without labels.
        (",0,1,2\n0,1.5,2,3\n1,4,5,6\n2,7,8,9\n", (3, 3), ("0", "1", "2"), ("0", "1", "2")),
        # No decimals, two only, not consecutive, not whole: data.
        ("1958,1959,1960\n316,317,318\n", (2, 3), None, None),
        ("1958,1959\n316.1,317.3\n", (2, 2), None, None),
        ("1958,1960,1962\n316.1,317.3,318.5\n", (2, 3), None, None),
        ("1.0,2.0,3.0\n316.1,317.3,318.5\n", (2, 3), None, None),
        # Without a header the first line takes part in the count.
        ("7,0.5\n2,0.5\n3,0.5\n4,0.5\n", (4, 2), None, None),
    ],
)
def test_numeric_labels_are_recognized_only_where_they_count(table_file, text, shape, rows, columns):
    table = read_table(table_file(text))
    assert (table.values.shape, table.row_labels, table.column_labels) == (shape, rows, columns)


def test_arguments_overrule_the_rules(table_file):
    path = table_file("10,20\n30,40\n")
    assert_read(path, [[30, 40]], column_labels=("10", "20"), header=True)
    assert_read(path, [[20], [40]], row_labels=("10", "30"), labels=True)
    assert_read(path, [[40]], row_labels=("30",), column_labels=("20",), header=True, labels=True)
    years = table_file("1958,1959,1960\n316.1,317.3,318.5\n")
    assert_read(years, [[1958, 1959, 1960], [316.1, 317.3, 318.5]], resolution=0.1, header=False)
    with pytest.raises(TableError, match="line 1, column 1: 'a' is not a number"):
        read_table(table_file("a,b\n1,2\n"), header=False, labels=False)


@pytest.mark.parametrize(
    ("numbers", "resolution"),
    [("316.1,317", 0.1), ("1.25,2.5", 0.01), ("1.25e-3,2", 1e-5), (".5,1", 0.1), ("12.5e1,3", None), ("3,40", None)],
)
def test_resolution_is_the_last_decimal_written(table_file, numbers, resolution):
    assert read_table(table_file(f"{numbers}\n1,2\n")).resolution == resolution


def test_labels_do_not_count_for_the_resolution(table_file):
    assert read_table(table_file("x,1.125\na,1.5\nb,2\n"), header=True).resolution == 0.1


# --------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        (" \n\n", "the file is empty"),
        ("a,b,c\n", "only a header.*header=False"),
        ("a\nb\nc\n", "only a column of labels.*labels=False"),
        ("NA,?\n,nan\n", "no number in 4 fields"),
        ("a,b\n1,2\n3,x\n", r"table.csv, line 3, column 2: 'x' is not a number; correct it, or write a gap"),
        ("n,a\nr,1\ns,2x\n", "line 3, column 2: '2x'"),
        ("1,2\n3,inf\n", "line 2, column 2: 'inf' is not finite; write NA"),
        ("1,-Infinity\n3,4\n", "line 1, column 2: '-Infinity' is not finite"),
        ("1,2\n3,1e999\n", "'1e999' is not finite"),
        ("1,2\n3,1_000\n", "'1_000' is not a number"),
        ("1,2\n3,٤\n", "'٤' is not a number"),
        ("1,2\n3,4,5\n6,7\n", "line 2: 3 fields, but the first line has 2"),
        ("1,2\n3\n", "line 2: 1 field, but"),
        ("1,2\n\n3,4\n", "line 2: the line is empty; remove it"),
        ('1,2\n"3,4\n', "quotation mark left open"),
        ("a;b\n1;2\n316,1;3\n", "line 3, column 1: '316,1' is not a number.*decimal comma"),
        ('a,b\n"1,234",2\n', "no comma between thousands"),
        ("x;a;b\nr;316,1;317,2\ns;1;2\n", "line 2, column 2: '316,1' is not a number; write a decimal comma as"),
        # A slip does not turn data into labels.
        (
            "1.5,2.5\n3l6.1,1.5\n3.5,4.5\n",
            "line 2, column 1: '3l6.1' is not a number, nor a label among decimals.*labels=True",
        ),
        (
            "1.5,2.5O,3\n1.5,2.5,3\n",
            "line 1, column 2: '2.5O' is not a number, nor a label among decimals.*header=True",
        ),
        ("1,2\n3,1e" + "9" * 5000 + "\n", "is not a number"),
        (b"1,2\n3,\xff\n", "byte 6 is not UTF-8"),
        ("1,2\n3,4\n".encode("utf-16"), "not UTF-8; save the file as UTF-8"),
        (b"1,2\n3,\x00\n", "is not a number"),
    ],
)
def test_what_is_no_table_is_refused_with_place_and_remedy(table_file, text, message):
    with pytest.raises(TableError, match=message):
        read_table(table_file(text))


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0],), "non-empty matrix"),
        (([[]],), "non-empty matrix"),
        (([[1.0, np.inf]],), r"values\[0, 1\] is inf"),
        (([[1j]],), "real numbers"),
        (([["1"]],), "real numbers"),
        (([[1.0, 2.0]], ("a", "b")), "row_labels must be 1"),
        (([[1.0, 2.0]], None, "ab"), "column_labels must be a sequence of strings"),
        (([[1.0, 2.0]], None, (1, 2)), "column_labels must be a sequence of strings"),
    ],
)
def test_table_validates(arguments, message):
    with pytest.raises(ValueError, match=message):
        Table(*arguments)


# ---------------------------------------------------------------------------------------- writing

finite = st.floats(allow_nan=True, allow_infinity=False)


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(finite, min_size=n, max_size=n), min_size=1, max_size=4)))
def test_floats_come_back_bit_by_bit(tmp_path_factory, rows):
    values = np.array(rows)
    if np.isnan(values).all():
        values[0, 0] = 0.1
    path = tmp_path_factory.mktemp("round_trip") / "t.csv"
    write_table(path, values)
    back = read_table(path).values
    np.testing.assert_array_equal(back, values)
    assert (np.signbit(back) == np.signbit(values))[~np.isnan(values)].all()


def test_labels_come_back(tmp_path, caplog):
    values = np.array([[0.1 + 0.2, nan], [nan, 1e-300], [-0.0, 3.0]])
    for rows in (None, ("a, b", 'c "d"', "e\nf"), ("1958", "1959", "1960")):
        for columns in (None, ("spring", "ärger; ü")):
            path = tmp_path / "table.csv"
            write_table(path, Table(values, rows, columns), overwrite=True)
            assert_read(path, values, rows, columns, resolution=read_table(path).resolution)
    assert not caplog.records


def test_labels_that_would_be_read_as_numbers_are_told(tmp_path, caplog):
    path = tmp_path / "table.csv"
    with caplog.at_level(logging.WARNING):
        write_table(path, [[1.5, 2.5]], column_labels=["1960", "1970"])
    assert "read it with header=True and labels=False" in caplog.text
    assert_read(path, [[1.5, 2.5]], column_labels=("1960", "1970"), resolution=0.1, header=True, labels=False)


def test_nothing_is_overwritten_silently(tmp_path):
    path = tmp_path / "table.csv"
    write_table(path, [[1.0]])
    with pytest.raises(FileExistsError, match=r"table\.csv exists; choose another name.*overwrite=True"):
        write_table(path, [[2.0]])
    assert read_table(path).values[0, 0] == 1.0
    write_table(path, [[2.0]], overwrite=True)
    assert read_table(path).values[0, 0] == 2.0
    with pytest.raises(FileExistsError, match="not a regular file"):
        write_table(tmp_path, [[2.0]], overwrite=True)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the folder of .*table\.csv does not exist; create .*nowhere first"):
        write_table(tmp_path / "nowhere" / "table.csv", [[1.0]])


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    write_table(target, [[1.0]])
    link.symlink_to(target)
    write_table(link, [[2.0]], overwrite=True)
    assert link.is_symlink()
    assert read_table(target).values[0, 0] == 2.0


def test_a_write_that_fails_leaves_everything_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    write_table(path, [[1.0]])

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_table(path, [[2.0]], overwrite=True)
    assert list(tmp_path.iterdir()) == [path]
    assert read_table(path).values[0, 0] == 1.0


def test_the_file_has_the_usual_permissions(tmp_path):
    usual, written = tmp_path / "usual", tmp_path / "table.csv"
    usual.touch()
    write_table(written, [[1.0]])
    assert written.stat().st_mode == usual.stat().st_mode


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ([[[nan]]], {}, "at least one value"),
        ([[[np.inf]]], {}, "finite"),
        ([[[1.0]]], {"row_labels": ["a", "b"]}, "row_labels must be 1"),
        ([Table([[1.0]])], {"row_labels": ["a"]}, "labels of its own"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        write_table(tmp_path / "table.csv", *arguments, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_header_with_an_empty_corner_has_row_labels_below(tmp_path: Path) -> None:
    """As a data frame with its default index is written."""
    path = tmp_path / "frame.csv"
    path.write_text(",a,b\n0,1,2\n1,3,\n", encoding="utf-8")
    table = read_table(path)
    assert (table.row_labels, table.column_labels, table.corner) == (("0", "1"), ("a", "b"), "")
    np.testing.assert_array_equal(table.values, [[1, 2], [3, np.nan]])


def test_corners_and_whole_numbers_are_kept(tmp_path: Path) -> None:
    path, copy = tmp_path / "table.csv", tmp_path / "copy.csv"
    path.write_text("year,a,b\nx,1,2.5\ny,1990,-3\n", encoding="utf-8")
    write_table(copy, read_table(path))
    assert copy.read_text(encoding="utf-8") == path.read_text(encoding="utf-8")
