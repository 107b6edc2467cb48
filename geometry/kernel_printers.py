"""How each backend writes code: SymPy's printers, with kernel functions by their bare names."""

from __future__ import annotations

from sympy import Expr, Function, S
from sympy.printing.codeprinter import CodePrinter
from sympy.printing.numpy import JaxPrinter, NumPyPrinter
from sympy.printing.pycode import MpmathPrinter, PythonCodePrinter

from .kernel_functions import KERNEL_FUNCTIONS

__all__ = ["BACKENDS", "PRINTER_SETTINGS"]

PRINTER_SETTINGS = {"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True}


class _KernelFunctions:
    """Prints the functions of the table, as calls of the names there."""

    def _print_kernel_function(self, node: Function) -> str:
        arguments = ", ".join(self._print(argument) for argument in node.args)  # type: ignore[attr-defined]
        return f"{KERNEL_FUNCTIONS[type(node)]}({arguments})"


for _function in KERNEL_FUNCTIONS:
    # By its class, as SymPy's printers look methods up: some of the functions are known to them by other names.
    setattr(_KernelFunctions, f"_print_{_function.__name__}", _KernelFunctions._print_kernel_function)


def _print_root(printer: CodePrinter, name: str, node: Expr) -> str | None:
    """x^(±1/2) as a call of a function; None for other powers."""
    if abs(node.exp) != S.Half:
        return None
    root = f"{name}({printer._print(node.base)})"
    return root if node.exp.is_positive else f"(1/{root})"


class NumPyKernelPrinter(_KernelFunctions, NumPyPrinter):
    """NumPy code."""


class JaxKernelPrinter(_KernelFunctions, JaxPrinter):
    """jax.numpy code; square roots by the backend's, whose slope at zero is not infinite."""

    def _print_Pow(self, node: Expr, rational: bool = False) -> str:
        return _print_root(self, "square_root", node) or str(super()._print_Pow(node, rational=rational))


class MpmathKernelPrinter(_KernelFunctions, MpmathPrinter):
    """mpmath code."""


class NumbaKernelPrinter(_KernelFunctions, PythonCodePrinter):
    """Code of single doubles; every function by its bare name, those of `math` made total by the backend."""

    def _print_Pow(self, node: Expr, rational: bool = False) -> str:
        return _print_root(self, "sqrt", node) or str(super()._print_Pow(node, rational=rational))

    def _print_Max(self, node: Expr) -> str:
        return self._print_nested("larger", node)

    def _print_Min(self, node: Expr) -> str:
        return self._print_nested("smaller", node)

    def _print_nested(self, name: str, node: Expr) -> str:
        first, *others = (self._print(argument) for argument in node.args)
        for other in others:
            first = f"{name}({first}, {other})"
        return str(first)

    def _print_sign(self, node: Function) -> str:
        return f"sign({self._print(node.args[0])})"

    def _print_scaled_product(self, node: Function) -> str:
        # A tuple is looped over only if all its entries are of one type.
        factors = ", ".join(f"float({self._print(argument)})" for argument in node.args)
        return f"{type(node).__name__}({factors})"

    _print_exact_product = _print_descending = _print_interval_product = _print_scaled_product


BACKENDS: dict[str, type] = {
    "numpy": NumPyKernelPrinter,
    "mpmath": MpmathKernelPrinter,
    "jax": JaxKernelPrinter,
    "numba": NumbaKernelPrinter,
}
"""The printer of each backend; its functions are in the module of `backends` named after it."""
