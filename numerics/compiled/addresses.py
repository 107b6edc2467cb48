"""Calls of compiled functions of numbers by their address.

So the code that calls them need not be compiled again for another depth, and they are quick to pass.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

__all__ = ["call_one", "call_two"]


def _one(typing_context: Any, address: Any, a: Any) -> Any:
    """f(a), f a function of a number at the address."""
    return types.float64(types.int64, types.float64), _generate


def _two(typing_context: Any, address: Any, a: Any, b: Any) -> Any:
    """f(a, b), f a function of two numbers at the address."""
    return types.float64(types.int64, types.float64, types.float64), _generate


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    address, *numbers = arguments
    kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType()] * len(numbers))
    return builder.call(builder.inttoptr(address, kind.as_pointer()), numbers)


# To a type checker an intrinsic is what generates it, not what calls it.
call_one: Any = intrinsic(_one)
call_two: Any = intrinsic(_two)
