"""The forms in which expressions are evaluated are equal to the expressions, and are those that do not cancel."""

from __future__ import annotations

from typing import Any

import mpmath
import pytest
from sympy import Abs, Add, Expr, Integer, Rational, log, oo, pi, preorder_traversal, sqrt, symbols

from geometry import (
    DeepLinearNetwork,
    LogarithmicMean,
    PowerDifference,
    PowerDifferenceMean,
    PowerDividedDifference,
    compile_kernel,
    explicit,
)
from geometry.entropy import entropy
from geometry.kernel_functions import (
    difference_ratio,
    homogeneous_sum,
    log_ratio,
    logarithmic_mean,
    power_difference,
    rounded,
    scaled_difference,
    weighted_log,
)
from geometry.stable_form import stable_form

a, b, c, N = symbols("a b c N", positive=True)


def depth_multiplier(depth: Any) -> Expr:
    return DeepLinearNetwork(depth, (2, 2)).pair_multiplier(a, b)


EXPRESSIONS = [
    *(depth_multiplier(depth) for depth in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 37, oo)),
    *(
        PowerDifference(a, b, Rational(p, q))
        for p, q in ((2, 1), (1, 2), (2, 3), (3, 4), (2, 5), (5, 8), (2, 7), (-2, 3))
    ),
    *(
        PowerDifferenceMean(a, b, p, q)
        for p, q in ((3, 1), (3, Rational(1, 2)), (1, Rational(2, 5)), (-2, -1), (2, -1))
    ),
    *(a ** Rational(k, 5) + b ** Rational(-k, 5) for k in range(1, 8)),
    *(a ** Rational(k, 3) for k in (-4, -1, 1, 2, 4, 5)),
    LogarithmicMean(a**3, b**3),
    LogarithmicMean(a + 1, b),
    PowerDividedDifference(2, Rational(2, 7), a, b, c),
    log(a) * 2 - log(b) * 2,
    log(a * b / c) + log(3) / 2 + c + 1,
    log(Abs(a ** Rational(2, 3) - b ** Rational(2, 3))) * 3 + log(a) / 7 - log(b + 1) + pi,
    log(depth_multiplier(3)) + log(LogarithmicMean(a**2, b**2)),
    a * log(a) + b * log(b) + c * log(c),
    log(log(a + 2) + sqrt(b)),
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_forms_are_equal_to_the_expression(expression: Expr) -> None:
    """At 50 digits, by the backend in which nothing is approximate, against SymPy's own evaluation of the quotients."""
    kernel = compile_kernel(expression, (a, b, c), "mpmath")
    for point in ((Rational(7, 3), Rational(5, 4), Rational(1, 3)), (Rational(1, 9), Rational(8, 5), Integer(3))):
        exact = explicit(expression).subs(dict(zip((a, b, c), point, strict=True))).evalf(60)
        with mpmath.workdps(50):
            value = kernel(*(mpmath.mpf(x.p) / x.q for x in point))
            assert abs(value - mpmath.mpf(exact._to_mpmath(200))) <= mpmath.mpf(10) ** -46 * max(abs(value), 1)


@pytest.mark.parametrize("depth", [2, 3, 4, 5, 6, 8, 10, 12, 16, 20])
def test_multipliers_of_short_sums_have_positive_terms_only(depth: int) -> None:
    """No difference is left in them, nor a logarithm."""
    form = stable_form(depth_multiplier(depth))
    short = depth <= 16
    assert form.has(difference_ratio) != short
    for node in preorder_traversal(form):
        if isinstance(node, Add):
            assert not any(term.could_extract_minus_sign() for term in node.args)


@pytest.mark.parametrize(
    ("expression", "function"),
    [
        (depth_multiplier(3), homogeneous_sum),
        (depth_multiplier(37), difference_ratio),
        (depth_multiplier(N), difference_ratio),
        (depth_multiplier(oo), logarithmic_mean),
        (a ** Rational(2, 3) - b ** Rational(2, 3), scaled_difference),
        (a ** Rational(2, 37) - b ** Rational(2, 37), power_difference),
        (log(a) - log(b), log_ratio),
        (log(a) + log(b) + 1, rounded),
    ],
    ids=str,
)
def test_what_becomes_of_what(expression: Expr, function: type) -> None:
    assert stable_form(expression).has(function)
    assert not expression.has(function)


def test_coefficients_of_logarithms_are_collected() -> None:
    """Over all pairs: otherwise each of them would be rounded."""
    network = DeepLinearNetwork(3, (4, 4))
    for expression in (network.log_volume_density(), entropy(network), entropy(network.infinite_depth())):
        form = stable_form(expression)
        coefficients = [node.args[:2] for node in form.find(weighted_log)]
        assert len(coefficients) == len(set(coefficients))


def test_few_terms_stay_as_they_are() -> None:
    assert stable_form(log(a) + 1) == log(a) + 1
    assert stable_form(a + b) == a + b
    assert stable_form(3 * log(a)) == 3 * log(a)


@pytest.mark.parametrize(("wrong", "right"), [(2, 3), (3, 4)])
def test_a_sum_with_a_term_too_few_would_be_seen(wrong: int, right: int) -> None:
    """The mutant: h_2 for h_3."""
    value, other = (compile_kernel(depth_multiplier(depth), (a, b))(2.0, 1.0) for depth in (right, wrong))
    assert abs(value - other) > 0.1
