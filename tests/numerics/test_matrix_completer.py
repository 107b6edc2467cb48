"""MatrixCompleter by scikit-learn's own checks, against `complete`, and without scikit-learn."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from numerics import complete
from numerics.matrix_completer import MatrixCompleter

nan = float("nan")
ROOT = Path(__file__).parents[2]


def test_without_scikit_learn_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import numerics\n"
        "from numerics.matrix_completer import MatrixCompleter\n"
        "try:\n    MatrixCompleter(depth=3, rank=5)\nexcept ImportError as error:\n    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "pip install 'dln-geometry[learn]'" in run.stdout


def test_numerics_does_not_import_it() -> None:
    code = "import sys, numerics; print('sklearn' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == ["False"]


sklearn = pytest.importorskip("sklearn")
from sklearn.pipeline import make_pipeline  # noqa: E402 (where it is installed)
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402


@parametrize_with_checks([MatrixCompleter(depth=2, rank=2, until=1e-2)])
@pytest.mark.filterwarnings("ignore")
def test_the_checks_of_scikit_learn_in_short(
    estimator: MatrixCompleter, check: Callable[[MatrixCompleter], None]
) -> None:
    check(estimator)


@parametrize_with_checks([MatrixCompleter(), MatrixCompleter(depth=3, rank=5)])
@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_the_checks_of_scikit_learn(estimator: MatrixCompleter, check: Callable[[MatrixCompleter], None]) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def low_rank() -> np.ndarray:
    generator = np.random.default_rng(3)
    return np.asarray(generator.standard_normal((16, 2)) @ generator.standard_normal((2, 10)))


@pytest.fixture(scope="module")
def gaps() -> np.ndarray:
    return np.random.default_rng(4).random((16, 10)) < 0.2


def test_it_is_complete(low_rank: np.ndarray, gaps: np.ndarray) -> None:
    given = np.where(gaps, nan, low_rank)
    completer = MatrixCompleter(depth=2, rank=3, random_state=5)
    filled = completer.fit_transform(given)
    expected = complete(given, depth=2, rank=3, seed=5)
    np.testing.assert_array_equal(filled, expected.filled)
    np.testing.assert_array_equal(completer.singular_values_, expected.singular_values)
    assert (completer.mean_, completer.rank_) == (expected.mean, 3)
    assert completer.components_.shape == (3, 10)
    centred = expected.completed - expected.mean
    np.testing.assert_allclose(centred @ completer.components_.T @ completer.components_, centred, atol=1e-9)


def test_rows_of_the_fit_become_what_they_were(low_rank: np.ndarray, gaps: np.ndarray) -> None:
    given = np.where(gaps, nan, low_rank)
    completer = MatrixCompleter(depth=3, rank=3).fit(given)
    np.testing.assert_allclose(completer.transform(given), completer.completion_.filled, atol=1e-3)


def test_new_rows_of_the_same_row_space_are_completed(low_rank: np.ndarray) -> None:
    completer = MatrixCompleter(depth=3, rank=3).fit(low_rank)
    truth = np.array([[0.5, -2.0]]) @ np.linalg.svd(low_rank)[2][:2]
    given = truth.copy()
    given[0, ::3] = nan
    np.testing.assert_allclose(completer.transform(given), truth, atol=1e-4)


def test_a_row_of_gaps_becomes_the_mean_and_few_entries_do_not_blow_up(low_rank: np.ndarray) -> None:
    noisy = low_rank + 0.1 * np.random.default_rng(0).standard_normal(low_rank.shape)
    completer = MatrixCompleter(depth=3, rank=4).fit(noisy)
    rows = np.full((2, 10), nan)
    rows[1, 0] = 1.0
    filled = completer.transform(rows)
    np.testing.assert_allclose(filled[0], noisy.mean(), rtol=1e-9)
    assert filled[1, 0] == 1.0
    assert np.abs(filled[1]).max() < 10


def test_a_row_minimizes_what_is_claimed(low_rank: np.ndarray) -> None:
    noisy = low_rank + 0.1 * np.random.default_rng(0).standard_normal(low_rank.shape)
    completer = MatrixCompleter(depth=2, rank=3).fit(noisy)
    row = noisy[0] + 0.3
    row[[1, 4, 5]] = nan
    seen = ~np.isnan(row)
    V, s, m = completer.components_.T, completer.singular_values_, len(noisy)
    tau = completer.completion_.observed_error

    def objective(c: np.ndarray) -> float:
        residual = (row - completer.mean_ - V @ c)[seen]
        return float(residual @ residual / tau**2 + m * (c / s) @ (c / s))

    filled = completer.transform(row[None])[0]
    # Three gaps give the three coefficients.
    c = np.linalg.solve(V[~seen], filled[~seen] - completer.mean_)
    for direction in np.eye(3):
        assert objective(c) <= min(objective(c + 1e-3 * direction), objective(c - 1e-3 * direction))


def test_it_works_in_a_pipeline_with_names_and_is_pickled(low_rank: np.ndarray, gaps: np.ndarray) -> None:
    given = np.where(gaps, nan, low_rank)
    pipeline = make_pipeline(StandardScaler(), MatrixCompleter(rank=3))
    filled = pipeline.fit_transform(given)
    assert np.isfinite(filled).all()
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(again.transform(given), pipeline.transform(given))
    assert pipeline[:-1].get_feature_names_out(list("abcdefghij")).tolist() == list("abcdefghij")


def test_what_is_returned_is_the_users() -> None:
    completer = MatrixCompleter(rank=1, depth=2)
    filled = completer.fit_transform([[1.0, 2.0], [3.0, nan]])
    filled[:] = 0
    assert completer.completion_.filled[0, 0] == 1.0


@pytest.mark.parametrize(
    ("options", "message"), [({"rank": 0}, "rank"), ({"depth": 0}, "depth"), ({"random_state": "x"}, "seed")]
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], message: str, low_rank: np.ndarray) -> None:
    with pytest.raises(ValueError, match=message):
        MatrixCompleter(**options).fit(low_rank)  # type: ignore[arg-type]
