r"""Divided differences of powers with respect to powers: what derivatives of means are, without a quotient 0/0.

With the coordinate s(a) = a^q/q (log a at q = 0),

    PowerDividedDifference(p, q, a_0, …, a_n) = [s_0, …, s_n] a^p,

the n-th divided difference of a^p as a function of s.  For n = 1 it is (a^p - b^p)/((a^q - b^q)/q), p times the
power-difference mean, which is the logarithmic mean of a^p and b^p at q = 0.  It is symmetric in the points,
homogeneous of degree p - n q, smooth where points coalesce, and its derivatives are of the same kind:

    ∂/∂a_i [s_0, …, s_n] a^p = a_i^(q-1) [s_0, …, s_i, s_i, …, s_n] a^p.

References
----------
C. de Boor, *Divided differences*, Surveys in Approximation Theory 1 (2005): Leibniz, Hermite-Genocchi, coalescence.
F. Hiai, D. Petz, *Introduction to Matrix Analysis and Applications* (2014), section 3.2: the derivative of a matrix
function as a divided difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import mpmath
from sympy import Dummy, Expr, Float, Function, Integer, Mul, S, factorial, log, powsimp, sympify
from sympy.core.function import ArgumentIndexError
from sympy.core.sorting import default_sort_key
from sympy.printing.latex import LatexPrinter

from .means import PowerDifferenceMean, recognize_means

if TYPE_CHECKING:
    from .network import DeepLinearNetwork

__all__ = [
    "PowerDividedDifference",
    "multiplier_divided_difference",
    "rate_differences",
]


class PowerDividedDifference(Function):
    r"""The divided difference [s_0, …, s_n] a^p with respect to s = a^q/q, and to s = log a at q = 0.

    Examples
    --------
    >>> from sympy import Rational, symbols
    >>> from geometry import PowerDividedDifference
    >>> a, b, c, N = symbols("a b c N", positive=True)
    >>> PowerDividedDifference(2, 2 / N, a, b)
    2*PowerDifferenceMean(a, b, 2, 2/N)
    >>> PowerDividedDifference(2, Rational(2, 3), a, b, c)
    4*a**(2/3)/9 + 4*b**(2/3)/9 + 4*c**(2/3)/9
    >>> PowerDividedDifference(2, 2 / N, a, a, a)
    a**(2 - 4/N)*(2 - 2/N)
    >>> PowerDividedDifference(2, 0, a, b, c).diff(a)
    PowerDividedDifference(2, 0, a, a, b, c)/a
    >>> PowerDividedDifference(2, Rational(1, 2), 1, 16, 16)
    57/4
    """

    @classmethod
    def eval(cls, p: Expr, q: Expr, *points: Expr) -> Expr | None:
        if not points:
            raise ValueError("a divided difference needs at least one point")
        order = len(points) - 1
        if order == 0:
            return points[0] ** p
        factors = [p - j * q for j in range(order)]
        if any(factor.is_zero for factor in factors):
            return S.Zero
        if all(point == points[0] for point in points):
            return prod(factors, start=S.One) / factorial(order) * points[0] ** (p - order * q)
        if order == 1:
            return p * PowerDifferenceMean(*points, p, q)
        for degree, polynomial in ((0, lambda: S.One), (1, lambda: sum(point**q for point in points))):
            if (p - (order + degree) * q).is_zero:
                return (q**order * polynomial()).expand()
        scale = _common_power(points)
        if scale is not None:
            return cls(scale * p, scale * q, *(point ** (1 / scale) for point in points)) / scale**order
        ordered = sorted(points, key=default_sort_key)
        if tuple(ordered) != points:
            return cls(p, q, *ordered)
        return cls._at_numbers(p, q, ordered)

    @classmethod
    def _at_numbers(cls, p: Expr, q: Expr, points: Sequence[Expr]) -> Expr | None:
        """An exact value where it is rational; a Float where an argument is one."""
        numbers = (p, q, *points)
        if not all(number.is_number for number in numbers):
            return None
        precisions = [number._prec for argument in numbers for number in argument.atoms(Float)]
        if precisions:
            return cls(*numbers, evaluate=False)._eval_evalf(min(precisions))
        if q != 0 and all((point**exponent).is_Rational for point in points for exponent in (p, q) if point != 0):
            return _explicit(p, q, points)
        return None

    def fdiff(self, argindex: int = 1) -> Expr:
        p, q, *points = self.args
        if argindex > 2:
            point = points[argindex - 3]
            return point ** (q - 1) * PowerDividedDifference(p, q, *points, point)
        if q.is_zero and argindex == 2:
            raise ArgumentIndexError(self, argindex)
        exponent = Dummy(real=True)
        quotient = _explicit(exponent, q, points) if argindex == 1 else _explicit(p, exponent, points)
        return quotient.diff(exponent).subs(exponent, self.args[argindex - 1])

    def _eval_is_positive(self) -> bool | None:
        sign = self._sign()
        return None if sign is None else sign.is_positive

    def _eval_is_negative(self) -> bool | None:
        sign = self._sign()
        return None if sign is None else sign.is_negative

    def _eval_is_real(self) -> bool | None:
        p, q, *points = self.args
        return True if p.is_real and q.is_real and all(point.is_positive for point in points) else None

    def _sign(self) -> Expr | None:
        """The derivative of a^p along s has one sign everywhere: that of Π_{j<n} (p - j q)."""
        p, q, *points = self.args
        if not all(point.is_positive for point in points):
            return None
        return prod((p - j * q for j in range(len(points) - 1)), start=S.One)

    def _eval_evalf(self, prec: int) -> Expr | None:
        if not all(argument.is_number for argument in self.args):
            return None
        from .backends.divided_differences_mpmath import power_divided_difference

        with mpmath.workprec(prec + 20 + _cancelled_bits(self.args[2:])):
            digits = mpmath.mp.dps + 5
            p, q, *points = (mpmath.mpf(a.evalf(digits)._to_mpmath(mpmath.mp.prec)) for a in self.args)
            value = power_divided_difference(p, 1, q, 1, *points)
        return Float._new(value._mpf_, prec)

    def _eval_rewrite_as_Pow(self, p: Expr, q: Expr, *points: Expr, **hints: object) -> Expr:
        return _explicit(p, q, points)

    def _eval_rewrite_as_tractable(self, p: Expr, q: Expr, *points: Expr, **hints: object) -> Expr:
        return _explicit(p, q, points)

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        p, q, *points = (printer._print(argument) for argument in self.args)
        power = "" if exp is None else rf"^{{{exp}}}"
        return rf"\Delta_{{{p},\,{q}}}{power}\left({', '.join(points)}\right)"


def _common_power(points: Sequence[Expr]) -> Expr | None:
    """The exponent k where all points are k-th powers of positive symbols, which need not be formed."""
    exponents = {point.as_base_exp()[1] for point in points}
    symbolic = all(point.as_base_exp()[0].is_positive and not point.is_number for point in points)
    return exponents.pop() if symbolic and len(exponents) == 1 and exponents != {S.One} else None


def _cancelled_bits(points: Sequence[Expr]) -> int:
    """How many bits the differences of exact points have fewer than the points."""
    worst = 0
    for index, a in enumerate(points):
        for b in points[index + 1 :]:
            if a != b and not (a.has(Float) or b.has(Float)):
                worst = max(worst, int(log(abs(a / (a - b)), 2).evalf(15)) + 1)
    return worst


def _explicit(p: Expr, q: Expr, points: Sequence[Expr]) -> Expr:
    """The divided difference as quotients of powers; equal points by derivatives."""
    groups: dict[Expr, int] = {}
    for point in points:
        groups[point] = groups.get(point, 0) + 1
    table = [point for point in groups for _ in range(groups[point])]
    return _table_entry(p, q, tuple(table))


def _table_entry(p: Expr, q: Expr, points: tuple[Expr, ...]) -> Expr:
    """Newton's recursion, for points of which equal ones stand together."""
    order, first, last = len(points) - 1, points[0], points[-1]
    if first == last:
        return prod((p - j * q for j in range(order)), start=S.One) / factorial(order) * first ** (p - order * q)
    difference = _table_entry(p, q, points[:-1]) - _table_entry(p, q, points[1:])
    # In one product: a number times a sum alone would be distributed over it.
    if q.is_zero:
        return Mul(difference, 1 / (log(first) - log(last)))
    return Mul(q, difference, 1 / (first**q - last**q))


# ------------------------------------------------------------------------- of the network's multiplier


def multiplier_divided_difference(network: DeepLinearNetwork, a: Expr, b: Expr, c: Expr) -> Expr:
    r"""T(a, b, c) = λ(a, b) (λ(a, c) - λ(b, c))/(a² - b²), symmetric in three singular values.

    In the derivative of A(X) the multiplier's divided difference (λ(a, c) - λ(b, c))/(a² - b²) = T(a, b, c)/λ(a, b)
    stands beside the derivatives of X Xᵀ and Xᵀ X.  With λ = κ [s_a, s_b] a² for s = (N/2) a^(2/N), T is
    κ² [s_a, s_b, s_c] a²: Σ of the products x^i y^j z^k, i + j + k = N - 2, of x = a^(2/N), y = b^(2/N), z = c^(2/N).

    Examples
    --------
    >>> from sympy import oo, symbols
    >>> from geometry import DeepLinearNetwork
    >>> a, b, c = symbols("a b c", positive=True)
    >>> multiplier_divided_difference(DeepLinearNetwork(3, (2, 2)), a, b, c)
    a**(2/3) + b**(2/3) + c**(2/3)
    >>> multiplier_divided_difference(DeepLinearNetwork(oo, (2, 2)), a, b, c)
    PowerDividedDifference(2, 0, a, b, c)/4
    """
    exponent = 2 / network.depth
    scale = network.pair_multiplier(a, a) / PowerDividedDifference(Integer(2), exponent, a, a)
    return (scale**2 * PowerDividedDifference(Integer(2), exponent, *map(sympify, (a, b, c)))).expand()


def rate_differences(network: DeepLinearNetwork, a: Expr, b: Expr) -> tuple[Expr, Expr]:
    r"""(α, β) = ((a c_a - b c_b)/(a² - b²), (b c_a - a c_b)/(a² - b²)) of the null rates c_a = λ(a, 0)/a.

    They are the derivative of the odd matrix function P diag(σ) Qᵀ -> P diag(c(σ)) Qᵀ: along a direction with entries
    Y_kl in the singular basis it has the entries α_kl Y_kl + β_kl Y_lk.

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import DeepLinearNetwork
    >>> a, b = symbols("a b", positive=True)
    >>> rate_differences(DeepLinearNetwork(1, (2, 2)), a, b)
    (0, -1/(a*b))
    """
    a, b = sympify(a), sympify(b)
    above, below = network.pair_null_multiplier(a), network.pair_null_multiplier(b)
    if above == 0:
        return S.Zero, S.Zero
    width = a**2 - b**2
    turned = recognize_means((powsimp(a**2 / above) - powsimp(b**2 / below)) / width)
    return recognize_means((above - below) / width), -(above / a) * (below / b) * turned
