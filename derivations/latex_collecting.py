"""Long polynomials by powers of the depth, each coefficient factored: what can be read, and fits on a line."""

from __future__ import annotations

from sympy import Add, Expr, Mul, Pow, Rational, Symbol, factor

from geometry.indexed import SingularValue

__all__ = ["collected"]

FEWEST, MOST = 6, 40
"""Fewer terms can be read as they are; more take too long to factor."""


def collected(expression: Expr) -> Expr:
    """The expression with its long sums collected by powers of the symbol that their exponents depend on.

    Examples
    --------
    >>> from sympy import expand, symbols
    >>> a, b, N = symbols("a b N", positive=True)
    >>> long = expand(N * (a ** (2 / N) - b ** (2 / N)) ** 2 + (a + b) ** 2)
    >>> collected(long)
    N*(a**(2/N) - b**(2/N))**2 + (a + b)**2
    """
    return expression.replace(lambda part: isinstance(part, Add) and FEWEST <= len(part.args) <= MOST, _by_powers)


def _by_powers(total: Add) -> Expr:
    depths = {symbol for power in total.atoms(Pow) for symbol in power.exp.free_symbols}
    if len(depths) != 1 or not all(map(_is_monomial, total.args)):
        return total
    (depth,) = depths
    coefficients: dict[Expr, list[Expr]] = {}
    for term in total.args:
        power = _degree(term, depth)
        coefficients.setdefault(power, []).append(term / depth**power)
    factored = [_factored(depth, power, Add(*terms)) for power, terms in coefficients.items()]
    # Worth it only where terms have become one.
    return total if any(isinstance(term, Add) for term in factored) else Add(*factored)


def _is_monomial(term: Expr) -> bool:
    """Whether it is a product of powers of letters; over a denominator, factoring would expand all the others."""
    bases = [part.as_base_exp()[0] for part in Mul.make_args(term)]
    return all(base.is_number or isinstance(base, (Symbol, SingularValue)) for base in bases)


def _degree(term: Expr, depth: Symbol) -> Expr:
    powers = [factor_.as_base_exp() for factor_ in Mul.make_args(term)]
    return Add(*(exponent for base, exponent in powers if base == depth and exponent.is_Rational))


def _factored(depth: Symbol, power: Expr, coefficient: Expr) -> Expr:
    return depth**power * _with_squares(factor(coefficient))


def _with_squares(product: Expr) -> Expr:
    """(x - y)^p (x + y)^p as (x² - y²)^p."""
    powers: dict[Expr, Expr] = dict(part.as_base_exp() for part in Mul.make_args(product))
    for base in list(powers):
        if not isinstance(base, Add) or len(base.args) != 2 or base not in powers:
            continue
        x, y = base.args
        for conjugate, sign in ((x - y, Rational(1)), (y - x, Rational(-1))):
            if conjugate in powers and powers[conjugate] == powers[base] and conjugate != base:
                exponent = powers.pop(base)
                powers.pop(conjugate)
                square = sign * (x**2 - y**2)
                powers[square] = powers.get(square, 0) + exponent
                break
    return Mul(*(base**exponent for base, exponent in powers.items()))
