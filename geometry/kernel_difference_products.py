r"""Products of the differences of all pairs out of several numbers, found among the logarithms of a sum.

Volume densities have Σ log |s_k - s_l| over all pairs, s = σ^q or log σ.  Once the numbers are in descending order,
each difference is a sum of steps from one to the next, s_k - s_l = d_k + … + d_(l-1), of terms of one sign: r - 1
differences have to be formed with care instead of r(r-1)/2, and the rest are additions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from sympy import Abs, Add, Expr, S, default_sort_key, log

from .means import PowerDifference

__all__ = ["DifferenceProduct", "take_difference_products"]

FEWEST_POINTS = 3


@dataclass(frozen=True)
class DifferenceProduct:
    """coefficient · Σ log |s_k - s_l| over all pairs of points, s the given power of the points, at 0 the logarithm."""

    coefficient: Expr
    exponent: Expr
    points: tuple[Expr, ...]


def take_difference_products(bases: dict[Expr, Expr]) -> list[DifferenceProduct]:
    """Take out of Σ c log(base), given as {base: c}, what makes up products over all pairs of three points or more.

    Examples
    --------
    >>> from sympy import symbols
    >>> a, b, c = symbols("a b c", positive=True)
    >>> bases = {abs(a - b): 1, abs(b - c): 1, abs(a - c): 1, a: 2}
    >>> take_difference_products(bases)
    [DifferenceProduct(coefficient=1, exponent=1, points=(a, b, c))]
    >>> bases
    {a: 2}
    """
    groups: dict[tuple[Expr, Expr], dict[frozenset[Expr], Expr]] = {}
    for base, coefficient in bases.items():
        difference = _as_difference(base)
        if difference is not None:
            exponent, pair = difference
            groups.setdefault((coefficient, exponent), {})[pair] = base
    products = []
    for (coefficient, exponent), members in groups.items():
        points = sorted(frozenset().union(*members), key=default_sort_key)
        pairs = list(combinations(points, 2))
        if len(points) < FEWEST_POINTS or set(members) != set(map(frozenset, pairs)):
            continue
        products.append(DifferenceProduct(coefficient, exponent, tuple(points)))
        for base in members.values():
            del bases[base]
            if isinstance(base.args[0], PowerDifference):
                # |a^q - b^q|/q is what it stands for.
                bases[exponent] = bases.get(exponent, S.Zero) - coefficient
    return products


def _as_difference(base: Expr) -> tuple[Expr, frozenset[Expr]] | None:
    """|a^q - b^q| as q and {a, b}, |log a - log b| with q = 0, for 0 <= q <= 1 and positive a, b; else None.

    Larger powers might overflow where their differences' factors do not.
    """
    if not isinstance(base, Abs):
        return None
    match base.args[0]:
        case PowerDifference(args=(a, b, q)) if q.is_nonnegative and not (q - 1).is_positive:
            return q, frozenset((a, b))
        case Add(args=(first, second)):
            x, y = (first, -second) if second.could_extract_minus_sign() else (second, -first)
            if x.is_positive and y.is_positive:
                return S.One, frozenset((x, y))
            if isinstance(x, log) and isinstance(y, log) and x.args[0].is_positive and y.args[0].is_positive:
                return S.Zero, frozenset((x.args[0], y.args[0]))
    return None
