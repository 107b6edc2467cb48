r"""Keys of values by their content: the same in every session, other for values that differ in one bit.

Pickles would not do: their bytes depend on which objects are shared and on the order of sets.
"""

from __future__ import annotations

import functools
import hashlib
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path, PurePath
from types import FunctionType
from typing import Any

import numpy as np
from sympy import Basic, srepr

from .energies import SymbolicEnergy

__all__ = ["content_key", "function_name"]


def content_key(value: Any) -> str:
    """A hash of a value, 64 hexadecimal digits.

    Parameters
    ----------
    value : object
        None, numbers, strings, bytes, paths, NumPy arrays, scalars and generators, SymPy expressions, dataclasses,
        functions of modules, and lists, tuples, sets and mappings of these.  Mappings and sets count without
        their order; 1, 1.0 and True are different.

    Raises
    ------
    TypeError
        If it has a part whose content is not known.

    Examples
    --------
    >>> content_key({"depth": 3, "scale": 0.1}) == content_key({"scale": 0.1, "depth": 3})
    True
    >>> content_key(0.1) == content_key(0.1 + 2**-56)
    False
    """
    return _hash(value).hex()


def _hash(value: Any) -> bytes:
    digest = hashlib.sha256()
    for part in _parts(value):
        # With its length, so that ("ab", "c") is not ("a", "bc").
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _parts(value: Any) -> Iterator[bytes]:
    """The name of a value's type, and its content."""
    if isinstance(value, float):
        # np.float64 is a float: the same number from np.linspace and typed in is the same parameter.
        yield from (b"float", struct.pack("<d", value))
    elif isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise TypeError(f"an array of Python objects has no content key: {array!r}")
        kind = b"array" if isinstance(value, np.ndarray) else b"scalar"
        yield from (kind, f"{array.dtype.str} {array.shape}".encode(), np.ascontiguousarray(array).tobytes())
    elif isinstance(value, Basic):
        yield from (b"sympy", srepr(value).encode())
    else:
        yield type_name(type(value)).encode()
        yield from _content(value)


def _content(value: Any) -> Iterator[bytes]:
    match value:
        case None:
            return
        case Enum():
            yield value.name.encode()
        case bool() | int() | Fraction() | str() | PurePath():
            yield str(value).encode()
        case complex():
            yield struct.pack("<dd", value.real, value.imag)
        case bytes() | bytearray():
            yield bytes(value)
        case list() | tuple():
            yield from map(_hash, value)
        case set() | frozenset():
            yield from sorted(map(_hash, value))
        case dict():
            yield from sorted(_hash(key) + _hash(entry) for key, entry in value.items())
        case np.random.Generator():
            yield _hash(value.bit_generator.state)
        case SymbolicEnergy():
            yield from (_hash(value.expression), _hash(list(value.entries)), _hash(value.shape))
        case FunctionType() | functools.partial() | type():
            yield function_name(value).encode()
        case _ if is_dataclass(value):
            yield from (_hash((field.name, getattr(value, field.name))) for field in fields(value))
        case _:
            raise TypeError(f"a {type_name(type(value))} has no content key: {value!r}")


def type_name(kind: type) -> str:
    """Module and qualified name of a class."""
    return f"{module_name(kind.__module__)}.{kind.__qualname__}"


def module_name(name: str) -> str:
    """The name of a module; for a script the one it would be imported by."""
    if name != "__main__":
        return name
    main = sys.modules[name]
    if main.__spec__ is not None:
        return main.__spec__.name
    return Path(getattr(main, "__file__", name)).stem


def function_name(function: Callable[..., Any]) -> str:
    """Module and qualified name of a function, with what `functools.partial` has fixed, or of a callable object.

    Raises
    ------
    TypeError
        For a lambda or a function within a function, since others have the same name.
    """
    if isinstance(function, functools.partial):
        fixed = content_key((function.args, function.keywords))
        return f"{function_name(function.func)}({fixed})"
    if isinstance(function, FunctionType | type) or hasattr(function, "__qualname__"):
        if "<" in function.__qualname__:
            raise TypeError(f"{function.__qualname__} has no name of its own; define the function in a module")
        return f"{module_name(function.__module__)}.{function.__qualname__}"
    return f"{type_name(type(function))}({content_key(function)})"
