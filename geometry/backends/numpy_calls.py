"""Calling emitted NumPy code: conversion, broadcasting, and large batches in blocks that stay in the cache."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "call", "kernel_function"]

Array = NDArray[np.float64]

BLOCK = 16384
"""Points that are evaluated at once: enough that calls cost little, few enough that intermediate results stay in the
cache."""


def kernel_function(emitted: Callable[..., Any], places: Sequence[int], shape: tuple[int, ...]) -> Callable[..., Any]:
    """What a kernel exposes: a function to an array (entries, …); the emitted one gives the distinct entries."""
    write = _writing(emitted, places)

    def evaluate(*arrays: Any, out: Array | None = None) -> Array:
        if out is None:
            out = np.empty((len(places), *np.broadcast_shapes(*map(np.shape, arrays))))
        write(out, *arrays)
        return out

    return evaluate


def _writing(emitted: Callable[..., Any], places: Sequence[int]) -> Callable[..., None]:
    """The emitted function with `return [x, y]` turned into `out[0] = x; out[1] = y`.

    Each entry is written while it is in the cache, and copied to the other places where it occurs, instead of all of
    them being kept until the last is known.
    """
    tree = ast.parse(inspect.getsource(emitted))
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    result = function.body.pop()
    assert isinstance(result, ast.Return)
    assert isinstance(result.value, ast.List)
    for index, value in enumerate(result.value.elts):
        first, *others = (place for place, entry in enumerate(places) if entry == index)
        function.body += ast.parse(_assignment(f"out[{first}, ...]", value)).body
        for other in others:
            function.body += ast.parse(f"out[{other}] = out[{first}]").body
    function.args.args.insert(0, ast.arg("out"))
    namespace = dict(emitted.__globals__)
    exec(compile(ast.fix_missing_locations(tree), emitted.__code__.co_filename, "exec"), namespace)
    return namespace[function.name]


def _assignment(target: str, value: ast.expr) -> str:
    """target = value; the last operation of a formula puts its result there itself."""
    ufuncs: dict[type[ast.operator], str] = {
        ast.Add: "add",
        ast.Sub: "subtract",
        ast.Mult: "multiply",
        ast.Div: "divide",
    }
    if isinstance(value, ast.BinOp) and type(value.op) in ufuncs:
        return f"{ufuncs[type(value.op)]}({ast.unparse(value.left)}, {ast.unparse(value.right)}, out={target})"
    return f"{target} = {ast.unparse(value)}"


def call(evaluate: Callable[..., Any], values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """Evaluate at arrays that broadcast to (…): an array (…, *shape) of doubles.

    In memory an entry of all points comes before the next entry, so that entries are written, and read, in one piece.
    """
    arrays = [_double(value) for value in values]
    # For a few arrays the quicker of two ways.
    common = np.broadcast(*arrays).shape if len(arrays) < 32 else np.broadcast_shapes(*(a.shape for a in arrays))
    size = math.prod(common)
    if size == 0:
        return np.empty((*common, *shape))
    entries = np.empty((math.prod(shape), *common))
    with np.errstate(all="ignore"):
        if size <= BLOCK:
            evaluate(*arrays, out=entries)
        elif any(1 < array.size < size for array in arrays):
            _evaluate_grid(evaluate, arrays, entries)
        else:
            _evaluate_blocks(evaluate, arrays, entries.reshape(len(entries), size))
    if not shape:
        return entries[0]
    result = entries.reshape(*shape, *common)
    return np.moveaxis(result, range(len(shape)), range(-len(shape), 0))


def _double(value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind == "c":
        raise TypeError("kernels take real arguments, not complex ones")
    return array.astype(np.float64, copy=False)


def _evaluate_grid(evaluate: Callable[..., Any], arrays: Sequence[Array], entries: Array) -> None:
    """In slices along the first axis: flattened, functions of one argument would have more values to compute."""
    length, ndim = entries.shape[1], entries.ndim - 1
    step = max(1, BLOCK * length * len(entries) // entries.size)
    for start in range(0, length, step):
        block = slice(start, start + step)
        parts = [array[block] if array.ndim == ndim and len(array) == length else array for array in arrays]
        evaluate(*parts, out=entries[:, block])


def _evaluate_blocks(evaluate: Callable[..., Any], arrays: Sequence[Array], entries: Array) -> None:
    columns = [array if array.ndim == 0 else array.reshape(-1) for array in arrays]
    for start in range(0, entries.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        parts = [column if column.ndim == 0 else np.ascontiguousarray(column[block]) for column in columns]
        evaluate(*parts, out=entries[:, block])
