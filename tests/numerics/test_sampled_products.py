"""Sampled products against the whole matrix, with every implementation."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from numerics import sampled_products
from numerics.compilation import COMPILE_VARIABLE
from numerics.sampled_products import (
    IMPLEMENTATIONS,
    available_implementation,
    gradient_products,
    hessian_products,
    sampled_product,
    sampled_residuals,
    with_data,
)


def implementations() -> list[str]:
    return [name for name in IMPLEMENTATIONS if name != "numba" or find_spec("numba")]


def problem(seed: int, m: int, n: int, r: int, share: float = 0.4) -> tuple[Any, ...]:
    """A pattern with values, factors and columns to multiply with; rows and columns may be empty."""
    generator = np.random.default_rng(seed)
    observed = sparse.random_array((m, n), density=share, format="csr", rng=generator, data_sampler=np.random.normal)
    observed.sum_duplicates()
    factors = [generator.standard_normal((side, r)) for side in (m, n)]
    onto = [generator.standard_normal((side, 2)) for side in (m, n)]
    return observed, *factors, *onto, generator.uniform(0.5, 2.0, observed.nnz)


@pytest.mark.parametrize("implementation", implementations())
@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    m=st.integers(1, 9),
    n=st.integers(1, 9),
    r=st.integers(1, 6),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    block=st.sampled_from([1, 7, 2**16]),
)
def test_products_are_those_of_the_whole_matrix(
    implementation: str, seed: int, m: int, n: int, r: int, share: float, block: int
) -> None:
    observed, left, right, onto_left, onto_right, weights = problem(seed, m, n, r, share)
    mask = with_data(observed, np.ones(observed.nnz)).toarray()
    whole = with_data(observed, weights).toarray()
    residuals = mask * (left @ right.T) - observed.toarray()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampled_products, "BLOCK_NUMBERS", block)
        entries = sampled_product(observed, left, right, implementation)
        distances = sampled_residuals(observed, left, right, implementation)
        arguments = observed, left, right, onto_left, onto_right, weights, implementation
        first, second, energy = gradient_products(*arguments)
        turned, turned_back = hessian_products(*arguments)
        plain = gradient_products(observed, left, right, onto_left, onto_right, implementation=implementation)
    np.testing.assert_allclose(with_data(observed, entries).toarray(), mask * (left @ right.T), atol=1e-13)
    np.testing.assert_allclose(with_data(observed, distances).toarray(), residuals, atol=1e-13)
    np.testing.assert_allclose(first, (whole * residuals) @ onto_right, atol=1e-12)
    np.testing.assert_allclose(second, (whole * residuals).T @ onto_left, atol=1e-12)
    assert abs(energy - np.sum(whole * residuals**2) / 2) < 1e-12 * max(1, energy)
    np.testing.assert_allclose(turned, (whole * (left @ right.T)) @ onto_right, atol=1e-12)
    np.testing.assert_allclose(turned_back, (whole * (left @ right.T)).T @ onto_left, atol=1e-12)
    np.testing.assert_allclose(plain[0], residuals @ onto_right, atol=1e-12)
    np.testing.assert_allclose(plain[1], residuals.T @ onto_left, atol=1e-12)
    assert abs(plain[2] - np.sum(residuals**2) / 2) < 1e-12 * max(1, plain[2])


@pytest.mark.parametrize("implementation", implementations())
@pytest.mark.parametrize("index_type", [np.int32, np.int64])
def test_rows_longer_than_a_block_and_strided_factors(
    implementation: str, index_type: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampled_products, "BLOCK_NUMBERS", 64)
    observed, left, right, *_ = problem(3, 4, 300, 8, 0.9)
    observed = sparse.csr_array(
        (observed.data, observed.indices.astype(index_type), observed.indptr.astype(index_type)), shape=observed.shape
    )
    entries = sampled_product(observed, left[:, ::2], np.asfortranarray(right[:, ::2]), implementation)
    rows = np.repeat(np.arange(4), np.diff(observed.indptr))
    expected = (left[:, ::2] @ right[:, ::2].T)[rows, observed.indices]
    np.testing.assert_allclose(entries, expected, atol=1e-13)


@pytest.mark.parametrize("implementation", implementations())
def test_infinite_factors_show(implementation: str) -> None:
    """Reordered sums, but no assumption that all numbers are finite."""
    pattern = sparse.csr_array(np.ones((2, 2)))
    left, right = np.array([[np.inf, 1.0], [np.nan, 1.0]]), np.ones((2, 2))
    entries = sampled_product(pattern, left, right, implementation)
    assert np.isposinf(entries[:2]).all()
    assert np.isnan(entries[2:]).all()


@pytest.mark.parametrize("implementation", implementations())
def test_memory_above_the_data(implementation: str) -> None:
    """One number an entry, and blocks: two gathers would be 2 r numbers an entry."""
    observed, left, right, onto_left, onto_right, _ = problem(0, 600, 700, 10, 0.8)
    arguments = observed, left, right, onto_left, onto_right, None, implementation
    gradient_products(*arguments)  # compiled
    tracemalloc.start()
    gradient_products(*arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * observed.nnz + 3 * 8 * sampled_products.BLOCK_NUMBERS + 2 * 10**5


@pytest.mark.parametrize(
    ("left", "right"), [((3, 2), (4, 3)), ((2, 2), (4, 2)), ((3, 2), (3, 2)), ((3,), (4,)), ((3, 4), (2, 4))]
)
def test_factors_that_do_not_fit(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="left and right"):
        sampled_product(sparse.csr_array(np.ones((3, 4))), np.ones(left), np.ones(right))


def test_the_implementation_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(COMPILE_VARIABLE, raising=False)
    assert available_implementation() == implementations()[0]
    monkeypatch.setenv(COMPILE_VARIABLE, "0")
    assert available_implementation() == "numpy"
    with pytest.raises(ValueError, match="implementation must be one of 'numba', 'numpy', not 'jax'"):
        available_implementation("jax")


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampled_products, "find_spec", lambda name: None)
    monkeypatch.setattr(sampled_products, "compiles", lambda: False)
    assert available_implementation() == "numpy"
    with pytest.raises(ImportError, match=r"pip install 'dln-geometry\[compiled\]'"):
        available_implementation("numba")


def test_numba_is_imported_only_where_it_is_used() -> None:
    code = "import sys, numerics.sampled_products; print('numba' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout.strip() == "False"
