"""Volume forms as products of factors, against determinants and against numbers at large depth."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from sympy import Abs, Expr, Integer, Rational, S, exp, log, oo, sqrt, symbols

from geometry import DeepLinearNetwork, SingularCoframe
from geometry.coframe import gram_matrix
from geometry.volume import VolumeForm, block_volume_form, leading_term
from tests.definition import DefinedPoint

a, b, N, lam = symbols("a b N lambda", positive=True)


# ------------------------------------------------------------------------------------- leading terms


@pytest.mark.parametrize(
    ("expression", "order"),
    [
        (a ** (2 / N) - b ** (2 / N), 1),
        ((a ** (2 / N) - b ** (2 / N)) / N, 2),
        (N * (a ** (1 / N) - 1), 0),
        (N**2 + 3 * N, -2),
        ((a**2 - b**2) / (a ** (2 / N) - b ** (2 / N)), -1),
        (a ** (1 - 2 / N) + 1 / N, 0),
        (a ** (2 / N) + b ** (2 / N) - 2 * (a * b) ** (1 / N), 2),
    ],
)
def test_leading_term_is_what_the_expression_approaches(expression: Expr, order: int) -> None:
    coefficient, found = leading_term(expression, N)
    assert found == order
    point = {a: Rational(7, 2), b: Rational(2, 5)}
    with mpmath.workdps(60):
        depth = Integer(10) ** 25
        scaled = (expression * N**order).subs(point).subs(N, depth).evalf(60)
        expected = coefficient.subs(point).evalf(40)
        # The next order is smaller by a factor of N up to logarithms.
        assert expected != 0
        assert abs(scaled / expected - 1) < 1e-22


def test_leading_term_keeps_the_names_of_symbols() -> None:
    x_0, x_1 = symbols("x_0 x_1", positive=True)
    # The names that the cache uses inside, exchanged.
    coefficient, _ = leading_term(x_1 ** (1 / N) / x_0, N)
    assert coefficient == 1 / x_0
    swapped, order = leading_term(x_1 ** (2 / N) - x_0 ** (2 / N), N)
    assert order == 1
    assert swapped.subs({x_0: 1, x_1: 2}).equals(2 * log(2))


@pytest.mark.parametrize("expression", [exp(N), log(N), S.Zero, N**7])
def test_without_a_leading_power_it_is_refused(expression: Expr) -> None:
    with pytest.raises(ValueError, match="leading power"):
        leading_term(expression, N)


# -------------------------------------------------------------------------------------- volume forms


def test_product_collects_exponents() -> None:
    form = VolumeForm.product([(a, Rational(1, 2)), (b, 1 / N), (a, 1 - 1 / N), (b, -1 / N), (S.One, Integer(7))])
    assert form.factors == ((a, Rational(3, 2) - 1 / N),)
    assert form.density() == a ** (Rational(3, 2) - 1 / N)


def test_logarithm_of_the_density() -> None:
    form = VolumeForm.product([(a, -N), (Abs(a - b), Integer(2)), (Integer(3), Rational(1, 2))])
    numbers = {a: Rational(1, 3), b: Rational(5, 2), N: Integer(4)}
    assert abs((log(form.density()) - form.log_density()).subs(numbers).evalf(30)) < 1e-25
    assert form.log_density().has(log(Abs(a - b)))


def test_renaming_is_simultaneous() -> None:
    form = VolumeForm.product([(a, Integer(1)), (b, Integer(2))])
    assert form.renamed({a: b, b: a}).density() == b * a**2


def test_leading_term_of_a_volume_form() -> None:
    form = DeepLinearNetwork(N, (2, 2)).volume_form
    limit_form, order = form.leading_term(N)
    sigma = DeepLinearNetwork(N, (2, 2)).singular_values
    numbers = dict(zip(sigma, (Rational(5, 2), Rational(1, 3)), strict=True))
    with mpmath.workdps(60):
        there = (form.density() * N**order).subs(numbers).subs(N, Integer(10) ** 25).evalf(60)
        assert abs(there / limit_form.density().subs(numbers).evalf(40) - 1) < 1e-22
    assert order == 2


def test_factors_are_positive_or_absolute_values() -> None:
    for depth in (N, 3, oo):
        for base, _ in DeepLinearNetwork(depth, (3, 2)).volume_form.factors:
            assert base.is_positive or isinstance(base, Abs)


@pytest.mark.parametrize("kind", ["radial", "phase", "pair", "left", "right"])
def test_volume_of_a_block_is_the_root_of_its_determinant(kind: str) -> None:
    coframe = SingularCoframe((4, 3), 2, "C")
    block = next(block for block in coframe.blocks() if block.kind == kind)
    multiplier = a**2 + lam
    density = block_volume_form(block, multiplier).density()
    first, second = coframe.singular_values
    numbers = {first: Rational(7, 3), second: Rational(1, 2), a: Rational(3), lam: Rational(5, 4)}
    gram = (gram_matrix(block) / multiplier).subs(numbers)
    expected = sqrt(gram.det()) ** block.multiplicity
    assert (density.subs(numbers) / expected).equals(1)


@pytest.mark.parametrize("depth", [2, 5])
def test_the_logarithm_agrees_with_the_determinant(depth: int) -> None:
    network = DeepLinearNetwork(depth, (4, 3), 2)
    point = DefinedPoint.random((4, 3), [1.9, 0.7], np.random.default_rng(2))
    numbers = dict(zip(network.singular_values, point.sigma, strict=True))
    value = float(network.volume_form.log_density().subs(numbers))
    # 10 frame vectors, eigenvalues of X Xᵀ with condition 10.
    assert abs(value - point.log_volume(depth)) < 1e-11
