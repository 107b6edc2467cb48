r"""Compile expressions to numerical kernels that stay accurate where singular values coalesce.

The form in which an expression is evaluated is a numerical decision.  Before an expression is
printed, `stable_form` rewrites what floating point would spoil:

- quotients of power differences become means, differences a^q - b^q become power differences;
- log a - log b becomes the logarithm of a ratio, log |a^q - b^q| the logarithms of a and b and of their gap;
- logarithms of products become sums, summed with compensation;
- fractional powers keep their exponent as a quotient, whose rounding the backend compensates.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sympy import (
    Abs,
    Add,
    Expr,
    Function,
    Integer,
    MatrixBase,
    Max,
    Min,
    Mul,
    Number,
    NumberSymbol,
    Piecewise,
    Pow,
    Rational,
    S,
    Symbol,
    acosh,
    asinh,
    atan,
    cos,
    cosh,
    exp,
    expand_log,
    expand_mul,
    fraction,
    lambdify,
    log,
    preorder_traversal,
    sign,
    sin,
    sinh,
    sympify,
    tan,
    tanh,
    together,
)
from sympy.logic.boolalg import Boolean
from sympy.printing.numpy import NumPyPrinter
from sympy.printing.pycode import MpmathPrinter

from .means import LogarithmicMean, PowerDifference, PowerDifferenceMean, recognize_means

__all__ = ["BACKENDS", "Kernel", "compile_kernel", "stable_form"]


# ------------------------------------------------------------------ functions that backends supply


class power(Function):
    """x^(numerator/denominator)."""


class log_ratio(Function):
    """log a - log b."""


class power_difference(Function):
    """(a^q - b^q)/q, q = numerator/denominator."""


class power_difference_mean(Function):
    """The power-difference mean, both exponents as numerator and denominator."""


class logarithmic_mean(Function):
    """The logarithmic mean."""


class log_power_gap(Function):
    """log |(a/b)^(q/2) - (b/a)^(q/2)|, q = numerator/denominator."""


class compensated_sum(Function):
    """A sum whose rounding errors are carried along."""


BACKEND_FUNCTIONS = (
    power,
    log_ratio,
    power_difference,
    power_difference_mean,
    logarithmic_mean,
    log_power_gap,
    compensated_sum,
)
ELEMENTARY = (Abs, Max, Min, Piecewise, acosh, asinh, atan, cos, cosh, exp, log, sign, sin, sinh, tan, tanh)


class _NumPyKernelPrinter(NumPyPrinter):
    """NumPy code; the backend's functions by their bare names."""


class _MpmathKernelPrinter(MpmathPrinter):
    """mpmath code; the backend's functions by their bare names."""


for _function in BACKEND_FUNCTIONS:
    for _printer in (_NumPyKernelPrinter, _MpmathKernelPrinter):
        setattr(
            _printer,
            f"_print_{_function.__name__}",
            lambda self, node: f"{type(node).__name__}({', '.join(self._print(argument) for argument in node.args)})",
        )

PRINTER_SETTINGS = {"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True}
BACKENDS: dict[str, type] = {"numpy": _NumPyKernelPrinter, "mpmath": _MpmathKernelPrinter}


# ------------------------------------------------------------------------------- the stable form


def stable_form(expression: Expr) -> Expr:
    """Rewrite an expression in the functions that backends evaluate accurately.

    Examples
    --------
    >>> from sympy import Rational, log, symbols
    >>> a, b = symbols("a b", positive=True)
    >>> stable_form(a ** Rational(2, 3) - b ** Rational(2, 3))
    2*power_difference(a, b, 2, 3)/3
    >>> stable_form(log(a) - log(b))
    -log_ratio(b, a)
    """
    expression = sympify(expression).replace(lambda part: isinstance(part, log), expand_log)
    expression = recognize_means(expression, keep_differences=True)
    expression = expression.replace(lambda part: isinstance(part, log), _log_of_factors)
    expression = expression.replace(lambda part: isinstance(part, Add), _stable_sum)
    expression = expression.replace(LogarithmicMean, _stable_logarithmic_mean)
    expression = expression.replace(
        PowerDifferenceMean, lambda a, b, p, q: power_difference_mean(a, b, *_quotient(p), *_quotient(q))
    )
    expression = expression.replace(PowerDifference, lambda a, b, q: power_difference(a, b, *_quotient(q)))
    return expression.replace(lambda part: isinstance(part, Pow), _stable_power)


def _quotient(exponent: Expr) -> tuple[Expr, Expr]:
    return fraction(together(exponent))


def _log_of_factors(logarithm: Expr) -> Expr:
    """log of a product of real factors (inside Abs, or positive) as a sum over the factors."""
    factors = [factor.as_base_exp() for factor in Mul.make_args(logarithm.args[0])]
    if not all(isinstance(base, Abs) or base.is_positive for base, _ in factors):
        return logarithm
    terms = []
    for base, exponent in factors:
        base = base.args[0] if isinstance(base, Abs) else base
        if isinstance(base, PowerDifference):
            a, b, q = base.args
            # |a^q - b^q| = (a b)^(q/2) 2 sinh(q log(a/b)/2): the logarithms of a and b stay apart, so
            # that their coefficients in the whole sum are collected before anything is rounded.
            middle = q / 2 * (log(a) + log(b)) - expand_log(log(q), force=True)
            terms.append(expand_mul(exponent * middle) + exponent * log_power_gap(a, b, *_quotient(q)))
        elif base.is_positive:
            terms.append(exponent * expand_log(log(base)))
        else:
            terms.append(exponent * log(Abs(base)))
    return Add(*terms)


def _stable_sum(total: Add) -> Expr:
    """log a - log b as the logarithm of a ratio; sums of many logarithms with compensation."""
    if len(total.args) == 2:
        (c, first), (d, second) = (term.as_coeff_Mul() for term in total.args)
        if first.func is log and second.func is log and c + d == 0:
            return c * log_ratio(first.args[0], second.args[0])
    if len(total.args) > 3 and total.has(log, log_power_gap):
        return compensated_sum(*total.args)
    return total


def _stable_logarithmic_mean(a: Expr, b: Expr) -> Expr:
    """L(x^p, y^p) without forming the powers, which would overflow early."""
    (x, p), (y, q) = a.as_base_exp(), b.as_base_exp()
    if p == q and p.is_positive and x.is_positive and y.is_positive:
        return power_difference_mean(x, y, *_quotient(p), Integer(0), Integer(1))
    return logarithmic_mean(a, b)


def _stable_mean(a: Expr, b: Expr, p: Expr, q: Expr) -> Expr:
    return power_difference_mean(a, b, *_quotient(p), *_quotient(q))


def _stable_power(part: Pow) -> Expr:
    base, exponent = part.args
    correctly_rounded = exponent.is_Integer or abs(exponent) == Rational(1, 2)
    if correctly_rounded or part.is_number or base is S.Exp1:
        return part
    return power(base, *_quotient(exponent))


# -------------------------------------------------------------------------------------- compiling


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
        "numpy" or "mpmath".
    source : str
        The emitted code.
    """

    expression: Any
    arguments: tuple[Symbol, ...]
    backend: str
    source: str = field(repr=False)
    _evaluate: Callable[..., Sequence[Any]] = field(repr=False, compare=False)
    _shape: tuple[int, ...] = field(repr=False, compare=False)

    def __call__(self, *values: Any) -> Any:
        """Evaluate at numbers or arrays, which broadcast; a matrix has shape (…, rows, columns).

        Raises
        ------
        TypeError
            If the number of values is not that of the arguments, or a value is complex.
        """
        if len(values) != len(self.arguments):
            names = ", ".join(map(str, self.arguments))
            raise TypeError(f"the kernel takes {len(self.arguments)} arguments ({names}), not {len(values)}")
        call = _call_numpy if self.backend == "numpy" else _call_mpmath
        return call(self._evaluate, values, self._shape)

    def __reduce__(self) -> tuple[Any, ...]:
        # Code cannot be pickled; it is emitted again, from the expression, where it is needed.
        return compile_kernel, (self.expression, self.arguments, self.backend)


def _call_numpy(evaluate: Callable[..., Sequence[Any]], values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    import numpy as np

    arrays = [np.asarray(value) for value in values]
    if any(np.iscomplexobj(array) for array in arrays):
        raise TypeError("kernels take real arguments, not complex ones")
    arrays = [array.astype(np.float64, copy=False) for array in arrays]
    common = np.broadcast_shapes(*(array.shape for array in arrays))
    with np.errstate(all="ignore"):
        entries = evaluate(*arrays)
    if not shape:
        return np.broadcast_to(entries[0], common).astype(np.float64)[()]
    result = np.empty((len(entries), *common))
    for index, entry in enumerate(entries):
        result[index] = entry
    return np.moveaxis(result, 0, -1).reshape(*common, *shape)


def _call_mpmath(evaluate: Callable[..., Sequence[Any]], values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    import mpmath

    if any(hasattr(value, "shape") for value in values):
        return _broadcast_mpmath(evaluate, values, shape)
    entries = [mpmath.mpf(entry) for entry in evaluate(*(mpmath.mpf(value) for value in values))]
    if not shape:
        return entries[0]
    if len(shape) == 1:
        return mpmath.matrix(entries)
    rows, columns = shape
    return mpmath.matrix([entries[row * columns : (row + 1) * columns] for row in range(rows)])


def _broadcast_mpmath(evaluate: Callable[..., Sequence[Any]], values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """Arrays of numbers: an object array of mpf, shaped as the NumPy backend does it."""
    import mpmath
    import numpy as np

    arrays = np.broadcast_arrays(*(np.asarray(value, dtype=object) for value in values))
    common = arrays[0].shape
    result = np.empty((*common, *shape), dtype=object)
    for index in np.ndindex(*common):
        entries = evaluate(*(mpmath.mpf(array[index]) for array in arrays))
        result[index] = np.array([mpmath.mpf(entry) for entry in entries], dtype=object).reshape(shape)[()]
    return result


def compile_kernel(expression: Any, arguments: Sequence[Symbol], backend: str = "numpy") -> Kernel:
    """Compile an expression, or a matrix or sequence of them, to a function of numbers or arrays.

    Parameters
    ----------
    expression : Expr, Matrix or sequence of Expr
        Real, in the arguments only.
    arguments : sequence of Symbol
        The order of the call.
    backend : {"numpy", "mpmath"}
        NumPy evaluates in double precision and broadcasts; mpmath in its working precision.

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
    stable = [_checked(stable_form(entry), arguments, entry) for entry in entries]
    namespace = importlib.import_module(f".backends.{backend}_backend", __package__).NAMESPACE
    function = lambdify(
        arguments,
        stable,
        modules=[namespace, backend],
        printer=BACKENDS[backend](PRINTER_SETTINGS),
        cse=True,
        dummify=_would_shadow(arguments, namespace, backend),
    )
    return Kernel(expression, arguments, backend, inspect.getsource(function), function, shape)


def _would_shadow(arguments: tuple[Symbol, ...], namespace: dict[str, Any], backend: str) -> bool:
    """Whether an argument has the name of another, or of something that emitted code may call."""
    taken = {*namespace, *dir(importlib.import_module(backend)), *dir(builtins)}
    names = [argument.name for argument in arguments]
    return len(set(names)) < len(names) or not taken.isdisjoint(names)


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
        return (len(expression),), [sympify(entry) for entry in expression]
    return (), [sympify(expression)]


def _checked(stable: Expr, arguments: tuple[Symbol, ...], original: Expr) -> Expr:
    """Refuse what no backend could evaluate, naming it."""
    free = stable.free_symbols - set(arguments)
    if free:
        names = ", ".join(sorted(map(str, free)))
        raise ValueError(f"the expression {original} has free symbols that are not arguments: {names}")
    known = (*BACKEND_FUNCTIONS, *ELEMENTARY, Add, Mul, Pow, Symbol, Number, NumberSymbol, Boolean)
    for node in preorder_traversal(stable):
        if node in (S.NaN, S.Infinity, S.NegativeInfinity, S.ComplexInfinity, S.ImaginaryUnit):
            raise ValueError(f"the expression {original} contains {node}, which has no place in a real kernel")
        if not isinstance(node, known) and type(node).__name__ != "ExprCondPair":
            raise ValueError(
                f"the expression {original} contains {type(node).__name__} {node}, which cannot be compiled"
            )
    return stable
