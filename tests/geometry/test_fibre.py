"""Gram matrices of the fibre against determinants of explicit matrices."""

import pytest
from sympy import Integer, Symbol, expand, symbols

from geometry.fibre import continuant, pair_determinant, pair_gram_matrix, phase_determinant, phase_gram_matrix

a, b = symbols("a b", positive=True)


@pytest.mark.parametrize("depth", range(2, 9))
def test_determinants_at_explicit_depths(depth: int) -> None:
    """Closed forms for symbolic depth against determinants, both in the layers' singular values."""
    N = Symbol("N", positive=True)
    values = {a: 3, b: 2}
    pair = pair_gram_matrix(a, b, depth).subs(values).det()
    at = {"first": Integer(3) ** depth, "second": Integer(2) ** depth}
    assert pair == 2 ** (depth - 1) * pair_determinant(at["first"], at["second"], N).subs(N, depth) != 0
    assert pair == 2 ** (depth - 1) * pair_determinant(at["first"], at["second"], Integer(depth))
    assert phase_gram_matrix(a, depth).subs(values).det() == phase_determinant(at["first"], N).subs(N, depth) != 0
    beside = pair_gram_matrix(a, Integer(0), depth).subs(values).det()
    assert beside == 2 ** (depth - 1) * pair_determinant(at["first"], Integer(0), N).subs(N, depth) != 0


def test_layers_of_depth_one_have_no_fibre() -> None:
    assert pair_gram_matrix(a, b, 1).shape == (0, 0)
    assert pair_determinant(a, b, Integer(1)) == phase_determinant(a, Integer(1)) == 1


def test_continuant_with_a_double_root() -> None:
    assert [continuant(2 * a, a, Integer(n)).expand() for n in (0, 1, 2)] == [1, 2 * a, 3 * a**2]
    with pytest.raises(ValueError, match="no roots"):
        continuant(a + b, a * b, Integer(3))


def test_coalescence() -> None:
    N = Symbol("N", positive=True)
    assert expand(pair_determinant(a, a, N) - phase_determinant(a, N)) == 0
