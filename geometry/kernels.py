r"""Compile expressions to numerical kernels that stay accurate where singular values coalesce.

An expression is brought to its stable form (`geometry.stable_form`), printed for a backend
(`geometry.kernel_printers`) with common subexpressions shared, and evaluated with the functions of the
backend's module (`geometry.backends`): NumPy, mpmath, JAX or Numba.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

from sympy import (
    Add,
    Expr,
    Function,
    MatrixBase,
    Mul,
    Number,
    NumberSymbol,
    Pow,
    S,
    Symbol,
    Tuple,
    lambdify,
    preorder_traversal,
    sympify,
)
from sympy.logic.boolalg import Boolean

from .kernel_functions import ELEMENTARY, FUNCTION_MODULES, KERNEL_FUNCTIONS
from .kernel_printers import BACKENDS, PRINTER_SETTINGS
from .stable_form import stable_form

__all__ = ["BACKENDS", "Kernel", "compile_kernel", "stable_form"]


@dataclass(frozen=True)
class Kernel:
    """A compiled expression.

    Attributes
    ----------
    expression : Expr or Matrix
        What is evaluated.
    arguments : tuple of Symbol
        In the order of the call.
    backend : str
        "numpy", "mpmath", "jax" or "numba".
    source : str
        The emitted code.
    function : callable
        What other code of the backend calls, without the checks and conversions of `__call__`: on "jax" a function
        that can be traced, of values that broadcast to an array (…), (…, n) or (…, rows, columns); on "numba" a
        jitted function of doubles to a double, or to the tuple of all entries, row by row; on "numpy" of arrays of
        doubles to an array (entries, …), which may be given as `out`; on "mpmath" of numbers to the list of entries.
    """

    expression: Any = field(hash=False)  # a mutable matrix has no hash, and JAX hashes what it traces
    arguments: tuple[Symbol, ...]
    backend: str
    source: str = field(repr=False)
    function: Callable[..., Any] = field(repr=False, compare=False)
    _shape: tuple[int, ...] = field(repr=False, compare=False)
    _call: Callable[..., Any] = field(repr=False, compare=False)

    def __call__(self, *values: Any) -> Any:
        """Evaluate at numbers or arrays, which broadcast; a matrix has shape (…, rows, columns).

        Raises
        ------
        TypeError
            If the number of values is not that of the arguments, or a value is complex.
        RuntimeError
            If JAX traces the kernel while its 64-bit mode is off.
        """
        if len(values) != len(self.arguments):
            names = ", ".join(map(str, self.arguments))
            raise TypeError(f"the kernel takes {len(self.arguments)} arguments ({names}), not {len(values)}")
        return self._call(self.function, values, self._shape)

    def __reduce__(self) -> tuple[Any, ...]:
        # Code cannot be pickled; it is emitted again, from the expression, where it is needed.
        return compile_kernel, (self.expression, self.arguments, self.backend)


def _backend_module(backend: str) -> ModuleType:
    return importlib.import_module(f".backends.{backend}_backend", __package__)


@cache
def _namespace(backend: str) -> dict[str, Any]:
    """The functions that emitted code may call, by name."""
    namespace: dict[str, Any] = {}
    for pattern in FUNCTION_MODULES:
        name = f"{__package__}.backends.{pattern.format(backend)}"
        if importlib.util.find_spec(name) is not None:
            namespace |= importlib.import_module(name).NAMESPACE
    return namespace


def compile_kernel(expression: Any, arguments: Sequence[Symbol], backend: str = "numpy") -> Kernel:
    """Compile an expression, or a matrix or sequence of them, to a function of numbers or arrays.

    Parameters
    ----------
    expression : Expr, Matrix or sequence of Expr
        Real, in the arguments only.
    arguments : sequence of Symbol
        The order of the call.
    backend : {"numpy", "mpmath", "jax", "numba"}
        NumPy, JAX and Numba evaluate in double precision and broadcast; mpmath in its working precision. JAX
        kernels can be traced, differentiated and vectorized, Numba's called from other jitted code.

    Returns
    -------
    Kernel
        Returns shape (…) for an expression, (…, n) for a sequence, (…, rows, columns) for a matrix.

    Raises
    ------
    ValueError
        If the backend is unknown, an argument occurs twice, or the expression has free symbols,
        unknown functions or complex numbers in it.
    TypeError
        If an argument is not a Symbol.
    ImportError
        If the backend's library is not installed, naming the extra that brings it.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork, compile_kernel
    >>> network = DeepLinearNetwork(3, shape=(2, 2))
    >>> kernel = compile_kernel(network.multiplier(0, 1), network.singular_values)
    >>> round(float(kernel(8.0, 1.0)), 12), float(kernel(1.0, 1.0))
    (21.0, 3.0)
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(map(repr, BACKENDS))}, not {backend!r}")
    arguments = _validated_arguments(arguments)
    shape, entries = _entries(expression)
    module, namespace = _backend_module(backend), _namespace(backend)
    # What occurs more than once, as in a symmetric matrix, is evaluated once.
    distinct = list(dict.fromkeys(entries))
    places = [distinct.index(entry) for entry in entries]
    stable = [_checked(stable_form(entry), arguments, entry, backend) for entry in distinct]
    emitted = lambdify(
        arguments,
        stable,
        modules=[namespace, *map(importlib.import_module, module.LIBRARIES)],
        printer=BACKENDS[backend](PRINTER_SETTINGS),
        cse=True,
        dummify=_would_shadow(arguments, {*namespace, *_library_names(module)}),
    )
    function = module.kernel_function(emitted, places, shape)
    return Kernel(expression, arguments, backend, inspect.getsource(emitted), function, shape, module.call)


def _library_names(module: ModuleType) -> set[str]:
    return {name for library in module.LIBRARIES for name in (library, *dir(importlib.import_module(library)))}


def _would_shadow(arguments: tuple[Symbol, ...], callable_names: set[str]) -> bool:
    """Whether an argument has the name of another, of something that emitted code may call, or of its results."""
    names = [argument.name for argument in arguments]
    return len(set(names)) < len(names) or not (callable_names | {*dir(builtins), "out"}).isdisjoint(names)


def _validated_arguments(arguments: Sequence[Symbol]) -> tuple[Symbol, ...]:
    arguments = (arguments,) if isinstance(arguments, Symbol) else tuple(arguments)
    for argument in arguments:
        if not isinstance(argument, Symbol):
            raise TypeError(f"arguments must be symbols, not {argument!r}")
    if len(set(arguments)) < len(arguments):
        raise ValueError(f"arguments must be distinct, not {arguments}")
    return arguments


def _entries(expression: Any) -> tuple[tuple[int, ...], list[Expr]]:
    if isinstance(expression, str):
        raise TypeError("expression must be a SymPy expression, not a string; use geometry.parse_expression")
    if isinstance(expression, MatrixBase):
        return expression.shape, [sympify(entry) for entry in expression]
    if isinstance(expression, (list, tuple)):
        if any(isinstance(entry, str) for entry in expression):
            raise TypeError("expression must hold SymPy expressions, not strings; use geometry.parse_expression")
        return (len(expression),), [sympify(entry) for entry in expression]
    return (), [sympify(expression)]


def _checked(stable: Expr, arguments: tuple[Symbol, ...], original: Expr, backend: str) -> Expr:
    """Refuse what the backend could not evaluate, naming it."""
    free = stable.free_symbols - set(arguments)
    if free:
        names = ", ".join(sorted(map(str, free)))
        raise ValueError(f"the expression {original} has free symbols that are not arguments: {names}")
    known = (*KERNEL_FUNCTIONS, *ELEMENTARY, Add, Mul, Pow, Symbol, Number, NumberSymbol, Boolean, Tuple)
    namespace = _namespace(backend)
    for node in preorder_traversal(stable):
        if node in (S.NaN, S.Infinity, S.NegativeInfinity, S.ComplexInfinity, S.ImaginaryUnit):
            raise ValueError(f"the expression {original} contains {node}, which has no place in a real kernel")
        if not isinstance(node, known) and type(node).__name__ != "ExprCondPair":
            raise ValueError(
                f"the expression {original} contains {type(node).__name__} {node}, which cannot be compiled"
            )
        if isinstance(node, Function) and KERNEL_FUNCTIONS.get(type(node), "exp") not in {*namespace, "exp"}:
            raise ValueError(f"the expression {original} contains {node}, which the backend {backend!r} does not have")
    return stable
