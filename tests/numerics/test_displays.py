"""How trajectories show themselves in a notebook: a picture where there is matplotlib, and a table."""

from __future__ import annotations

import base64
import re
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from sympy import oo

from geometry import DeepLinearNetwork
from numerics import Escape, MatrixCompletion, Trajectory, balanced_start, gradient_flow
from numerics.displays import trajectory_figure

TARGET = np.array([[1.0, 0.3, np.nan], [0.2, np.nan, 0.5]])


def flow(times: np.ndarray | None = None, depth: object = 3) -> Trajectory:
    network = DeepLinearNetwork(depth, (2, 3), 2)
    start = balanced_start(network, scale=0.3, seed=0)
    return gradient_flow(
        MatrixCompletion.from_array(TARGET),
        network,
        start,
        np.linspace(0, 20, 30) if times is None else times,
        events=[Escape(0.5)],
    )


def row(html: str, label: str) -> str:
    found = re.search(rf"<th[^>]*>{re.escape(label)}</th><td[^>]*>(.*?)</td>", html)
    assert found, label
    return found[1]


def test_statistics_are_those_of_the_run() -> None:
    trajectory = flow()
    html = trajectory._repr_html_()
    statistics = trajectory.statistics
    assert row(html, "steps, velocities, Jacobians") == (
        f"{statistics.steps}, {statistics.evaluations}, {statistics.jacobians}"
    )
    assert row(html, "chart, method") == f"{trajectory.chart}, {statistics.method}"
    assert row(html, "times") == "0 … 20, 30 of them"
    assert row(html, "energy there") == f"{trajectory.energy[0]:.6g} … {trajectory.energy[-1]:.6g}"
    assert row(html, "singular values at the end").startswith(f"{trajectory.singular_values[-1, 0]:.6g}, ")
    assert (
        row(html, "network")
        == r"\(X = W_N \cdots W_1 \in \mathbb{R}^{2 \times 3},\quad \operatorname{rank} X = 2,\quad N = 3\)"
    )
    assert len(trajectory.events) == row(html, "events").count("t = ")
    assert "converged" not in html
    assert "what was chosen, and why" in html
    assert "converged" in replace(trajectory, converged=True)._repr_html_()


def test_the_picture_has_the_curves() -> None:
    pytest.importorskip("matplotlib")
    trajectory = flow()
    left, right = trajectory_figure(trajectory).axes
    curves = [line for line in left.lines if len(line.get_xdata()) == len(trajectory.times)]
    np.testing.assert_array_equal(np.array([line.get_ydata() for line in curves]).T, trajectory.singular_values)
    np.testing.assert_array_equal(right.lines[0].get_ydata(), trajectory.energy)
    assert len(left.lines) - len(curves) == len(trajectory.events) > 0
    assert (left.get_xlabel(), left.get_ylabel(), right.get_ylabel()) == ("time", "singular values", "energy")


@pytest.mark.parametrize(
    ("times", "scale"),
    [(np.linspace(0, 20, 2000), "linear"), (np.r_[0, np.logspace(-2, 2, 30)], "log"), (np.array([0.0, 1.0]), "linear")],
)
def test_the_axis_of_times(times: np.ndarray, scale: str) -> None:
    pytest.importorskip("matplotlib")
    assert {axes.get_xscale() for axes in trajectory_figure(flow(times)).axes} == {scale}


def test_the_picture_is_an_image_in_the_page() -> None:
    pytest.importorskip("matplotlib")
    found = re.search(r'src="data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)"', flow()._repr_html_())
    assert found
    assert ElementTree.fromstring(base64.b64decode(found[1])).tag.endswith("svg")


def test_many_points_are_a_picture_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("numerics.displays.MOST_POINTS", 10)
    found = re.search(r'src="data:image/png;base64,([A-Za-z0-9+/=]+)"', flow()._repr_html_())
    assert found
    assert base64.b64decode(found[1]).startswith(b"\x89PNG")


def test_without_matplotlib_there_is_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    trajectory = flow()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    html = trajectory._repr_html_()
    assert "<img" not in html
    assert row(html, "chart, method")
    with pytest.raises(ImportError, match="needs matplotlib: pip install matplotlib"):
        trajectory_figure(trajectory)


def test_text_is_escaped() -> None:
    trajectory = flow()
    wicked = "<script>alert(1)</script>"
    statistics = replace(trajectory.statistics, method=wicked, choices=(wicked,))
    assert wicked not in replace(trajectory, chart=wicked, statistics=statistics)._repr_html_()


def test_infinite_depth() -> None:
    network = DeepLinearNetwork(oo, (2, 2))
    trajectory = gradient_flow(
        MatrixCompletion.from_array(TARGET[:, :2]), network, balanced_start(network, scale=0.5, seed=1), [0.0, 1.0]
    )
    assert r"N \to \infty" in trajectory._repr_html_()


def test_a_trajectory_as_text_is_short() -> None:
    trajectory = flow()
    assert repr(trajectory) == (
        f"Trajectory({trajectory.network}, chart='factored', 30 times 0 … 20, "
        f"energy {trajectory.energy[0]:.6g} … {trajectory.energy[-1]:.6g})"
    )
