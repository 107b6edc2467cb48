"""How large the numbers can get that SymPy may evaluate on the way to an expression: upper bounds, from its tree."""

from __future__ import annotations

import math

from sympy import Add, Expr, Mul, Pow, Rational, cosh, exp, log, sinh

__all__ = ["bits", "evaluated_bits", "exponential_bits", "power_bits"]


def bits(number: Rational) -> int:
    """The binary digits of a rational number: of the longer of numerator and denominator."""
    return max(int(number.p).bit_length(), int(number.q).bit_length())


def evaluated_bits(expression: Expr) -> float:
    """A bound on the binary digits of the numbers that SymPy may evaluate exactly from an expression.

    In 9**(x + 10**6) there is no large number yet, but there is as soon as it is divided by 9**x.
    """
    if isinstance(expression, Rational):
        return bits(expression)
    if isinstance(expression, exp):
        return exponential_bits(expression.args[0])
    if isinstance(expression, Pow):
        return power_bits(*expression.args)
    return 1 + sum(map(evaluated_bits, expression.args))


def power_bits(base: Expr, exponent: Expr) -> float:
    """The bound for a power."""
    return evaluated_bits(base) * max(1.0, _magnitude(exponent))


def exponential_bits(exponent: Expr) -> float:
    """The bound for exp: of its exponent only the logarithms become numbers, exp(3*log(2)) is 8."""
    base_bits = evaluated_bits(exponent) if exponent.has(log) else 1
    return base_bits * max(1.0, _magnitude(exponent))


def _magnitude(expression: Expr) -> float:
    """A bound on the absolute value of an expression for symbols of size 1; infinite beyond floating point."""
    try:
        if isinstance(expression, Rational):
            return abs(float(expression))
        parts = [_magnitude(argument) for argument in expression.args]
        if isinstance(expression, Add):
            return sum(parts)
        if isinstance(expression, Mul):
            return math.prod(parts)
        if isinstance(expression, Pow):
            return max(1.0, parts[0]) ** parts[1]
        if isinstance(expression, (exp, sinh, cosh)):
            return math.exp(parts[0])
    except OverflowError:
        return math.inf
    return max(parts, default=4.0 if expression.is_NumberSymbol else 1.0)
