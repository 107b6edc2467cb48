r"""Values in files without pickles: arrays in an .npz, and their arrangement as JSON beside them.

What can be stored: None, numbers, strings, NumPy arrays and scalars, lists, tuples and mappings with string keys
of these, and the records of `stored_records` (points, energies, networks, trajectories).  They come back with
their types and their last bit.  Reading executes nothing and believes nothing: a digest over all of it tells a
damaged file from a sound one.

A file has the arrays `array_0`, `array_1`, … and `structure`, UTF-8 text as bytes:
{"format": 1, "label": what the file is, "digest": SHA-256, "value": the arrangement}.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .stored_records import record_fields, record_from_fields, record_name

__all__ = ["StoredValueError", "is_storable", "read_values", "write_values"]

FORMAT = 1


class StoredValueError(ValueError):
    """A file that is damaged, of another format, or of something else."""


def write_values(path: str | os.PathLike[str], value: Any, label: str) -> None:
    """Write a value; the file is there in full or not at all.

    Parameters
    ----------
    path : path
        Replaced if it exists.
    value : storable
        See the head of this module.
    label : str
        What the file is; `read_values` asks for the same.

    Raises
    ------
    TypeError
        If a part of the value cannot be stored; the message names it.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "result.npz")
    ...     write_values(path, {"error": 0.1, "spectrum": np.array([3.0, 1.0])}, "result")
    ...     read_values(path, "result")
    {'error': 0.1, 'spectrum': array([3., 1.])}
    """
    arrays: list[NDArray[Any]] = []
    structure = _packed(value, arrays, "value")
    header = {"format": FORMAT, "label": label, "digest": _digest(structure, arrays), "value": structure}
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    named: dict[str, Any] = {f"array_{index}": array for index, array in enumerate(arrays)}
    target = Path(path)
    # Beside it, for a move between file systems is a copy.
    draft = target.with_name(f".dln-{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as stream:
            np.savez(stream, structure=text, **named)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, target)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def read_values(path: str | os.PathLike[str], label: str) -> Any:
    """Read what `write_values` wrote.

    Raises
    ------
    StoredValueError
        If the file is damaged, of another format, or has another label.
    OSError
        If it cannot be opened.
    """
    with Path(path).open("rb") as stream:
        try:
            with np.load(stream, allow_pickle=False) as file:
                header = json.loads(file["structure"].tobytes().decode())
                arrays = [file[f"array_{index}"] for index in range(len(file.files) - 1)]
            version, structure, found = header["format"], header["value"], header["label"]
            sound = version == FORMAT and header["digest"] == _digest(structure, arrays)
        except Exception as error:
            # A damaged archive fails in any of a dozen ways, from OSError to a wrong size.
            raise StoredValueError(f"{path} is damaged or was not written by this package: {error!r}") from error
    if version != FORMAT:
        raise StoredValueError(f"{path} has format {version!r}; this version of the package reads format {FORMAT}")
    if not sound:
        raise StoredValueError(f"{path} is damaged: its digest does not fit its content")
    if found != label:
        raise StoredValueError(f"{path} holds {found!r}, not {label!r}")
    return _unpacked(structure, arrays)


def is_storable(value: Any) -> bool:
    """Whether `write_values` takes a value."""
    try:
        _packed(value, [], "value")
    except TypeError:
        return False
    return True


def _digest(structure: Any, arrays: list[NDArray[Any]]) -> str:
    digest = hashlib.sha256(json.dumps(structure, sort_keys=True).encode())
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _packed(value: Any, arrays: list[NDArray[Any]], where: str) -> Any:
    """The arrangement as JSON; arrays are appended to the list.  Everything but JSON's own scalars is tagged."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is complex:
        return {"complex": [value.real, value.imag]}
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.hasobject or type(value) is np.void:
            raise TypeError(f"{where} is an array of Python objects, which is not stored; convert it to numbers")
        arrays.append(array)
        return {"scalar" if isinstance(value, np.generic) else "array": len(arrays) - 1}
    if type(value) in (list, tuple):
        entries = [_packed(entry, arrays, f"{where}[{index}]") for index, entry in enumerate(value)]
        return {type(value).__name__: entries}
    if type(value) is dict:
        for key in value:
            if type(key) is not str:
                raise TypeError(f"{where} has the key {key!r}; mappings are stored with string keys only")
        return {"mapping": [[key, _packed(entry, arrays, f"{where}[{key!r}]")] for key, entry in value.items()]}
    name = record_name(value)
    if name is None:
        raise TypeError(
            f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which cannot be stored; numbers, "
            "strings, arrays, trajectories, and lists, tuples and mappings of them can"
        )
    return {"record": [name, _packed(record_fields(value), arrays, where)]}


def _unpacked(structure: Any, arrays: list[NDArray[Any]]) -> Any:
    if not isinstance(structure, dict):
        return structure
    ((tag, content),) = structure.items()
    match tag:
        case "complex":
            return complex(*content)
        case "array":
            return arrays[content]
        case "scalar":
            return arrays[content][()]
        case "list":
            return [_unpacked(entry, arrays) for entry in content]
        case "tuple":
            return tuple(_unpacked(entry, arrays) for entry in content)
        case "mapping":
            return {key: _unpacked(entry, arrays) for key, entry in content}
        case "record":
            return record_from_fields(content[0], _unpacked(content[1], arrays))
    raise StoredValueError(f"the file has a part of the unknown kind {tag!r}")
