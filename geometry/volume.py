r"""The volume form of a spectral metric, from the Gram determinant of its coframe blocks.

√det g is a product over the blocks of the coframe.  Each block's determinant is factored as on
paper and the factors are kept apart, so that the density, its logarithm and its limit at infinite
depth are all read off the same factors.

Source: Cohen, Menon, Veraszto, arXiv 2210.12497, Theorem 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from sympy import (
    Abs,
    Add,
    Dummy,
    Expr,
    Integer,
    Limit,
    Mul,
    S,
    Symbol,
    cancel,
    expand,
    factor_list,
    factor_terms,
    limit,
    log,
    oo,
    sqrt,
    zoo,
)

from .coframe import CoframeBlock, gram_matrix
from .indexed import IndexedProduct, SingularValue, tuple_count
from .means import explicit

__all__ = ["VolumeForm", "block_volume_form", "leading_term"]

HIGHEST_ORDER = 4
"""The highest power of N that `leading_term` tries."""


@dataclass(frozen=True)
class VolumeForm:
    """A volume density as a product of powers of positive factors.

    Attributes
    ----------
    factors : tuple of (base, exponent)
        A base is positive, or the absolute value of a difference; each occurs once.
    """

    factors: tuple[tuple[Expr, Expr], ...]

    @classmethod
    def product(cls, factors: Iterable[tuple[Expr, Expr]]) -> VolumeForm:
        """The volume form with these factors, the exponents of equal bases added."""
        exponents: dict[Expr, Expr] = {}
        for base, exponent in factors:
            exponents[base] = expand(exponents.get(base, S.Zero) + exponent)
        return cls(tuple((base, exponent) for base, exponent in exponents.items() if base != 1 and exponent != 0))

    def renamed(self, symbols: Mapping[Symbol, Symbol]) -> VolumeForm:
        """The same product in other symbols."""
        return VolumeForm(tuple((base.xreplace(dict(symbols)), exponent) for base, exponent in self.factors))

    def density(self) -> Expr:
        """The product of the factors."""
        return Mul(*(base**exponent for base, exponent in self.factors))

    def log_density(self) -> Expr:
        """The sum of the logarithms of the factors."""
        return Add(*(exponent * _logarithm(base) for base, exponent in self.factors))

    def leading_term(self, depth: Expr) -> tuple[VolumeForm, Expr]:
        """The leading term c N^-e of the density as the depth N grows: c as a volume form, and e.

        The limit of N^e √det g is taken, factor by factor.
        """
        order: Expr = S.Zero
        factors = []
        for base, exponent in self.factors:
            exponent_limit = limit(exponent, depth, oo)
            single = base.function if isinstance(base, IndexedProduct) else base
            inner = single.args[0] if isinstance(single, Abs) else single
            coefficient, inner_order = leading_term(inner, depth)
            count: Expr = S.One
            for part in _positive_factors(coefficient):
                if isinstance(base, IndexedProduct):
                    count = tuple_count(base.rank, len(base.indices))
                    varies = not part.free_symbols.isdisjoint(base.indices)
                    factor = (base.with_function(part), exponent_limit) if varies else (part, exponent_limit * count)
                else:
                    factor = part, exponent_limit
                factors.append(factor)
            order += inner_order * exponent_limit * count
        return VolumeForm.product(factors), order


def _logarithm(base: Expr) -> Expr:
    return base.logarithm() if isinstance(base, IndexedProduct) else log(base)


def leading_term(expression: Expr, depth: Expr) -> tuple[Expr, int]:
    """The leading term c N^-e of an expression as N → ∞, as the pair (c, e).

    Raises
    ------
    ValueError
        If no power of N up to N^4 gives a finite limit other than zero.

    Examples
    --------
    >>> from sympy import symbols
    >>> a, b, N = symbols("a b N", positive=True)
    >>> leading_term(a ** (2 / N) - b ** (2 / N), N)
    (2*log(a) - 2*log(b), 1)
    """
    # Expressions that differ in the names of their symbols only share one limit.
    others = sorted((expression.free_symbols - {depth}) | expression.atoms(SingularValue), key=str)
    renamed = {symbol: Symbol(f"x_{index}", positive=True) for index, symbol in enumerate(others)}
    coefficient, order = _leading_term(expression.xreplace(renamed), depth)
    return coefficient.xreplace({new: old for old, new in renamed.items()}), order


@lru_cache(maxsize=256)
def _leading_term(expression: Expr, depth: Expr) -> tuple[Expr, int]:
    inverse = Dummy("h", positive=True)
    rewritten = explicit(expression).subs(depth, 1 / inverse)
    for order in sorted(range(-HIGHEST_ORDER, HIGHEST_ORDER + 1), key=abs):
        candidate = limit(rewritten / inverse**order, inverse, 0)
        if candidate != 0 and not candidate.has(Limit, oo, -oo, zoo, S.NaN):
            return candidate, order
    raise ValueError(f"{expression} has no leading power of {depth} between -{HIGHEST_ORDER} and {HIGHEST_ORDER}")


def _positive_factors(expression: Expr) -> Iterator[Expr]:
    """The factors of an absolute value: those known to be positive bare, the others in Abs."""
    for factor in Mul.make_args(factor_terms(expression)):
        positive = abs(factor) if factor.is_number else factor
        yield positive if positive.is_positive else Abs(factor)


def block_volume_form(block: CoframeBlock, multiplier: Expr) -> VolumeForm:
    """The root of a block's Gram determinant, det(Frobenius)^(1/2) λ^(-size/2), to its multiplicity.

    The Frobenius part is the square of a polynomial in the singular values; that polynomial is kept
    expanded, so that it cancels against a multiplier whose numerator it is, as on paper.
    """
    content, squares = factor_list(gram_matrix(block).det())
    if any(exponent % 2 for _, exponent in squares):
        raise ArithmeticError(f"the Gram determinant of the block {block.forms} is no square")
    polynomial = sqrt(content) * expand(Mul(*(base ** (exponent // 2) for base, exponent in squares)))
    size = len(block.forms)
    if size % 2:
        roots = [(polynomial, S.One), (explicit(multiplier), Integer(-size) / 2)]
    else:
        roots = [(cancel(polynomial * explicit(multiplier) ** (-size // 2)), S.One)]
    return VolumeForm.product(
        (base, power * exponent * block.multiplicity)
        for root, exponent in roots
        for base, power in (factor.as_base_exp() for factor in _positive_factors(root))
    )
