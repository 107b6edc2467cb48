r"""Tables of the user's, read from and written to text files.

=============  =========================================================================================
delimiter      tab, semicolon or comma: the first that splits all lines alike; else the most frequent
               one on the first line
numbers        316.1, -5, .5, 1e-3; always with a decimal point, and finite
gaps           an empty field, NA, NaN, nan or ?, as `table_fields.GAPS` lists them
encoding       UTF-8, with or without a byte order mark
=============  =========================================================================================

**What is a header, and what is a column of labels?**  Text settles it: the first column is labels if a
field below the first line is text, and the first line is a header if a field of it beyond the labels is.
Numbers are data, but for one case: three or more whole numbers k, k+1, k+2, … in a row (years, or
counted rows and columns) head a table whose own numbers are written with decimals.  A header
of text that leaves its first field empty has row labels below it.  Other numeric labels are not
recognized, and the two arguments `header` and `labels` overrule everything.
"""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .table_fields import TableError, decimals, gap_list, has_commas, is_number, number, remedy

__all__ = ["Table", "read_table", "table_of_fields", "write_table"]

Array = NDArray[np.float64]
logger = logging.getLogger(__name__)

DELIMITERS = ("\t", ";", ",")
"""In the order of trust: a comma may be part of text, or be meant as a decimal point."""

COUNTED_LABELS = 3
"""How many whole numbers in a row it takes to call them labels: two follow each other by chance too often."""


@dataclass(frozen=True, eq=False)
class Table:
    """A matrix with gaps, and its labels.

    Parameters
    ----------
    values : array (m, n)
        NaN where nothing was observed.
    row_labels : sequence (m,) of str, optional
    column_labels : sequence (n,) of str, optional
    resolution : float, optional
        The unit of the last decimal written, 10^(-decimals), as large as the data's rounding; None where no
        number has decimals, since whole numbers may be counts, which are not rounded.
    corner : str
        The field above the row labels, beside the column labels.

    Raises
    ------
    ValueError
        If the values are no matrix or infinite, or the labels do not fit.

    Examples
    --------
    >>> table = Table([[316.1, float("nan")]], column_labels=("spring", "summer"), resolution=0.1)
    >>> table.values.shape, table.row_labels
    ((1, 2), None)
    """

    values: Array
    row_labels: tuple[str, ...] | None = None
    column_labels: tuple[str, ...] | None = None
    resolution: float | None = None
    corner: str = ""

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        if values.ndim != 2 or 0 in values.shape:
            raise ValueError(f"values must be a non-empty matrix, not an array of shape {values.shape}")
        if values.dtype.kind not in "biuf":
            raise ValueError(f"values must be real numbers, not of type {values.dtype}")
        values = values.astype(np.float64)
        if np.isinf(values).any():
            i, j = (int(index) for index in np.argwhere(np.isinf(values))[0])
            raise ValueError(f"values must be finite, or NaN for a gap, but values[{i}, {j}] is {values[i, j]}")
        object.__setattr__(self, "values", values)
        for name, side in (("row_labels", values.shape[0]), ("column_labels", values.shape[1])):
            labels = getattr(self, name)
            if labels is None:
                continue
            if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
                raise ValueError(f"{name} must be a sequence of strings, not {labels!r}")
            if len(labels) != side:
                raise ValueError(f"{name} must be {side} for values of shape {values.shape}, not {len(labels)}")
            object.__setattr__(self, name, tuple(labels))


# ------------------------------------------------------------------------------------------- reading


def read_table(path: str | os.PathLike[str], *, header: bool | None = None, labels: bool | None = None) -> Table:
    r"""Read a table of numbers with gaps; the rules stand at the head of this module.

    Parameters
    ----------
    path : path
    header : bool, optional
        Whether the first line holds the labels of the columns; decided by the rules unless given.
    labels : bool, optional
        Whether the first column holds the labels of the rows; likewise.

    Returns
    -------
    Table
        Labels without the blanks around them.

    Raises
    ------
    TableError
        If the file is empty, not UTF-8 or ragged, has a line without fields, text or an infinite number
        among the numbers, or no number at all.
    OSError
        If it cannot be opened.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "co2.csv")
    ...     _ = path.write_text("year,spring,summer\n1958,317.5,NA\n1959,318.25,316.3\n1960,319.9,\n")
    ...     table = read_table(path)
    >>> table.values.tolist()
    [[317.5, nan], [318.25, 316.3], [319.9, nan]]
    >>> table.row_labels, table.column_labels, table.resolution
    (('1958', '1959', '1960'), ('spring', 'summer'), 0.01)
    """
    lines, rows = table_of_fields(path)
    found_header, found_labels = _layout(path, lines, rows, header, labels)
    top, left = int(found_header), int(found_labels)
    body = [row[left:] for row in rows[top:]]
    if not body:
        raise TableError(
            f"{path}: there is only a header, no line with numbers; if it is data, read it with header=False"
        )
    if not body[0]:
        raise TableError(f"{path}: there is only a column of labels; if it is data, read it with labels=False")
    values = np.empty((len(body), len(body[0])))
    for i, row in enumerate(body):
        for j, field in enumerate(row):
            values[i, j] = number(path, lines[top + i], left + j + 1, field)
    if np.isnan(values).all():
        raise TableError(f"{path}: no number in {values.size} fields, all are gaps ({gap_list()})")
    most_decimals = max(decimals(field) for row in body for field in row)
    logger.info("%s: %d x %d, header: %s, row labels: %s", path, *values.shape, found_header, found_labels)
    return Table(
        values,
        tuple(row[0] for row in rows[top:]) if found_labels else None,
        tuple(rows[0][left:]) if found_header else None,
        # Where it underflows, the numbers are not rounded to any decimal that matters.
        (float(f"1e-{most_decimals}") or None) if most_decimals else None,
        rows[0][0] if found_header and found_labels else "",
    )


def table_of_fields(path: str | os.PathLike[str]) -> tuple[list[int], list[list[str]]]:
    """The fields of a text file, without the blanks around them.

    Returns
    -------
    lines : list of int
        The numbers, from 1, of the lines that the rows end on.
    rows : list of list of str
        All of one width.

    Raises
    ------
    TableError
        If the file is empty, not UTF-8 or ragged, or has a line without fields.
    OSError
        If it cannot be opened.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8 text (CSV)") from error
    text = text.rstrip("\r\n")
    if not text.strip():
        raise TableError(f"{path}: the file is empty")
    try:
        lines, rows = _records(text, _delimiter(text))
    except csv.Error as error:
        raise TableError(f"{path}: not a table of fields ({error}); look for a quotation mark left open") from error
    for line, row in zip(lines, rows, strict=True):
        if not row:
            raise TableError(f"{path}, line {line}: the line is empty; remove it, or write NA for a gap")
        if len(row) != len(rows[0]):
            raise TableError(
                f"{path}, line {line}: {_count(len(row))}, but the first line has {len(rows[0])}; "
                "write all lines with as many, gaps as NA"
            )
    return lines, rows


def _count(fields: int) -> str:
    return f"{fields} field{'s' * (fields != 1)}"


def _records(text: str, delimiter: str) -> tuple[list[int], list[list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    numbered = [(reader.line_num, [field.strip() for field in row]) for row in reader]
    return [line for line, _ in numbered], [row for _, row in numbered]


def _delimiter(text: str) -> str:
    """The first that splits all lines into as many fields, two at least; else the most frequent one on line 1."""
    first_line = text.splitlines()[0]
    for delimiter in DELIMITERS:
        if delimiter not in text:
            continue
        with contextlib.suppress(csv.Error):
            widths = {len(row) for row in _records(text, delimiter)[1]}
            if len(widths) == 1 and widths != {1}:
                return delimiter
    # A tie goes to the comma, which stands last.
    return max(reversed(DELIMITERS), key=first_line.count)


def _layout(
    path: str | os.PathLike[str], lines: list[int], rows: list[list[str]], header: bool | None, labels: bool | None
) -> tuple[bool, bool]:
    """Whether there is a header, and a column of labels."""
    found_labels = _first_column_labels(path, lines[1:], rows[1:]) if labels is None and len(rows) > 1 else bool(labels)
    if header is None:
        left = int(found_labels)
        where = [f"line {lines[0]}, column {column}" for column in range(left + 1, len(rows[0]) + 1)]
        header = _are_labels(path, where, rows[0][left:], [row[left:] for row in rows[1:]], "header")
    if labels is None and not header:
        # Then the first line has a label too, and it must fit.
        found_labels = _first_column_labels(path, lines, rows)
    if labels is None and header and rows[0][0] == "":
        found_labels = True
    return header, found_labels


def _first_column_labels(path: str | os.PathLike[str], lines: list[int], rows: list[list[str]]) -> bool:
    where = [f"line {line}, column 1" for line in lines]
    return _are_labels(path, where, [row[0] for row in rows], [row[1:] for row in rows], "labels")


def _are_labels(
    path: str | os.PathLike[str], where: list[str], fields: list[str], body: list[list[str]], argument: str
) -> bool:
    """Whether the fields of the first line, or column, are labels of the body."""
    text = [index for index, field in enumerate(fields) if not is_number(field)]
    if text:
        # Nobody labels with 316.1: a slip of the pen must not turn a whole line of data into labels.
        if any(decimals(field) or has_commas(field) for field in fields):
            raise TableError(
                f"{path}, {where[text[0]]}: {fields[text[0]]!r} is not a number, nor a label among decimals; "
                f"{remedy(fields[text[0]])}, or read the file with {argument}=True"
            )
        return True
    return _are_counted(fields) and any(decimals(field) for row in body for field in row)


def _are_counted(fields: Sequence[str]) -> bool:
    """Whether the fields are three or more whole numbers that follow each other."""
    if len(fields) < COUNTED_LABELS or not all(re.fullmatch("[0-9]{1,18}", field) for field in fields):
        return False
    return all(int(after) - int(before) == 1 for before, after in pairwise(fields))


# ------------------------------------------------------------------------------------------- writing


def write_table(
    path: str | os.PathLike[str],
    table: Table | ArrayLike,
    *,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a table as CSV, so that `read_table` gives back the same floats; gaps become empty fields.

    The file is there in full or not at all: it is written beside its place and moved there.  Labels that
    `read_table` would not take for labels (such as two years) are written all the same, with a warning
    in the log: read that file with `header` and `labels`.

    Parameters
    ----------
    path : path
    table : Table or array (m, n)
        With NaN where nothing was observed.
    row_labels, column_labels : sequences of str, optional
        For an array; a Table has its own.
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    ValueError
        If the values are no matrix, infinite or all gaps, the labels do not fit, or labels were given
        beside a Table.
    FileExistsError
        If the file exists and `overwrite` is False, or it is no regular file.
    OSError
        If it cannot be written; the message names the folder where that does not exist.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_table(Path(folder, "thirds.csv"), [[1 / 3, float("nan")]], column_labels=["a", "b"])
    ...     print(Path(folder, "thirds.csv").read_text(), end="")
    a,b
    0.3333333333333333,
    """
    if not isinstance(table, Table):
        # Table's own checks turn what is given into the types that it declares.
        table = Table(table, row_labels, column_labels)  # type: ignore[arg-type]
    elif row_labels is not None or column_labels is not None:
        raise ValueError("table has labels of its own: give row_labels and column_labels only beside an array")
    if np.isnan(table.values).all():
        raise ValueError("table must have at least one value that is not NaN, or it could not be read again")
    rows = _written(table)
    _warn_of_misreading(path, table, rows)
    with _replacing(path, overwrite) as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


def _written(table: Table) -> list[list[str]]:
    # repr is the shortest text from which the same float is read; a whole number is one without its ".0" too.
    rows = [
        ["" if np.isnan(value) else repr(value).removesuffix(".0") for value in row] for row in table.values.tolist()
    ]
    if table.row_labels is not None:
        rows = [[label, *row] for label, row in zip(table.row_labels, rows, strict=True)]
    if table.column_labels is not None:
        rows.insert(0, [*([table.corner] if table.row_labels is not None else []), *table.column_labels])
    return rows


def _warn_of_misreading(path: str | os.PathLike[str], table: Table, rows: list[list[str]]) -> None:
    wanted = table.column_labels is not None, table.row_labels is not None
    stripped = [[field.strip() for field in row] for row in rows]
    try:
        found: tuple[bool, bool] | None = _layout(path, list(range(1, len(rows) + 1)), stripped, None, None)
    except TableError:
        found = None
    if found != wanted:
        # Its name alone: it may be a draft that is moved when it is written.
        logger.warning(
            "%s: its labels look like numbers or gaps; read it with header=%s and labels=%s", Path(path).name, *wanted
        )


@contextlib.contextmanager
def _replacing(path: str | os.PathLike[str], overwrite: bool) -> Iterator[TextIO]:
    """A text file that takes its place when it is complete, and vanishes when it is not."""
    # Through links, so that it is their target that is replaced.
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise FileExistsError(f"{path} exists and is not a regular file; choose another name")
    if target.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; choose another name, or replace it with overwrite=True")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"the folder of {path} does not exist; create {target.parent} first")
    # Beside it, for a move between file systems is a copy.
    draft = target.with_name(f".dln-{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("x", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
