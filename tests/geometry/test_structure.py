"""The structure equations against commutators of explicit block matrices."""

from __future__ import annotations

from itertools import combinations

import pytest

from derivations.definition import UNITS
from derivations.theorems.structure_equations import _matrices
from geometry import DeepLinearNetwork
from geometry.structure import bracket, bracket_triples, generators, structure_constants


@pytest.mark.parametrize("field", ["R", "C", "H"])
def test_brackets_are_commutators(field: str) -> None:
    """Entries are halves of integers, so double precision is exact."""
    basis = list(generators(field, 2, 1, 1))
    matrices = {generator: _matrices(generator, field, 2, 1) for generator in basis}
    for x, y in combinations(basis, 2):
        for side in (0, 1):
            a, b = matrices[x][side], matrices[y][side]
            expected = sum((float(c) * matrices[z][side] for z, c in bracket(x, y, field).items()), 0 * a)
            assert abs(a @ b - b @ a - expected).max() == 0


@pytest.mark.parametrize(("field", "size"), [("R", (3, 2, 1)), ("C", (3, 1, 2)), ("H", (2, 2, 1))])
def test_table_counts_what_explicit_sizes_have(field: str, size: tuple[int, int, int]) -> None:
    """Σ c² over all triples outside the isotropy, from the table and from all commutators of that size."""
    rank, left, right = size
    explicit = 0
    for triple, constant in structure_constants(field, rank, left, right).items():
        if sum(generator.is_isotropic for generator in triple) < 2:
            explicit += constant**2 / (triple[0].square * triple[1].square * triple[2].square)
    coframe = DeepLinearNetwork(1, (rank + left, rank + right), rank, field).coframe
    table = sum(t.constant * t.multiplicity(coframe) * coframe.count(t.size) for t in bracket_triples(field))
    assert table == explicit != 0


@pytest.mark.parametrize("field", ["R", "C", "H"])
def test_multiplicities_in_the_dyson_index(field: str) -> None:
    """Closed forms in β: β² triples of three rotations, β (β - 1)/2 pairs of units with a phase."""
    beta = len(UNITS[field])
    counts = {(t.elements, t.null_side, t.constant): t.count for t in bracket_triples(field)}
    for (elements, side, _), count in counts.items():
        pairs = [indices for kind, indices in elements if kind in ("plus", "minus") and len(set(indices)) == 2]
        if len(pairs) == 3 or (side and len(pairs) == 1):
            assert count == beta**2
        if len(elements) == 3 and any(indices == (0, 0) for _, indices in elements) and side:
            assert count == beta * (beta - 1) // 2
