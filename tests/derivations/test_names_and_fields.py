"""Derivations where names coincide, indices have two digits, or the field is not the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sympy import Symbol, oo

from derivations import DERIVATIONS, DerivationError
from derivations.command_line import main
from geometry import DeepLinearNetwork
from numerics import read_table

N = Symbol("N", positive=True)


def status(*arguments: object) -> int:
    """The exit status of the command."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


@pytest.mark.parametrize("output_format", ["text", "latex", "python", "json"])
def test_depth_and_side_of_one_name_are_refused(output_format: str) -> None:
    arguments = ("--depth", "m", "--shape", "m", "n", "--rank", 2, "--format", output_format)
    assert status("derive", "volume-form", *arguments) == 2


def test_equal_sides_may_have_one_name() -> None:
    m = Symbol("m", integer=True, positive=True)
    assert DERIVATIONS["volume-form"](DeepLinearNetwork(2, (m, m), 2)).check("exact").passed


@pytest.mark.parametrize(
    "name",
    [
        "multiplier",
        "metric",
        "volume-form",
        "spectral-flow",
    ],
)
@pytest.mark.parametrize("shape", [(11, 2), (2, 11)])
def test_indices_of_two_digits(name: str, shape: tuple[int, int]) -> None:
    assert DERIVATIONS[name](DeepLinearNetwork(2, shape, 1)).check("float").passed


@pytest.mark.parametrize("name", ["metric", "volume-form", "infinite-depth"])
@pytest.mark.parametrize("field", ["C", "H"])
@pytest.mark.parametrize("depth", [N, 2, oo], ids=str)
def test_checks_say_that_they_are_over_the_real_field(name: str, field: str, depth: object) -> None:
    derivation = DERIVATIONS[name](DeepLinearNetwork(depth, (2, 2), field=field))
    try:
        assert derivation.check("float").passed
    except DerivationError as error:
        pytest.fail(str(error))
    except ValueError as error:
        assert "field" in str(error)  # noqa: PT017 (passing is as good)


@pytest.mark.parametrize("field", ["C", "H"])
def test_the_flow_is_derived_over_the_real_field_only(field: str) -> None:
    with pytest.raises(ValueError, match="real field"):
        DERIVATIONS["spectral-flow"](DeepLinearNetwork(2, (2, 2), field=field))


def test_completing_what_is_complete_changes_nothing(tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{name}.csv" for name in ("gaps", "completed", "again"))
    first.write_text('"a, b","c ""d"""\n0.1,0.30000000000000004\n1e-7,\n', encoding="utf-8")
    assert status("complete", first, "-o", second) == 0
    assert status("complete", second, "-o", third) == 0
    assert second.read_text(encoding="utf-8") == third.read_text(encoding="utf-8")
    before, after = read_table(first), read_table(third)
    assert after.column_labels == before.column_labels == ("a, b", 'c "d"')
    seen = ~np.isnan(before.values)
    np.testing.assert_array_equal(after.values[seen], before.values[seen])
