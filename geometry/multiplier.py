r"""The multiplier of the deep linear network, from the sum in the definition of A_N.

    A_N(Z) = Σ_{p=1..N} (X Xᵀ)^{(N-p)/N} Z (Xᵀ X)^{(p-1)/N}

acts on u_k v_lᵀ as multiplication by a sum of N powers of σ_k and σ_l.  The sum is geometric; this
module sums it, evaluates it against zero singular values, and takes its limit as N → ∞.  It is the
only module that asks what the depth is.

Source: Bah, Rauhut, Terstiege, Westdickenberg, arXiv 1910.05505; Cohen, Menon, Veraszto, arXiv
2210.12497, section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from sympy import Dummy, Expr, Mul, S, Sum, Symbol, expand, oo

from .means import recognize_means
from .volume import leading_term

__all__ = [
    "definition_sum",
    "definition_term",
    "geometric_sum",
    "multiplier",
    "null_multiplier",
    "null_null_multiplier",
]


def definition_term(a: Expr, b: Expr, p: Expr, depth: Expr) -> Expr:
    """The p-th of the N terms: a^(2(N-p)/N) b^(2(p-1)/N), for u vᵀ with (X Xᵀ) u = a² u, (Xᵀ X) v = b² v."""
    return a ** (2 * (depth - p) / depth) * b ** (2 * (p - 1) / depth)


def definition_sum(a: Expr, b: Expr, depth: Expr) -> Sum:
    """The sum of the N terms, unevaluated.

    Examples
    --------
    >>> from sympy import symbols
    >>> a, b = symbols("a b", positive=True)
    >>> definition_sum(a, b, 3).doit()
    a**(4/3) + a**(2/3)*b**(2/3) + b**(4/3)
    """
    p = Symbol("p", integer=True, positive=True)
    return Sum(definition_term(a, b, p, depth), (p, 1, depth))


def geometric_sum(series: Sum) -> Expr:
    """Sum a geometric series with symbolic bounds in closed form, for a ratio other than 1.

    Raises
    ------
    ValueError
        If the ratio of consecutive terms depends on the index.
    """
    term, (index, first, last) = series.function, series.limits[0]
    ratio = _collected(term.subs(index, index + 1) / term)
    if index in ratio.free_symbols:
        raise ValueError(f"{series} is not geometric: the ratio of its terms is {ratio}")
    if ratio == 1:
        return _collected(term) * (last - first + 1)
    # Telescoping: (ratio - 1) sum = term after the last - first term; multiplied through by the
    # ratio's denominator, both differences are differences of pure powers.
    denominator = Mul(*(base**-exponent for base, exponent in _exponents(ratio).items() if exponent.is_negative))
    beyond = _collected(term.subs(index, last + 1) * denominator)
    before = _collected(term.subs(index, first) * denominator)
    return (before - beyond) / (denominator - _collected(ratio * denominator))


def _exponents(product: Expr) -> dict[Expr, Expr]:
    """Bases and total exponents of a product of powers."""
    total: dict[Expr, Expr] = {}
    for factor in Mul.make_args(product):
        base, exponent = factor.as_base_exp()
        total[base] = total.get(base, S.Zero) + exponent
    return {base: expand(exponent) for base, exponent in total.items()}


def _collected(product: Expr) -> Expr:
    return Mul(*(base**exponent for base, exponent in _exponents(product).items()))


@lru_cache(maxsize=256)
def multiplier(a: Expr, b: Expr, depth: Expr) -> Expr:
    """λ(a, b) of A_N summed from the definition; at infinite depth the limit of λ/N.

    Examples
    --------
    >>> from sympy import Integer, Symbol, oo, symbols
    >>> a, b = symbols("a b", positive=True)
    >>> multiplier(a, b, Symbol("N", positive=True))
    N*PowerDifferenceMean(a, b, 2, 2/N)
    >>> multiplier(a, b, Integer(2))
    a + b
    >>> multiplier(a, b, oo)
    LogarithmicMean(a**2, b**2)
    """
    if depth == oo:
        return _infinite_depth(multiplier, a, b)
    return recognize_means(geometric_sum(definition_sum(a, b, depth)))


@lru_cache(maxsize=256)
def null_multiplier(a: Expr, depth: Expr) -> Expr:
    """λ(a, 0): of the N terms only p = 1 has no factor 0, in the convention 0^0 = 1 of (XᵀX)^0 = I."""
    if depth == oo:
        return _infinite_depth(null_multiplier, a)
    return _collected(definition_term(a, S.One, S.One, depth))


@lru_cache(maxsize=256)
def null_null_multiplier(depth: Expr) -> Expr:
    """λ(0, 0): 1 at depth 1, where A_1 is the identity and leaves the rank-r manifold; 0 beyond."""
    if depth == oo:
        return _infinite_depth(null_null_multiplier)
    return S.One if depth == 1 else S.Zero


def _infinite_depth(function: Callable[..., Expr], *arguments: Expr) -> Expr:
    """The limit of the multiplier over N, from its leading term c N^-e: c where e = 0, else 0."""
    depth = Dummy("N", positive=True)
    value = function(*arguments, depth) / depth
    if value == 0:
        return value
    coefficient, order = leading_term(value, depth)
    if order < 0:
        raise ValueError(f"{value} grows with the depth")
    return recognize_means(coefficient) if order == 0 else S.Zero
