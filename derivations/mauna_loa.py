"""The embedded data: weekly atmospheric CO2 at Mauna Loa, 1958 to 2001, with weeks never measured."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from numerics import read_table

__all__ = ["RESOLUTION", "SOURCE", "WEEKS", "YEARS", "monthly_means", "weekly_matrix", "weekly_record"]

Array = NDArray[np.float64]
Dates = NDArray[np.datetime64]

YEARS = range(1958, 2002)
"""The rows of the weekly matrix."""

WEEKS = 52
"""Its columns; the one or two days beyond 52 weeks belong to the last."""

RESOLUTION = 0.1
"""The values are written to a tenth of a ppm (parts per million by volume)."""

SOURCE = (
    "C.D. Keeling and T.P. Whorf, Atmospheric CO2 concentrations derived from flask air samples at sites in the SIO "
    "network, in Trends: A Compendium of Data on Global Change, Carbon Dioxide Information Analysis Center, "
    "Oak Ridge National Laboratory, 2004"
)


@cache
def _record() -> tuple[Dates, Array]:
    with as_file(files(__package__) / "data" / "mauna_loa_weekly_co2.csv") as path:
        table = read_table(path, header=True, labels=True)
    return np.array(table.row_labels, dtype="datetime64[D]"), table.values[:, 0]


def weekly_record() -> tuple[Dates, Array]:
    """The record as it was published.

    Returns
    -------
    dates : array (2284,) of datetime64[D]
        Saturdays, one week apart.
    values : array (2284,)
        CO2 in ppm; NaN in the 59 weeks that were never measured.
    """
    dates, values = _record()
    # Copies: what one caller changes must not reach the next.
    return dates.copy(), values.copy()


def weekly_matrix() -> Array:
    """Years by weeks, (44, 52), in ppm, with 71 gaps; without its mean close to rank two, trend and season.

    The week is min((day of the year - 1) // 7, 51), from 0; of two values in the last week the first is
    kept.  Before 1958-03-29 there are no values.
    """
    dates, values = weekly_record()
    row, first_day = _years(dates) - YEARS.start, dates.astype("datetime64[Y]").astype("datetime64[D]")
    week = np.minimum((dates - first_day).astype(int) // 7, WEEKS - 1)
    matrix = np.full((len(YEARS), WEEKS), np.nan)
    # Backwards, so that the first value of a week is the last one written.
    for i, j, value in zip(row[::-1], week[::-1], values[::-1], strict=True):
        matrix[i, j] = value
    return matrix


def monthly_means(first: int = 1990, last: int = 2001) -> Array:
    """Means of the weekly values of each month, (last - first + 1, 12), in ppm; NaN without a value.

    Parameters
    ----------
    first, last : int
        Years; both are included.

    Raises
    ------
    ValueError
        If the years are not within the record, or in the wrong order.
    """
    if not (first in YEARS and last in YEARS and first <= last):
        raise ValueError(f"first <= last must be years from {YEARS[0]} to {YEARS[-1]}, not {first} and {last}")
    dates, values = weekly_record()
    month = dates.astype("datetime64[M]").astype(int) % 12
    place = (_years(dates) - YEARS.start) * 12 + month
    observed = ~np.isnan(values)
    cells = len(YEARS) * 12
    sums = np.bincount(place[observed], values[observed], cells)
    counts = np.bincount(place[observed], minlength=cells)
    means = np.divide(sums, counts, out=np.full(cells, np.nan), where=counts > 0).reshape(-1, 12)
    return means[first - YEARS.start : last - YEARS.start + 1]


def _years(dates: Dates) -> NDArray[np.int64]:
    return dates.astype("datetime64[Y]").astype(np.int64) + 1970
