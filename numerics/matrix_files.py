r"""Matrices with gaps in the formats that data come in: what is not listed was not observed.

==============  ========================================================================================
table           text, one line a row of the matrix: `read_table`
triples         text, one line an observed entry: its row, its column and its value, in this order; a
                header is optional
matrix-market   .mtx, real or integer, coordinates or array
npz             one matrix, or the one called `values`, with NaN in its gaps or with gaps where an array
                `observed` is False, and its labels where there are `row_labels` and `column_labels`; a
                sparse matrix of SciPy's `save_npz`; also a matrix in .npy
==============  ========================================================================================

Rows and columns of triples are names: distinct ones make up the matrix, in the order of the numbers where
all are whole numbers, and else in that in which they appear.  Nothing is unpickled.
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .files import Table, read_table, table_of_fields
from .table_fields import TableError, decimals, is_number, number

__all__ = ["FORMATS", "read_matrix"]

Array = NDArray[np.float64]

FORMATS = ("table", "triples", "matrix-market", "npz")

MOST_ENTRIES = 20_000_000
"""Of a matrix with its gaps: 160 MB, and more than a completion takes in a day."""

TRIPLE_NAMES = (
    ("row", "i", "user", "userid", "user_id"),
    ("column", "col", "j", "item", "itemid", "item_id", "movieid", "movie_id"),
    ("value", "val", "v", "rating", "score"),
)
"""By which a header says that triples follow."""


def read_matrix(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    header: bool | None = None,
    labels: bool | None = None,
) -> Table:
    r"""Read a matrix with gaps; the formats stand at the head of this module.

    Parameters
    ----------
    path : path
    format : str, optional
        "table", "triples", "matrix-market" or "npz".  Unless given, it is read off the name (.mtx, .npz,
        .npy); text of three columns is triples if its header says so (row, column, value; i, j, value;
        user, item, rating) or if all of its second column is text below the first line, else a table.
    header, labels : bool, optional
        As `read_table` takes them; for triples, whether the first line is a header.

    Returns
    -------
    Table

    Raises
    ------
    TableError
        If the file is not what the format says, lists an entry twice or none at all, or is too large a
        matrix.
    ValueError
        If there is no such format, or it has no header or labels.
    OSError
        If it cannot be opened.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "ratings.csv")
    ...     _ = path.write_text("row,column,value\nann,tea,4.5\nbob,tea,2\nbob,milk,3\n")
    ...     ratings = read_matrix(path)
    >>> ratings.row_labels, ratings.column_labels
    (('ann', 'bob'), ('tea', 'milk'))
    >>> ratings.values.tolist()
    [[4.5, nan], [2.0, 3.0]]
    """
    if format is not None and format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {format!r}")
    found = format or _format(path)
    if found in ("matrix-market", "npz") and (header is not None or labels is not None):
        raise ValueError(f"{path}: header and labels are questions about text, not about the format {found}")
    if found == "matrix-market":
        return _matrix_market(path)
    if found == "npz":
        return _arrays(path)
    if found == "triples":
        if labels is not None:
            raise ValueError(f"{path}: triples have labels in their first two fields; leave out labels")
        return _triples(path, header)
    return read_table(path, header=header, labels=labels)


def _format(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix in (".npz", ".npy"):
        return "npz"
    if suffix == ".mtx":
        return "matrix-market"
    with Path(path).open("rb") as stream:
        if stream.read(14) == b"%%MatrixMarket":
            return "matrix-market"
    return "triples" if _looks_like_triples(table_of_fields(path)[1]) else "table"


def _looks_like_triples(rows: Sequence[Sequence[str]]) -> bool:
    """By the header, or since no table has text in its second column."""
    if len(rows[0]) != len(TRIPLE_NAMES):
        return False
    text = (not is_number(row[1]) for row in rows[1:])
    return _is_triple_header(rows[0]) or (len(rows) > 1 and all(text))


def _is_triple_header(fields: Sequence[str]) -> bool:
    return all(field.lower() in known for field, known in zip(fields, TRIPLE_NAMES, strict=True))


def _allocated(path: str | os.PathLike[str], shape: tuple[int, int]) -> Array:
    """A matrix of gaps."""
    if 0 in shape:
        raise TableError(f"{path}: a matrix of shape {shape} has no entries")
    if shape[0] * shape[1] > MOST_ENTRIES:
        raise TableError(
            f"{path}: a matrix of shape {shape} has more than {MOST_ENTRIES} entries, gaps included, which is more "
            "than can be completed; choose fewer rows or columns"
        )
    return np.full(shape, np.nan)


# -------------------------------------------------------------------------------------------- triples


def _triples(path: str | os.PathLike[str], header: bool | None) -> Table:
    lines, rows = table_of_fields(path)
    if len(rows[0]) != 3:
        raise TableError(
            f"{path}, line {lines[0]}: triples have three fields, row, column and value, not {len(rows[0])}; "
            "leave out other columns"
        )
    if header is None:
        # A header is no data for either reason: by its names, or because it gives a text for the value.
        header = _is_triple_header(rows[0]) or re.search("[0-9]", rows[0][2]) is None
    lines, rows = lines[int(header) :], rows[int(header) :]
    if not rows:
        raise TableError(f"{path}: there is only a header, no line with an entry")
    row_labels, column_labels = (_names(path, lines, [row[side] for row in rows], side) for side in (0, 1))
    places = [{label: place for place, label in enumerate(labels)} for labels in (row_labels, column_labels)]
    values = _allocated(path, (len(row_labels), len(column_labels)))
    seen: set[tuple[int, int]] = set()
    for line, (row, column, field) in zip(lines, rows, strict=True):
        place = places[0][row], places[1][column]
        if place in seen:
            raise TableError(f"{path}, line {line}: row {row!r}, column {column!r} is listed twice; keep one of them")
        seen.add(place)
        values[place] = number(path, line, 3, field)
    if np.isnan(values).all():
        raise TableError(f"{path}: no number in {len(rows)} lines, all are gaps")
    most_decimals = max(decimals(row[2]) for row in rows)
    resolution = (float(f"1e-{most_decimals}") or None) if most_decimals else None
    return Table(values, row_labels, column_labels, resolution)


def _names(path: str | os.PathLike[str], lines: list[int], fields: list[str], side: int) -> tuple[str, ...]:
    """The distinct fields in their order."""
    if "" in fields:
        raise TableError(f"{path}, line {lines[fields.index('')]}, column {side + 1}: there is no name; write one")
    names = list(dict.fromkeys(fields))
    if all(re.fullmatch("[0-9]{1,18}", name) for name in names):
        names.sort(key=int)
    return tuple(names)


# ------------------------------------------------------------------------------------- Matrix Market


def _matrix_market(path: str | os.PathLike[str]) -> Table:
    from scipy.io import mminfo, mmread

    with Path(path).open("rb"):  # so that a missing file is an OSError
        pass
    try:
        rows, columns, entries, layout, field, _ = mminfo(os.fspath(path))
        if field not in ("real", "integer", "double", "unsigned-integer"):
            raise TableError(f"{path}: the entries are {field}, but a completion takes real or integer ones")
        values = _allocated(path, (rows, columns))
        if entries > values.size:
            raise TableError(f"{path}: {entries} entries are announced, but a {rows} x {columns} matrix has fewer")
        read: Any = mmread(os.fspath(path))
    except TableError:
        raise
    except (ValueError, OverflowError, StopIteration) as error:
        raise TableError(f"{path}: not a Matrix Market file ({error})") from error
    if layout == "array":
        values[:] = np.asarray(read)
    else:
        _scatter(path, values, read)
    return _table(path, values)


def _scatter(path: str | os.PathLike[str], values: Array, sparse: Any) -> None:
    """Put the entries of a sparse matrix in their places; what is stored was observed, zeros too."""
    coordinates = sparse.tocoo()
    flat = coordinates.row.astype(np.int64) * values.shape[1] + coordinates.col
    distinct, counts = np.unique(flat, return_counts=True)
    if (counts > 1).any():
        i, j = divmod(int(distinct[counts > 1][0]), values.shape[1])
        raise TableError(f"{path}: row {i + 1}, column {j + 1} is listed twice; keep one of them")
    values.flat[flat] = coordinates.data


def _table(
    path: str | os.PathLike[str],
    values: Array,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
) -> Table:
    if np.isnan(values).all():
        raise TableError(f"{path}: no entry is observed")
    try:
        return Table(values, row_labels, column_labels)  # type: ignore[arg-type]  # Table makes tuples of them
    except ValueError as error:
        raise TableError(f"{path}: {error}") from error


# ----------------------------------------------------------------------------------------------- NumPy


def _arrays(path: str | os.PathLike[str]) -> Table:
    try:
        content = _loaded(path)
    except TableError:
        raise
    except (ValueError, EOFError, KeyError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        reason = (
            "it holds objects, which are not unpickled" if re.search("allow_pickle|objects", str(error)) else str(error)
        )
        raise TableError(f"{path}: not arrays of NumPy ({reason})") from error
    if "format" in content and "shape" in content and "data" in content:
        return _sparse(path)
    matrices = [name for name, array in content.items() if array.ndim == 2 and name != "observed"]
    name = "values" if "values" in content else matrices[0] if len(matrices) == 1 else None
    if name is None:
        raise TableError(f"{path}: {len(matrices)} matrices ({', '.join(matrices)}); call the one to complete values")
    values = content[name]
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        raise TableError(f"{path}: {name} must be a matrix of real numbers, not of {values.dtype} {values.shape}")
    _allocated(path, values.shape)
    values = values.astype(np.float64)
    if "observed" in content:
        observed = content["observed"]
        if observed.dtype != bool or observed.shape != values.shape:
            raise TableError(f"{path}: observed must be of bool and of the shape {values.shape} of {name}")
        values = np.where(observed, values, np.nan)
    labels = [_labels(path, content, side) for side in ("row_labels", "column_labels")]
    return _table(path, values, *labels)


def _loaded(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    with Path(path).open("rb") as stream:
        start = stream.read(6)
    if start.startswith(b"\x93NUMPY"):
        # Mapped, so that a header that claims too much takes no memory.
        return {"values": np.load(path, mmap_mode="r", allow_pickle=False)}
    if not start.startswith(b"PK"):
        raise ValueError("neither .npz nor .npy by its first bytes")
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > 3 * 8 * MOST_ENTRIES:
        raise TableError(f"{path}: {size} bytes when unpacked, which is more than can be completed")
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _sparse(path: str | os.PathLike[str]) -> Table:
    from scipy.sparse import load_npz

    try:
        read: Any = load_npz(path)  # never unpickles
        if read.format not in ("coo", "csr", "csc"):
            raise TableError(f"{path}: a sparse matrix of format {read.format}; save it as coo, csr or csc")
        if read.format != "coo":
            read.check_format(full_check=True)  # indices out of bounds would be followed
        values = _allocated(path, read.shape)
        _scatter(path, values, read)
    except TableError:
        raise
    except (ValueError, IndexError, TypeError, NotImplementedError) as error:
        raise TableError(f"{path}: not a sparse matrix of SciPy ({error})") from error
    return _table(path, values)


def _labels(path: str | os.PathLike[str], content: dict[str, NDArray[Any]], side: str) -> list[str] | None:
    if side not in content:
        return None
    array = content[side]
    if array.ndim != 1 or array.dtype.kind not in "Uiu":
        raise TableError(f"{path}: {side} must be strings or whole numbers in one dimension, not {array.dtype}")
    return [str(label) for label in array.tolist()]
