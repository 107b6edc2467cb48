"""SymPy expressions as nested lists of strings and numbers, exactly, and back without evaluating text.

["Add", x, y] for nodes, ["Integer", "2"], ["Rational", "1", "3"], ["Float", sign, "mantissa", exponent, bits,
precision], ["Symbol", name, assumptions].
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Basic, Expr, Float, Integer, Rational, Symbol

__all__ = ["expression_from_tree", "expression_tree"]

NODES = (
    *("Add", "Mul", "Pow", "Abs", "Max", "Min", "acosh", "asinh", "atan", "cos", "cosh", "exp", "log", "sign"),
    *("sin", "sinh", "tan", "tanh"),
)
"""What kernels can evaluate."""
CONSTANTS = {"E": sympy.E, "pi": sympy.pi}


def expression_tree(expression: Basic) -> list[Any]:
    """The tree of an expression.

    Raises
    ------
    TypeError
        If there is something in it that kernels do not evaluate.

    Examples
    --------
    >>> x = Symbol("x", real=True)
    >>> expression_tree(x**2)
    ['Pow', ['Symbol', 'x', {'real': True}], ['Integer', '2']]
    >>> expression_from_tree(expression_tree(x**2)) == x**2
    True
    """
    match expression:
        case Integer():
            return ["Integer", str(int(expression))]
        case Rational():
            return ["Rational", str(int(expression.p)), str(int(expression.q))]
        case Float():
            sign, mantissa, exponent, bits = expression._mpf_
            return ["Float", int(sign), str(int(mantissa)), int(exponent), int(bits), int(expression._prec)]
        case Symbol():
            return ["Symbol", expression.name, dict(sorted(expression._assumptions_orig.items()))]
    for name, constant in CONSTANTS.items():
        if expression == constant:
            return [name]
    name = type(expression).__name__
    if name not in NODES or type(expression) is not getattr(sympy, name):
        raise TypeError(f"the expression contains {name} {expression}, which is not stored")
    return [name, *(expression_tree(argument) for argument in expression.args)]


def expression_from_tree(tree: list[Any]) -> Expr:
    """The expression of a tree.

    Raises
    ------
    ValueError
        If a node is unknown.
    """
    name, *content = tree
    match name:
        case "Integer":
            return Integer(int(content[0]))
        case "Rational":
            return Rational(int(content[0]), int(content[1]))
        case "Float":
            sign, mantissa, exponent, bits, precision = content
            return Float((int(sign), int(mantissa), int(exponent), int(bits)), precision=int(precision))
        case "Symbol":
            assumptions = {str(key): bool(value) for key, value in content[1].items() if value is not None}
            return Symbol(str(content[0]), **assumptions)
    if name in CONSTANTS:
        return CONSTANTS[name]
    if name not in NODES:
        raise ValueError(f"the expression has a part of the unknown kind {name!r}")
    return getattr(sympy, name)(*(expression_from_tree(argument) for argument in content))
