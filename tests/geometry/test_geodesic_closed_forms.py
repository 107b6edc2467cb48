"""Closed forms of geodesics against the integrated equations and against quadrature."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import pytest
from sympy import Rational, Symbol, log, oo, sqrt, symbols

from geometry import DeepLinearNetwork, SpectralMetric
from geometry.geodesic_closed_forms import (
    bures_wasserstein_distance,
    bures_wasserstein_geodesic,
    diagonal_distance,
    diagonal_geodesic,
    flat_coordinate,
    flat_coordinates,
)
from tests.definition import defined_operator
from tests.geometry.test_geodesics import integrated, matrix_of

N = Symbol("N", positive=True)
START, END = [1.9, 0.7], [1.2, 0.9]


@pytest.mark.parametrize("depth", [1, 2, 3, 5, oo])
def test_diagonal_geodesics_solve_the_equations(depth: Any) -> None:
    network = DeepLinearNetwork(depth, (2, 2))
    t = Symbol("t", positive=True)
    path = diagonal_geodesic(network, START, END, t)
    velocity = np.array([float(sigma.diff(t).subs(t, 0)) for sigma in path])
    weights = np.array([float(network.pair_multiplier(s, s)) for s in symbols_at(START)])
    begin = (np.eye(2), np.array(START), np.eye(2), np.diag(velocity / weights))
    expected = np.diag([float(sigma.subs(t, Rational(2, 5))) for sigma in path])
    assert np.abs(matrix_of(network, integrated(network, begin)) - expected).max() < 1e-10


def symbols_at(values: list[float]) -> list[Rational]:
    return [Rational(str(value)) for value in values]


def test_flat_coordinates() -> None:
    s = Symbol("s", positive=True)
    assert flat_coordinate(DeepLinearNetwork(N, (2, 2)), s) == sqrt(N) * s ** (1 / N)
    assert flat_coordinate(DeepLinearNetwork(oo, (2, 2)), s) == log(s)
    own = SpectralMetric(shape=(2, 2), multiplier=lambda a, b: (1 + a) * (1 + b))
    first, last = (float(flat_coordinate(own, Rational(value))) for value in (1, 3))
    assert last - first == pytest.approx(float(mpmath.quad(lambda x: 1 / (1 + x), [1, 3])), abs=1e-12)
    with pytest.raises(ValueError, match="power of sigma"):
        diagonal_geodesic(own, [1, 2], [2, 3], Rational(1, 2))
    assert len(flat_coordinates(own)) == 2
    with pytest.raises(ValueError, match="rank must be explicit"):
        flat_coordinates(DeepLinearNetwork(2, (3, 3), symbols("r", integer=True, positive=True)))


def test_distance_in_the_same_order_and_not() -> None:
    network = DeepLinearNetwork(2, (2, 2))
    assert diagonal_distance(network, [4, 1], [9, 4]).upper == 2
    assert diagonal_distance(network, [4, 1], [9, 4]).is_exact
    epsilon = Rational(1, 100)
    swapped = diagonal_distance(network, [1, epsilon], [epsilon, 1])
    assert not swapped.is_exact
    assert swapped.lower == 0
    # The quarter turn R diag(1, ε) Rᵀ moves both entries of a pair by 1 - ε, and is shorter than the line in y.
    tiny, deep = Rational(1, 10**6), DeepLinearNetwork(5, (2, 2))
    upper = float(diagonal_distance(deep, [1, tiny], [tiny, 1]).upper)
    angles = np.linspace(0, np.pi / 2, 201)
    turns = [np.array([[np.cos(x), -np.sin(x)], [np.sin(x), np.cos(x)]]) for x in angles]
    path = [turn @ np.diag([1, float(tiny)]) @ turn.T for turn in turns]
    length = 0.0
    for first, last in pairwise(path):
        X, Z = (first + last) / 2, last - first
        operator = defined_operator(X, 5)
        matrix = np.array([operator(E.reshape(2, 2)).ravel() for E in np.eye(4)])
        length += float(np.sqrt(Z.ravel() @ np.linalg.solve(matrix, Z.ravel())))
    assert length < upper - 0.5


@pytest.mark.parametrize("values", [[1], [1, -1], [1, 0]])
def test_diagonals_are_checked(values: list[int]) -> None:
    with pytest.raises(ValueError, match="start must"):
        diagonal_distance(DeepLinearNetwork(2, (2, 2)), values, [1, 2])


def test_bures_wasserstein_solves_the_equations() -> None:
    generator = np.random.default_rng(0)
    A, C = (np.eye(3) / 2 + Z @ Z.T / 3 for Z in generator.standard_normal((2, 3, 3)))
    assert np.abs(bures_wasserstein_geodesic(A, C, 0.0) - A).max() < 1e-14
    assert np.abs(bures_wasserstein_geodesic(A, C, 1.0) - C).max() < 1e-13
    h = 1e-4
    before, after = bures_wasserstein_geodesic(A, C, -h), bures_wasserstein_geodesic(A, C, h)
    # The geodesic is quadratic in t: central differences have rounding errors only.
    velocity = (after - before) / (2 * h)
    values, vectors = np.linalg.eigh(A)
    order = np.argsort(values)[::-1]
    values, vectors = values[order], vectors[:, order]
    body = vectors.T @ velocity @ vectors / (values[:, None] + values)
    network = DeepLinearNetwork(2, (3, 3))
    found = matrix_of(network, integrated(network, (vectors, values, vectors, body)))
    assert np.abs(found - bures_wasserstein_geodesic(A, C, 0.4)).max() < 1e-9
    speed = np.sum(body * (vectors.T @ velocity @ vectors))
    assert speed == pytest.approx(2 * bures_wasserstein_distance(A, C) ** 2, rel=1e-9)


def test_bures_wasserstein_refusals() -> None:
    for bad in (np.ones((2, 3)), np.diag([1.0, -1.0]), np.array([[1.0, 2.0], [0.0, 1.0]]), np.diag([np.nan, 1])):
        with pytest.raises(ValueError, match="start must be"):
            bures_wasserstein_distance(bad, np.eye(2))
