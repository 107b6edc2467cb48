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
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal

from sympy import Expr, Integer, Matrix, Symbol, diff, sympify, zeros
from sympy.printing.latex import LatexPrinter

__all__ = ["DYSON_INDEX", "CoframeBlock", "OneForm", "SingularCoframe"]

DYSON_INDEX = {"R": 1, "C": 2, "H": 4}
"""The Dyson index β, the real dimension of each field."""

Entry = tuple[int | None, int | None]
"""Row and column of an entry in the completed singular basis; None is a null direction."""


@dataclass(frozen=True)
class CoframeBlock:
    """A few one-forms that a spectral metric couples with each other only, repeated alike.

    Attributes
    ----------
    kind : str
        "radial", "phase", "pair", "left" or "right".
    indices : tuple of int
        The singular values involved, from 0.
    forms : tuple of OneForm
        The one-forms.
    velocity : dict
        The entries of the tangent vector in the singular basis, linear in the forms.
    multiplicity : Expr
        How often the block occurs, once for each real component.
    """

    kind: Literal["radial", "phase", "pair", "left", "right"]
    indices: tuple[int, ...]
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
    rank : int
        r, explicit.
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
    rank: int
    field: str = "R"

    @cached_property
    def singular_values(self) -> tuple[Symbol, ...]:
        """The symbols (σ_1, …, σ_r), positive and in decreasing order."""
        return tuple(Symbol(f"sigma_{k + 1}", positive=True) for k in range(self.rank))

    def singular_value(self, index: int) -> Symbol:
        """The symbol at an index from 0.

        Raises
        ------
        IndexError
            If the index is not in 0 … r-1.
        """
        position = operator.index(index)
        if not 0 <= position < self.rank:
            raise IndexError(f"index of a singular value must be in 0 … {self.rank - 1}, not {index}")
        return self.singular_values[position]

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
        return sum((block.multiplicity * len(block.forms) for block in self.blocks()), Integer(0))

    def blocks(self) -> Iterator[CoframeBlock]:
        """The blocks that occur, in the order of the table above."""
        beta = Integer(self.dyson_index)
        for kind, groups, multiplicity in (
            ("radial", [(k,) for k in range(self.rank)], Integer(1)),
            ("phase", [(k,) for k in range(self.rank)], beta - 1),
            ("pair", list(combinations(range(self.rank), 2)), beta),
            ("left", [(k,) for k in range(self.rank)], beta * self.left_nullity),
            ("right", [(k,) for k in range(self.rank)], beta * self.right_nullity),
        ):
            if multiplicity != 0:
                for indices in groups:
                    yield _block(kind, indices, self.singular_values, multiplicity)


class OneForm(Symbol):
    """A one-form of the coframe: a real symbol; dσ prints as a differential."""

    def _latex(self, printer: LatexPrinter) -> str:
        if self.name.startswith("d"):
            return f"d{printer._print(Symbol(self.name[1:]))}"
        return str(printer._print(Symbol(self.name)))


def _form_name(kind: str, label: str) -> str:
    return {"radial": f"dsigma_{label}", "phase": f"phi_{label}", "left": f"A_{label}", "right": f"B_{label}"}[kind]


def _block(kind: str, indices: tuple[int, ...], sigma: tuple[Symbol, ...], multiplicity: Expr) -> CoframeBlock:
    """The velocity Ω^U Σ + dΣ - Σ Ω^V (and A Σ, Σ Bᵀ) restricted to a block's forms."""
    velocity: dict[Entry, Expr]
    forms: tuple[OneForm, ...]
    if kind == "pair":
        (k, l) = indices
        forms = tuple(OneForm(f"Omega^{side}_{k + 1}{l + 1}", real=True) for side in "UV")
        left, right = (Matrix([[0, form], [-form, 0]]) for form in forms)
        diagonal = Matrix([[sigma[k], 0], [0, sigma[l]]])
        moved = left * diagonal - diagonal * right
        velocity = {(k, l): moved[0, 1], (l, k): moved[1, 0]}
    else:
        (k,) = indices
        forms = (OneForm(_form_name(kind, str(k + 1)), real=True),)
        entry: Entry = {"left": (None, k), "right": (k, None)}.get(kind, (k, k))
        velocity = {entry: forms[0] if kind == "radial" else sigma[k] * forms[0]}
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
