r"""The house style of formulas in LaTeX: what `typeset` prints looks as on paper.

==========================  ====================================================================
exponents                   on one line, over a common denominator: σ^{2 - 2/N}, not σ^{2-\frac2N}
products                    numbers, letters, singular values, differences of pairs, functions
sums                        a positive term first
all k, all pairs k < l      gathered: \prod_{k<l} |σ_k^{2/N} - σ_l^{2/N}| (see `latex_gathering`)
functions                   \log σ_k, brackets only where something would be misread
transposes                  W^{\mathsf T}
long numerators             1/N (…), so that a line can be broken within
==========================  ====================================================================

The expression itself is not changed: `HouseStyle` is a SymPy printer.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from sympy import (
    Abs,
    Add,
    Expr,
    Limit,
    MatrixExpr,
    Mul,
    Number,
    NumberSymbol,
    Pow,
    Rational,
    Symbol,
    factor_terms,
    fraction,
    gamma,
)
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter

from geometry.indexed import IndexedProduct, IndexedSum, IndexedSymbol, SingularValue

from .latex_factors import SUMS, above_and_below, is_negative, place_in_product
from .latex_lines import width

__all__ = ["HouseStyle", "house_style"]

CLOSED = (Symbol, Number, NumberSymbol, SingularValue, IndexedSymbol, Abs, gamma)
"""What a logarithm of needs no brackets."""
LONG_NUMERATOR = 45.0
SINGULAR_VALUE = re.compile(r"sigma_\w+$")


def house_style(expression: Any) -> str:
    r"""An expression in LaTeX, in the house style.

    Examples
    --------
    >>> from sympy import log, symbols
    >>> a, b, N = symbols("sigma_1 sigma_2 N", positive=True)
    >>> print(house_style((log(b) - log(a)) * a ** (2 / N - 2) / N))
    \frac{\sigma_1^{2/N - 2} \left(\log \sigma_2 - \log \sigma_1\right)}{N}
    >>> print(house_style(a ** ((2 * N - 2) / N) / (a**2 - b**2)))
    \frac{\sigma_1^{2(N - 1)/N}}{\sigma_1^2 - \sigma_2^2}
    """
    return re.sub(r"([_^])\{([0-9A-Za-z])\}", r"\1\2", str(HouseStyle().doprint(expression)))


class HouseStyle(LatexPrinter):
    """SymPy's LaTeX printer with the conventions of the table above."""

    _default_settings: ClassVar[dict[str, Any]] = {**LatexPrinter._default_settings, "fold_frac_powers": True}

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        super().__init__(settings)
        self._inline = 0  # how deep in exponents

    # ------------------------------------------------------------------ sums and products

    def _as_ordered_terms(self, expr: Add, order: str | None = None) -> list[Expr]:
        terms = sorted(super()._as_ordered_terms(expr, order=order), key=_sums_over)
        first = next((term for term in terms if not is_negative(term)), terms[0])
        terms.remove(first)
        return [first, *terms]

    def _print_Add(self, expr: Add, order: str | None = None) -> str:
        text = ""
        for term in self._as_ordered_terms(expr, order=order):
            printed = str(self._print(term))
            text += f" - {printed[1:].strip()}" if text and printed.startswith("-") else f" + {printed}" * bool(text)
            text = text or printed
        return text

    def _print_Mul(self, expr: Mul) -> str:
        if any(isinstance(factor, MatrixExpr) or factor.is_commutative is False for factor in expr.args):
            return str(super()._print_Mul(expr))
        negative, above, below = above_and_below(expr)
        sign = "-" * negative + " " * (negative and not self._inline)
        if not below:
            return sign + self._product(above)
        denominator = self._product(below)
        if self._inline:
            alone = len(below) == 1 and not below[0].is_Add
            return f"{sign}{self._product(above, alone=False)}/" + (denominator if alone else f"({denominator})")
        inside, behind = self._beside_fraction(above, below)
        products = bool(behind) and all(isinstance(factor, IndexedProduct) for factor in behind)
        if inside or not products or len(below) > 1 or below[0].is_number:
            fraction_ = rf"\frac{{{self._product(inside)}}}{{{denominator}}}"
        else:  # as in N^{-r/2} \prod
            base, exponent = below[0].as_base_exp()
            fraction_ = str(self._helper_print_standard_power(Pow(base, -exponent), "%s^{%s}"))
        return f"{sign}{fraction_}" + (f" {self._product(behind, alone=False)}" if behind else "")

    def _beside_fraction(self, above: list[Expr], below: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        """What stands in the numerator, and what stands behind the fraction: sums, products, long brackets."""
        numeric = all(factor.is_number for factor in below)
        if any(isinstance(factor, SUMS) for factor in below):
            return above, []
        inside: list[Expr] = []
        behind: list[Expr] = []
        total = width(self._product(above))
        for factor in sorted(above, key=place_in_product):
            place = place_in_product(factor)[0]
            long = total > LONG_NUMERATOR and width(str(self._print(factor))) > LONG_NUMERATOR / 3
            bracket = factor.is_Add and (long or factor.has(IndexedSum))
            (behind if place >= 7 or (place == 6 and numeric) or bracket else inside).append(factor)
        return inside, sorted(behind, key=place_in_product)

    def _product(self, factors: list[Expr], alone: bool = True) -> str:
        """A product without a denominator; the only factor needs no brackets if nothing stands beside it."""
        ordered = sorted(factors, key=place_in_product)
        text = ""
        for place, factor in enumerate(ordered):
            last = place == len(ordered) - 1
            behind_product = any(isinstance(earlier, IndexedProduct) for earlier in ordered[:place])
            bare = (last and not behind_product) if isinstance(factor, SUMS) else not factor.is_Add
            printed = str(self._print(factor))
            if not bare and (len(ordered) > 1 or not alone):
                printed = f"({printed})" if self._inline else rf"\left({printed}\right)"
            joint = r" \cdot " if printed[0].isdigit() else "" if printed[0] == "(" else " "
            text = f"{text}{joint}{printed}" if text else printed
        return text or "1"

    # ------------------------------------------------------------------ powers

    def _print_Pow(self, expr: Pow) -> str:
        base, exponent = expr.base, expr.exp
        if exponent.is_Rational and exponent < 0 and self._inline:
            return f"1/{self._product([Pow(base, -exponent)], alone=False)}"
        if exponent.is_Rational and exponent < 0:
            return rf"\frac{{1}}{{{self._print(Pow(base, -exponent))}}}"
        if isinstance(base, IndexedSymbol) and "^" in base.name:
            return rf"\left({self._print(base)}\right)^{{{self._exponent(exponent)}}}"
        if exponent.is_Rational and (exponent == Rational(1, 2) or (exponent.q == 1 and not base.is_Function)):
            return str(super()._print_Pow(expr))
        if base.is_Function:
            return str(self._print(base, exp=self._exponent(exponent)))
        return str(self._helper_print_standard_power(expr, "%s^{%s}"))

    def _helper_print_standard_power(self, expr: Pow, template: str) -> str:
        base = self.parenthesize(expr.base, 60)  # everything below a power
        if isinstance(expr.base, Symbol) and "^" in base:
            base = rf"\left({base}\right)"
        return template % (base, self._exponent(expr.exp))

    def _print_Rational(self, expr: Rational) -> str:
        return str(expr) if self._inline and expr.q != 1 else str(super()._print_Rational(expr))

    def _print_ExpBase(self, expr: Expr, exp: str | None = None) -> str:
        text = f"e^{{{self._exponent(expr.args[0])}}}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

    def _exponent(self, exponent: Expr) -> str:
        """An exponent on one line, its terms over common denominators."""
        self._inline += 1
        try:
            return self._one_line_sum(exponent)
        finally:
            self._inline -= 1

    def _one_line_sum(self, exponent: Expr) -> str:
        numerators: dict[Expr, list[Expr]] = {}
        for term in Add.make_args(exponent):
            numerator, denominator = fraction(term)
            number, symbolic = denominator.as_coeff_Mul()
            # A number in the denominator stays with its term: r/2 is none over 2.
            numerators.setdefault(symbolic, []).append(numerator / number)
        terms = [
            str(self._print(numerator if denominator == 1 else numerator / denominator))
            for denominator, parts in numerators.items()
            for numerator in [factor_terms(Add(*parts))]
        ]
        terms.sort(key=lambda term: (term.startswith("-"), "/" in term, term))
        return re.sub(r" \+ -", " - ", " + ".join(terms))

    # ------------------------------------------------------------------ functions

    def _print_Function(self, expr: Expr, exp: str | None = None) -> str:
        name = expr.func.__name__
        if name in ("sin", "cos", "tan", "sinh", "cosh", "tanh"):
            return self._elementary(rf"\{name}", expr.args[0], exp)
        if isinstance(expr, AppliedUndef):
            power = "" if exp is None else f"^{{{exp}}}"
            return f"{name}{power}({', '.join(str(self._print(argument)) for argument in expr.args)})"
        return str(super()._print_Function(expr, exp))

    def _print_log(self, expr: Expr, exp: str | None = None) -> str:
        return self._elementary(r"\log", expr.args[0], exp)

    def _elementary(self, name: str, argument: Expr, exp: str | None) -> str:
        power = "" if exp is None else f"^{{{exp}}}"
        printed = str(self._print(argument))
        closed = isinstance(argument, CLOSED) or _is_fraction(printed)
        return f"{name}{power} {printed}" if closed else rf"{name}{power}\left({printed}\right)"

    def _print_Abs(self, expr: Expr, exp: str | None = None) -> str:
        text = rf"\left|{self._print(expr.args[0])}\right|"
        return text if exp is None else f"{text}^{{{exp}}}"

    def _print_Limit(self, expr: Limit) -> str:
        function, variable, target, _ = expr.args
        body = self._product([function], alone=False)
        return rf"\lim_{{{self._print(variable)} \to {self._print(target)}}} {body}"

    def _print_Transpose(self, expr: Expr) -> str:
        return rf"{self.parenthesize(expr.args[0], 60)}^{{\mathsf T}}"


def _is_fraction(printed: str) -> bool:
    r"""Whether this is one \frac{…}{…} and nothing else."""
    if not printed.startswith(r"\frac{"):
        return False
    depth, groups = 0, 0
    for place, sign in enumerate(printed):
        depth += (sign == "{") - (sign == "}")
        groups += sign == "}" and depth == 0
        if groups == 2:
            return place == len(printed) - 1
    return False


def _sums_over(term: Expr) -> int:
    """The number of indices of the sum that a term is: plain terms come first, then sums over k, then over pairs."""
    return max((len(total.indices) for total in term.atoms(IndexedSum)), default=0)
