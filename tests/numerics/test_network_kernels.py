"""Matrices of kernels: each value at all its places, from batches as from single spectra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sympy import oo

from geometry import DeepLinearNetwork
from numerics.network_kernels import network_kernels
from tests.definition import precise_multiplier


@pytest.mark.parametrize("depth", [1, 2, 3, 7, 10, oo])
@pytest.mark.parametrize("shape", [(1,), (4,), (5, 1), (6, 4), (2, 3, 4), (0, 4)])
def test_multiplier_matrices_of_batches(depth: Any, shape: tuple[int, ...]) -> None:
    kernels = network_kernels(DeepLinearNetwork(depth, (4, 4)))
    sigma = np.random.default_rng(0).uniform(0.1, 2, shape)
    matrices = kernels.multiplier_matrix(sigma)
    assert matrices.shape == (*shape, shape[-1])
    np.testing.assert_array_equal(matrices, np.swapaxes(matrices, -1, -2))
    for index in np.ndindex(*shape[:-1]):
        np.testing.assert_array_equal(matrices[index], kernels.multiplier_matrix(sigma[index]))


def test_places_of_the_values() -> None:
    """Against the sum of N terms, entry by entry: a value at a wrong place would be seen."""
    sigma = np.array([[2.0, 1.1, 0.3], [1.7, 1.7, 0.2]])
    matrices = network_kernels(DeepLinearNetwork(3, (3, 3))).multiplier_matrix(sigma)
    for n, k, l in np.ndindex(2, 3, 3):
        assert matrices[n, k, l] == pytest.approx(float(precise_multiplier(sigma[n, k], sigma[n, l], 3)), rel=1e-14)
    assert len(np.unique(matrices[0])) == 6
