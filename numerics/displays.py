"""How trajectories show themselves in a notebook: a picture, and a table of what the run took and kept.

Without matplotlib there is the table alone.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geometry.displays import network_latex
from geometry.html_fragments import details, formula, heading, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .trajectory import Trajectory

__all__ = ["trajectory_figure", "trajectory_html"]

EARLY = 0.1
"""Times have a logarithmic axis where most of them lie in this share of the whole."""
MOST_POINTS = 20_000
"""Up to this many points of curves the picture is SVG; beyond it is PNG, so that a notebook stays small."""
DOTS_PER_INCH = 120
SHOWN_VALUES = 8
"""How many singular values the table has."""


def trajectory_figure(trajectory: Trajectory) -> Figure:
    """The singular values and the energy against time, side by side; vertical lines at the events.

    Parameters
    ----------
    trajectory : Trajectory

    Returns
    -------
    Figure
        Of no window: it is shown where it is returned, or saved with `savefig`.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("a figure of a trajectory needs matplotlib: pip install matplotlib") from error
    figure = Figure(figsize=(8.0, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(trajectory.times, trajectory.singular_values)
    left.set_ylabel("singular values")
    right.plot(trajectory.times, trajectory.energy, color="black")
    right.set_ylabel("energy")
    if np.all(trajectory.energy > 0):
        right.set_yscale("log")
    most_are_early = 0 < np.median(trajectory.times) < EARLY * trajectory.times[-1]
    for axes in (left, right):
        axes.set_xlabel("time")
        axes.spines[["top", "right"]].set_visible(False)
        for event in trajectory.events:
            axes.axvline(event.time, color="0.8", linewidth=0.8, zorder=0)
        if most_are_early:
            axes.set_xscale("log")
    return figure


def trajectory_html(trajectory: Trajectory) -> str:
    """The picture, and the statistics of the run below it."""
    return heading("Gradient flow") + _picture(trajectory) + table(_rows(trajectory)) + _choices(trajectory)


def _picture(trajectory: Trajectory) -> str:
    try:
        figure = trajectory_figure(trajectory)
    except ImportError:
        return ""
    buffer = io.BytesIO()
    # As an image of its own: the names inside of several SVG in one page would clash.
    if trajectory.singular_values.size <= MOST_POINTS:
        kind = "svg+xml"
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    else:
        kind = "png"
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    source = base64.b64encode(buffer.getvalue()).decode("ascii")
    text = "singular values and energy against time"
    return f'<img alt="{text}" style="max-width: 100%" src="data:image/{kind};base64,{source}">'


def _rows(trajectory: Trajectory) -> list[tuple[str, str]]:
    statistics, times, energy = trajectory.statistics, trajectory.times, trajectory.energy
    rows = [
        ("network", formula(network_latex(trajectory.network))),
        ("energy", escape(type(trajectory.energy_function).__name__)),
        ("times", f"{times[0]:.6g} … {times[-1]:.6g}, {len(times)} of them"),
        ("energy there", f"{energy[0]:.6g} … {energy[-1]:.6g}"),
        ("singular values at the end", _values(trajectory.singular_values[-1])),
        ("chart, method", escape(f"{trajectory.chart}, {statistics.method}")),
        ("rtol, atol", f"{statistics.rtol:.3g}, {statistics.atol:.3g}"),
        ("steps, velocities, Jacobians", f"{statistics.steps}, {statistics.evaluations}, {statistics.jacobians}"),
        ("drift of the invariant", f"{statistics.drift:.3g}"),
    ]
    if trajectory.converged is not None:
        rows.append(("converged", "yes" if trajectory.converged else "no"))
    if trajectory.events:
        rows.append(("events", "<br>".join(escape(f"t = {e.time:.6g}: {e.event}") for e in trajectory.events)))
    return rows


def _values(values: NDArray[np.float64]) -> str:
    shown = ", ".join(f"{value:.6g}" for value in values[:SHOWN_VALUES])
    return shown + (f", … ({len(values)})" if len(values) > SHOWN_VALUES else "")


def _choices(trajectory: Trajectory) -> str:
    choices = trajectory.statistics.choices
    return details("what was chosen, and why", "<br>".join(map(escape, choices))) if choices else ""
