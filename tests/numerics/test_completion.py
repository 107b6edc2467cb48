"""Completion: what it recovers, that it follows the data's units, when it stops, what it refuses."""

import logging

import numpy as np
import pytest
from sympy import oo

from derivations.mauna_loa import RESOLUTION, weekly_matrix
from numerics import Convergence, FrozenSpacesWarning, ProjectedFlowWarning
from numerics.completion import UnobservedWarning, complete, hold_out, root_mean_square

nan = float("nan")


@pytest.fixture
def low_rank():
    generator = np.random.default_rng(3)
    return generator.standard_normal((12, 2)) @ generator.standard_normal((2, 10))


def test_a_matrix_of_rank_two_is_recovered(low_rank):
    # A constant is removed first, so the remainder has rank three.
    training, hidden = hold_out(low_rank, 0.2, seed=0)
    completion = complete(training, rank=3)
    assert np.linalg.norm(completion.completed - low_rank) < 1e-4 * np.linalg.norm(low_rank)
    assert root_mean_square((completion.filled - low_rank)[hidden]) > 0
    assert completion.trajectory.converged


def test_what_is_returned_fits_together(low_rank):
    training, hidden = hold_out(low_rank, 0.2, seed=0)
    completion = complete(training, until=1e-2)
    observed = ~hidden
    np.testing.assert_array_equal(completion.filled[observed], low_rank[observed])
    np.testing.assert_array_equal(completion.filled[hidden], completion.completed[hidden])
    assert completion.mean == pytest.approx(low_rank[observed].mean(), rel=1e-14)
    centred = np.where(observed, low_rank - completion.mean, 0)
    assert completion.norm == pytest.approx(np.linalg.svd(centred, compute_uv=False)[0], rel=1e-12)
    errors = (completion.completed - low_rank)[observed]
    assert completion.observed_error == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-12)
    spectrum = np.linalg.svd(completion.completed - completion.mean, compute_uv=False)
    # To the rounding of the largest one.
    np.testing.assert_allclose(completion.singular_values, spectrum, rtol=0, atol=1e-12 * spectrum[0])


# Powers of two are exact, so only the offsets round, by 1e-16 of 1000; the steps then differ a little.
@pytest.mark.parametrize(("factor", "offset", "tolerance"), [(2.0**20, 0.0, 1e-9), (3e-5, 0.0, 1e-6), (2.0, 1e3, 1e-6)])
def test_the_completion_moves_with_the_data(low_rank, factor, offset, tolerance):
    training, _ = hold_out(low_rank, 0.2, seed=0)
    plain, moved = (complete(data, rank=3, until=1e-4) for data in (training, factor * training + offset))
    expected = factor * plain.completed + offset
    np.testing.assert_allclose(moved.completed, expected, rtol=0, atol=tolerance * factor * plain.norm)
    assert moved.observed_error == pytest.approx(factor * plain.observed_error, rel=1e-2)


def test_held_out_weeks_of_the_record_are_predicted():
    matrix = weekly_matrix()
    training, hidden = hold_out(matrix, 0.1, seed=0)
    completion = complete(training, depth=2, rank=5, seed=0, until=Convergence(gradient_norm=1e-3))
    error = root_mean_square((completion.completed - matrix)[hidden])
    assert 0 < 30 * error < root_mean_square((completion.mean - matrix)[hidden])


def test_the_rounding_of_the_data_stops_the_fit():
    rounded = np.round(weekly_matrix()[30:42], 0)
    fine = complete(rounded, rank=6, until=1e-4)
    coarse = complete(rounded, rank=6, until=1e-4, resolution=1.0)
    assert fine.observed_error < 0.9
    # The bound is met within a step of the flow.
    assert 0.9 < coarse.observed_error <= 1.0
    assert coarse.trajectory.times[-1] < fine.trajectory.times[-1]


def test_resolution_gives_way_to_an_energy_bound_of_until(low_rank):
    bound = {"energy": 1e-3}
    both, alone = (complete(low_rank, until=bound, resolution=resolution) for resolution in (1.0, None))
    assert both.trajectory.energy[-1] == alone.trajectory.energy[-1] <= 1e-3


@pytest.mark.parametrize("resolution", [1e-300, 1e300])
def test_an_extreme_resolution_neither_overflows_nor_underflows(low_rank, resolution):
    completion = complete(low_rank, until=1e-2, resolution=resolution)
    assert np.isfinite(completion.completed).all()
    assert (len(completion.trajectory.times) == 2) == (resolution > 1)


def test_a_resolution_above_the_spread_accepts_the_mean(low_rank):
    completion = complete(low_rank, resolution=100.0)
    assert np.abs(completion.completed - completion.mean).max() < 0.01 * completion.norm


def test_a_fully_observed_matrix_is_fitted(low_rank):
    completion = complete(low_rank, rank=3)
    assert completion.observed_error < 1e-5 * completion.norm
    np.testing.assert_array_equal(completion.filled, low_rank)


def test_a_mask_is_a_gap_like_nan(low_rank):
    training, hidden = hold_out(low_rank, 0.2, seed=0)
    masked = np.ma.masked_array(np.where(hidden, 1e6, low_rank), hidden)
    np.testing.assert_array_equal(complete(masked, until=0.1).completed, complete(training, until=0.1).completed)


def test_seeds_decide_the_start(low_rank):
    training, _ = hold_out(low_rank, 0.2, seed=0)
    first, again, other = (complete(training, rank=3, until=0.1, seed=seed).completed for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0
    generator = np.random.default_rng(0)
    np.testing.assert_array_equal(complete(training, rank=3, until=0.1, seed=generator).completed, first)


def test_progress_is_reported(low_rank):
    seen = []
    completion = complete(low_rank, until=0.1, progress=lambda time, end: seen.append((time, end)))
    assert [time for time, _ in seen] == completion.trajectory.times[1:].tolist()


# ------------------------------------------------------------------------------ warned and refused


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [([2], [], "row 2 "), ([], [1, 4], "columns 1, 4 "), (range(7), [], r"rows 0, 1, 2, 3, 4, … ")],
)
def test_rows_and_columns_without_data_are_warned_of(low_rank, rows, columns, message):
    low_rank[list(rows), :] = nan
    low_rank[:, columns] = nan
    with pytest.warns(UnobservedWarning, match=message) as record:
        completion = complete(low_rank, until=0.1)
    assert record[0].filename == __file__
    assert np.isfinite(completion.completed).all()


def test_warnings_of_the_flow_pass_through(low_rank):
    with pytest.warns(FrozenSpacesWarning):
        complete(low_rank, depth=oo, until=0.5)
    with pytest.warns(ProjectedFlowWarning):
        complete(low_rank, depth=1, rank=2, until=0.5)


def test_infinite_depth_completes_a_square_matrix_of_full_rank():
    square = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, nan], [3.0, 5.0, 9.5]])
    assert complete(square, depth=oo, scale=0.1).observed_error < 1e-5


def test_a_run_that_is_stopped_early_says_so(low_rank, caplog):
    with caplog.at_level(logging.WARNING):
        completion = complete(low_rank, until={"gradient_norm": 1e-6, "latest": 0.5})
    assert completion.trajectory.converged is False
    assert "not converged at the latest time t = 0.5" in caplog.text


@pytest.mark.parametrize(
    ("array", "options", "message"),
    [
        ([[0.1] * 3 + [nan]] * 3, {}, "all observed entries of array are equal to 0.1"),
        ([[5.0, nan]], {}, "equal to 5"),
        ([[nan, nan]], {}, "an observed entry"),
        ([[1.0, np.inf]], {}, r"array\[0, 1\] is inf"),
        ([1.0, 2.0], {}, "must be a matrix"),
        ([[1.0, 2j]], {}, "real numbers"),
        ([[1.0, None]], {}, "write gaps as NaN"),
        ([[1.7e308, -1.7e308], [1.7e308, nan]], {}, "too large"),
        ([[1.0, 2.0], [3.0, 5.0]], {"rank": 3}, "rank"),
        ([[1.0, 2.0], [3.0, 5.0]], {"rank": 0}, "rank"),
        ([[1.0, 2.0], [3.0, 5.0]], {"depth": 0}, "depth"),
        ([[1.0, 2.0], [3.0, 5.0]], {"scale": 0.0}, "scale"),
        ([[1.0, 2.0], [3.0, 5.0]], {"rtol": 2.0}, "rtol"),
        ([[1.0, 2.0], [3.0, 5.0]], {"until": -1.0}, "gradient_norm of until"),
        ([[1.0, 2.0], [3.0, 5.0]], {"resolution": 0.0}, "resolution must be positive"),
        ([[1.0, 2.0], [3.0, 5.0]], {"resolution": nan}, "resolution must be positive"),
    ],
)
def test_what_makes_no_sense_is_refused(array, options, message):
    with pytest.raises(ValueError, match=message):
        complete(array, **options)


# ------------------------------------------------------------------------------------ held-out data


@pytest.mark.parametrize(("share", "count"), [(0.25, 4), (1e-9, 1), (1 - 1e-9, 15)])
def test_the_share_held_out(share, count):
    matrix = np.arange(20.0).reshape(4, 5)
    matrix[0, :4] = nan
    training, hidden = hold_out(matrix, share, seed=1)
    assert hidden.sum() == count
    assert not hidden[np.isnan(matrix)].any()
    np.testing.assert_array_equal(training, np.where(hidden, nan, matrix))
    assert not np.isnan(matrix[1:]).any(), "the argument must not be changed"
    np.testing.assert_array_equal(hold_out(matrix, share, np.random.default_rng(1))[1], hidden)


def test_seeds_hide_different_entries():
    matrix = np.arange(100.0).reshape(10, 10)
    assert (hold_out(matrix, 0.3, seed=1)[1] != hold_out(matrix, 0.3, seed=2)[1]).any()


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, nan])
def test_a_bad_share_is_refused(share):
    with pytest.raises(ValueError, match="share must be between 0 and 1"):
        hold_out(np.ones((3, 3)), share)


def test_one_observed_entry_cannot_be_held_out():
    with pytest.raises(ValueError, match="two observed entries"):
        hold_out([[1.0, nan]], 0.5)


def test_root_mean_square():
    assert root_mean_square([[1.0, -7.0]]) == 5.0
    assert root_mean_square(-2.0) == 2.0
    for bad in ([], [nan], [np.inf]):
        with pytest.raises(ValueError, match="errors must"):
            root_mean_square(bad)


def test_the_resolution_of_the_record_is_reached_at_no_loss():
    """Fitting down to the rounding leaves an error of that size, on the weeks that were observed."""
    matrix = weekly_matrix()[-12:]
    completion = complete(matrix, rank=11, depth=2, resolution=RESOLUTION)
    assert 0.9 * RESOLUTION < completion.observed_error <= RESOLUTION


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_full_matrices_are_fitted_on_either_side_of_the_singular_ones(seed: int, depth: int) -> None:
    M = np.random.default_rng(seed).normal(size=(4, 4))
    completion = complete(M, depth=depth, seed=seed)
    assert completion.trajectory.converged
    assert completion.observed_error < 1e-5
    determinants = [np.linalg.slogdet(point.to_array())[0] for point in completion.trajectory.factored]
    assert depth == 1 or len(set(determinants)) == 1
