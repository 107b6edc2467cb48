"""Sums and products over a symbolic rank against what they are written out for explicit ranks."""

from __future__ import annotations

from itertools import combinations
from math import prod
from typing import Any

import numpy as np
import pytest
from sympy import Expr, Integer, Rational, S, Symbol, latex, log, oo, symbols

from geometry import DeepLinearNetwork, SingularCoframe, SpectralMetric, explicit
from geometry.coframe import indexed
from geometry.indexed import IndexedProduct, IndexedSum, IndexedSymbol, SingularValue, SingularValues, index_symbols
from tests.definition import DefinedPoint

m, n, r = symbols("m n r", integer=True, positive=True)
k, l, p = index_symbols(3)
N = Symbol("N", positive=True)


def sigma(index: int) -> Symbol:
    return Symbol(f"sigma_{index}", positive=True)


# ------------------------------------------------------------------------------- sums and products


@pytest.mark.parametrize("rank", [1, 2, 3, 5])
@pytest.mark.parametrize("indices", [(k,), (k, l), (k, l, p)])
def test_terms_run_over_increasing_tuples(indices: tuple[Symbol, ...], rank: int) -> None:
    function = prod((SingularValue(index) + position for position, index in enumerate(indices)), start=S.One)
    chosen = list(combinations(range(1, rank + 1), len(indices)))
    terms = [prod((sigma(i) + position for position, i in enumerate(group)), start=S.One) for group in chosen]
    assert (IndexedSum(function, indices, r).subs(r, rank).doit() - sum(terms)).expand() == 0
    assert (IndexedProduct(function, indices, r).subs(r, rank).doit() - prod(terms, start=S.One)).expand() == 0


def test_what_does_not_depend_on_the_indices_comes_out() -> None:
    assert IndexedSum(3 * m, (k, l), r) == 3 * m * r * (r - 1) / 2
    assert IndexedSum(m * SingularValue(k), (k,), r) == m * IndexedSum(SingularValue(k), (k,), r)
    assert IndexedProduct(N * SingularValue(k), (k,), r) == N**r * IndexedProduct(SingularValue(k), (k,), r)
    assert IndexedSum(S.Zero, (k,), r) == 0
    assert IndexedProduct(S.One, (k, l), r) == 1


def test_bound_indices_are_not_substituted() -> None:
    total = IndexedSum(SingularValue(k) ** N, (k,), r)
    assert total.free_symbols == {N, r}
    assert total.subs(k, 7) == total
    # A free symbol that has the name of an index keeps apart from it.
    moved = total.subs(N, k)
    assert moved.free_symbols == {k, r}
    assert moved.subs(r, 2).doit() == sigma(1) ** k + sigma(2) ** k


def test_products_of_positive_factors_take_powers_inside() -> None:
    product = IndexedProduct(SingularValue(k), (k,), r)
    assert product.is_positive
    assert product ** Rational(3, 2) == IndexedProduct(SingularValue(k) ** Rational(3, 2), (k,), r)
    written = product.logarithm().subs(r, 3).doit()
    assert written == log(sigma(1)) + log(sigma(2)) + log(sigma(3))


def test_typeset_as_on_paper() -> None:
    product = IndexedProduct(abs(SingularValue(k) - SingularValue(l)), (k, l), r)
    assert latex(product).startswith(r"\prod_{k < l}")
    assert latex(IndexedSum(SingularValue(k), (k,), r)) == r"\sum_{k=1}^{r} \sigma_{k}"
    # Without brackets the 2 m would look summed over.
    assert latex(2 * m * IndexedSum(SingularValue(k), (k,), r)).endswith(r"\left(\sum_{k=1}^{r} \sigma_{k}\right)")


def test_indexed_symbols() -> None:
    name = IndexedSymbol("lambda", k, l)
    assert (str(name), latex(name), name.free_symbols) == ("lambda_kl", r"\lambda_{kl}", {k, l})
    assert name.subs({k: 1, l: 12}) == Symbol("lambda_1,12", positive=True)


def test_singular_values_of_a_symbolic_rank() -> None:
    values = DeepLinearNetwork(N, (m, n), r).singular_values
    assert isinstance(values, SingularValues)
    assert values[2] == sigma(3)
    for use in (len, list):
        with pytest.raises(TypeError, match="rank r is a symbol"):
            use(values)  # type: ignore[operator]
    with pytest.raises(IndexError, match="from 0"):
        values[-1]


# ------------------------------------------------------------------------------------ the coframe


def test_sums_over_a_coframe() -> None:
    def function(a: Expr, b: Expr) -> Expr:
        return (a - b) ** 2 / (a * b)

    generic = SingularCoframe((m, n), r).sum_over(2, function)
    for rank in (1, 2, 4):
        written = SingularCoframe((5, 4), rank).sum_over(2, function)
        pairs = combinations([sigma(i + 1) for i in range(rank)], 2)
        assert generic.subs(r, rank).doit() == written == sum((function(a, b) for a, b in pairs), S.Zero)


@pytest.mark.parametrize("field", ["R", "C", "H"])
def test_dimension(field: str) -> None:
    generic = SingularCoframe((m, n), r, field).dimension
    for shape, rank in (((3, 3), 3), ((5, 4), 2), ((2, 6), 1)):
        sizes = {m: shape[0], n: shape[1], r: rank}
        assert generic.subs(sizes) == SingularCoframe(shape, rank, field).dimension


def test_generic_names_know_their_indices() -> None:
    a, form = Symbol("sigma_l", positive=True), SingularCoframe((m, n), r)
    left = next(block for block in form.blocks() if block.kind == "left").forms[0]
    assert indexed(a) == SingularValue(l)
    assert indexed(left).subs(k, 2).name == "A_2"


# --------------------------------------------------------------------------------- volume forms


@pytest.mark.parametrize("field", ["R", "C", "H"])
@pytest.mark.parametrize("depth", [N, 1, 3, oo], ids=str)
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_volume_density_agrees_with_the_explicit_one(field: str, depth: Any, rank: int) -> None:
    generic = DeepLinearNetwork(depth, (m, n), r, field).volume_density()
    network = DeepLinearNetwork(depth, (5, 4), rank, field)
    written = generic.subs({m: 5, n: 4, r: rank}).doit()
    values = {value: Rational(9 - 2 * i, 4) for i, value in enumerate(network.singular_values)} | {N: Integer(3)}
    ratio = (written / network.volume_density()).subs(values).evalf(30)
    assert abs(ratio - 1) < 1e-25
    assert written.free_symbols == network.volume_density().free_symbols


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize(
    ("field", "shape", "rank"), [("R", (4, 3), 2), ("R", (3, 3), 3), ("C", (3, 2), 2), ("H", (2, 2), 2)]
)
def test_log_volume_density_against_the_definition(depth: int, field: str, shape: tuple[int, int], rank: int) -> None:
    generic = DeepLinearNetwork(N, (m, n), r, field).log_volume_density()
    spectrum = [2.3, 1.1, 0.6][:rank]
    point = DefinedPoint.random(shape, spectrum, np.random.default_rng(5), field)
    sizes = {m: shape[0], n: shape[1], r: rank, N: depth}
    value = generic.subs(sizes).doit().subs({sigma(i + 1): value for i, value in enumerate(spectrum)})
    # At most 32 frame vectors and eigenvalues of X Xᴴ with condition 15.
    assert abs(float(value) - point.log_volume(depth)) < 1e-10


def test_line_element_agrees_with_the_explicit_one() -> None:
    generic = DeepLinearNetwork(N, (m, n), r).metric.line_element().subs({m: 5, n: 4, r: 3}).doit()
    written = DeepLinearNetwork(N, (5, 4), 3).metric.line_element()
    generator = np.random.default_rng(0)
    numbers = {symbol: Rational(int(generator.integers(1, 30)), 7) for symbol in sorted(written.free_symbols, key=str)}
    assert generic.free_symbols == written.free_symbols
    assert abs((generic / written).subs(numbers).evalf(30) - 1) < 1e-25


@pytest.mark.parametrize("multiplier", [lambda a, b: a * b, lambda a, b: a + b, lambda a, b: (a**3 + b**3) / (a + b)])
def test_metrics_of_ones_own(multiplier: Any) -> None:
    generic = SpectralMetric((r, r), multiplier=multiplier)
    assert generic.rank == r
    for rank in (2, 3):
        metric = SpectralMetric((rank, rank), multiplier=multiplier)
        values = {sigma(i + 1): Rational(7, i + 2) for i in range(rank)}
        found = explicit(generic.volume_density().subs(r, rank).doit()).subs(values)
        assert abs((found / metric.volume_density().subs(values)).evalf(30) - 1) < 1e-25


def test_symbolic_sizes_are_validated() -> None:
    with pytest.raises(ValueError, match="rank must be given"):
        DeepLinearNetwork(N, (m, n))
    with pytest.raises(ValueError, match="symbolic rank must be a positive integer symbol"):
        DeepLinearNetwork(N, (m, n), Symbol("r", integer=False))
    with pytest.raises(ValueError, match="both called r"):
        DeepLinearNetwork(Symbol("r", positive=True), (3, 3), r)
    with pytest.raises(IndexError):
        DeepLinearNetwork(N, (m, n), r).multiplier(-1, 0)
