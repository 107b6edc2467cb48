"""Escape times against quadrature of 1/(λ (s - σ)), with λ summed from its N terms."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import mpmath
import pytest
from sympy import Rational, Symbol, oo, symbols

from geometry import DeepLinearNetwork
from geometry.escape import escape_asymptotics, escape_time
from tests.geometry.test_training import mobility

N = Symbol("N", positive=True)
start, s, theta = symbols("sigma_0 s theta", positive=True)
S, THETA = Rational(7, 5), Rational(9, 10)
DEPTHS = [1, 2, 3, 4, 5, 10, oo]


def of_depth(depth: Any) -> DeepLinearNetwork:
    return DeepLinearNetwork(depth, (1, 1))


def quadrature(depth: Any, initial: Any) -> Any:
    """∫ dσ/(λ (s - σ)) from σ_0 to θ s, in log σ, where the integrand is smooth at every scale."""
    if depth == oo:
        # A product of powers that sum to 2: the integral over u is constant.
        assert abs(mobility(oo, initial) / initial**2 - 1) < 1e-15
    target = mpmath.mpf(S.p) / S.q
    last = mpmath.log(target * mpmath.mpf(THETA.p) / THETA.q)
    first = mpmath.log(initial)

    def integrand(y: Any) -> Any:
        x = mpmath.exp(y)
        return x / ((x**2 if depth == oo else mobility(depth, x)) * (target - x))

    return mpmath.quad(integrand, mpmath.linspace(first, last, 12))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("exponent", [3, 8])
def test_exact_time(depth: Any, exponent: int) -> None:
    with mpmath.workdps(20):
        initial = mpmath.mpf(10) ** -exponent
        found = escape_time(of_depth(depth), Rational(1, 10**exponent), S, THETA).evalf(25)
        assert abs(found / quadrature(depth, initial) - 1) < 1e-12


@pytest.mark.parametrize("depth", DEPTHS)
def test_asymptotics_have_their_order(depth: Any) -> None:
    """Over two decades of σ_0 the error shrinks by 100^order, and is of the size of a term."""
    terms = escape_asymptotics(of_depth(depth), start, S, THETA)
    errors = []
    for exponent in (4, 6, 8):
        small = Rational(1, 10**exponent)
        exact = escape_time(of_depth(depth), small, S, THETA).evalf(60)
        errors.append(abs(exact - terms.total.subs(start, small).evalf(60)))
    order = terms.order
    # The next term is smaller by σ_0 or by a fractional power of it: within ten percent of the leading one at 1e-4.
    for larger, smaller in pairwise(errors):
        assert abs(smaller * 100**order / larger - 1) < Rational(1, 10)
        assert smaller > 0


@pytest.mark.parametrize("depth", [3, 4, 10])
def test_symbolic_depth(depth: int) -> None:
    general, special = (escape_asymptotics(of_depth(d), start, s, theta) for d in (N, depth))
    values = {start: Rational(1, 10**5), s: S, theta: THETA}
    assert abs((general.total.subs(N, depth) - special.total).subs(values).evalf(30)) < Rational(1, 10**20)
    assert general.order.subs(N, depth) == special.order
    assert (general.growing.subs(N, depth) - special.growing).simplify() == 0


def test_leading_terms() -> None:
    """As on paper: none, a logarithm, powers with 1/((N-2) s), and at infinite depth 1/(s σ_0) with a logarithm."""
    growing = {depth: escape_asymptotics(of_depth(depth), start, s, theta).growing for depth in DEPTHS}
    assert growing[1] == 0
    ratio = {depth: (growing[depth] * (depth - 2) * s * start ** (1 - Rational(2, depth))) for depth in (3, 5, 10)}
    assert all(value.simplify() == 1 for value in ratio.values())
    tiny = {start: Rational(1, 10**40), s: S}
    assert abs((growing[oo] * s * start).subs(tiny).evalf() - 1) < 1e-35


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 2, 1), "fraction"),
        ((2, 2, Rational(1, 2)), "start"),
        ((1, -2, Rational(1, 2)), "target"),
        ((0, 2, Rational(1, 2)), "start"),
    ],
)
def test_bad_input(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        escape_time(of_depth(3), *arguments)
