r"""Truncated series in h = 1/N, for expressions made of powers x^{c/N}, logarithms, means and rational operations.

    x^{c h} = exp(c h log x),    (a^q - b^q)/q = u (ab)^{q/2} sinh(x)/x,    x = q u/2,  u = log(a/b),

so that differences that vanish with h lose their leading term before anything is divided: quotients of them are series
with polynomials in logarithms as coefficients, regular where a and b coalesce.  SymPy's own `series` and `limit` know
neither means nor sums over a symbolic rank, and are slow on powers with several symbols.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import factorial

from sympy import (
    Abs,
    Add,
    Expr,
    Float,
    Integer,
    Mul,
    Pow,
    Rational,
    S,
    Symbol,
    bernoulli,
    exp,
    expand,
    expand_log,
    log,
    sympify,
)

from .indexed import IndexedProduct, IndexedSum, SingularValue, tuple_count
from .means import LogarithmicMean, PowerDifference, PowerDifferenceMean, recognize_means

__all__ = ["PowerSeries", "expanded"]

PROBES = (Rational(7, 5), Rational(11, 3))


@dataclass(frozen=True)
class PowerSeries:
    """h^v (c_0 + c_1 h + … + c_n h^n + O(h^{n+1})), with c_0 ≠ 0 unless nothing is left.

    Attributes
    ----------
    valuation : Rational
        v.
    coefficients : tuple of Expr
        c_0, …, c_n.
    """

    valuation: Expr
    coefficients: tuple[Expr, ...]

    @classmethod
    def constant(cls, value: Expr, count: int) -> PowerSeries:
        """A series that does not depend on h."""
        return cls(S.Zero, (value, *(S.Zero,) * (count - 1)))

    def __add__(self, other: PowerSeries) -> PowerSeries:
        # A constant 0 is exact, whatever its valuation; without coefficients a series is unknown from its valuation on.
        for one, another in ((self, other), (other, self)):
            zero = bool(one.coefficients) and all(c == 0 for c in one.coefficients)
            if zero and one.valuation <= another.valuation:
                return another
        low = min(self.valuation, other.valuation)
        shifts = [series.valuation - low for series in (self, other)]
        if not all(shift.is_Integer for shift in shifts):
            raise ValueError(f"powers N^{-self.valuation} and N^{-other.valuation} do not add up to one series")
        padded = [
            (*(S.Zero,) * int(shift), *series.coefficients) for shift, series in zip(shifts, (self, other), strict=True)
        ]
        total = [first + second for first, second in zip(*padded, strict=False)]
        while total and is_zero(total[0]):
            total, low = total[1:], low + 1
        return PowerSeries(low, tuple(total))

    def __mul__(self, other: PowerSeries) -> PowerSeries:
        count = min(len(self.coefficients), len(other.coefficients))
        product = [Add(*(self.coefficients[i] * other.coefficients[k - i] for i in range(k + 1))) for k in range(count)]
        return PowerSeries(self.valuation + other.valuation, tuple(product))

    def scaled(self, factor: Expr) -> PowerSeries:
        """The series times something that does not depend on h."""
        return PowerSeries(self.valuation, tuple(factor * c for c in self.coefficients))

    def normalized(self) -> tuple[Expr, list[Expr]]:
        """c_0, and the other coefficients over it."""
        if not self.coefficients:
            raise ArithmeticError("the terms cancel as far as they are known")
        leading = self.coefficients[0]
        return leading, [expand(c / leading) if leading != 1 else c for c in self.coefficients[1:]]

    def power(self, exponent: Expr) -> PowerSeries:
        """The series to a power that does not depend on h, from f^e = g: f g' = e f' g."""
        leading, rest = self.normalized()
        ratios = [S.One]
        for k in range(1, len(rest) + 1):
            terms = ((exponent * j - (k - j)) * rest[j - 1] * ratios[k - j] for j in range(1, k + 1))
            ratios.append(expand(Add(*terms) / k))
        front = leading**exponent
        return PowerSeries(self.valuation * exponent, tuple(front * ratio for ratio in ratios))

    def logarithm(self, inverse: Expr) -> PowerSeries:
        """log of a positive series; log h stands as the logarithm of 1/N."""
        leading, rest = self.normalized()
        terms: list[Expr] = []
        for k in range(1, len(rest) + 1):
            known = Add(*(j * terms[j - 1] * rest[k - j - 1] for j in range(1, k)))
            terms.append(expand(rest[k - 1] - known / k))
        front = expand_log(log(leading), force=True) - self.valuation * log(inverse)
        return _trimmed(PowerSeries(S.Zero, (front, *terms)))

    def exponential(self) -> PowerSeries:
        """exp of a series that stays finite."""
        if self.valuation < 0:
            raise ValueError("the exponential of something that grows with the depth has no series")
        flat = self.flattened()
        front, rest = exp(flat[0]), flat[1:]
        terms = [S.One]
        for k in range(1, len(rest) + 1):
            terms.append(expand(Add(*(j * rest[j - 1] * terms[k - j] for j in range(1, k + 1))) / k))
        return PowerSeries(S.Zero, tuple(front * term for term in terms))

    def flattened(self) -> list[Expr]:
        """The coefficients from h^0 on."""
        if not self.valuation.is_Integer or self.valuation < 0:
            raise ValueError(f"an exponent that grows with the depth, like N^{-self.valuation}, has no series in 1/N")
        return [S.Zero] * int(self.valuation) + list(self.coefficients)


def _trimmed(series: PowerSeries) -> PowerSeries:
    """Leading zeros taken off."""
    valuation, coefficients = series.valuation, list(series.coefficients)
    while coefficients and is_zero(coefficients[0]):
        valuation, coefficients = valuation + 1, coefficients[1:]
    return PowerSeries(valuation, tuple(coefficients))


def is_zero(value: Expr) -> bool:
    """Whether a coefficient vanishes: multiplied out, or else at two points to thirty digits."""
    if value.is_zero or expand(value) == 0:
        return True
    if value.is_number or value.has(IndexedSum, IndexedProduct, SingularValue):
        return bool(value.equals(0)) if value.is_number else False
    symbols = sorted(value.free_symbols, key=str)
    for probe in PROBES:
        point = {symbol: Float(probe, 50) ** (index + 1) / (index + 2) for index, symbol in enumerate(symbols)}
        if abs(value.subs(point).evalf(40)) > Float(10) ** -30:
            return False
    return True


def expanded(expression: Expr, depth: Symbol, count: int) -> PowerSeries:
    """The series of an expression in 1/depth; cancellation may leave fewer than `count` coefficients.

    Raises
    ------
    ValueError
        If the expression has no series in powers of 1/N.
    """
    known: dict[Expr, PowerSeries] = {}
    prepared = recognize_means(sympify(expression), keep_differences=True)

    def series(part: Expr) -> PowerSeries:
        if part not in known:
            known[part] = _expanded(part, depth, count, series)
        return known[part]

    return series(prepared)


Expander = Callable[[Expr], PowerSeries]


def _expanded(part: Expr, depth: Symbol, count: int, series: Expander) -> PowerSeries:
    if not part.has(depth):
        return PowerSeries.constant(part, count)
    if part == depth:
        return PowerSeries(S.NegativeOne, PowerSeries.constant(S.One, count).coefficients)
    if part.is_Add:
        return _sum([series(argument) for argument in part.args])
    if part.is_Mul:
        return _product([series(argument) for argument in part.args], count)
    if isinstance(part, Pow):
        return _power(part, depth, series)
    if isinstance(part, exp):
        return series(part.args[0]).exponential()
    if isinstance(part, log):
        return _logarithm(part.args[0], depth, series)
    if isinstance(part, Abs):
        leading, rest = series(part.args[0]).normalized()
        return PowerSeries(series(part.args[0]).valuation, tuple(Abs(leading) * c for c in (S.One, *rest)))
    if isinstance(part, PowerDifference):
        return _power_difference(*part.args, count=count, series=series)
    if isinstance(part, PowerDifferenceMean):
        return _mean(*part.args, depth=depth, count=count, series=series)
    if isinstance(part, LogarithmicMean):
        return series(part.rewrite(log))
    if isinstance(part, IndexedSum):
        inner = series(part.function)
        return PowerSeries(inner.valuation, tuple(_summed(part, c) for c in inner.coefficients))
    raise ValueError(f"{type(part).__name__} {part} has no series in 1/{depth} here")


def _summed(total: IndexedSum, coefficient: Expr) -> Expr:
    """Σ of a coefficient, what does not depend on the indices times their number."""
    constant, varying = coefficient.as_independent(*total.indices, as_Add=True)
    count = tuple_count(total.rank, len(total.indices))
    return constant * count + (total.with_function(varying) if varying != 0 else S.Zero)


def _sum(terms: Sequence[PowerSeries]) -> PowerSeries:
    # Those of one valuation first, so that what cancels meets before precision is lost.
    total, *others = sorted(terms, key=lambda term: term.valuation)
    for term in others:
        total = total + term
    return total


def _product(factors: Sequence[PowerSeries], count: int) -> PowerSeries:
    total = PowerSeries.constant(S.One, count)
    for factor in factors:
        total = total * factor
    return total


def _power(part: Pow, depth: Symbol, series: Expander) -> PowerSeries:
    base, exponent = part.args
    if not exponent.has(depth):
        return series(base).power(exponent)
    if base.has(depth):
        return (series(exponent) * _logarithm(base, depth, series)).exponential()
    flat = series(exponent).flattened()
    front, logarithm = flat[0], expand_log(log(base), force=True)
    return PowerSeries(S.Zero, (S.Zero, *flat[1:])).scaled(logarithm).exponential().scaled(base**front)


def _logarithm(argument: Expr, depth: Symbol, series: Expander) -> PowerSeries:
    if isinstance(argument, IndexedProduct):
        return series(argument.logarithm())
    return series(argument).logarithm(depth)


def _half_angle(a: Expr, b: Expr, q: PowerSeries) -> tuple[Expr, PowerSeries, PowerSeries]:
    """u, x = q u/2 and q s/2, with u = log(a/b) and s = log(ab)."""
    first, second = (expand_log(log(value), force=True) for value in (a, b))
    return first - second, q.scaled((first - second) / 2), q.scaled((first + second) / 2)


def _even(x: PowerSeries, coefficient: Callable[[int], Expr], count: int) -> PowerSeries:
    """Σ_k c_k x^{2k} for a series x without constant term."""
    square, term, total = x * x, PowerSeries.constant(S.One, count), PowerSeries.constant(S.One, count)
    for k in range(1, (count + 1) // 2 + 1):
        term = term * square
        total = total + term.scaled(coefficient(k))
    return total


def _sinh_quotient(k: int) -> Expr:
    """sinh(x)/x."""
    return Rational(1, factorial(2 * k + 1))


def _inverse_sinh_quotient(k: int) -> Expr:
    """x/sinh(x)."""
    return (2 - Integer(4) ** k) * bernoulli(2 * k) / factorial(2 * k)


def _power_difference(a: Expr, b: Expr, q: Expr, *, count: int, series: Expander) -> PowerSeries:
    exponent = series(q)
    if exponent.valuation <= 0:
        return series((a**q - b**q) / q)
    u, x, middle = _half_angle(a, b, exponent)
    return (middle.exponential() * _even(x, _sinh_quotient, count)).scaled(u)


def _mean(a: Expr, b: Expr, p: Expr, q: Expr, *, depth: Symbol, count: int, series: Expander) -> PowerSeries:
    exponent = series(q)
    if p.has(depth) or exponent.valuation <= 0:
        return series(Mul(q / p, a**p - b**p, 1 / (a**q - b**q), evaluate=False))
    _, x, middle = _half_angle(a, b, exponent)
    decay = middle.scaled(S.NegativeOne).exponential()
    return (decay * _even(x, _inverse_sinh_quotient, count)).scaled(LogarithmicMean(a**p, b**p))
