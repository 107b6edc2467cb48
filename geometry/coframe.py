r"""The coframe of the singular value decomposition.

A rank-r matrix X = U Σ Vᵀ, completed by U_⊥ and V_⊥, has the coframe

======================  =================================  ==========================================
forms                   components                         multiplicity (Dyson index β)
======================  =================================  ==========================================
dσ_k                    radial                             1
(Ω^U - Ω^V)_kk          phase (absent for β = 1)           β - 1
Ω^U_kl, Ω^V_kl, k < l   rotations of a pair                β
A_k = (U_⊥ᵀ dU)_k       left space against its complement  β (m - r)
B_k = (V_⊥ᵀ dV)_k       right space                        β (n - r)
======================  =================================  ==========================================

and the tangent vector with these components has, in the singular basis, the entries

    Uᵀ dX V = Ω^U Σ + dΣ - Σ Ω^V,    U_⊥ᵀ dX V = A Σ,    Uᵀ dX V_⊥ = Σ Bᵀ.

Every spectral metric is block diagonal in this coframe.  This module is the only one that knows
what the field, the shape and the rank do to the blocks: everything else reads the multiplicities.

Source: Cohen, Menon, Veraszto, arXiv 2210.12497, section 3.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, Literal

from sympy import Add, Expr, Integer, Matrix, Mul, Symbol, diff, sympify, zeros
from sympy.printing.latex import LatexPrinter

from .indexed import (
    IndexedProduct,
    IndexedSum,
    IndexedSymbol,
    SingularValue,
    SingularValues,
    explicit_singular_value,
    index_symbols,
    labelled,
    tuple_count,
)

__all__ = [
    "DYSON_INDEX",
    "CoframeBlock",
    "OneForm",
    "SingularCoframe",
    "generic_singular_value",
    "gram_matrix",
    "indexed",
    "one_form",
]

DYSON_INDEX = {"R": 1, "C": 2, "H": 4}
"""The Dyson index β, the real dimension of each field."""

Entry = tuple[int | Symbol | None, int | Symbol | None]
"""Row and column of an entry in the completed singular basis; None is a null direction."""


@dataclass(frozen=True)
class CoframeBlock:
    """A few one-forms that a spectral metric couples with each other only, repeated alike.

    Attributes
    ----------
    kind : str
        "radial", "phase", "pair", "left" or "right".
    indices : tuple of int or Symbol
        The singular values involved, from 0; for a symbolic rank the index symbols k and l of a generic block.
    forms : tuple of OneForm
        The one-forms.
    velocity : dict
        The entries of the tangent vector in the singular basis, linear in the forms.
    multiplicity : Expr
        How often the block occurs, once for each real component.
    """

    kind: Literal["radial", "phase", "pair", "left", "right"]
    indices: tuple[int | Symbol, ...]
    forms: tuple[OneForm, ...]
    velocity: dict[Entry, Expr]
    multiplicity: Expr


@dataclass(frozen=True)
class SingularCoframe:
    """The coframe (dσ, phases, Ω^U, Ω^V, A, B) on the m x n matrices of rank r.

    Parameters
    ----------
    shape : pair of int or Expr
        m and n; symbols are allowed.
    rank : int or Symbol
        r.  For a symbol the blocks are generic ones, in the singular values sigma_k and sigma_l, and sums and
        products over them stay unevaluated until `doit`.
    field : {"R", "C", "H"}
        The field of the matrix entries.

    Examples
    --------
    >>> coframe = SingularCoframe((4, 3), 2)
    >>> coframe.singular_values
    (sigma_1, sigma_2)
    >>> coframe.dimension
    10
    >>> [block.kind for block in coframe.blocks()]
    ['radial', 'radial', 'pair', 'left', 'left', 'right', 'right']
    """

    shape: tuple[int | Expr, int | Expr]
    rank: int | Expr
    field: str = "R"

    @property
    def has_explicit_rank(self) -> bool:
        """Whether the rank is a number."""
        return isinstance(self.rank, int)

    @cached_property
    def singular_values(self) -> Sequence[Symbol]:
        """The symbols (σ_1, …, σ_r), positive and in decreasing order; indexed only, for a symbolic rank."""
        if not isinstance(self.rank, int):
            return SingularValues(self.rank)
        return tuple(explicit_singular_value(k + 1) for k in range(self.rank))

    def singular_value(self, index: int | Symbol) -> Symbol:
        """The symbol at an index from 0; for a symbolic rank also at an index symbol such as k.

        Raises
        ------
        IndexError
            If the index is not in 0 … r-1.
        """
        if isinstance(index, Symbol) and not self.has_explicit_rank:
            return generic_singular_value(index)
        position = operator.index(index)
        if position < 0 or (isinstance(self.rank, int) and position >= self.rank):
            raise IndexError(f"index of a singular value must be in 0 … {sympify(self.rank) - 1}, not {index}")
        return explicit_singular_value(position + 1)

    def index_groups(self, size: int) -> list[tuple[int | Symbol, ...]]:
        """The tuples k < l < … of indices from 0; for a symbolic rank the one generic tuple of index symbols."""
        if isinstance(self.rank, int):
            return list(combinations(range(self.rank), size))
        return [index_symbols(size)]

    def sum_over(self, size: int, function: Callable[..., Expr]) -> Expr:
        """Σ f(σ_k, σ_l, …) over all tuples k < l < … of `size` indices.

        The function is called once, on generic singular values, and has to be symmetric where `size` is above 1.

        Examples
        --------
        >>> SingularCoframe((2, 2), 2).sum_over(1, lambda a: a**2)
        sigma_1**2 + sigma_2**2
        """
        generic = function(*map(generic_singular_value, index_symbols(size)))
        if not isinstance(self.rank, int):
            return IndexedSum(indexed(generic), index_symbols(size), self.rank)
        return Add(*(self._at(generic, group) for group in self.index_groups(size)))

    def product_over(self, size: int, function: Callable[..., Expr]) -> Expr:
        """Π f(σ_k, σ_l, …) over all tuples k < l < … of `size` indices; see `sum_over`."""
        generic = function(*map(generic_singular_value, index_symbols(size)))
        if not isinstance(self.rank, int):
            return IndexedProduct(indexed(generic), index_symbols(size), self.rank)
        return Mul(*(self._at(generic, group) for group in self.index_groups(size)))

    def over_block(self, block: CoframeBlock, over: type[Expr], expression: Expr) -> Expr:
        """A block's term itself; for a generic block the sum or product (`over`) over its indices."""
        if self.has_explicit_rank:
            return expression
        return over(indexed(expression), block.indices, self.rank)

    def renaming(self, model: CoframeBlock, block: CoframeBlock) -> dict[Symbol, Symbol]:
        """The singular values of one block as those of another of its kind."""
        return dict(zip(map(self.singular_value, model.indices), map(self.singular_value, block.indices), strict=True))

    def _at(self, generic: Expr, group: tuple[int | Symbol, ...]) -> Expr:
        """An expression in sigma_k, sigma_l, … at explicit indices."""
        names = map(generic_singular_value, index_symbols(len(group)))
        return generic.xreplace(dict(zip(names, map(self.singular_value, group), strict=True)))

    @property
    def dyson_index(self) -> int:
        """β: 1, 2 or 4."""
        return DYSON_INDEX[self.field]

    @property
    def left_nullity(self) -> Expr:
        """m - r, the number of zero singular directions on the left."""
        return sympify(self.shape[0]) - self.rank

    @property
    def right_nullity(self) -> Expr:
        """n - r, the number of zero singular directions on the right."""
        return sympify(self.shape[1]) - self.rank

    @property
    def has_null_directions(self) -> bool:
        """Whether there are zero singular directions at all; a symbolic shape may have some."""
        return self.left_nullity != 0 or self.right_nullity != 0

    @property
    def dimension(self) -> Expr:
        """The real dimension β r (m + n - r) of the manifold of rank-r matrices."""
        counts = (
            block.multiplicity * len(block.forms) * (1 if self.has_explicit_rank else self.count(len(block.indices)))
            for block in self.blocks()
        )
        return sum(counts, Integer(0))

    def count(self, size: int) -> Expr:
        """How many tuples k < l < … of `size` indices there are."""
        return tuple_count(sympify(self.rank), size)

    def blocks(self) -> Iterator[CoframeBlock]:
        """The blocks that occur, in the order of the table above; for a symbolic rank a generic one of each kind."""
        beta = Integer(self.dyson_index)
        for kind, size, multiplicity in (
            ("radial", 1, Integer(1)),
            ("phase", 1, beta - 1),
            ("pair", 2, beta),
            ("left", 1, beta * self.left_nullity),
            ("right", 1, beta * self.right_nullity),
        ):
            if multiplicity != 0:
                for indices in self.index_groups(size):
                    yield _block(kind, indices, tuple(map(self.singular_value, indices)), multiplicity)


class OneForm(Symbol):
    """A one-form of the coframe: a real symbol; dσ prints as a differential."""

    def _latex(self, printer: LatexPrinter) -> str:
        if self.name.startswith("d"):
            return f"d{printer._print(Symbol(self.name[1:]))}"
        return str(printer._print(Symbol(self.name)))


class IndexedForm(IndexedSymbol):
    """A one-form with symbolic indices, such as A_k: the `OneForm` of that name once its indices are integers."""

    @staticmethod
    def _explicit(letter: str, indices: tuple[Expr, ...]) -> Symbol:
        return one_form(letter, indices)

    def _eval_is_positive(self) -> bool | None:
        return None

    def _eval_is_real(self) -> bool:
        return True


FORM_LETTERS = {
    "radial": ("dsigma",),
    "phase": ("phi",),
    "pair": ("Omega^U", "Omega^V"),
    "left": ("A",),
    "right": ("B",),
}
"""What the one-forms of each kind of block are called."""


def one_form(letter: str, labels: tuple[Any, ...]) -> OneForm:
    """The one-form with a letter and its indices, counted from 1."""
    return OneForm(labelled(letter, labels), real=True)


def generic_singular_value(index: Symbol) -> Symbol:
    """The symbol sigma_k of a generic index k, positive: what generic blocks are written in."""
    return Symbol(f"sigma_{index.name}", positive=True)


def indexed(expression: Expr) -> Expr:
    """An expression in generic singular values and forms as one that knows their indices.

    It can then be summed over them: sigma_k becomes `SingularValue(k)`, A_k `IndexedForm(A, k)`.
    """
    (k, l, *_) = every = index_symbols(4)
    replaced: dict[Expr, Expr] = {generic_singular_value(index): SingularValue(index) for index in every}
    for letters in FORM_LETTERS.values():
        for letter in letters:
            for group in ((k,), (l,), (k, l)):
                replaced[one_form(letter, group)] = IndexedForm(letter, *group)
    return expression.xreplace(replaced)


def _block(kind: str, indices: tuple[int | Symbol, ...], sigma: tuple[Symbol, ...], multiplicity: Expr) -> CoframeBlock:
    """The velocity Ω^U Σ + dΣ - Σ Ω^V (and A Σ, Σ Bᵀ) restricted to a block's forms."""
    velocity: dict[Entry, Expr]
    labels = tuple(index if isinstance(index, Symbol) else index + 1 for index in indices)
    forms = tuple(one_form(letter, labels) for letter in FORM_LETTERS[kind])
    if kind == "pair":
        (k, l) = indices
        left, right = (Matrix([[0, form], [-form, 0]]) for form in forms)
        diagonal = Matrix([[sigma[0], 0], [0, sigma[1]]])
        moved = left * diagonal - diagonal * right
        velocity = {(k, l): moved[0, 1], (l, k): moved[1, 0]}
    else:
        (k,) = indices
        entry: Entry = {"left": (None, k), "right": (k, None)}.get(kind, (k, k))
        velocity = {entry: forms[0] if kind == "radial" else sigma[0] * forms[0]}
    return CoframeBlock(kind, indices, forms, velocity, multiplicity)  # type: ignore[arg-type]


def gram_matrix(block: CoframeBlock) -> Matrix:
    """The Gram matrix of a block's frame in the Frobenius metric.

    A spectral metric divides it by the multiplier, which a block's entries share by symmetry.
    """
    gram = zeros(len(block.forms))
    for velocity in block.velocity.values():
        gradient = Matrix([diff(velocity, form) for form in block.forms])
        gram += gradient * gradient.T
    return gram
