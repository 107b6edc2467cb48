"""The notebook under docs/ runs from top to bottom in a kernel of its own, and shows what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs the extra 'notebook': pip install 'dln-geometry[notebook]'")
nbclient = pytest.importorskip("nbclient", reason="needs the extra 'notebook': pip install 'dln-geometry[notebook]'")
pytest.importorskip("ipykernel", reason="needs the extra 'notebook': pip install 'dln-geometry[notebook]'")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "notebooks" / "networks_theorems_flows.ipynb"
LONGEST_CELL = 120


@pytest.fixture(scope="module")
def cells() -> list[Any]:
    """The cells with code, after a run."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=LONGEST_CELL, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    ).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cells: list[Any], source: str) -> dict[str, str]:
    """What the cell that ends with a line showed last, by MIME type."""
    (cell,) = [cell for cell in cells if cell.source.splitlines()[-1] == source]
    return dict(cell.outputs[-1].data)


def printed(cells: list[Any], source: str) -> str:
    (cell,) = [cell for cell in cells if source in cell.source]
    return str(cell.outputs[0].text)


def test_networks_and_metrics(cells: list[Any]) -> None:
    network = shown(cells, "network")
    assert network["text/latex"].startswith(r"$\displaystyle X = W_{N} \cdots W_1")
    assert "<table>" in network["text/html"]
    assert r"\sqrt{\det g} =" in network["text/html"]
    assert r"N \to \infty" in shown(cells, "network.subs(N=oo)")["text/html"]
    assert r"\sum_{k=1}^{3}" in shown(cells, "SpectralMetric(shape=(3, 3), multiplier=lambda a, b: a + b)")["text/html"]
    assert r"\sigma_{1}" in shown(cells, "density")["text/latex"]


def test_derivations_and_steps(cells: list[Any]) -> None:
    derivation = shown(cells, "derivation")["text/html"]
    assert derivation.count("<li") == derivation.count("<details>") >= 3
    assert "<summary>Python</summary>" in shown(cells, "step")["text/html"]
    assert "passed=True" in shown(cells, 'step.check("exact")')["text/plain"]
    assert "passed=True" in shown(cells, 'there.check("precise")')["text/plain"]
    assert r"\sum_{p=1}" in printed(cells, "print(step.latex())")
    assert "rhs = " in printed(cells, "print(step.python())")
    assert "def " in printed(cells, "print(kernel.source)")
    assert "21." in shown(cells, "kernel(np.array([8.0, 1.0]), 1.0)")["text/plain"]


def test_flows(cells: list[Any]) -> None:
    trajectory = shown(cells, "trajectory")["text/html"]
    assert "data:image/svg+xml;base64," in trajectory
    assert "steps, velocities, Jacobians" in trajectory


def test_it_is_stored_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook.cells)
