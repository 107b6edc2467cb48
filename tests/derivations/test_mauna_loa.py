"""The embedded data, against the file itself and against what is known of them."""

import csv
import datetime
from pathlib import Path

import numpy as np
import pytest

import derivations
from derivations.mauna_loa import RESOLUTION, SOURCE, WEEKS, YEARS, monthly_means, weekly_matrix, weekly_record

DATA = Path(derivations.__file__).parent / "data"


@pytest.fixture(scope="module")
def lines():
    with (DATA / "mauna_loa_weekly_co2.csv").open(newline="") as stream:
        return [(datetime.date.fromisoformat(row["date"]), row["co2_ppm"]) for row in csv.DictReader(stream)]


def test_the_record_is_the_file(lines):
    dates, values = weekly_record()
    assert dates.tolist() == [date for date, _ in lines]
    assert ["" if np.isnan(value) else str(value) for value in values.tolist()] == [text for _, text in lines]
    assert (len(dates), int(np.isnan(values).sum())) == (2284, 59)
    assert str(dates[0]), str(dates[-1]) == ("1958-03-29", "2001-12-29")
    assert (np.diff(dates) == np.timedelta64(7, "D")).all()


def test_the_record_is_handed_out_as_a_copy():
    weekly_record()[1][:] = 0
    assert np.nanmin(weekly_record()[1]) > 300


def test_the_values_are_multiples_of_the_resolution():
    values = weekly_record()[1]
    steps = values[~np.isnan(values)] / RESOLUTION
    np.testing.assert_allclose(steps, steps.round(), rtol=0, atol=1e-9)
    assert len(np.unique(steps.round() % 10)) == 10


def test_the_weekly_matrix_has_years_as_rows_and_weeks_as_columns(lines):
    expected = {}
    for date, text in lines:
        week = min((date.timetuple().tm_yday - 1) // 7, 51)
        expected.setdefault((date.year - 1958, week), float(text or "nan"))
    matrix = weekly_matrix()
    assert matrix.shape == (len(YEARS), WEEKS) == (44, 52)
    for place in np.ndindex(matrix.shape):
        np.testing.assert_equal(matrix[place], expected.get(place, np.nan))
    assert int(np.isnan(matrix).sum()) == 71
    assert np.isnan(matrix[0, :12]).all()


def test_the_weekly_matrix_is_nearly_of_rank_two():
    matrix = weekly_matrix()
    mean = np.nanmean(matrix)
    complete_years = matrix[~np.isnan(matrix).any(axis=1)]
    spectrum = np.linalg.svd(complete_years - mean, compute_uv=False)
    assert len(complete_years) > 25
    assert spectrum[1] > 5 * spectrum[2] > 0
    assert np.sum(spectrum[2:] ** 2) < 1e-3 * np.sum(spectrum**2)


def test_monthly_means(lines):
    means = monthly_means()
    assert means.shape == (12, 12)
    assert not np.isnan(means).any()
    for year, month in ((1990, 1), (1996, 5), (2001, 12)):
        weeks = [float(text) for date, text in lines if (date.year, date.month) == (year, month) and text]
        assert means[year - 1990, month - 1] == pytest.approx(sum(weeks) / len(weeks), rel=1e-14)
    # May is the crest of the season, and the level rises by about 1.5 ppm a year.
    assert (means.argmax(axis=1) == 4).sum() >= 10
    assert 1 < (means[-1] - means[0]).mean() / 11 < 2


def test_monthly_means_of_other_years():
    everything = monthly_means(1958, 2001)
    np.testing.assert_array_equal(everything[-12:], monthly_means())
    assert np.isnan(everything[0, :2]).all()
    np.testing.assert_array_equal(monthly_means(1970, 1970), everything[12:13])


@pytest.mark.parametrize(("first", "last"), [(1957, 2001), (1990, 2002), (1995, 1994), (1990.5, 2000)])
def test_years_outside_the_record_are_refused(first, last):
    with pytest.raises(ValueError, match="must be years from 1958 to 2001"):
        monthly_means(first, last)


def test_the_source_is_named():
    assert SOURCE.split(",")[0] in (DATA / "README.md").read_text()
