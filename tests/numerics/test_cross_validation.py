"""The choice of depth and rank, and the baselines: against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numerics import FlowError, complete
from numerics import cross_validation as module
from numerics.cross_validation import Candidate, cross_validate, truncated_svd, truncated_svd_rank

nan = float("nan")


@pytest.fixture
def noisy() -> np.ndarray:
    """Of rank two about its mean, with noise and gaps."""
    generator = np.random.default_rng(5)
    matrix = generator.standard_normal((20, 2)) @ generator.standard_normal((2, 15))
    matrix += 0.1 * generator.standard_normal(matrix.shape)
    matrix[generator.random(matrix.shape) < 0.2] = nan
    return matrix


def scripted(monkeypatch: pytest.MonkeyPatch, errors: dict[tuple[int, int], float]) -> None:
    """Let each candidate have the error that is given."""
    monkeypatch.setattr(module, "_error", lambda matrix, hidden, depth, rank, *_: errors[depth, rank])


def test_the_rank_of_noisy_data_is_found(noisy: np.ndarray) -> None:
    validation = cross_validate(noisy, depths=[3], ranks=[1, 2, 3])
    assert validation.rank in (2, 3)  # the mean takes one more
    errors = {candidate.rank: candidate.error for candidate in validation.candidates}
    assert errors[validation.rank] < errors[1] / 3


def test_an_error_is_that_of_completing_without_the_fold(noisy: np.ndarray) -> None:
    validation = cross_validate(noisy, depths=[2], ranks=[2], folds=3, seed=7)
    parts = module._folds(noisy, 3, 7)
    assert (sum(part.astype(int) for part in parts) == ~np.isnan(noisy)).all()  # each observed entry once
    squares = 0.0
    for part, error in zip(parts, validation.best.errors, strict=True):
        fit = complete(np.where(part, nan, noisy), depth=2, rank=2, seed=7, until=1e-3, rtol=1e-4).completed
        expected = np.mean((fit - noisy)[part] ** 2)
        assert error == pytest.approx(math.sqrt(expected), rel=1e-9)
        squares += expected / 3
    assert validation.best.error == pytest.approx(math.sqrt(squares), rel=1e-9)


def test_ranks_first_then_depths_at_the_best(noisy: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, {(3, 1): 5, (3, 2): 1, (3, 3): 1, (3, 5): 2, (2, 2): 3, (4, 2): 0.5})
    validation = cross_validate(noisy, depths=[3, 2, 4], ranks=[5, 1, 3, 2, 13])
    tried = [(candidate.depth, candidate.rank) for candidate in validation.candidates]
    assert tried == [(3, 1), (3, 2), (3, 3), (3, 5), (2, 2), (4, 2)]  # 13 after two that were no better: not tried
    assert (validation.depth, validation.rank) == (4, 2)


def test_failures_count_as_infinite_errors(noisy: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    start = complete(noisy, depth=2, rank=1, until=1e-1).trajectory.factored[0]

    def fails(matrix: np.ndarray, hidden: np.ndarray, depth: int, rank: int, *_: object) -> float:
        if rank in broken:
            raise FlowError("gave up", 1.0, start)
        return float(rank)

    monkeypatch.setattr(module, "_error", fails)
    broken = {1}
    validation = cross_validate(noisy, depths=[2], ranks=[1, 2])
    assert (validation.rank, validation.candidates[0].error) == (2, math.inf)
    broken = {1, 2}
    with pytest.raises(FlowError, match="gave up"):
        cross_validate(noisy, depths=[2], ranks=[1, 2])


def test_ranks_that_the_data_cannot_determine_are_left_out() -> None:
    matrix = np.full((30, 30), nan)
    matrix.flat[:: 900 // 200] = 1.0
    for rank in module._ranks(matrix, 3)[1:]:
        assert rank * (60 - rank) <= np.isfinite(matrix).sum() * 2 / 3
    assert module._ranks(np.ones((4, 30)), 3) == [1, 2]
    assert module._ranks(np.where(np.eye(9), 1.0, nan), 3) == [1]


def test_progress_and_seeds(noisy: np.ndarray) -> None:
    seen: list[tuple[str, float]] = []
    options = {"depths": [2], "ranks": [1, 2]}
    first = cross_validate(noisy, progress=lambda what, share: seen.append((what, share)), **options)  # type: ignore[arg-type]
    assert [what for what, _ in seen] == ["depth 2, rank 1"] * 3 + ["depth 2, rank 2"] * 3
    assert [share for _, share in seen] == pytest.approx(np.arange(6) / 6)
    assert cross_validate(noisy, **options) == first  # type: ignore[arg-type]
    assert cross_validate(noisy, seed=1, **options) != first  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds must be an integer, two at least"),
        ({"folds": 2.0}, "folds"),
        ({"folds": 10**6}, "observed entries at least"),
        ({"depths": []}, "must not be empty"),
        ({"ranks": []}, "must not be empty"),
        ({"ranks": [0]}, "rank"),
        ({"ranks": [16]}, "rank"),
        ({"depths": [0]}, "depth"),
    ],
)
def test_what_makes_no_sense_is_refused(noisy: np.ndarray, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cross_validate(noisy, **options)  # type: ignore[arg-type]


def test_the_error_of_a_candidate() -> None:
    assert Candidate(3, 2, (3.0, 4.0)).error == pytest.approx(math.sqrt(12.5))


# ------------------------------------------------------------------------------------------ baselines


def test_the_truncated_svd_is_the_nearest_matrix_of_its_rank(noisy: np.ndarray) -> None:
    mean = np.nanmean(noisy)
    filled = np.where(np.isnan(noisy), 0, noisy - mean)
    fit = truncated_svd(noisy, 2) - mean
    assert np.linalg.matrix_rank(fit, tol=1e-9) == 2
    # Eckart and Young: what is left has the other singular values.
    left, spectrum = (np.linalg.svd(part, compute_uv=False) for part in (filled - fit, filled))
    np.testing.assert_allclose(left[:-2], spectrum[2:], atol=1e-12)


def test_the_iterated_one_recovers_low_rank_and_stays_where_it_settled() -> None:
    generator = np.random.default_rng(1)
    truth = generator.standard_normal((30, 1)) @ generator.standard_normal((1, 25))
    gaps = generator.random(truth.shape) < 0.2
    given = np.where(gaps, nan, truth)
    once, often = (truncated_svd(given, 2, iterations=count, tolerance=1e-6) for count in (1, 5000))
    # The observed mean is not that of all, so that a second direction is free, and some entries follow it.
    assert np.median(np.abs(often - truth)[gaps]) < 0.02 < np.median(np.abs(once - truth)[gaps])
    again = truncated_svd(np.where(gaps, often, given), 2)
    np.testing.assert_allclose(again, often, atol=1e-2)


def test_the_rank_of_the_baseline(noisy: np.ndarray) -> None:
    assert truncated_svd_rank(noisy, iterations=200) == 2


@pytest.mark.parametrize(("rank", "options"), [(0, {}), (16, {}), (1, {"iterations": 0})])
def test_baselines_that_make_no_sense(noisy: np.ndarray, rank: int, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        truncated_svd(noisy, rank, **options)  # type: ignore[arg-type]
