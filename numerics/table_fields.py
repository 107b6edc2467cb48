"""The fields of a table in a text file: numbers, gaps, and what is neither."""

from __future__ import annotations

import os
import re

import numpy as np

__all__ = ["GAPS", "TableError", "decimals", "gap_list", "has_commas", "is_number", "number", "remedy"]

GAPS = ("", "NA", "NaN", "nan", "?")
"""What stands for a value that was not observed; blanks around it do not count."""

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.(?P<decimals>[0-9]*))?|\.(?P<bare>[0-9]+))(?:[eE](?P<power>[+-]?[0-9]{1,9}))?")
"""Narrower than float(), which also reads inf, 1_000 and the digits of other scripts."""


class TableError(ValueError):
    """A file that is no table; the message says where, and what to do."""


def is_number(field: str) -> bool:
    """Whether a field is no text: a number, an infinite one included, or a gap."""
    return field in GAPS or NUMBER.fullmatch(field) is not None or _is_infinite(field)


def _is_infinite(field: str) -> bool:
    return re.fullmatch("[+-]?inf(inity)?", field, re.IGNORECASE) is not None


def has_commas(field: str) -> bool:
    """Whether a field is a number written with commas, decimal ones or between thousands."""
    return re.fullmatch("[+-]?[0-9]*(,[0-9]+)+", field) is not None


def decimals(field: str) -> int:
    """How many decimals a number is written with: 2 in 1.25, 5 in 1.25e-3; 0 in a gap or text."""
    match = NUMBER.fullmatch(field)
    if match is None:
        return 0
    digits = match["decimals"] or match["bare"] or ""
    return max(0, len(digits) - int(match["power"] or 0))


def number(path: str | os.PathLike[str], line: int, column: int, field: str) -> float:
    """The value of a field, NaN for a gap; the place is for the error."""
    if field in GAPS:
        return np.nan
    place = f"{path}, line {line}, column {column}"
    if NUMBER.fullmatch(field) is None and not _is_infinite(field):
        raise TableError(f"{place}: {field!r} is not a number; {remedy(field)}")
    value = float(field)
    if not np.isfinite(value):
        raise TableError(f"{place}: {field!r} is not finite; write NA if there is no value")
    return value


def remedy(field: str) -> str:
    """What to do about a field that is no number."""
    if has_commas(field):
        return "write a decimal comma as a point, and no comma between thousands"
    return f"correct it, or write a gap ({gap_list()})"


def gap_list() -> str:
    """What may stand for a gap, in words."""
    return ", ".join(gap or "an empty field" for gap in GAPS)
