r"""Rewrite expressions to forms that stay accurate in floating point.

The form in which an expression is evaluated is a numerical decision.  Before an expression is printed,
`stable_form` rewrites what floating point would spoil, using x^n - y^n = (x - y) h_n(x, y), where
h_n = x^(n-1) + x^(n-2) y + … + y^(n-1) has positive terms only and h_2n = (x^n + y^n) h_n:

- quotients (a^p - b^p)/(a^q - b^q) are sums h_n of positive terms where p/q is an integer of small odd part;
  otherwise a quotient of (a - b) and a^q (1 - exp(-q log(a/b))), on which the backends take care;
- differences a^q - b^q are (a - b) h_n/h_d at q = n/d, in powers of a^(1/d); otherwise as above;
- log a - log b is the logarithm of a ratio;
- sums of logarithms are logarithms of products, in twice the working precision; the differences of all pairs of
  several numbers are sums of the steps from one to the next;
- fractional powers keep their exponent as a quotient, whose rounding the backend compensates.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from sympy import Abs, Add, Expr, Integer, Mul, Pow, Rational, S, expand_log, fraction, log, sympify, together
from sympy.core.basic import Basic

from .divided_differences import PowerDividedDifference
from .kernel_difference_products import DifferenceProduct, take_difference_products
from .kernel_functions import (
    cube_root,
    descending,
    difference_ratio,
    exact_product,
    extended,
    extended_sum,
    fifth_root,
    homogeneous_sum,
    interval_product,
    log_gap,
    log_ratio,
    logarithmic_mean,
    magnitude,
    mean_scale,
    mean_shape,
    power,
    power_difference,
    power_difference_mean,
    power_divided_difference,
    ranked,
    rounded,
    scaled_difference,
    scaled_product,
    sum_of_logs,
    weighted_excess,
    weighted_log,
)
from .means import LogarithmicMean, PowerDifference, PowerDifferenceMean, recognize_means

__all__ = ["stable_form"]

MOST_TERMS = 16
LARGEST_ODD_PART = 5
"""The sums h_n that are written out: with more terms than these, logarithms are quicker."""


def stable_form(expression: Expr) -> Expr:
    """Rewrite an expression in the functions that backends evaluate accurately.

    Examples
    --------
    >>> from sympy import Rational, log, symbols
    >>> a, b = symbols("a b", positive=True)
    >>> stable_form(a ** Rational(1, 4) - b ** Rational(1, 4))
    scaled_difference(a, b, (sqrt(a) + sqrt(b))*(power(a, 1, 4) + power(b, 1, 4)))
    >>> stable_form(log(a) - log(b))
    log_ratio(a, b)
    """
    expanded = sympify(expression).replace(lambda part: isinstance(part, log), expand_log)
    return _stable(recognize_means(expanded, keep_differences=True))


def _stable(node: Basic) -> Expr:
    """Rewrite from the leaves upwards."""
    if isinstance(node, (LogarithmicMean, PowerDifferenceMean, PowerDifference, PowerDividedDifference)):
        return _stable_function(node)
    if isinstance(node, Add) or node.func is log:
        return _stable_sum(node)
    if not node.args:
        return node
    if isinstance(node, Pow):
        base, exponent = (_stable(part) for part in node.args)
        return _power(base, exponent)
    return node.func(*map(_stable, node.args))


def _stable_function(node: Expr) -> Expr:
    points = [_stable(argument) for argument in node.args]
    match node:
        case PowerDifference():
            a, b, q = points
            return log_ratio(a, b) if q == 0 else Mul(1 / q, _difference(a, b, q))
        case PowerDifferenceMean():
            return _mean(*points)
        case PowerDividedDifference():
            p, q, *others = points
            return power_divided_difference(*_quotient(p), *_quotient(q), *others)
    (x, p), (y, q) = (argument.as_base_exp() for argument in node.args)
    if p == q and p.is_positive and x.is_positive and y.is_positive:
        # Without forming the powers, which would overflow early.
        return _mean(_stable(x), _stable(y), p, S.Zero)
    return logarithmic_mean(*points)


def _quotient(exponent: Expr) -> tuple[Expr, Expr]:
    return fraction(together(exponent))


# ------------------------------------------------------------------------ powers, differences, means


def _power(base: Expr, exponent: Expr) -> Expr:
    correctly_rounded = exponent.is_Integer or abs(exponent) == Rational(1, 2)
    if correctly_rounded or base is S.Exp1 or (base.is_number and exponent.is_number):
        return base**exponent
    if exponent.is_Rational and exponent.q in (3, 5) and base.is_positive:
        whole, part = divmod(exponent.p, exponent.q)
        return base**whole * (cube_root(base) ** part if exponent.q == 3 else _fifths(base, part))
    return power(base, *_quotient(exponent))


def _fifths(base: Expr, part: int) -> Expr:
    """base^(part/5) from base^(1/5), with at most one operation after its square, so that few roundings are added."""
    root = fifth_root(base)
    match part:
        case 1 | 2:
            return root**part
        case 3:
            return scaled_difference(base, 0, root**2)
    return scaled_difference(base, 0, root)


def _is_short(n: Expr) -> bool:
    """Whether h_n is worth writing out."""
    if not (n.is_Integer and 1 <= n <= MOST_TERMS):
        return False
    odd = int(n)
    while odd % 2 == 0:
        odd //= 2
    return odd <= LARGEST_ODD_PART


def _homogeneous(a: Expr, b: Expr, exponent: Expr, n: int) -> Expr:
    """h_n(x, y) for x = a^exponent, y = b^exponent; each power is formed from a and b, so that none inherits errors."""
    if n == 1:
        return S.One
    if n % 2 == 0:
        half = exponent * n / 2
        return (_power(a, half) + _power(b, half)) * _homogeneous(a, b, exponent, n // 2)
    powers = [exponent, *(2 * k * exponent for k in range(1, (n + 1) // 2))]
    return homogeneous_sum(*(_power(point, e) for e in powers for point in (a, b)))


def _difference(a: Expr, b: Expr, q: Expr) -> Expr:
    """a^q - b^q."""
    if q.is_Rational and q.is_positive and _is_short(Integer(q.p)) and _is_short(Integer(q.q)):
        root = Rational(1, q.q)
        first = a - b if q.q == 1 else scaled_difference(a, b, _homogeneous(a, b, root, int(q.q)))
        return first * _homogeneous(a, b, root, int(q.p))
    return power_difference(a, b, _power(a, q), _power(b, q), *_quotient(q))


def _mean(a: Expr, b: Expr, p: Expr, q: Expr) -> Expr:
    """(q/p) (a^p - b^p)/(a^q - b^q), at q = 0 (1/p) (a^p - b^p)/(log a - log b)."""
    # The factors in one product: a number times a sum alone would be distributed over it.
    if q != 0 and _is_short(p / q):
        return Mul(q / p, _homogeneous(a, b, q, int(p / q)))
    if _is_short(p) and (q == 0 or q.is_positive):
        # M(p, q) = M(1, q) h_p(a, b)/p.
        others = _homogeneous(a, b, S.One, int(p))
        if q == 0:
            return Mul(1 / p, logarithmic_mean(a, b), others)
        first = difference_ratio(a, b, _power(a, 1 - q), _power(b, 1 - q), *_quotient(q))
        return Mul(q / p, first, others)
    return power_difference_mean(a, b, *_quotient(p), *_quotient(q))


# ---------------------------------------------------------------------------------- sums of logarithms


def _stable_sum(node: Expr) -> Expr:
    """Logarithms that are added, as logarithms of products in twice the working precision."""
    others: list[Expr] = []
    bases: dict[Expr, Expr] = {}  # what logarithms are taken of, and their coefficients
    for term in Add.make_args(node):
        split = _coefficient_and_bases(term)
        if split is None:
            others.append(log(_stable(term.args[0])) if term.func is log else _stable(term))
            continue
        coefficient, powers = split
        for base, exponent in powers:
            bases[base] = bases.get(base, S.Zero) + coefficient * exponent
    products = take_difference_products(bases)
    groups: dict[Expr, list[Expr]] = {}
    for factor, coefficient in _collected(bases, others).items():
        if coefficient != 0:
            groups.setdefault(coefficient, []).append(factor)
    return (not products and _short_sum(groups, others)) or _extended_total(groups, products, others)


def _collected(bases: dict[Expr, Expr], others: list[Expr]) -> dict[Expr, Expr]:
    """The factors of the bases, and the coefficients of their logarithms; logarithmic means go to the other terms."""
    logarithms: dict[Expr, Expr] = {}
    for base, coefficient in bases.items():
        for factor, exponent in _positive_factors(base):
            if isinstance(factor, LogarithmicMean):
                (x, p), (y, _) = (argument.as_base_exp() for argument in factor.args)
                others.append(weighted_excess(*_quotient(coefficient * exponent), x, y, *_quotient(p)))
            else:
                logarithms[factor] = logarithms.get(factor, S.Zero) + coefficient * exponent
    return logarithms


def _short_sum(groups: dict[Expr, list[Expr]], others: list[Expr]) -> Expr | None:
    """Sums that need no more than working precision: log a - log b, and one logarithm with two other terms at most."""
    count = sum(map(len, groups.values()))
    if not others and len(groups) == 2 == count:
        (c, (over,)), (d, (under,)) = groups.items()
        if c + d == 0 and not (over.is_number or under.is_number):
            return d * log_ratio(under, over) if c.could_extract_minus_sign() else c * log_ratio(over, under)
    is_short = count == 0 or (count == 1 and len(others) <= 2)
    if is_short and not any(isinstance(term, weighted_excess) for term in others):
        return Add(*others, *(coefficient * log(factors[0]) for coefficient, factors in groups.items()))
    return None


def _extended_total(groups: dict[Expr, list[Expr]], products: list[DifferenceProduct], others: list[Expr]) -> Expr:
    # The logarithm of a logarithmic mean may be small because the numbers are near 1: their product has to be exact.
    is_exact = any(isinstance(term, weighted_excess) for term in others)
    product = exact_product if is_exact else scaled_product
    terms = [weighted_log(*_quotient(c), _magnitude(product, factors)) for c, factors in groups.items()]
    terms += [weighted_log(*_quotient(p.coefficient), interval_product(*_steps(p))) for p in products]
    if len(terms) > 1 and not is_exact:
        terms = [sum_of_logs(*terms)]
    terms += [term if isinstance(term, weighted_excess) else extended(term) for term in others]
    return rounded(extended_sum(*terms) if len(terms) > 1 else terms[0])


def _steps(product: DifferenceProduct) -> list[Expr]:
    """The differences of neighbours in descending order."""
    q, numbers = product.exponent, descending(*map(_stable, product.points))
    neighbours = pairwise(ranked(place, numbers) for place in range(len(product.points)))
    return [log_gap(a, b) if q == 0 else _difference(a, b, q) for a, b in neighbours]


def _magnitude(product: type[Expr], factors: list[Expr]) -> Expr:
    """The product of the factors, of which those in Abs need not be positive; one sign is dropped instead of many."""
    bare = [factor.args[0] if isinstance(factor, Abs) else factor for factor in factors]
    return product(*factors) if bare == factors else magnitude(product(*bare))


def _coefficient_and_bases(term: Expr) -> tuple[Expr, list[tuple[Expr, Expr]]] | None:
    """c log(Π b^e) as c and the pairs (b, e), for a product that is positive, or in Abs; None for other terms."""
    logarithms = [factor for factor in Mul.make_args(term) if factor.func is log]
    if len(logarithms) != 1:
        return None
    coefficient = _stable(term / logarithms[0])
    if coefficient.has(log, *_TWICE_PRECISE):
        return None
    bases = [factor.as_base_exp() for factor in Mul.make_args(logarithms[0].args[0])]
    if not all(isinstance(base, Abs) or base.is_positive for base, _ in bases):
        return None
    return coefficient, bases


_TWICE_PRECISE = (rounded, extended, sum_of_logs, weighted_log, weighted_excess)


def _positive_factors(base: Expr) -> Iterator[tuple[Expr, Expr]]:
    """The factors of a positive number or an absolute value, in their stable forms, with their exponents."""
    match base:
        case LogarithmicMean():
            (x, p), (y, q) = (argument.as_base_exp() for argument in base.args)
            if p == q and p.is_positive and x.is_positive and y.is_positive:
                # √(x y)^p times what exceeds it: the mean itself near 1 would have a logarithm of mere rounding.
                x, y = _stable(x), _stable(y)
                yield from ((x, p / 2), (y, p / 2), (LogarithmicMean(x**p, y**p), S.One))
                return
        case PowerDifferenceMean(args=(a, b, p, q)) if p.is_positive and q.is_positive:
            a, b = _stable(a), _stable(b)
            yield from ((mean_scale(a, b), p - q), (mean_shape(a, b, *_quotient(p), *_quotient(q)), S.One))
            return
        case Abs(args=(PowerDifference(args=(a, b, q)),)) if not (q - 1).is_positive:
            # Its factors in one: it is no larger than the numbers themselves.
            yield Abs(_difference(_stable(a), _stable(b), q)), S.One
            yield from ((number, -exponent) for number, exponent in _numbers_or(q, S.One))
            return
    inside_abs = isinstance(base, Abs)
    for factor in Mul.make_args(_stable(base.args[0] if inside_abs else base)):
        inner, exponent = factor.as_base_exp()
        yield from _numbers_or(_absolute(inner) if inside_abs else inner, exponent)


def _numbers_or(factor: Expr, exponent: Expr) -> Iterator[tuple[Expr, Expr]]:
    """A rational as numerator and denominator, whose logarithms cancel those of other terms."""
    if factor.is_Rational:
        yield from ((Integer(part), sign * exponent) for part, sign in ((factor.p, 1), (factor.q, -1)) if part != 1)
    else:
        yield factor, exponent


def _absolute(factor: Expr) -> Expr:
    if isinstance(factor, log_ratio):
        return log_gap(*factor.args)
    return factor if factor.is_positive else Abs(factor)
