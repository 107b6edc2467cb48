r"""The structure equations of the orbit of a matrix under X → U X V*.

The completed frame satisfies dΩ = -Ω∧Ω, on both sides.  In a basis of the Lie algebra of U_m x U_n
with [e_j, e_k] = Σ_i c^i_jk e_i and dual forms ω^i this is

    dω^i = -½ Σ c^i_jk ω^j∧ω^k.

The basis is orthogonal, both for Q(X, Y) = -½ Re tr(X Y) on each factor and for every spectral metric:

==============  ==================================================  =====  ========================
kind            element (k < l singular, a null, u a unit)          Q      metric
==============  ==================================================  =====  ========================
plus            u e_kl - ū e_lk on both sides                       2      2 (σ_k - σ_l)²/λ_kl
minus           the same on the left, its negative on the right     2      2 (σ_k + σ_l)²/λ_kl
minus, k = l    half of u e_kk on the left minus on the right       1/4    σ_k²/λ_kk
left            u e_ak - ū e_ka on the left                         1      σ_k²/λ_k0
right           the same on the right                               1      σ_k²/λ_k0
plus, k = l     u e_kk on both sides                                1      0: isotropy
left null, …    u e_ab - ū e_ba, u e_aa                             1, ½   0: isotropy
==============  ==================================================  =====  ========================

Everything is computed from commutators of sparse matrices over R, C or H.  A triple of basis elements with a bracket
involves three indices at most, so a table of those on the smallest index sets is one for every shape and rank.

Source: A. L. Besse, Einstein manifolds, chapter 7 (homogeneous spaces).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

from sympy import Expr, Rational, sympify

from .coframe import SingularCoframe
from .indexed import tuple_count
from .units import UNITS

__all__ = ["BracketTriple", "Generator", "bracket", "bracket_triples", "generators", "structure_constants"]

Entries = dict[tuple[str, int, int, int], Fraction]
"""A matrix pair: (side, row, column, unit) to the coefficient."""

TRIPLE_SUPPORTS: tuple[tuple[int, int], ...] = ((1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2))
"""How many singular and how many null indices the three elements of a bracket have together."""


@dataclass(frozen=True, order=True)
class Generator:
    """An element of the basis.

    Attributes
    ----------
    kind : str
        "plus", "minus", "left", "right", "left null" or "right null".
    indices : (int, int)
        Singular values are counted 0, 1, …; null directions -1, -2, …
    unit : int
        The unit of the field, as in `UNITS`; 0 is 1.
    """

    kind: str
    indices: tuple[int, int]
    unit: int = 0

    @property
    def is_isotropic(self) -> bool:
        """Whether it leaves a diagonal matrix where it is."""
        return self.kind.endswith("null") or (self.kind == "plus" and self.indices[0] == self.indices[1])

    @property
    def square(self) -> Fraction:
        """Q(e, e)."""
        sides = 2 if self.kind in ("plus", "minus") else 1
        if self.indices[0] != self.indices[1]:
            return Fraction(sides)
        return Fraction(1, 4) if self.kind == "minus" else Fraction(sides, 2)

    @property
    def singular_indices(self) -> tuple[int, ...]:
        """The singular values that it involves."""
        return tuple(index for index in self.indices if index >= 0)

    def entries(self) -> Entries:
        """Its two matrices."""
        (i, j), entries = self.indices, Entries()
        if self.kind in ("left", "right"):
            i, j = j, i  # A = U_⊥ᵀ dU has the null directions as rows
        sides = {"plus": "UV", "minus": "UV", "left": "U", "left null": "U"}.get(self.kind, "V")
        for side in sides:
            sign = Fraction(-1 if self.kind == "minus" and side == "V" else 1)
            if i == j:
                entries[side, i, i, self.unit] = sign / 2 if self.kind == "minus" else sign
            else:
                entries[side, i, j, self.unit] = sign
                entries[side, j, i, self.unit] = -sign * _conjugate_sign(self.unit)
        return entries


def _conjugate_sign(unit: int) -> int:
    return 1 if unit == 0 else -1


@lru_cache(maxsize=3)
def _unit_products(field: str) -> dict[tuple[int, int], tuple[int, int]]:
    """The sign and the unit of the product of two units, from their matrices."""
    units = UNITS[field]
    return {
        (u, v): next(
            (sign, w) for w, unit in enumerate(units) for sign in (1, -1) if units[u] * units[v] == sign * unit
        )
        for u in range(len(units))
        for v in range(len(units))
    }


def _commutator(x: Entries, y: Entries, field: str) -> Entries:
    products, total = _unit_products(field), Counter[tuple[str, int, int, int]]()
    for (side, i, j, u), a in x.items():
        for (other, k, l, v), b in y.items():
            if side == other and j == k:
                sign, w = products[u, v]
                total[side, i, l, w] += sign * a * b  # type: ignore[assignment]
            if side == other and l == i:
                sign, w = products[v, u]
                total[side, k, j, w] -= sign * a * b  # type: ignore[assignment]
    return {place: Fraction(value) for place, value in total.items() if value}


def _components(entries: Entries) -> dict[Generator, Fraction]:
    """The coefficients of the basis elements in a pair of skew-Hermitian matrices."""
    found: dict[Generator, Fraction] = {}
    for (side, i, j, unit), value in entries.items():
        if i >= 0 and j >= 0 and i <= j:
            other = entries.get(("V" if side == "U" else "U", i, j, unit), Fraction(0))
            left, right = (value, other) if side == "U" else (other, value)
            half = Fraction(1, 2)
            found[Generator("plus", (i, j), unit)] = (left + right) * half
            found[Generator("minus", (i, j), unit)] = (left - right) * (1 if i == j else half)
        elif i < 0 <= j:
            found[Generator("left" if side == "U" else "right", (j, i), unit)] = value
        elif i < 0 and j < 0 and i >= j:
            found[Generator("left null" if side == "U" else "right null", (i, j), unit)] = value
    return {generator: value for generator, value in found.items() if value}


@lru_cache(maxsize=65536)
def _bracket(x: Generator, y: Generator, field: str) -> tuple[tuple[Generator, Fraction], ...]:
    return tuple(_components(_commutator(x.entries(), y.entries(), field)).items())


def bracket(x: Generator, y: Generator, field: str) -> dict[Generator, Fraction]:
    """[x, y] in the basis, from the commutator of the matrices.

    Examples
    --------
    >>> bracket(Generator("plus", (0, 1)), Generator("minus", (1, 2)), "R")
    {Generator(kind='minus', indices=(0, 2), unit=0): Fraction(1, 1)}
    """
    return dict(_bracket(x, y, field))


def generators(field: str, rank: int, left_nullity: int = 0, right_nullity: int = 0) -> Iterator[Generator]:
    """The whole basis of the Lie algebra of U_m x U_n for explicit sizes, the isotropy included."""
    beta = len(UNITS[field])
    for kind in ("plus", "minus"):
        for k in range(rank):
            yield from (Generator(kind, (k, k), u) for u in range(1, beta))
        yield from (Generator(kind, pair, u) for pair in combinations(range(rank), 2) for u in range(beta))
    for side, nullity in (("left", left_nullity), ("right", right_nullity)):
        nulls = range(-1, -nullity - 1, -1)
        yield from (Generator(side, (k, a), u) for k in range(rank) for a in nulls for u in range(beta))
        yield from (Generator(f"{side} null", (a, a), u) for a in nulls for u in range(1, beta))
        yield from (Generator(f"{side} null", pair, u) for pair in combinations(nulls, 2) for u in range(beta))


def structure_constants(
    field: str, rank: int, left_nullity: int = 0, right_nullity: int = 0
) -> dict[tuple[Generator, Generator, Generator], Fraction]:
    """c_ijk = Q([e_i, e_j], e_k) for i < j < k where it is not zero; totally antisymmetric.

    Parameters
    ----------
    field : {"R", "C", "H"}
    rank, left_nullity, right_nullity : int
        r, m - r, n - r.
    """
    basis = sorted(generators(field, rank, left_nullity, right_nullity))
    return {
        (x, y, z): value * z.square
        for x, y in combinations(basis, 2)
        for z, value in _bracket(x, y, field)
        if y < z  # each triple once
    }


@dataclass(frozen=True)
class BracketTriple:
    """Three kinds of basis elements with brackets among them, on generic indices 0 < 1 < 2.

    Attributes
    ----------
    elements : tuple of (kind, singular indices)
        The elements outside the isotropy.
    isotropic : bool
        Whether the third element is in the isotropy, so that there are two of them only.
    constant : Rational
        c², for elements of length 1 in Q.
    count : int
        How many there are, over the units of the field.
    size : int
        How many singular values are involved.
    null_side, null_count
        "left", "right" or "", and how many null directions are involved.
    """

    elements: tuple[tuple[str, tuple[int, ...]], ...]
    isotropic: bool
    constant: Rational
    count: int
    size: int
    null_side: str = ""
    null_count: int = 0

    def multiplicity(self, coframe: SingularCoframe) -> Expr:
        """How many there are for one set of singular values."""
        nullity = coframe.left_nullity if self.null_side == "left" else coframe.right_nullity
        return sympify(self.count) * tuple_count(nullity, self.null_count)


@lru_cache(maxsize=3)
def bracket_triples(field: str) -> tuple[BracketTriple, ...]:
    """The table of all triples with brackets, for every rank and shape: counted on the smallest index sets.

    Examples
    --------
    >>> for triple in bracket_triples("R")[:2]:
    ...     print(triple.elements, triple.constant, triple.count)
    (('minus', (0, 1)), ('minus', (0, 2)), ('plus', (1, 2))) 1/2 1
    (('minus', (0, 1)), ('minus', (1, 2)), ('plus', (0, 2))) 1/2 1
    """
    found = []
    for size, nulls in TRIPLE_SUPPORTS:
        for side in ("left", "right") if nulls else ("",):
            constants = structure_constants(field, size, *((nulls, 0) if side == "left" else (0, nulls)))
            counts = Counter(_labelled(*item) for item in constants.items() if _spans(item[0], size, nulls))
            found += [
                BracketTriple(elements, len(elements) == 2, Rational(c.numerator, c.denominator), n, size, side, nulls)
                for (elements, c), n in sorted(counts.items())
                if len(elements) >= 2
            ]
    return tuple(found)


def _spans(triple: tuple[Generator, ...], size: int, nulls: int) -> bool:
    return len({index for generator in triple for index in generator.indices}) == size + nulls


def _labelled(
    triple: tuple[Generator, ...], constant: Fraction
) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], Fraction]:
    """The elements outside the isotropy by kind and singular indices, and c²."""
    elements = tuple(sorted((g.kind, g.singular_indices) for g in triple if not g.is_isotropic))
    squares = triple[0].square * triple[1].square * triple[2].square
    return elements, constant**2 / squares
