"""A bounded normal form of rational functions of powers and logarithms.

What cannot be factored quickly stays as it is: simplification never runs away.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import comb, prod

from sympy import Add, Expr, Integer, Mul, Pow, Rational, S, Symbol, expand, factor, gcd, ilcm, sympify

from .means import explicit

__all__ = ["factored"]

MOST_OPERATIONS = 600
"""`factored` leaves longer expressions as they are."""
MOST_GENERATORS = 8
HIGHEST_COST = 200_000
"""Of terms of the expanded numerator times the square of the degree (in two powers, the degree): 0.3 s."""


def factored(expression: Expr) -> Expr:
    """A rational function of powers and logarithms over one denominator, both factored.

    The powers, such as σ² and σ^{2/N}, and the logarithms get names, are cancelled and factored, and put back.  An
    expression where that could take long is returned as it is.

    Examples
    --------
    >>> from sympy import log, symbols
    >>> a, b, N = symbols("a b N", positive=True)
    >>> factored((a ** (4 / N) - b ** (4 / N)) / (a ** (2 / N) - b ** (2 / N)))
    a**(2/N) + b**(2/N)
    >>> factored(1 / log(a) - 1 / (log(a) + 1))
    1/((log(a) + 1)*log(a))
    """
    return _factored(explicit(sympify(expression)))


@lru_cache(maxsize=8192)
def _factored(expression: Expr) -> Expr:
    exponents: dict[tuple[Expr, Expr], set[Rational]] = {}

    def collect(base: Expr, exponent: Expr) -> Expr:
        for monomial, coefficient in _parts(exponent):
            exponents.setdefault((base, monomial), set()).add(coefficient)
        return base

    _visit(expression, collect)
    units = {key: _divisor(found) for key, found in exponents.items()}
    degree = max((abs(c / units[key]) for key, found in exponents.items() for c in found), default=0)
    if len(units) > MOST_GENERATORS or expression.count_ops() > MOST_OPERATIONS:
        return expression
    # The order of the names decides the signs of the factors: σ_1 - σ_2.
    ordered = sorted(units, key=lambda key: (str(key[0]), str(key[1])))
    names = {key: Symbol(f"_g{number:02}", positive=True) for number, key in enumerate(ordered)}

    def named(base: Expr, exponent: Expr) -> Expr:
        total: Expr = S.One
        for monomial, coefficient in _parts(exponent):
            total *= names[base, monomial] ** Integer(coefficient / units[base, monomial])
        return total

    named_expression = _visit(expression, named)
    if _expanded_size(named_expression) * max(1, degree) ** max(0, min(2, len(units) - 1)) > HIGHEST_COST:
        return expression
    short = _with_squares(factor(named_expression))
    found = short.xreplace({name: Pow(key[0], key[1] * units[key]) for key, name in names.items()})
    return found if found.count_ops() <= expression.count_ops() else expression


def _expanded_size(total: Expr) -> int:
    """About how many terms the numerator of a sum has over a common denominator, multiplied out."""
    denominators: dict[Expr, int] = {}
    numerators = []
    for term in Add.make_args(total):
        numerator: Expr = S.One
        for base, exponent in term.as_powers_dict().items():
            if exponent.is_Integer and exponent < 0:
                denominators[base] = max(denominators.get(base, 0), int(-exponent))
            else:
                numerator *= base**exponent
        numerators.append(_terms(numerator))
    return sum(numerators) * prod(_terms(base**power) for base, power in denominators.items())


def _terms(expression: Expr) -> int:
    """How many terms a product of sums has, multiplied out."""
    if expression.is_Add:
        return sum(map(_terms, expression.args))
    if expression.is_Mul:
        return prod(map(_terms, expression.args))
    base, exponent = expression.as_base_exp()
    if exponent.is_Integer and (base.is_Add or base.is_Mul):
        power = abs(int(exponent))
        return comb(_terms(base) + power - 1, power)
    return 1


def _with_squares(product: Expr) -> Expr:
    """(a - b)^e (a + b)^e as (a² - b²)^e."""
    powers = product.as_powers_dict()
    for base, exponent in list(powers.items()):
        if base.is_Add and len(base.args) == 2 and base in powers:
            for partner in (base.args[0] - base.args[1], base.args[1] - base.args[0]):
                if partner != base and powers.get(partner) == exponent:
                    sign = 1 if partner == base.args[0] - base.args[1] else -1
                    del powers[base], powers[partner]
                    powers[sign * (base.args[0] ** 2 - base.args[1] ** 2)] = exponent
                    break
    return Mul(*(base**exponent for base, exponent in powers.items()))


def _visit(expression: Expr, on_power: Callable[[Expr, Expr], Expr]) -> Expr:
    """An expression rebuilt with its powers, but integer powers of sums and products, replaced."""
    if expression.is_Rational:
        return expression
    if expression.is_Add or expression.is_Mul:
        return expression.func(*(_visit(argument, on_power) for argument in expression.args))
    base, exponent = expression.as_base_exp()
    if exponent.is_Integer and (base.is_Add or base.is_Mul):
        return _visit(base, on_power) ** exponent
    return on_power(base, exponent)


def _parts(exponent: Expr) -> list[tuple[Expr, Rational]]:
    """2 - 2/N as [(1, 2), (1/N, -2)]."""
    return [(monomial, c) for monomial, c in expand(exponent).as_coefficients_dict().items() if c != 0]


def _divisor(numbers: set[Rational]) -> Rational:
    """The largest number of which all are integer multiples."""
    denominator = ilcm(1, *(number.q for number in numbers))
    numerator = S.Zero
    for number in numbers:
        numerator = gcd(numerator, number * denominator)
    return numerator / denominator
