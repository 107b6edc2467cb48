r"""Rows of thin matrices as vectors of the processor: what a pass over observed entries spends its time on.

A row of up to 8 numbers fits into one or two registers, but a compiler that is given loops over so few unrolls them
into single numbers.  Here they are written as operations on whole vectors, for matrices whose rows are filled up with
zeros to a `padded_width`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

__all__ = ["add_row", "copy_row", "padded_width", "row_product", "sampled_row"]

REGROUPED = ("contract", "reassoc", "nsz")
"""What may be done to sums: fused products, terms in another order, and no care for the sign of 0."""


def padded_width(columns: int) -> int:
    """The length of a row that is filled up: 2, 4, or a multiple of 8."""
    return next((width for width in (2, 4) if columns <= width), -(-columns // 8) * 8)


@lru_cache(maxsize=32)
def copy_row(columns: int, width: int, fills: bool) -> Callable[..., None]:
    """(source, target, i): copy row i of an array (·, columns) into one (·, width), filled up; or back."""

    @intrinsic
    def copy(typing_context: Any, source: Any, target: Any, i: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            short, long = _Rows(context, builder, width, columns), _Rows(context, builder, width)
            reader, writer = (short, long) if fills else (long, short)
            row = reader.load(reader.place(signature.args[0], arguments[0], arguments[2]))
            writer.store(row, writer.place(signature.args[1], arguments[1], arguments[2]))
            return context.get_dummy_value()

        return types.void(source, target, i), generate

    return copy


@lru_cache(maxsize=16)
def add_row(width: int) -> Callable[..., None]:
    """(factor, source, i, target, j): target[j] += factor source[i], for arrays (·, width)."""

    @intrinsic
    def add(typing_context: Any, factor: Any, source: Any, i: Any, target: Any, j: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            rows = _Rows(context, builder, width)
            weight = rows.spread(arguments[0])
            here = rows.place(signature.args[1], arguments[1], arguments[2])
            there = rows.place(signature.args[3], arguments[3], arguments[4])
            rows.store(rows.weighted_sum(rows.load(there), weight, rows.load(here)), there)
            return context.get_dummy_value()

        return types.void(factor, source, i, target, j), generate

    return add


@lru_cache(maxsize=16)
def row_product(width: int, adds: bool = False) -> Callable[..., None]:
    """(A, i, terms, B, target): target[i] = Σ_k A[i, k] B[k] over k < terms, or adds that, for arrays (·, width)."""

    @intrinsic
    def product(typing_context: Any, A: Any, i: Any, terms: Any, B: Any, target: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            rows = _Rows(context, builder, width)
            _, at, last, _, _ = arguments
            coefficients = rows.address(signature.args[0], arguments[0], at)
            place = rows.place(signature.args[4], arguments[4], at)
            total = cgutils.alloca_once_value(builder, rows.load(place) if adds else rows.zero)
            with cgutils.for_range_slice(builder, last.type(0), last, last.type(1)) as (k, _):
                weight = rows.spread(builder.load(builder.gep(coefficients, [k])))
                row = rows.load(rows.place(signature.args[3], arguments[3], k))
                builder.store(rows.weighted_sum(builder.load(total), weight, row), total)
            rows.store(builder.load(total), place)
            return context.get_dummy_value()

        return types.void(A, i, terms, B, target), generate

    return product


@lru_cache(maxsize=16)
def sampled_row(width: int, weighted: bool) -> Callable[..., None]:
    """The part of one row in the residuals and their products: see `completion_products`.

    (i, begin, end, columns, values, weights, left, right, onto, slope_right, slope_left): with the residuals
    ρ_p = w_p (left[i]·right[j_p] - values[p]) of the entries begin ≤ p < end (w_p = 1 unless weighted),

        slope_right[i] = Σ ρ_p right[j_p],     slope_left[j_p] += ρ_p onto[i].
    """

    @intrinsic
    def row(
        typing_context: Any,
        i: Any,
        begin: Any,
        end: Any,
        columns: Any,
        values: Any,
        weights: Any,
        left: Any,
        right: Any,
        onto: Any,
        slope_right: Any,
        slope_left: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            rows = _Rows(context, builder, width)
            at, first, last = arguments[:3]
            named = dict(
                zip(
                    ("columns", "values", "weights", "left", "right", "onto", "slope_right", "slope_left"),
                    zip(signature.args[3:], arguments[3:], strict=True),
                    strict=True,
                )
            )
            factor = rows.load(rows.place(*named["left"], at))
            turned = rows.load(rows.place(*named["onto"], at))
            total = cgutils.alloca_once_value(builder, rows.zero)
            with cgutils.for_range_slice(builder, first, last, first.type(1)) as (p, _):
                column = builder.sext(rows.number(*named["columns"], p), first.type)
                beside = rows.load(rows.place(*named["right"], column))
                residual = rows.dot(builder.fneg(rows.number(*named["values"], p)), factor, beside)
                if weighted:
                    residual = builder.fmul(residual, rows.number(*named["weights"], p))
                slope = rows.spread(residual)
                builder.store(rows.weighted_sum(builder.load(total), slope, beside), total)
                below = rows.place(*named["slope_left"], column)
                rows.store(rows.weighted_sum(rows.load(below), slope, turned), below)
            rows.store(builder.load(total), rows.place(*named["slope_right"], at))
            return context.get_dummy_value()

        arguments = i, begin, end, columns, values, weights, left, right, onto, slope_right, slope_left
        return types.void(*arguments), generate

    return row


class _Rows:
    """Instructions on vectors of `width` doubles, of which arrays hold the first `columns`, all unless given."""

    def __init__(self, context: Any, builder: Any, width: int, columns: int | None = None) -> None:
        self.context, self.builder, self.width = context, builder, width
        self.columns = width if columns is None else columns
        self.vector = ir.VectorType(ir.DoubleType(), width)
        self.zero = ir.Constant(self.vector, [0.0] * width)

    def number(self, kind: Any, array: Any, index: Any) -> Any:
        """An element of a vector that is an array."""
        data = self.context.make_array(kind)(self.context, self.builder, array).data
        return self.builder.load(self.builder.gep(data, [index]))

    def address(self, kind: Any, array: Any, index: Any) -> Any:
        """Where a row begins."""
        data = self.context.make_array(kind)(self.context, self.builder, array).data
        return self.builder.gep(data, [self.builder.mul(index, index.type(self.columns))])

    def place(self, kind: Any, array: Any, index: Any) -> Any:
        """The address of a row, as that of a vector."""
        return self.builder.bitcast(self.address(kind, array, index), self.vector.as_pointer())

    def load(self, place: Any) -> Any:
        """A row; NumPy's arrays need not begin where a vector would have to."""
        if self.columns < self.width:
            return self._masked("load", self.vector, [place, self._alignment, self._mask, self.zero])
        row = self.builder.load(place)
        row.align = 8
        return row

    def store(self, row: Any, place: Any) -> None:
        """Write a row."""
        if self.columns < self.width:
            self._masked("store", ir.VoidType(), [row, place, self._alignment, self._mask])
        else:
            self.builder.store(row, place).align = 8

    _alignment = ir.Constant(ir.IntType(32), 8)

    @property
    def _mask(self) -> Any:
        bits = [int(column < self.columns) for column in range(self.width)]
        return ir.Constant(ir.VectorType(ir.IntType(1), self.width), bits)

    def _masked(self, verb: str, result: Any, arguments: Sequence[Any]) -> Any:
        name = f"llvm.masked.{verb}.v{self.width}f64.p0"
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), arguments)

    def spread(self, number: Any) -> Any:
        """A vector of equal elements."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, number, ir.IntType(32)(0))
        places = ir.Constant(ir.VectorType(ir.IntType(32), self.width), [0] * self.width)
        return self.builder.shuffle_vector(first, undefined, places)

    def weighted_sum(self, row: Any, weight: Any, other: Any) -> Any:
        """row + weight other."""
        return self.builder.fadd(row, self.builder.fmul(weight, other, flags=REGROUPED), flags=REGROUPED)

    def dot(self, begin: Any, row: Any, other: Any) -> Any:
        """begin + row·other."""
        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType(), self.vector])
        name = f"llvm.vector.reduce.fadd.v{self.width}f64"
        total = cgutils.get_or_insert_function(self.builder.module, kind, name)
        products = self.builder.fmul(row, other, flags=REGROUPED)
        return self.builder.call(total, [begin, products], fastmath=REGROUPED)
