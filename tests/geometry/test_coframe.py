"""The coframe against velocities of X under one-parameter groups."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.linalg import matrix_rank
from sympy import Integer, Matrix, latex, symbols

from geometry import SingularCoframe
from geometry.coframe import DYSON_INDEX, CoframeBlock, gram_matrix
from tests.definition import UNITS, DefinedPoint, FrameVector

CASES = [
    ((2, 2), 2, "R"),
    ((4, 3), 2, "R"),
    ((3, 4), 3, "R"),
    ((3, 3), 1, "R"),
    ((3, 2), 2, "C"),
    ((2, 3), 2, "H"),
    ((1, 1), 1, "H"),
]
KINDS = {
    "radial": "radial",
    "phase": "phase",
    "left rotation": "pair",
    "right rotation": "pair",
    "left": "left",
    "right": "right",
}


def defined_point(shape: tuple[int, int], rank: int, field: str) -> DefinedPoint:
    """A generic point."""
    generator = np.random.default_rng(11)
    sigma = np.sort(generator.uniform(0.5, 2.5, rank))[::-1]
    return DefinedPoint.random(shape, sigma, generator, field)


def real_vectors(frame: list[FrameVector]) -> np.ndarray:
    """The velocities as real columns."""
    columns = [np.concatenate([vector.velocity.real.ravel(), vector.velocity.imag.ravel()]) for vector in frame]
    return np.array(columns).T


def block_of(vector: FrameVector) -> tuple[str, tuple[int, ...]]:
    """Kind and singular values of the block that a frame vector belongs to."""
    indices = vector.indices[1:] if vector.kind in ("left", "right") else vector.indices
    return KINDS[vector.kind], indices


@pytest.mark.parametrize(("shape", "rank", "field"), CASES)
def test_dimension_is_the_rank_of_the_velocities(shape: tuple[int, int], rank: int, field: str) -> None:
    frame = defined_point(shape, rank, field).frame()
    dimension = SingularCoframe(shape, rank, field).dimension
    # A basis: as many vectors as the dimension of their span.
    assert dimension == matrix_rank(real_vectors(frame), tol=1e-10) == len(frame)


@pytest.mark.parametrize(("shape", "rank", "field"), CASES)
def test_blocks_occur_as_often_as_the_velocities(shape: tuple[int, int], rank: int, field: str) -> None:
    counts = Counter(block_of(vector) for vector in defined_point(shape, rank, field).frame())
    blocks = {(block.kind, block.indices): block for block in SingularCoframe(shape, rank, field).blocks()}
    assert {key: block.multiplicity * len(block.forms) for key, block in blocks.items()} == counts


@pytest.mark.parametrize(("shape", "rank", "field"), CASES)
def test_frobenius_gram_matrices_of_blocks(shape: tuple[int, int], rank: int, field: str) -> None:
    point = defined_point(shape, rank, field)
    coframe = SingularCoframe(shape, rank, field)
    frame, values = point.frame(), dict(zip(coframe.singular_values, point.sigma, strict=True))
    seen = 0
    for block in coframe.blocks():
        members = [vector for vector in frame if block_of(vector) == (block.kind, block.indices)]
        # One copy of the block: the components along one unit, towards one null direction.
        copies = {(vector.unit, vector.indices) for vector in members}
        expected = np.array(gram_matrix(block).subs(values), dtype=float)
        for unit, indices in copies:
            copy = [vector for vector in members if (vector.unit, vector.indices) == (unit, indices)]
            gram = [[point.inner(F.velocity, G.velocity) for G in copy] for F in copy]
            # Rounding of sums of at most 64 products of order 10.
            np.testing.assert_allclose(gram, expected, atol=1e-12)
            seen += len(copy)
    assert seen == len(frame)


def test_different_blocks_are_orthogonal() -> None:
    point = defined_point((4, 3), 2, "R")
    frame = point.frame()
    for F in frame:
        for G in frame:
            if block_of(F) != block_of(G):
                assert abs(point.inner(F.velocity, G.velocity)) < 1e-12


@pytest.mark.parametrize("kind", ["radial", "pair", "left", "right"])
def test_entries_of_a_velocity_in_the_singular_basis(kind: str) -> None:
    point = defined_point((4, 3), 2, "R")
    coframe = SingularCoframe((4, 3), 2)
    block = next(block for block in coframe.blocks() if block.kind == kind)
    members = [vector for vector in point.frame() if block_of(vector) == (kind, block.indices)][: len(block.forms)]
    values = dict(zip(coframe.singular_values, point.sigma, strict=True))
    for form, vector in zip(block.forms, members, strict=True):
        alone = values | {other: Integer(int(other == form)) for other in block.forms}
        inner = point.left.T @ vector.velocity @ point.right
        null = {"left": (vector.indices[0], None), "right": (None, vector.indices[0])}.get(kind, (None, None))
        for (row, column), entry in block.velocity.items():
            place = (null[0] if row is None else row, null[1] if column is None else column)
            assert abs(inner[place] - float(entry.subs(alone))) < 1e-12
            inner[place] = 0.0
        assert np.abs(inner).max() < 1e-12


def test_velocity_is_a_derivative() -> None:
    """The frame of the oracle itself: dX/dt by central differences of exp(tK) Σ exp(-tL)."""
    from scipy.linalg import expm

    point = defined_point((3, 3), 2, "R")
    step = 1e-5
    for vector in point.frame():
        if vector.kind not in ("left rotation", "right"):
            continue
        (k, l), side = vector.indices, "left" if vector.kind == "left rotation" else "right"
        turn = np.zeros((3, 3))
        turn[k, l], turn[l, k] = 1.0, -1.0
        ends = []
        for t in (step, -step):
            frames = {"left": point.left, "right": point.right}
            frames[side] = frames[side] @ expm(t * turn)
            ends.append(frames["left"] @ point.spectrum @ frames["right"].T)
        # Third derivatives of order 10 times h², and rounding over h: 1e-9 and 1e-11.
        np.testing.assert_allclose((ends[0] - ends[1]) / (2 * step), vector.velocity, atol=1e-8)


def test_symbolic_shape_has_symbolic_multiplicities() -> None:
    m, n = symbols("m n", integer=True, positive=True)
    coframe = SingularCoframe((m, n), 2)
    assert coframe.dimension.subs({m: 5, n: 4}) == SingularCoframe((5, 4), 2).dimension == 14
    assert [block.kind for block in coframe.blocks()].count("left") == 2
    assert coframe.has_null_directions


def test_singular_values_are_positive_symbols_in_order() -> None:
    sigma = SingularCoframe((3, 3), 3).singular_values
    assert [str(value) for value in sigma] == ["sigma_1", "sigma_2", "sigma_3"]
    assert all(value.is_positive for value in sigma)


def test_dyson_index_is_the_real_dimension_of_the_field() -> None:
    assert {field: len(units) for field, units in UNITS.items()} == DYSON_INDEX


def test_one_forms_are_typeset() -> None:
    forms = [form for block in SingularCoframe((3, 3), 2).blocks() for form in block.forms]
    written = [latex(form) for form in forms]
    assert written[0] == r"d\sigma_{1}"
    assert r"\Omega^{U}_{12}" in written
    assert r"\Omega^{V}_{12}" in written
    assert "A_{1}" in written


def test_gram_matrix_is_symmetric_and_definite() -> None:
    block = next(block for block in SingularCoframe((2, 2), 2).blocks() if block.kind == "pair")
    assert isinstance(block, CoframeBlock)
    gram = gram_matrix(block)
    assert gram == gram.T != Matrix.zeros(2, 2)
    a, b = block.velocity[(0, 1)].free_symbols & set(SingularCoframe((2, 2), 2).singular_values)
    assert gram.det().subs({a: 3, b: 2}) > 0
