r"""Sums over observed entries of a matrix left rightᵀ of low rank, without forming it.

For observed places Ω with values M, weights w and R = w ∘ (left rightᵀ - M) on Ω, a flow needs

    R V (m, k),     Rᵀ U (n, k),     ½ Σ w_ij ((left rightᵀ)_ij - M_ij)².

The first two are sparse-dense products of SciPy, which no hand-written pass was seen to beat once the factors have
left the second-level cache: fusing all three into one pass over the entries then costs a third more at 10⁴ columns
and twice as much at 10⁵, since three factors instead of one compete for the cache.  (Below, calls are what costs:
see `charts.completion_velocity`.)  The sampled product has two implementations, which agree to rounding:

- "numba" (extra `compiled`): one pass, nothing allocated but the result;
- "numpy": gathers blocks of entries that fit into the second-level cache.

`python -m benchmarks.right_hand_side` measures both.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .compilation import compiles

__all__ = [
    "IMPLEMENTATIONS",
    "available_implementation",
    "gradient_products",
    "half_product",
    "hessian_products",
    "sampled_product",
    "sampled_residuals",
    "with_data",
]

Array = NDArray[np.float64]
Sampling = Callable[[Any, Any, Array, Array, Array | None, Array], None]

IMPLEMENTATIONS = ("numba", "numpy")
"""In order of preference."""

BLOCK_NUMBERS = 2**16
"""How many numbers a block of gathered rows has: two such blocks are 1 MB, the second-level cache of a core."""


def available_implementation(implementation: str | None = None) -> str:
    """The implementation that is used: the one asked for, else the fastest that there is.

    Parameters
    ----------
    implementation : {"numba", "numpy"}, optional
        Unless given, numba where it is installed and the environment variable DLN_COMPILE is not 0.

    Raises
    ------
    ValueError
        If there is none of this name.
    ImportError
        If it is not installed.

    Examples
    --------
    >>> available_implementation("numpy")
    'numpy'
    """
    if implementation is None:
        return "numba" if compiles() else "numpy"
    if implementation not in IMPLEMENTATIONS:
        raise ValueError(
            f"implementation must be one of {', '.join(map(repr, IMPLEMENTATIONS))}, not {implementation!r}"
        )
    if implementation == "numba" and find_spec("numba") is None:
        raise ImportError("implementation 'numba' needs the extra 'compiled': pip install 'dln-geometry[compiled]'")
    return implementation


def sampled_product(pattern: sparse.csr_array, left: Array, right: Array, implementation: str | None = None) -> Array:
    """The entries of left rightᵀ at the places of a sparse matrix.

    Parameters
    ----------
    pattern : sparse array (m, n)
        In CSR form; its values are not looked at.
    left, right : arrays (m, r), (n, r)
    implementation : {"numba", "numpy"}, optional
        See `available_implementation`.

    Returns
    -------
    array (places,)
        In the order of the pattern's values.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> pattern = sparse.csr_array([[0.0, 1.0], [1.0, 1.0]])
    >>> sampled_product(pattern, np.array([[1.0], [2.0]]), np.array([[3.0], [5.0]])).tolist()
    [5.0, 6.0, 10.0]
    """
    return _sampled(pattern, left, right, None, implementation)


def sampled_residuals(
    observed: sparse.csr_array, left: Array, right: Array, implementation: str | None = None
) -> Array:
    """The entries of left rightᵀ minus the values of a sparse matrix, at its places.

    Parameters, what is returned and raised as in `sampled_product`.

    Examples
    --------
    >>> observed = sparse.csr_array([[0.0, 1.0], [1.0, 1.0]])
    >>> sampled_residuals(observed, np.array([[1.0], [2.0]]), np.array([[3.0], [5.0]])).tolist()
    [4.0, 5.0, 9.0]
    """
    return _sampled(observed, left, right, observed.data, implementation)


def _sampled(
    pattern: sparse.csr_array, left: Array, right: Array, values: Array | None, implementation: str | None
) -> Array:
    left, right = (np.ascontiguousarray(factor, dtype=np.float64) for factor in (left, right))
    m, n = pattern.shape
    if left.ndim != 2 or left.shape[0] != m or right.shape != (n, left.shape[1]):
        raise ValueError(f"left and right must have shapes ({m}, r) and ({n}, r), not {left.shape} and {right.shape}")
    product = np.empty(pattern.nnz)
    sample = _compiled_sampling() if available_implementation(implementation) == "numba" else _blocked_sampling
    sample(pattern.indptr, pattern.indices, left, right, values, product)
    return product


def gradient_products(
    observed: sparse.csr_array,
    left: Array,
    right: Array,
    onto_left: Array,
    onto_right: Array,
    weights: Array | None = None,
    implementation: str | None = None,
) -> tuple[Array, Array, float]:
    """What a flow needs of ½ Σ w_ij (X_ij - M_ij)² at X = left rightᵀ.

    Parameters
    ----------
    observed : sparse array (m, n)
        The values M at the observed places, in CSR form.
    left, right : arrays (m, r), (n, r)
    onto_left, onto_right : arrays (m, k), (n, k)
        What the gradient is multiplied with.
    weights : array (places,), optional
        In the order of the values; ones unless given.
    implementation : {"numba", "numpy"}, optional

    Returns
    -------
    array (m, k)
        ∇E onto_right.
    array (n, k)
        ∇Eᵀ onto_left.
    float
        E.
    """
    residuals = sampled_residuals(observed, left, right, implementation)
    slope = residuals if weights is None else weights * residuals
    gradient = with_data(observed, slope)
    return gradient @ onto_right, gradient.T @ onto_left, half_product(slope, residuals)


def hessian_products(
    pattern: sparse.csr_array,
    left: Array,
    right: Array,
    onto_left: Array,
    onto_right: Array,
    weights: Array | None = None,
    implementation: str | None = None,
) -> tuple[Array, Array]:
    """H onto_right (m, k) and Hᵀ onto_left (n, k), for H = w ∘ left rightᵀ at the places of the pattern.

    H is the Hessian of ½ Σ w_ij (X_ij - M_ij)² along left rightᵀ; parameters as in `gradient_products`.
    """
    entries = sampled_product(pattern, left, right, implementation)
    if weights is not None:
        entries *= weights
    hessian = with_data(pattern, entries)
    return hessian @ onto_right, hessian.T @ onto_left


def half_product(first: Array, second: Array) -> float:
    """½ <first, second>, without BLAS, whose threads wait for each other on busy cores: 16 ms for 1.8e5 numbers."""
    return float(np.einsum("e,e->", first, second)) / 2


def with_data(pattern: sparse.csr_array, data: Array) -> sparse.csr_array:
    """A sparse matrix with these values at the places of another, whose index arrays it shares."""
    matrix = copy(pattern)
    matrix.data = data
    return matrix


def _blocked_sampling(
    pointers: Any, columns: Any, left: Array, right: Array, values: Array | None, product: Array
) -> None:
    """Write the sampled product, minus the values, block by block of gathered rows."""
    rank = left.shape[1]
    size = max(1, min(BLOCK_NUMBERS // max(1, rank), len(product)))
    ones = np.ones(rank)
    left_rows, right_rows = np.empty((2, size, rank))
    for start in range(0, len(product), size):
        stop = min(start + size, len(product))
        first = np.searchsorted(pointers, start, side="right") - 1
        last = np.searchsorted(pointers, stop, side="left")
        rows = np.repeat(np.arange(first, last), np.diff(np.clip(pointers[first : last + 1], start, stop)))
        ours, theirs = left_rows[: stop - start], right_rows[: stop - start]
        # With "clip", which never applies, NumPy gathers into `out` without a copy of its own.
        left.take(rows, axis=0, out=ours, mode="clip")
        right.take(columns[start:stop], axis=0, out=theirs, mode="clip")
        ours *= theirs
        np.dot(ours, ones, out=product[start:stop])
        if values is not None:
            product[start:stop] -= values[start:stop]


@lru_cache(maxsize=1)
def _compiled_sampling() -> Sampling:
    """The same in one pass; compiled for the index types that it is called with."""
    from numba import njit

    # Only reassociation and contraction, which a vectorized sum needs: infinities and NaN keep their meaning.
    @njit(fastmath={"reassoc", "contract"}, error_model="numpy", nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
    def sample(pointers, columns, left, right, values, product):  # type: ignore[no-untyped-def]
        for i in range(left.shape[0]):
            row = left[i]
            for place in range(pointers[i], pointers[i + 1]):
                column = right[columns[place]]
                total = 0.0
                for k in range(row.shape[0]):
                    total += row[k] * column[k]
                product[place] = total if values is None else total - values[place]

    return sample
