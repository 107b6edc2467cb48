"""Formulas in the house style: what is printed, and that it says what the expression says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import (
    Abs,
    Expr,
    Function,
    Integral,
    Limit,
    MatrixSymbol,
    Mul,
    Rational,
    Symbol,
    Tuple,
    cos,
    expand,
    gamma,
    log,
    oo,
    sin,
    sqrt,
    symbols,
)

from derivations import DERIVATIONS
from derivations.latex_collecting import collected
from derivations.latex_factors import above_and_below
from derivations.latex_gathering import gathered, gathered_equations, generic
from derivations.latex_lines import LINE, broken, split_terms, width
from derivations.latex_style import house_style
from derivations.step import typeset
from geometry import DeepLinearNetwork
from geometry.coframe import OneForm
from geometry.indexed import IndexedProduct, IndexedSum

N, T, w = symbols("N T w", positive=True)
a, b, c = symbols("sigma_1 sigma_2 sigma_3", positive=True)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (a ** (2 / N), r"\sigma_1^{2/N}"),
        (a ** (2 - 2 / N), r"\sigma_1^{2 - 2/N}"),
        (a ** (1 / N - 1), r"\sigma_1^{1/N - 1}"),
        (a ** ((2 * N - 2) / N), r"\sigma_1^{2(N - 1)/N}"),
        (a ** (w / N + T / N - 1), r"\sigma_1^{(T + w)/N - 1}"),
        (N ** Rational(9, 2), r"N^{9/2}"),
        (b - a, r"\sigma_2 - \sigma_1"),
        (-a - b, r"- \sigma_1 - \sigma_2"),
        (T * N * b * a, r"N T \sigma_1 \sigma_2"),
        (a * (N - 1), r"\left(N - 1\right) \sigma_1"),
        ((a - b) * log(a) * N, r"N \left(\sigma_1 - \sigma_2\right) \log \sigma_1"),
        (Rational(3, 2) * log(N), r"\frac{3}{2} \log N"),
        (log(a * b), r"\log\left(\sigma_1 \sigma_2\right)"),
        (log(gamma(N)), r"\log \Gamma\left(N\right)"),
        (log(Abs(log(a) - log(b))), r"\log \left|\log \sigma_1 - \log \sigma_2\right|"),
        (sin(T) ** 2 * cos(T), r"\sin^2 T \cos T"),
        (sqrt(a) / N, r"\frac{\sqrt{\sigma_1}}{N}"),
        (1 / N, r"\frac{1}{N}"),
        (1 - 1 / N, r"1 - \frac{1}{N}"),
        (Function("f")(T), "f(T)"),
        (-(a + b) / N, r"- \frac{\sigma_1 + \sigma_2}{N}"),
        (OneForm("dsigma_1") ** 2 / N, r"\frac{d\sigma_1^2}{N}"),
        (MatrixSymbol("W", 2, 2).T * MatrixSymbol("W", 2, 2), r"W^{\mathsf T} W"),
        (Limit(N * (a - b), N, oo), r"\lim_{N \to \infty} N \left(\sigma_1 - \sigma_2\right)"),
        (2 * Integral(a, (a, 0, 1)) / N, r"\frac{2}{N} \int\limits_0^1 \sigma_1\, d\sigma_1"),
    ],
    ids=str,
)
def test_how_it_looks(expression: Expr, expected: str) -> None:
    assert house_style(expression) == expected


def test_no_two_signs_and_no_two_superscripts() -> None:
    form = OneForm("Omega^U_12")
    assert house_style(form**2) == r"\left(\Omega^U_{12}\right)^2"
    flipped = a - (-a - b) * log(b) / N - Mul(-1, a + b, evaluate=False)
    for sign in ("+ -", "- -", "+ +"):
        assert sign not in house_style(flipped)


def test_sums_in_products_stand_last_or_in_brackets() -> None:
    total = gathered(a + b + c)
    assert house_style(total * N) == r"N \sum_{k=1}^3 \sigma_k"
    product = gathered(a * b * c)
    assert house_style(total * product).endswith(r"\left(\sum_{k=1}^3 \sigma_k\right)")


def test_the_volume_form_is_as_in_the_paper() -> None:
    density = DeepLinearNetwork(N, (3, 3)).volume_density()
    vandermonde = r"\prod_{k < l} \left|\sigma_k^{2/N} - \sigma_l^{2/N}\right|"
    assert typeset(density) == rf"N^{{-3/2}} \prod_{{k=1}}^3 \sigma_k^{{1/N - 1}} {vandermonde}"


# --------------------------------------------------------------------------------- gathering


COEFFICIENTS = st.sampled_from([1, 2, -1, N, 1 / N])
EXPONENTS = st.sampled_from([Rational(1), Rational(2), 2 / N, 1 - 1 / N])


@settings(max_examples=25, deadline=None)
@given(COEFFICIENTS, EXPONENTS, EXPONENTS)
def test_gathering_changes_no_value(coefficient: Expr, first: Expr, second: Expr) -> None:
    """Written out again, a sum and a product over all indices are what they were."""
    single = sum(coefficient * value**first for value in (a, b, c))
    pairs = [(x**second - y**second) ** 2 for x, y in ((a, b), (a, c), (b, c))]
    for expression in (single + sum(pairs), single * Mul(*pairs), Mul(*(value**first for value in (a, b, c)), *pairs)):
        found = gathered(expression)
        assert found.has(IndexedSum, IndexedProduct)
        assert expand(found.doit(deep=True) - expression) == 0


@pytest.mark.parametrize(
    "expression",
    [
        a + b,  # two are written out
        a + 2 * b + c,
        a * b**2 * c,
        (a - b) * (a - c),  # a pair is missing
        a * c,
        Symbol("sigma_2") + Symbol("sigma_3") + Symbol("sigma_4"),
    ],
    ids=str,
)
def test_what_is_not_over_all_indices_stays(expression: Expr) -> None:
    assert gathered(expression) == expression


def test_generic_indices() -> None:
    pattern, labels = generic(Symbol("lambda_13", positive=True) * a)
    assert (str(pattern), labels) == ("lambda_kl*sigma_k", (1, 3))
    assert generic(a * b * c)[1] == ()
    assert generic(N)[1] == ()


def test_equations_of_a_family_are_one() -> None:
    names = symbols("lambda_11 lambda_22 lambda_33", positive=True)
    rows = gathered_equations({name: N * value for name, value in zip(names, (a, b, c), strict=True)})
    assert [str(Tuple(*row)) for row in rows] == ["(lambda_kk, N*sigma_k)"]
    assert len(gathered_equations({names[0]: N * a, names[1]: N * b})) == 2
    assert len(gathered_equations({names[0]: N * a, names[1]: 2 * b, names[2]: N * c})) == 3


def test_collecting_changes_no_value() -> None:
    long = expand((N * (a ** (2 / N) - b ** (2 / N)) ** 2 + N**2 * a * (a**2 - b**2) ** 2) * b)
    short = collected(long)
    assert len(short.args) < len(long.args)
    assert expand(short - long) == 0
    for other in (
        sum(log(a + power) for power in range(9)) + a ** (1 / N),
        sum(a ** (power / N) / (a**power - b) for power in range(1, 8)),
    ):
        assert collected(other) == other


def test_above_and_below_multiply_to_the_product() -> None:
    for product in (-3 * a ** (2 / N) / (2 * b), (-a - b) * c / N, a**3 * a ** (4 / N), N ** (-a) / (a - b) ** 3):
        negative, above, below = above_and_below(product)
        assert expand((-1) ** negative * Mul(*above) / Mul(*below) - product) == 0


# --------------------------------------------------------------------------------- lines


def test_widths() -> None:
    assert width(r"\frac{x}{y + z}") < width("x + y + z")
    assert width(r"x_{kl}^{2/N}") < width("x k l 2/N")
    assert width(r"\left(x\right)") > width("x")
    assert width(r"\sum_{k=1}^{3} x") < width(r"\sum k=1 3 x")


def test_lines_are_short_and_lose_nothing() -> None:
    long = house_style(expand((a + b + c + N + T) ** 3))
    lines = broken(long, LINE, LINE - 4)
    assert len(lines) > 1
    assert all(width(line) <= LINE for line in lines)
    assert " ".join(lines) == long


def test_brackets_are_broken_where_they_are_too_long() -> None:
    inside = house_style(expand((a + b + c + N) ** 3))
    lines = broken(rf"N \left({inside}\right)^2", LINE, LINE - 4)
    assert len(lines) > 1
    text = "".join(lines)
    assert text.count(r"\biggl(") == text.count(r"\biggr)") == 1
    assert lines[-1].endswith(r"\biggr)^2")
    for line in lines:
        assert line.count(r"\left") == line.count(r"\right")
        assert line.count("{") == line.count("}")


def test_terms_are_split_outside_brackets_only() -> None:
    assert split_terms(r"a + \left(b - c\right) - \frac{d + e}{f}") == [
        "a",
        r"+ \left(b - c\right)",
        r"- \frac{d + e}{f}",
    ]
    assert split_terms("- a + b") == ["- a", "+ b"]


@pytest.mark.parametrize("name", ["multiplier", "metric", "volume-form", "infinite-depth", "spectral-flow", "entropy"])
def test_no_line_is_too_wide(name: str) -> None:
    source = DERIVATIONS[name](DeepLinearNetwork(N, (3, 3))).latex()
    for row in source.split("\n"):
        if row.startswith("  &"):
            assert width(row.removesuffix(r" \\")) <= LINE + 1, row


@pytest.mark.parametrize("depth", [2, 3, 5, 12])
@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (4, 3)])
def test_the_volume_form_at_a_depth_that_is_a_number(depth: int, shape: tuple[int, int]) -> None:
    """A root of the depth in front of a product is a number, and no power of a symbol."""
    text = DERIVATIONS["volume-form"](DeepLinearNetwork(depth, shape)).latex()
    assert r"\sqrt{\det g}" in text
