"""The factors of a product in the order of the page: above and below the line, letters before singular values."""

from __future__ import annotations

from typing import Any

from sympy import Abs, Expr, Function, Integral, Limit, Mul, Pow, Rational, Sum, Symbol

from geometry.coframe import OneForm
from geometry.indexed import IndexedProduct, IndexedSum, IndexedSymbol, SingularValue
from geometry.laplacian import SumOverOthers

__all__ = ["SUMS", "above_and_below", "is_negative", "place_in_product"]

SUMS = (IndexedSum, SumOverOthers, Sum, Integral, Limit)
"""What takes in all that follows it, so that it stands last or in brackets."""


def is_negative(term: Expr) -> bool:
    """Whether a term has a minus sign in front."""
    number, _ = term.as_coeff_Mul()
    return bool(number.is_negative)


def above_and_below(product: Mul) -> tuple[bool, list[Expr], list[Expr]]:
    """Whether a product is negative, the factors of its numerator, and those of its denominator.

    Examples
    --------
    >>> from sympy import symbols
    >>> a, b, N = symbols("a b N", positive=True)
    >>> above_and_below(-3 * a ** (2 / N) / (2 * b))
    (True, [3, a**(2/N)], [2, b])
    """
    number, rest = product.as_coeff_Mul()
    negative = bool(number.is_negative)
    number = abs(number)
    above, below = ([Rational(number.p)], [Rational(number.q)]) if number.is_Rational else ([number], [])
    for base, exponent in _powers(rest):
        if base.is_Add and exponent.is_odd and all(map(is_negative, base.args)):
            base, negative = -base, not negative
        if exponent.is_Rational and exponent < 0:
            below.append(Pow(base, -exponent))
        else:
            above.append(Pow(base, exponent))
    return negative, [factor for factor in above if factor != 1], [factor for factor in below if factor != 1]


def _powers(product: Expr) -> list[tuple[Expr, Expr]]:
    """Bases and exponents; σ^3 σ^{4/N} is one power, σ^{(N-p)/N} σ^{1/N} are two, as whoever wrote them meant."""
    powers: dict[tuple[Expr, bool], Expr] = {}
    rest: list[tuple[Expr, Expr]] = []
    for factor in Mul.make_args(product):
        base, exponent = (factor.base, factor.exp) if isinstance(factor, Pow) else (factor, Rational(1))
        key = (base, bool(exponent.is_number))
        if key in powers:
            rest.append((base, exponent))
        else:
            powers[key] = exponent
    for base, number in list(powers):
        if number and (base, False) in powers:
            powers[base, False] += powers.pop((base, True))
    return [(base, exponent) for (base, _), exponent in powers.items()] + rest


def place_in_product(factor: Expr) -> tuple[Any, ...]:
    """What factors are sorted by: numbers, letters, singular values, brackets, functions, products, sums."""
    base = factor.base if isinstance(factor, Pow) else factor
    names = sorted(symbol.name for symbol in base.free_symbols)
    indices = len(base.indices) if isinstance(base, IndexedProduct) else 0
    place = _place(factor, base)
    # The depth comes first among the letters.
    return (place, indices, place == 2 and names[:1] != ["N"], names, factor.sort_key())


def _place(factor: Expr, base: Expr) -> float:
    if isinstance(base, SUMS):
        return 8
    if isinstance(base, IndexedProduct):
        return 7
    if isinstance(base, SingularValue):
        return 3
    if isinstance(base, (IndexedSymbol, OneForm)):
        return 4
    if isinstance(base, Symbol):
        return 3 if base.name.startswith("sigma") else 4 if base.name.startswith("lambda_") else 2
    if base.is_Add or isinstance(base, Abs):
        # N - 1 belongs to the letters, σ_k - σ_l to what follows the singular values.
        singular = any(symbol.name.startswith("sigma") for symbol in base.free_symbols) or base.has(SingularValue)
        return 5 if singular or isinstance(base, Abs) else 2.5
    if isinstance(base, Function):
        return 6
    return (0 if factor.is_Rational else 1) if base.is_number else 5
