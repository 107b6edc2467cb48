r"""Sums and products over singular values whose number is a symbol.

Formulas for rank r are sums and products over k, over pairs k < l, over triples k < l < p.  For an
explicit rank they are written out; for a symbolic one they stay what they are on paper, until the
rank is put in:

=================================  ==========================================
``SingularValue(k)``               σ_k; for an integer k the symbol ``sigma_k``
``IndexedSum(f, (k, l), r)``       Σ_{1 ≤ k < l ≤ r} f
``IndexedProduct(f, (k, l), r)``   Π_{1 ≤ k < l ≤ r} f
=================================  ==========================================

Indices are counted from 1, as in formulas.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any, ClassVar

from sympy import Add, Dummy, Expr, Function, Integer, Mul, S, Symbol, Tuple, log, sympify
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE, PRECEDENCE_TRADITIONAL
from sympy.printing.str import StrPrinter

__all__ = [
    "IndexedProduct",
    "IndexedSum",
    "IndexedSymbol",
    "SingularValue",
    "SingularValues",
    "explicit_singular_value",
    "index_symbols",
    "tuple_count",
]

INDEX_NAMES = "klpq"


def index_symbols(count: int) -> tuple[Symbol, ...]:
    """The index symbols k, l, p, q, as many as asked."""
    return tuple(Symbol(name, integer=True, positive=True) for name in INDEX_NAMES[:count])


def explicit_singular_value(index: int) -> Symbol:
    """The symbol σ_k of an explicit index k, from 1: positive."""
    return Symbol(f"sigma_{index}", positive=True)


def tuple_count(rank: Expr, length: int) -> Expr:
    """How many tuples 1 ≤ k < l < … ≤ r there are: a binomial coefficient, written out."""
    count: Expr = S.One
    for index in range(length):
        count = count * (rank - index) / (index + 1)
    return count


class SingularValue(Function):
    """σ_k, the k-th singular value, counted from 1: positive; the symbol `sigma_k` once k is an integer.

    Examples
    --------
    >>> from sympy import symbols
    >>> k = symbols("k", integer=True, positive=True)
    >>> SingularValue(k) ** 2, SingularValue(k).subs(k, 3)
    (sigma_k**2, sigma_3)
    """

    nargs = 1
    _diff_wrt = True

    @classmethod
    def eval(cls, index: Expr) -> Expr | None:
        return explicit_singular_value(int(index)) if isinstance(index, Integer) else None

    def _eval_is_positive(self) -> bool:
        return True

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return S.Zero

    def _sympystr(self, printer: StrPrinter) -> str:
        return f"sigma_{printer._print(self.args[0])}"

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"\sigma_{{{printer._print(self.args[0])}}}{power}"


class IndexedSymbol(Function):
    """A symbol with symbolic indices, such as λ_kl: a symbol of that name once its indices are integers.

    Examples
    --------
    >>> from sympy import symbols
    >>> k, l = symbols("k l", integer=True, positive=True)
    >>> IndexedSymbol("lambda", k, l), IndexedSymbol("lambda", 1, 2).is_positive
    (lambda_kl, True)
    """

    def __new__(cls, letter: str | Symbol, *indices: Any) -> Expr:
        return super().__new__(cls, Symbol(letter) if isinstance(letter, str) else letter, *indices)

    @classmethod
    def eval(cls, letter: Symbol, *indices: Expr) -> Expr | None:
        if indices and all(isinstance(index, Integer) for index in indices):
            return cls._explicit(letter.name, indices)
        return None

    @staticmethod
    def _explicit(letter: str, indices: tuple[Expr, ...]) -> Symbol:
        return Symbol(labelled(letter, indices), positive=True)

    def _eval_is_positive(self) -> bool | None:
        return True

    @property
    def free_symbols(self) -> set[Symbol]:
        """Those of the indices; the letter is none by itself."""
        return set().union(*(index.free_symbols for index in self.args[1:]))

    @property
    def name(self) -> str:
        """The letter with its indices."""
        return labelled(self.args[0].name, self.args[1:])

    def _sympystr(self, printer: StrPrinter) -> str:
        return self.name

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        text = str(printer._print(self._explicit(self.args[0].name, self.args[1:])))
        if exp is None:
            return text
        # Two superscripts, as of Ω^U_kl squared, are an error.
        return rf"\left({text}\right)^{{{exp}}}" if "^" in text else f"{text}^{{{exp}}}"


def labelled(letter: str, labels: Sequence[Any]) -> str:
    """A name with its indices: lambda_12, with commas where an index has two digits."""
    comma = "," if any(len(str(label)) > 1 for label in labels) else ""
    return f"{letter}_{comma.join(map(str, labels))}"


class SingularValues(Sequence[Symbol]):
    """The singular values σ_1, …, σ_r of a symbolic rank r: indexed from 0, without an end.

    Examples
    --------
    >>> from sympy import symbols
    >>> values = SingularValues(symbols("r", integer=True, positive=True))
    >>> values, values[1]
    ((sigma_1, ..., sigma_r), sigma_2)
    """

    def __init__(self, rank: Expr) -> None:
        self.rank = rank

    def __getitem__(self, index: Any) -> Any:
        position = operator.index(index)
        if position < 0:
            raise IndexError(f"singular values of rank {self.rank} are indexed from 0, not by {index}")
        return explicit_singular_value(position + 1)

    def _explicit(self) -> TypeError:
        return TypeError(f"the rank {self.rank} is a symbol; put a number in to go through the singular values")

    def __len__(self) -> int:
        raise self._explicit()

    def __iter__(self) -> Iterator[Symbol]:
        raise self._explicit()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SingularValues) and other.rank == self.rank

    def __hash__(self) -> int:
        return hash(self.rank)

    def __repr__(self) -> str:
        return f"(sigma_1, ..., sigma_{self.rank})"


class _OverIndices(Expr):
    """A sum or product over 1 ≤ k < l < … ≤ r, evaluated by `doit` once r is an integer.

    Parameters
    ----------
    function : Expr
        In the indices.
    indices : sequence of Symbol
        The bound indices, in increasing order of their values.
    rank : Expr
        r.
    """

    precedence = PRECEDENCE["Func"]
    _combine: ClassVar[Callable[..., Expr]]
    _sign: ClassVar[str]
    _word: ClassVar[str]

    def __new__(cls, function: Any, indices: Sequence[Symbol], rank: Any) -> Expr:
        function, rank, indices = sympify(function), sympify(rank), Tuple(*indices)
        # What does not depend on the indices comes out in front.
        constant, varying = function.as_independent(*indices, as_Add=False)
        outside = cls._repeated(constant, tuple_count(rank, len(indices)), varying == 1)
        return outside if varying == 1 else outside * Expr.__new__(cls, varying, indices, rank)

    @staticmethod
    def _repeated(constant: Expr, count: Expr, alone: bool) -> Expr:
        """What a constant factor contributes, alone or in front of the terms that vary."""
        raise NotImplementedError

    @property
    def function(self) -> Expr:
        """What is summed or multiplied."""
        return self.args[0]

    @property
    def indices(self) -> tuple[Symbol, ...]:
        """The bound indices."""
        return tuple(self.args[1])

    @property
    def rank(self) -> Expr:
        """The upper end of the indices."""
        return self.args[2]

    def with_function(self, function: Expr) -> Expr:
        """The same range over another function."""
        return self.func(function, self.indices, self.rank)

    @property
    def bound_symbols(self) -> list[Symbol]:
        """The indices, which are not free."""
        return list(self.indices)

    @property
    def free_symbols(self) -> set[Symbol]:
        """The symbols that can be substituted."""
        return (self.function.free_symbols - set(self.indices)) | self.rank.free_symbols

    def doit(self, **hints: Any) -> Expr:
        """Write the terms out where the rank is an integer."""
        function, rank = self.function.doit(**hints), self.rank.doit(**hints)
        if not isinstance(rank, Integer):
            return self.func(function, self.indices, rank)
        chosen = combinations(range(1, int(rank) + 1), len(self.indices))
        terms = [function.xreplace(dict(zip(self.indices, map(Integer, values), strict=True))) for values in chosen]
        return type(self)._combine(*(term.doit(**hints) for term in terms))

    def _eval_subs(self, old: Expr, new: Expr) -> Expr | None:
        if old in self.indices:
            return self
        function, indices = self.function, self.indices
        clash = [index for index in indices if index in new.free_symbols]
        if clash:
            renamed = {index: Dummy(index.name, integer=True, positive=True) for index in clash}
            function, indices = function.xreplace(renamed), tuple(renamed.get(index, index) for index in indices)
        return self.func(function._subs(old, new), indices, self.rank._subs(old, new))

    def _eval_is_real(self) -> bool | None:
        return True if self.function.is_real else None

    def _sympystr(self, printer: StrPrinter) -> str:
        relation = " < ".join(str(index) for index in self.indices)
        return f"{self._word}({printer._print(self.function)}, {relation} <= {printer._print(self.rank)})"

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        below = " < ".join(printer._print(index) for index in self.indices)
        below, above = (f"{below}=1", f"^{{{printer._print(self.rank)}}}") if len(self.indices) == 1 else (below, "")
        # In \prod f and \sum f a sum has to stand in brackets, a product has not.
        body = printer.parenthesize(self.function, PRECEDENCE["Mul"], strict=True)
        text = rf"\{self._sign}_{{{below}}}{above} {body}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


class IndexedSum(_OverIndices):
    """Σ_{1 ≤ k < l < … ≤ r} f.

    Examples
    --------
    >>> from sympy import symbols
    >>> k, r = symbols("k r", integer=True, positive=True)
    >>> total = IndexedSum(SingularValue(k) ** 2, (k,), r)
    >>> total, total.subs(r, 2).doit()
    (Sum(sigma_k**2, k <= r), sigma_1**2 + sigma_2**2)
    """

    _combine = staticmethod(Add)

    @staticmethod
    def _repeated(constant: Expr, count: Expr, alone: bool) -> Expr:
        return constant * count if alone else constant

    _sign = "sum"
    _word = "Sum"


class IndexedProduct(_OverIndices):
    """Π_{1 ≤ k < l < … ≤ r} f.

    Examples
    --------
    >>> from sympy import symbols
    >>> k, l, r = symbols("k l r", integer=True, positive=True)
    >>> product = IndexedProduct(abs(SingularValue(k) - SingularValue(l)), (k, l), r)
    >>> product.subs(r, 2).doit()
    Abs(sigma_1 - sigma_2)
    """

    _combine = staticmethod(Mul)

    @staticmethod
    def _repeated(constant: Expr, count: Expr, alone: bool) -> Expr:
        return constant**count

    _sign = "prod"
    _word = "Product"

    def _eval_is_positive(self) -> bool | None:
        return True if self.function.is_positive else None

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.function.is_nonnegative else None

    def _eval_power(self, exponent: Expr) -> Expr | None:
        # Of positive factors, as on paper: the exponent goes inside.
        if self.function.is_nonnegative:
            return IndexedProduct(self.function**exponent, self.indices, self.rank)
        return None

    def logarithm(self) -> Expr:
        """The sum of the logarithms of the factors."""
        return IndexedSum(log(self.function), self.indices, self.rank)


# In LaTeX, by the name of a class: in a product a sum stands in brackets, also where it comes last.
PRECEDENCE_TRADITIONAL["IndexedSum"] = PRECEDENCE["Add"]
PRECEDENCE_TRADITIONAL["IndexedProduct"] = PRECEDENCE["Mul"]
