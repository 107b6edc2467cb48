"""The submersion of balanced layers, against tangent spaces and shortest lifts found by linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import Rational, S, Sum, Symbol, oo, symbols

from geometry import DeepLinearNetwork
from geometry.layers import adjoint
from geometry.submersion import (
    balanced_dimension,
    fibre_dimension,
    horizontal_lift,
    lift_component,
    vertical_component,
)
from tests.definition import UNITS, defined_operator, precise_multiplier, random_unitary

Array = NDArray[Any]
N = Symbol("N", positive=True)


class BalancedPoint:
    """Balanced layers Q_p Λ Q_{p-1}ᴴ with random frames, and a basis of their velocities, by brute force."""

    def __init__(self, depth: int, shape: tuple[int, int], rank: int, hidden: int, field: str = "R") -> None:
        generator = np.random.default_rng(depth + 10 * hidden)
        self.field, self.rank, self.depth = field, rank, depth
        sides = (shape[1], *[hidden] * (depth - 1), shape[0])
        self.frames = [random_unitary(side, generator, field) for side in sides]
        self.sigma = np.sort(generator.uniform(0.5, 2, rank))[::-1]
        self.layers = [self._layer(p) for p in range(1, depth + 1)]

    def _core(self, p: int, values: Array) -> Array:
        rows, columns = len(self.frames[p]), len(self.frames[p - 1])
        core = np.zeros((rows, columns), dtype=complex)
        size = len(UNITS[self.field][0])
        for i in range(size * self.rank):
            core[i, i] = values[i // size]
        return core

    def _layer(self, p: int) -> Array:
        root = self.sigma ** (1 / self.depth)
        return self.frames[p] @ self._core(p, root) @ self.frames[p - 1].conj().T

    @property
    def matrix(self) -> Array:
        product = self.layers[0]
        for layer in self.layers[1:]:
            product = layer @ product
        return product

    def velocities(self) -> list[list[Array]]:
        """K_p W_p - W_p K_{p-1} for all skew K_p, and changes of the singular values."""
        found = []
        for p, frame in enumerate(self.frames):
            for skew in skew_basis(len(frame) // len(UNITS[self.field][0]), self.field):
                moves = [np.zeros_like(layer) for layer in self.layers]
                if p > 0:
                    moves[p - 1] = moves[p - 1] + skew @ self.layers[p - 1]
                if p < self.depth:
                    moves[p] = moves[p] - self.layers[p] @ skew
                found.append(moves)
        for k in range(self.rank):
            change = np.eye(self.rank)[k]
            found.append(
                [self.frames[p] @ self._core(p, change) @ self.frames[p - 1].conj().T for p in range(1, self.depth + 1)]
            )
        return found


def skew_basis(side: int, field: str) -> list[Array]:
    basis = []
    for i in range(side):
        for j in range(i, side):
            for number, unit in enumerate(UNITS[field]):
                if i == j and number == 0:
                    continue
                place = np.zeros((side, side))
                place[i, j] = 1.0
                half = np.kron(place, unit)
                basis.append(half - half.conj().T if i != j else half)
    return basis


def real_vector(matrices: list[Array]) -> Array:
    parts = [np.asarray(matrix).ravel() for matrix in matrices]
    flat = np.concatenate(parts)
    return np.concatenate([flat.real, flat.imag])


def pushed(layers: list[Array], moves: list[Array]) -> Array:
    """dφ, one layer moved at a time."""
    total: Any = 0
    for p, move in enumerate(moves):
        product: Any = None
        for q, layer in enumerate(layers):
            factor = move if p == q else layer
            product = factor if product is None else factor @ product
        total = total + product
    return np.asarray(total)


CASES = [
    (2, (2, 2), 2, 2, "R"),
    (3, (2, 2), 2, 2, "R"),
    (3, (3, 2), 1, 2, "R"),
    (2, (3, 2), 2, 3, "R"),
    (4, (2, 3), 1, 1, "R"),
    (2, (2, 2), 2, 2, "C"),
    (3, (2, 1), 1, 2, "C"),
    (2, (1, 2), 1, 1, "H"),
]


@pytest.mark.parametrize(("depth", "shape", "rank", "hidden", "field"), CASES)
def test_dimensions(depth: int, shape: tuple[int, int], rank: int, hidden: int, field: str) -> None:
    point = BalancedPoint(depth, shape, rank, hidden, field)
    network = DeepLinearNetwork(depth, shape, rank, field)
    basis = point.velocities()
    tangent = np.array([real_vector(moves) for moves in basis])
    images = np.array([real_vector([pushed(point.layers, moves)]) for moves in basis])
    # Ranks with a gap: the singular values that count are of order 1, rounding of order 1e-15.
    found, base = (np.linalg.matrix_rank(matrix, tol=1e-9) for matrix in (tangent, images))
    assert found == balanced_dimension(network, hidden)
    assert base == network.coframe.dimension
    assert found - base == fibre_dimension(network, hidden)


@pytest.mark.parametrize(("depth", "shape", "rank", "hidden", "field"), CASES)
def test_shortest_lifts_have_the_length_of_the_metric(
    depth: int, shape: tuple[int, int], rank: int, hidden: int, field: str
) -> None:
    """What a Riemannian submersion is: |Z| is the least |V| over the tangent vectors V with dφ V = Z."""
    point = BalancedPoint(depth, shape, rank, hidden, field)
    basis = point.velocities()
    size = len(UNITS[field][0])
    tangent = np.array([real_vector(moves) for moves in basis]).T
    frame = np.linalg.svd(tangent)[0][:, : np.linalg.matrix_rank(tangent, tol=1e-9)]
    combinations = np.linalg.lstsq(tangent, frame, rcond=1e-12)[0]
    images = np.array([real_vector([pushed(point.layers, moves)]) for moves in basis]).T @ combinations
    generator = np.random.default_rng(1)
    Z = images @ generator.standard_normal(images.shape[1])
    shortest = np.linalg.lstsq(images, Z, rcond=1e-12)[0]
    half = len(Z) // 2
    velocity = (Z[:half] + 1j * Z[half:]).reshape(point.matrix.shape)
    # g(Z, Z) = <Y, A Y> where A Y = Z, with the operator of the definition on the tangent space.
    operator = defined_operator(point.matrix, depth, rank * size)
    spanning = [pushed(point.layers, moves) for moves in basis]
    moved = np.array([real_vector([operator(vector)]) for vector in spanning]).T
    coefficients = np.linalg.lstsq(moved, real_vector([velocity]), rcond=1e-12)[0]
    inverse = sum(c * vector for c, vector in zip(coefficients, spanning, strict=True))
    expected = np.real(np.sum(velocity.conj() * inverse))
    assert np.allclose(moved @ coefficients, real_vector([velocity]), atol=1e-10)
    assert abs(np.sum(shortest**2) / expected - 1) < 1e-10


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize(("k", "l"), [(0, 0), (0, 1), (1, 0), (None, 1), (0, None)])
def test_components_of_a_lift(depth: int, k: int | None, l: int | None) -> None:
    """Entries of dφ*(u_k v_lᵀ) in the singular basis of explicit layers, null directions included."""
    network = DeepLinearNetwork(depth, (4, 3), 2)
    point = BalancedPoint(depth, (4, 3), 2, 3)
    lift = horizontal_lift(network, k, l)
    row, column = (2 if index is None else index for index in (k, l))
    Z = np.outer(point.frames[-1][:, row], point.frames[0][:, column])
    numbers = dict(zip(network.singular_values, point.sigma, strict=True))
    for p, layer in enumerate(adjoint([layer.real for layer in point.layers], Z), 1):
        inside = point.frames[p].T @ layer @ point.frames[p - 1]
        expected = np.zeros_like(inside)
        if lift.component(p) != 0:
            expected[row, column] = float(lift.component(p).subs(numbers))
        assert np.allclose(inside, expected, atol=1e-13)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_norms_add_up_to_the_multiplier(depth: int) -> None:
    values = {Symbol("sigma_1", positive=True): Rational(9, 4), Symbol("sigma_2", positive=True): Rational(1, 3)}
    for network in (DeepLinearNetwork(depth, (3, 2)), DeepLinearNetwork(depth, (3, 2), rescaled=True)):
        for k, l in ((0, 1), (1, 1), (None, 0)):
            lift = horizontal_lift(network, k, l)
            summed = lift.squared_norm().doit().subs(values).evalf(30)
            assert isinstance(lift.squared_norm(), Sum)
            pair = [lift.left.subs(values), lift.right.subs(values)]
            expected = precise_multiplier(*(map(float, pair)), depth) / int(network.operator_divisor)
            assert abs(float(summed) / float(expected) - 1) < 1e-13
            assert abs(lift.summed_norm().subs(values).evalf(30) / summed - 1) < Rational(1, 10**25)


def test_symbolic_depth_and_rank() -> None:
    r = Symbol("r", integer=True, positive=True)
    k, l = symbols("k l", integer=True, positive=True)
    lift = horizontal_lift(DeepLinearNetwork(N, (r, r), r), k, l)
    explicit = horizontal_lift(DeepLinearNetwork(3, (2, 2)), 0, 1)
    renamed = {Symbol("sigma_k", positive=True): explicit.left, Symbol("sigma_l", positive=True): explicit.right}
    assert lift.component(2).subs(N, 3).xreplace(renamed) == explicit.component(2)
    assert lift.summed_norm().subs(N, 3).xreplace(renamed) == explicit.summed_norm()


def test_dimensions_of_symbols() -> None:
    m, n, r, h = symbols("m n r h", integer=True, positive=True)
    network = DeepLinearNetwork(N, (m, n), r)
    values = {N: 3, m: 4, n: 3, r: 2}
    assert balanced_dimension(network, h).subs(values).subs(h, 3) == balanced_dimension(
        DeepLinearNetwork(3, (4, 3), 2), 3
    )
    # d² + (N - 1) d (d - 1)/2 where all widths are d.
    square = balanced_dimension(DeepLinearNetwork(N, (r, r), r))
    assert (square - r**2 - (N - 1) * r * (r - 1) / 2).expand() == 0


def test_vertical_vectors_are_orthogonal_to_lifts() -> None:
    a, b = symbols("a b", positive=True)
    turns = [S.Zero, *symbols("t_1:4"), S.Zero]
    products = (lift_component(a, b, p, 4) * vertical_component(a, b, turns[p], turns[p - 1], 4) for p in range(1, 5))
    assert sum(products).expand().powsimp() == 0


def test_what_is_refused() -> None:
    network = DeepLinearNetwork(3, (2, 2))
    with pytest.raises(ValueError, match="depth oo"):
        horizontal_lift(DeepLinearNetwork(oo, (2, 2)), 0, 1)
    with pytest.raises(ValueError, match="two null directions"):
        horizontal_lift(DeepLinearNetwork(3, (2, 2), 1), None, None)
    with pytest.raises(ValueError, match="k is None"):
        horizontal_lift(network, None, 1)
    with pytest.raises(IndexError):
        horizontal_lift(network, 0, 2)
    with pytest.raises(ValueError, match="hidden_width"):
        fibre_dimension(network, 1)
    with pytest.raises(ValueError, match="depth oo"):
        balanced_dimension(DeepLinearNetwork(oo, (2, 2)))
