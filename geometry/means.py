r"""Means of two positive numbers, as SymPy functions.

The multiplier of a deep linear network is a *power-difference mean* at finite depth and a
*logarithmic mean* at infinite depth.  Written as quotients both are 0/0 where singular values
coalesce; as functions of their own they have a value there, an exact derivative, a limit and a
numerical form that stays accurate.

======================================  ====================================================
``PowerDifference(a, b, q)``            (a^q - b^q)/q, and log(a/b) at q = 0
``PowerDifferenceMean(a, b, p, q)``     (q/p) (a^p - b^p)/(a^q - b^q), homogeneous of degree p - q
``LogarithmicMean(a, b)``               (a - b)/(log a - log b)
======================================  ====================================================

References
----------
F. Hiai, H. Kosaki, *Means for matrices and comparison of their norms*, Indiana Univ. Math. J. 48
(1999): the power-difference means are the case p - q = 1.
B. C. Carlson, *The logarithmic mean*, Amer. Math. Monthly 79 (1972).
"""

from __future__ import annotations

import mpmath
from sympy import Add, Expr, Float, Function, Mul, Pow, S, expand_log, log, sinh, sqrt, sympify
from sympy.core.sorting import default_sort_key
from sympy.printing.latex import LatexPrinter

__all__ = [
    "LogarithmicMean",
    "PowerDifference",
    "PowerDifferenceMean",
    "explicit",
    "recognize_means",
]


def _is_exact_number(*arguments: Expr) -> bool:
    return all(argument.is_number and not argument.has(Float) for argument in arguments)


def _if_harmless(value: Expr, a: Expr, b: Expr) -> Expr | None:
    """An explicit value if it is rational or a and b are far apart; else None: its evaluation would cancel."""
    return value if value.is_Rational or abs(a - b) * 4 > abs(a) else None


def _mpf(value: Expr, digits: int) -> mpmath.mpf:
    return mpmath.mpf(value.evalf(digits)._to_mpmath(mpmath.mp.prec))


def _power_difference_value(a: mpmath.mpf, b: mpmath.mpf, q: mpmath.mpf) -> mpmath.mpf:
    """(a^q - b^q)/q without cancellation, in mpmath's working precision."""
    near = b < 2 * a < 4 * b
    ratio = mpmath.log1p((a - b) / b) if near else mpmath.log(a) - mpmath.log(b)
    return ratio if q == 0 else b**q * mpmath.expm1(q * ratio) / q


def _cancelled_bits(a: Expr, b: Expr) -> int:
    """How many bits a - b has fewer than a."""
    if a.has(Float) or b.has(Float) or a == b:
        return 0
    return max(0, int(log(abs(a / (a - b)), 2).evalf(15)) + 1)


class _NumericallyEvaluated(Function):
    """A function of real numbers that evaluates itself from `_value`, with guard digits."""

    @staticmethod
    def _value(*arguments: mpmath.mpf) -> mpmath.mpf:
        raise NotImplementedError

    @classmethod
    def _at_floats(cls, *arguments: Expr) -> Expr | None:
        """The value where all arguments are numbers and some are Floats, in the Floats' precision."""
        precisions = [number._prec for argument in arguments for number in argument.atoms(Float)]
        if not precisions or not all(argument.is_number for argument in arguments):
            return None
        return cls(*arguments, evaluate=False)._eval_evalf(min(precisions))

    def _eval_evalf(self, prec: int) -> Expr | None:
        if not all(argument.is_number for argument in self.args):
            return None
        with mpmath.workprec(prec + 20 + _cancelled_bits(self.args[0], self.args[1])):
            digits = mpmath.mp.dps + 5
            value = self._value(*(_mpf(argument, digits) for argument in self.args))
        return Float._new(value._mpf_, prec)

    def _eval_rewrite_as_tractable(self, *arguments: Expr, **hints: object) -> Expr:
        return explicit(self)


class PowerDifference(_NumericallyEvaluated):
    r"""The power difference (a^q - b^q)/q, with its limit log(a/b) at q = 0.

    It is the integral of s^(q-1) from b to a.

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import PowerDifference
    >>> a, b, N = symbols("a b N", positive=True)
    >>> PowerDifference(a, b, 0)
    log(a) - log(b)
    >>> PowerDifference(a, a, 2 / N)
    0
    >>> PowerDifference(a, b, 2 / N).diff(a)
    a**(-1 + 2/N)
    """

    nargs = 3

    @classmethod
    def eval(cls, a: Expr, b: Expr, q: Expr) -> Expr | None:
        if a == b:
            return S.Zero
        if q.is_zero:
            return log(a) - log(b)
        if b.is_zero and q.is_positive:
            return a**q / q
        if q == 1:
            return a - b
        if _is_exact_number(a, b, q):
            return _if_harmless((a**q - b**q) / q, a, b)
        return cls._at_floats(a, b, q)

    def fdiff(self, argindex: int = 1) -> Expr:
        a, b, q = self.args
        if argindex == 1:
            return a ** (q - 1)
        if argindex == 2:
            return -(b ** (q - 1))
        return (a**q * log(a) - b**q * log(b) - self) / q

    def _eval_is_real(self) -> bool | None:
        a, b, q = self.args
        return True if a.is_positive and b.is_positive and q.is_real else None

    def _eval_rewrite_as_Pow(self, a: Expr, b: Expr, q: Expr, **hints: object) -> Expr:
        return (a**q - b**q) / q

    _value = staticmethod(_power_difference_value)

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        a, b, q = self.args
        difference = printer._print(a**q - b**q)
        fraction = rf"\frac{{{difference}}}{{{printer._print(q)}}}"
        return fraction if exp is None else rf"\left({fraction}\right)^{{{exp}}}"


class PowerDifferenceMean(_NumericallyEvaluated):
    r"""The power-difference mean (q/p) (a^p - b^p)/(a^q - b^q).

    Symmetric in a and b, homogeneous of degree p - q, with the value a^(p-q) at a = b.  At q = 0 it
    is the logarithmic mean of a^p and b^p.  With p = 2 and q = 2/N it is the multiplier of the deep
    linear network of depth N, divided by N.

    Examples
    --------
    >>> from sympy import Rational, limit, symbols
    >>> from geometry import PowerDifferenceMean
    >>> a, b, N = symbols("a b N", positive=True)
    >>> PowerDifferenceMean(a, a, 2, 2 / N)
    a**(2 - 2/N)
    >>> PowerDifferenceMean(a, b, 2, 0)
    LogarithmicMean(a**2, b**2)
    >>> PowerDifferenceMean(8, 1, 2, Rational(2, 3))
    7
    >>> limit(PowerDifferenceMean(a, b, 2, 2 / N), b, a)
    a**(2 - 2/N)
    """

    nargs = 4

    @classmethod
    def eval(cls, a: Expr, b: Expr, p: Expr, q: Expr) -> Expr | None:
        if a == b:
            return a ** (p - q)
        if p == q:
            return S.One
        if q.is_zero:
            return LogarithmicMean(a**p, b**p)
        if p.is_zero:
            return 1 / LogarithmicMean(a**q, b**q)
        if p == 2 * q:
            return (a**q + b**q) / 2
        for vanishing, other in ((a, b), (b, a)):
            if vanishing.is_zero and p.is_positive and q.is_positive:
                return q / p * other ** (p - q)
        if _is_exact_number(a, b, p, q):
            exact = _if_harmless(q / p * (a**p - b**p) / (a**q - b**q), a, b)
            if exact is not None:
                return exact
        if default_sort_key(b) < default_sort_key(a):
            return cls(b, a, p, q)
        return cls._at_floats(a, b, p, q)

    def fdiff(self, argindex: int = 1) -> Expr:
        a, b, p, q = self.args
        if argindex in (1, 2):
            from .divided_differences import PowerDividedDifference

            point = self.args[argindex - 1]
            return point ** (q - 1) * PowerDividedDifference(p, q, a, b, point) / p
        exponent, sign = (p, 1) if argindex == 3 else (q, -1)
        growth = (a**exponent * log(a) - b**exponent * log(b)) / (a**exponent - b**exponent)
        return sign * self * (growth - 1 / exponent)

    def _eval_is_positive(self) -> bool | None:
        a, b, p, q = self.args
        return True if a.is_positive and b.is_positive and p.is_real and q.is_real else None

    def _eval_rewrite_as_Pow(self, a: Expr, b: Expr, p: Expr, q: Expr, **hints: object) -> Expr:
        # In one product: a number times a sum alone would be distributed over it.
        return Mul(q / p, a**p - b**p, 1 / (a**q - b**q))

    def _eval_rewrite_as_sinh(self, a: Expr, b: Expr, p: Expr, q: Expr, **hints: object) -> Expr:
        distance = log(a) - log(b)
        return q / p * (a * b) ** ((p - q) / 2) * sinh(p / 2 * distance) / sinh(q / 2 * distance)

    @staticmethod
    def _value(a: mpmath.mpf, b: mpmath.mpf, p: mpmath.mpf, q: mpmath.mpf) -> mpmath.mpf:
        if a == b:
            return a ** (p - q)
        return _power_difference_value(a, b, p) / _power_difference_value(a, b, q)

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        a, b, p, q = (printer._print(argument) for argument in self.args)
        power = "" if exp is None else rf"^{{{exp}}}"
        return rf"M_{{{p},\,{q}}}{power}\left({a}, {b}\right)"


class LogarithmicMean(_NumericallyEvaluated):
    r"""The logarithmic mean (a - b)/(log a - log b) of two positive numbers.

    Symmetric, homogeneous of degree 1, with the value a at a = b and 0 against zero.

    Examples
    --------
    >>> from sympy import limit, symbols
    >>> from geometry import LogarithmicMean
    >>> a, b = symbols("a b", positive=True)
    >>> LogarithmicMean(a, a), LogarithmicMean(a, 0)
    (a, 0)
    >>> limit(LogarithmicMean(a, b), b, a)
    a
    >>> LogarithmicMean(2, 1).evalf(30)
    1.44269504088896340735992468100
    """

    nargs = 2

    @classmethod
    def eval(cls, a: Expr, b: Expr) -> Expr | None:
        if a == b:
            return a
        if a.is_zero or b.is_zero:
            return S.Zero
        if _is_exact_number(a, b):
            exact = _if_harmless((a - b) / (log(a) - log(b)), a, b)
            if exact is not None:
                return exact
        if default_sort_key(b) < default_sort_key(a):
            return cls(b, a)
        return cls._at_floats(a, b)

    def fdiff(self, argindex: int = 1) -> Expr:
        from .divided_differences import PowerDividedDifference

        point = self.args[argindex - 1]
        return PowerDividedDifference(S.One, S.Zero, *self.args, point) / point

    def _eval_is_positive(self) -> bool | None:
        return True if all(argument.is_positive for argument in self.args) else None

    def _eval_rewrite_as_log(self, a: Expr, b: Expr, **hints: object) -> Expr:
        return (a - b) / expand_log(log(a) - log(b))

    def _eval_rewrite_as_sinh(self, a: Expr, b: Expr, **hints: object) -> Expr:
        half = expand_log(log(a) - log(b)) / 2
        return sqrt(a * b) * sinh(half) / half

    @staticmethod
    def _value(a: mpmath.mpf, b: mpmath.mpf) -> mpmath.mpf:
        if a == b:
            return a
        return (a - b) / _power_difference_value(a, b, mpmath.mpf(0))

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        a, b = (printer._print(argument) for argument in self.args)
        power = "" if exp is None else rf"^{{{exp}}}"
        return rf"L{power}\left({a}, {b}\right)"


def explicit(expression: Expr) -> Expr:
    """Write every mean in an expression as the quotient that defines it.

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import DeepLinearNetwork, explicit
    >>> N = symbols("N", positive=True)
    >>> explicit(DeepLinearNetwork(N, shape=(2, 2)).multiplier(0, 1))
    (sigma_1**2 - sigma_2**2)/(sigma_1**(2/N) - sigma_2**(2/N))
    """
    from .divided_differences import PowerDividedDifference

    powers = (PowerDifference, PowerDifferenceMean, PowerDividedDifference)
    return sympify(expression).rewrite(powers, Pow).rewrite(LogarithmicMean, log)


# ---------------------------------------------------------------- recognizing means in expressions


def _coefficient_base_exponent(term: Expr) -> tuple[Expr, Expr, Expr] | None:
    """Write a term as c x^e, or c log x with e = 0, with a positive x; None where it is neither."""
    coefficient, rest = term.as_coeff_Mul()
    if rest.func is log:
        base, exponent = rest.args[0], S.Zero
    else:
        base, exponent = rest.as_base_exp()
    return (coefficient, base, exponent) if base.is_positive and not base.is_number else None


def _as_power_difference(sum_: Add) -> Expr | None:
    """c (a^q - b^q) as c q PowerDifference(a, b, q); c (log a - log b) as c PowerDifference(a, b, 0)."""
    if len(sum_.args) != 2:
        return None
    first, second = (_coefficient_base_exponent(term) for term in sum_.args)
    if first is None or second is None:
        return None
    (c, a, q), (d, b, other) = first, second
    if q != other or c + d != 0:
        return None
    return c * _Difference(a, b, q)


class _Difference(Function):
    """a^q - b^q, or log a - log b for q = 0, on its way to a mean."""


def _combine_quotients(product: Mul) -> Expr:
    """Combine differences over others of the same two numbers to means, to the powers they have in common."""
    exponents = dict(factor.as_base_exp() for factor in product.args)
    differences = [base for base, exponent in exponents.items() if base.func is _Difference and exponent.is_Integer]
    result: Expr = product
    for above in differences:
        for below in differences:
            power = min(exponents[above], -exponents[below])
            if power > 0 and set(above.args[:2]) == set(below.args[:2]):
                sign = 1 if above.args[0] == below.args[0] else -1
                p, q = above.args[2], below.args[2]
                ratio = sign * (p if p != 0 else S.One) / (q if q != 0 else S.One)
                result = result * (ratio * PowerDifferenceMean(*above.args, q) * below / above) ** power
                exponents[above] -= power
                exponents[below] += power
    return result


def recognize_means(expression: Expr, keep_differences: bool = False) -> Expr:
    """Replace quotients of power differences (or of logarithms) by the means that they are.

    The inverse of `explicit`.  Only positive bases are touched.  With `keep_differences` a
    difference a^q - b^q that stands alone becomes a `PowerDifference` as well, which is the form
    that is evaluated without cancellation.

    Examples
    --------
    >>> from sympy import log, symbols
    >>> from geometry import recognize_means
    >>> a, b = symbols("a b", positive=True)
    >>> recognize_means((a**2 - b**2) / (log(a) - log(b)))
    2*LogarithmicMean(a**2, b**2)
    """
    marked = sympify(expression).replace(
        lambda part: isinstance(part, Add) and _as_power_difference(part) is not None,
        lambda part: _as_power_difference(part),
    )
    combined = marked.replace(lambda part: isinstance(part, Mul), _combine_quotients)
    return combined.replace(_Difference, _accurate if keep_differences else _plain)


def _plain(a: Expr, b: Expr, q: Expr) -> Expr:
    return log(a) - log(b) if q == 0 else a**q - b**q


def _accurate(a: Expr, b: Expr, q: Expr) -> Expr:
    return _plain(a, b, q) if q in (0, 1) else q * PowerDifference(a, b, q)
