r"""Expressions and depths typed on the command line, read over a whitelist.

The text is never evaluated.  Python's grammar turns it into a syntax tree, and the tree is walked node
by node: what is not named below is refused.

=============  =======================================================================
numbers        42, 0.1, 1e-3; decimals are exact, 0.1 is 1/10
names          the symbols handed in, and the constants pi and E
matrices       X[0, 1], indices from 0, where a matrix is handed in
operations     ``+ - * / **`` and parentheses
functions      sqrt exp log sin cos tan sinh cosh tanh abs, of one argument
=============  =======================================================================

SymPy computes with exact numbers as soon as it can, and a few characters (9**9**9) can ask for more
digits than there is memory.  So before every operation `geometry.number_size` bounds the numbers that
it, or a later cancellation, could evaluate.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import sympy
from sympy import Abs, Add, Expr, Integer, MatrixBase, Mul, Pow, Rational, S, Symbol, cosh, exp, oo, sinh, sympify

from .number_size import bits, evaluated_bits, exponential_bits, power_bits

__all__ = ["ExpressionError", "parse_depth", "parse_expression"]

CONSTANTS: dict[str, Expr] = {"pi": sympy.pi, "E": sympy.E}
FUNCTIONS: dict[str, Callable[[Expr], Expr]] = {
    name: getattr(sympy, name) for name in ("sqrt", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "Abs")
} | {"abs": Abs}
INFINITY_NAMES = ("oo", "inf", "infinity", "∞")

LONGEST_TEXT = 10_000
DEEPEST_NESTING = 100
LARGEST_EXPONENT = 1000
NUMBER_BITS = 10_000
"""The binary digits that a number of the result may have; Python prints no more than 4300 decimal ones."""
EVALUATED_BITS = 10**7
"""The binary digits that SymPy may have to work with on the way: a second, say."""

ALLOWED = f"allowed are numbers, the operations + - * / **, parentheses, {', '.join((*CONSTANTS, *FUNCTIONS))}"


class ExpressionError(ValueError):
    """A text that is not an expression (or a depth) over the whitelist; the message says where and what to do."""


def parse_expression(text: str, symbols: Mapping[str, Expr | MatrixBase] | Iterable[Symbol] = ()) -> Expr:
    """Read an expression over a whitelist of symbols, constants, operations and functions.

    Parameters
    ----------
    text : str
        In Python's notation; powers are written ``**``.
    symbols : mapping of str to Expr or Matrix, or iterable of Symbol
        What the names stand for.  The entries of a matrix are written ``X[i, j]``, indices from 0.
        An infinity is read only where it is handed in, as ``{"oo": oo}``.

    Returns
    -------
    Expr
        Exact: decimals become rational numbers.

    Raises
    ------
    ExpressionError
        If the text has anything else in it, is not defined or not real, or asks for numbers too large.

    Examples
    --------
    >>> from sympy import Matrix, symbols
    >>> x, y = symbols("x y", positive=True)
    >>> parse_expression("x**2/3 + 0.1*log(y)", [x, y])
    x**2/3 + log(y)/10
    >>> parse_expression("(X[0, 0] - 1)**2 / 2", {"X": Matrix(2, 2, symbols("a b c d"))})
    (a - 1)**2/2
    >>> parse_expression("x + z", [x, y])
    Traceback (most recent call last):
        ...
    geometry.parsing.ExpressionError: unknown name 'z' at column 5
        x + z
            ^
    the names known here are x, y, pi, E
    """
    if not isinstance(text, str):
        raise TypeError(f"the expression must be a string, not {text!r}")
    # On one line, so that an error can point at a column.
    line = " ".join(text.split())
    table = symbols if isinstance(symbols, Mapping) else {str(symbol): symbol for symbol in symbols}
    # Python normalizes identifiers, so a name handed in must be normalized to be found.
    names = {unicodedata.normalize("NFKC", name): value for name, value in table.items()}
    reader = _Reader(line, {**CONSTANTS, **names})
    return reader.expression()


def parse_depth(text: str) -> int | Expr:
    """Read the depth of a network: an integer >= 1, an infinity, or the name of a symbol.

    Parameters
    ----------
    text : str
        Digits; "oo", "inf", "infinity" or "∞"; or an identifier, which becomes a positive Symbol.

    Raises
    ------
    ExpressionError
        If it is anything else, or a name that means something else already.

    Examples
    --------
    >>> parse_depth("3"), parse_depth("oo"), parse_depth("N"), parse_depth("N").is_positive
    (3, oo, N, True)
    >>> parse_depth("2.5")
    Traceback (most recent call last):
        ...
    geometry.parsing.ExpressionError: '2.5' is not a depth: give an integer >= 1, oo, or the name of a symbol such as N
    """
    if not isinstance(text, str):
        raise TypeError(f"the depth must be a string, not {text!r}")
    word = text.strip()
    if word.casefold() in INFINITY_NAMES:
        return oo
    if re.fullmatch("[0-9]{1,18}", word) and int(word) >= 1:
        return int(word)
    # As Python does with the identifiers of an expression, so that both are the same symbol.
    word = unicodedata.normalize("NFKC", word)
    if re.fullmatch(r"[^\W\d_]\w{0,30}", word):
        # A depth called sigma_1 would be the same symbol as the first singular value.
        if (
            word in CONSTANTS | FUNCTIONS
            or word in ("I", "zoo", "nan")
            or keyword.iskeyword(word)
            or re.fullmatch(r"sigma_\d+", word)
        ):
            raise ExpressionError(f"{word!r} cannot name a depth, it means something else already: choose N")
        return Symbol(word, positive=True)
    shown = repr(text if len(text) <= 40 else f"{text[:40]}…")
    raise ExpressionError(f"{shown} is not a depth: give an integer >= 1, oo, or the name of a symbol such as N")


@dataclass(frozen=True)
class _Reader:
    """One text on its way to an expression.

    Attributes
    ----------
    text : str
        The text, on one line.
    names : dict
        What the names stand for.
    """

    text: str
    names: dict[str, Expr | MatrixBase]

    # ------------------------------------------------------------------------------------- errors

    def error(self, place: ast.expr | int, problem: str, remedy: str = ALLOWED) -> ExpressionError:
        """The error at a node, or at an index into the text: the problem, the place, the remedy."""
        column = place if isinstance(place, int) else self._index(place.col_offset)
        column = min(max(column, 0), len(self.text))
        start = max(0, column - 50)
        excerpt = self.text[start : start + 100]
        # A control character would reach the terminal, and may have a width of its own.
        visible = "".join(
            character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in excerpt
        )
        pointer = " " * (column - start) + "^"
        return ExpressionError(f"{problem} at column {column + 1}\n    {visible}\n    {pointer}\n{remedy}")

    def _index(self, offset: int | None) -> int:
        """The index of a character from Python's offset, which counts bytes."""
        return len(self.text.encode()[:offset].decode(errors="ignore"))

    # ------------------------------------------------------------------------------------- syntax

    def expression(self) -> Expr:
        """The value of the whole text."""
        try:
            return self.read(self._tree(), DEEPEST_NESTING)
        except RecursionError:
            raise self._too_deep(0) from None

    def _tree(self) -> ast.expr:
        """The syntax tree of the text."""
        if len(self.text) > LONGEST_TEXT:
            problem = f"the expression has {len(self.text)} characters"
            raise self.error(LONGEST_TEXT, problem, f"at most {LONGEST_TEXT} are read")
        if not self.text:
            raise self.error(0, "the expression is empty")
        for unwanted in "#\\":
            if unwanted in self.text:
                raise self.error(self.text.index(unwanted), f"{unwanted!r} is not allowed")
        for word in re.finditer(r"[^\W\d]\w*", self.text):
            if keyword.iskeyword(word[0]):
                raise self.error(word.start(), f"the word {word[0]!r} is reserved")
        # Python refuses to convert so many digits, in words for programmers.
        if long_number := re.search(f"[0-9_]{{{NUMBER_BITS // 3}}}", self.text):
            raise self._too_large(long_number.start())
        try:
            return ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            # This offset counts characters, from 1.
            place = (error.offset or 1) - 1
            raise self.error(place, f"not an expression ({error.msg})", f"write products with *; {ALLOWED}") from None
        except MemoryError:
            # Python's parser has a stack of its own.
            raise self._too_deep(0) from None
        except ValueError as error:
            raise self.error(0, f"not a text ({error})") from None

    def _too_deep(self, place: ast.expr | int) -> ExpressionError:
        return self.error(
            place, "the expression is too long or nested too deeply", "split it, or write it with fewer parentheses"
        )

    # ------------------------------------------------------------------------------------ reading

    def read(self, node: ast.expr, levels: int) -> Expr:
        """The value of a node that may be nested so many levels deep."""
        if levels == 0:
            raise self._too_deep(node)
        match node:
            case ast.Constant():
                value = self._number(node)
            case ast.Name():
                value = self._name(node)
            case ast.UnaryOp(op=ast.UAdd()):
                value = self.read(node.operand, levels - 1)
            case ast.UnaryOp(op=ast.USub()):
                value = -self.read(node.operand, levels - 1)
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                value = self._sum(node, levels - 1)
            case ast.BinOp(op=ast.Mult() | ast.Div()):
                value = self._product(node, levels - 1)
            case ast.BinOp(op=ast.Pow()):
                value = self._power(node, levels - 1)
            case ast.BinOp(op=ast.BitXor()):
                place = self.text.index("^", self._index(node.left.end_col_offset))
                raise self.error(place, "'^' is not a power here", "write a power with **, as in x**2")
            case ast.Call():
                value = self._call(node, levels - 1)
            case ast.Subscript():
                value = self._entry(node)
            case _:
                raise self.error(node, f"{_description(node)} not allowed")
        return self._checked(node, value)

    def _number(self, node: ast.Constant) -> Expr:
        if type(node.value) is int:
            return Integer(node.value)
        if type(node.value) is float:
            digits = (ast.get_source_segment(self.text, node) or "").replace("_", "")
            try:
                decimal = Decimal(digits)
            except InvalidOperation:
                raise self._too_large(node) from None
            # Before the exact value is formed, since 1e999999999 has that many digits.
            if decimal and not -NUMBER_BITS < 3 * decimal.adjusted() < NUMBER_BITS:
                raise self._too_large(node)
            return Rational(*decimal.as_integer_ratio())
        raise self.error(node, f"{node.value!r:.40} is no real number")

    def _name(self, node: ast.Name) -> Expr:
        if node.id not in self.names:
            if node.id in FUNCTIONS:
                raise self.error(node, f"{node.id!r} is a function", f"give it an argument, as in {node.id}(1)")
            known = ", ".join(sorted(self.names, key=lambda name: name in CONSTANTS)[:20])
            raise self.error(node, f"unknown name {node.id!r:.40}", f"the names known here are {known}")
        value = self.names[node.id]
        if isinstance(value, MatrixBase):
            raise self.error(node, f"{node.id!r} is a matrix", f"take an entry of it, as in {node.id}[0, 0]")
        return sympify(value, strict=True)

    def _entry(self, node: ast.Subscript) -> Expr:
        name = node.value.id if isinstance(node.value, ast.Name) else ""
        matrix = self.names.get(name)
        if not isinstance(matrix, MatrixBase):
            known = [f"{name}[0, 0]" for name, value in self.names.items() if isinstance(value, MatrixBase)]
            remedy = f"brackets take an entry of a matrix: {', '.join(known)}" if known else ALLOWED
            raise self.error(node, "brackets are not allowed after what is no matrix", remedy)
        match node.slice:
            case ast.Tuple(elts=[ast.Constant(value=row), ast.Constant(value=column)]):
                # True is an integer to Python.
                if type(row) is type(column) is int and row < matrix.rows and column < matrix.cols:
                    return matrix[row, column]
        remedy = f"rows go from 0 to {matrix.rows - 1}, columns from 0 to {matrix.cols - 1}, as in {name}[0, 0]"
        raise self.error(node, f"no entry of the matrix {name}", remedy)

    def _call(self, node: ast.Call, levels: int) -> Expr:
        if not isinstance(node.func, ast.Name):
            raise self.error(node, "a call of what is no function is not allowed")
        name = node.func.id
        if name in self.names:
            raise self.error(node, f"{name!r} is no function", f"write a product with *, as in {name}*(1 + 2)")
        if name not in FUNCTIONS:
            raise self.error(node, f"unknown function {name!r:.40}", f"the functions are {', '.join(FUNCTIONS)}")
        if len(node.args) != 1 or node.keywords:
            remedy = "for the logarithm in base b write log(x)/log(b)" if name == "log" else f"write {name}(…)"
            raise self.error(node, f"{name} takes one argument, not {len(node.args) + len(node.keywords)}", remedy)
        argument = self.read(node.args[0], levels)
        function = FUNCTIONS[name]
        if function in (exp, sinh, cosh):
            self._require_moderate(node, exponential_bits(argument))
        return function(argument)

    # Sums and products are read flat: a sum of a thousand terms is a left-hand chain a thousand deep.

    def _sum(self, node: ast.BinOp, levels: int) -> Expr:
        terms = []
        for sign, operand in self._chain(node, (ast.Add, ast.Sub)):
            term = self.read(operand, levels)
            terms.append(term if isinstance(sign, ast.Add) else -term)
        self._require_moderate(node, sum(map(evaluated_bits, terms)))
        return Add(*terms)

    def _product(self, node: ast.BinOp, levels: int) -> Expr:
        factors: list[Expr] = []
        for sign, operand in self._chain(node, (ast.Mult, ast.Div)):
            # A sign is a factor of the product; read alone, -(x + y) would become the sum -x - y.
            while isinstance(operand, ast.UnaryOp) and isinstance(operand.op, ast.USub):
                factors.append(Integer(-1))
                operand = operand.operand
            factor = self.read(operand, levels)
            if isinstance(sign, ast.Div) and factor.is_zero:
                raise self.error(operand, "division by zero", "the divisor must not be zero")
            factors.append(factor if isinstance(sign, ast.Mult) else 1 / factor)
        self._require_moderate(node, sum(map(evaluated_bits, factors)))
        return Mul(*factors)

    def _chain(self, node: ast.expr, operators: tuple[type, type]) -> list[tuple[ast.operator, ast.expr]]:
        """The operands of a left-hand chain of one precedence, from left to right, with their operators."""
        links: list[tuple[ast.operator, ast.expr]] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, operators):
            links.append((node.op, node.right))
            node = node.left
        return [(operators[0](), node), *reversed(links)]

    def _power(self, node: ast.BinOp, levels: int) -> Expr:
        base, exponent = self.read(node.left, levels), self.read(node.right, levels)
        if base.is_zero and exponent.is_negative:
            raise self.error(node.left, "division by zero", "zero has no negative powers")
        if exponent.is_Rational and abs(exponent) > LARGEST_EXPONENT:
            raise self.error(node.right, "the exponent is too large", f"exponents go up to {LARGEST_EXPONENT}")
        self._require_moderate(node, power_bits(base, exponent))
        return Pow(base, exponent)

    # ------------------------------------------------------------------------------------- checks

    def _require_moderate(self, node: ast.expr, bits: float) -> None:
        if not bits <= EVALUATED_BITS:
            raise self._too_large(node)

    def _too_large(self, place: ast.expr | int) -> ExpressionError:
        return self.error(place, "a number is too large or too small", "choose units in which the numbers are moderate")

    def _checked(self, node: ast.expr, value: Expr) -> Expr:
        """The value of a node, if it is defined, real and moderate."""
        if value in (S.NaN, S.ComplexInfinity):
            raise self.error(node, "this is not defined", "look for a division by zero, or the logarithm of zero")
        if (value.is_number or isinstance(node, ast.Call)) and value.is_extended_real is False:
            raise self.error(node, "this is not a real number", "roots and logarithms take positive numbers")
        if any(bits(number) > NUMBER_BITS for number in value.atoms(Rational)):
            raise self._too_large(node)
        return value


def _description(node: ast.expr) -> str:
    """What a node is, in words, with its verb."""
    match node:
        case ast.BinOp() | ast.UnaryOp() | ast.BoolOp():
            return f"the operation {type(node.op).__name__} is"
        case ast.Attribute():
            return f"the attribute .{node.attr:.40} is"
        case ast.Tuple():
            return "a comma is"
        case _:
            return f"Python's {type(node).__name__} is"
