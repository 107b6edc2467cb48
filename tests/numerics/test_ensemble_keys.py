"""Keys by content: the same for equal values, other for values that differ in a bit, a type or a place."""

from __future__ import annotations

import functools
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import Symbol, oo

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix, MatrixCompletion, SymbolicEnergy
from numerics.content_keys import content_key, function_name
from tests.numerics import ensemble_runs

ROOT = Path(__file__).resolve().parents[2]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.binary(max_size=5)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def described(value: Any) -> str:
    """A text that tells values apart as keys should: by type, bit and place, but not by the order of mappings."""
    if isinstance(value, dict):
        return f"dict{sorted((described(key), described(entry)) for key, entry in value.items())}"
    if isinstance(value, list):
        return f"list{[described(entry) for entry in value]}"
    return f"{type(value).__name__}{value!r}"


@given(VALUES, VALUES)
def test_keys_are_equal_exactly_where_values_are(first: Any, second: Any) -> None:
    assert (content_key(first) == content_key(second)) == (described(first) == described(second))


@given(st.floats(allow_nan=False, allow_infinity=False, max_value=1e300, min_value=-1e300))
def test_one_bit_makes_another_key(value: float) -> None:
    assert content_key(value) != content_key(float(np.nextafter(value, np.inf)))
    assert content_key(value) == content_key(np.float64(value))


@dataclass(frozen=True)
class Setting:
    depth: int
    start: Any


X = [[Symbol("a"), Symbol("b")]]
DISTINCT = (
    1, 1.0, True, "1", b"1", -0.0, 0.0, (1,), [1], {1}, {"a": 1}, {"a": [1]}, ("ab", "c"), ("a", "bc"), None,
    np.float32(1), np.int64(1), np.array(1), np.array([1]), np.array([1.0]), np.array([[1.0]]), np.array([1.0, 0.0]),
    Setting(1, None), Setting(2, None), Setting(1, np.zeros(2)), Setting(1, np.array([0.0, 5e-324])),
    Path("a"), ensemble_runs.square, ensemble_runs.pair, functools.partial(ensemble_runs.pair, 1),
    functools.partial(ensemble_runs.pair, 2), Symbol("a"), Symbol("a", positive=True), oo,
    DeepLinearNetwork(2, (2, 2)), DeepLinearNetwork(3, (2, 2)), DeepLinearNetwork(oo, (2, 2)),
    FactoredMatrix.from_matrix(np.eye(2)), FactoredMatrix.from_matrix(2 * np.eye(2)),
    MatrixCompletion.from_array(np.eye(2)), MatrixCompletion.from_array(np.ones((2, 2))),
    SymbolicEnergy(Symbol("a") ** 2, X), SymbolicEnergy(Symbol("b") ** 2, X),
    np.random.default_rng(0), np.random.default_rng(1),
)  # fmt: skip


def test_what_differs_has_different_keys() -> None:
    keys = [content_key(value) for value in DISTINCT]
    assert len(set(keys)) == len(DISTINCT)


def test_the_order_of_mappings_and_sets_does_not_matter() -> None:
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    assert content_key(set("abcdef")) == content_key(set("fedcba"))
    assert content_key([1, 2]) != content_key([2, 1])


def test_another_session_has_the_same_keys() -> None:
    code = "from numerics.content_keys import content_key; print(content_key({'a': {'x', 'y', 'z'}, 'b': 0.1}))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == content_key({"b": 0.1, "a": {"z", "y", "x"}})


def test_what_has_no_content_is_refused() -> None:
    for value in (object(), np.array([object()]), [object()]):
        with pytest.raises(TypeError, match=r"no content key|Python objects"):
            content_key(value)
    with pytest.raises(TypeError, match="no name of its own"):
        function_name(lambda: None)
