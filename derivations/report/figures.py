"""The figures of the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sympy import oo

from ..mauna_loa import YEARS
from .problems import FlowResult

__all__ = ["FIGURES", "draw", "label"]

Array = NDArray[np.float64]

FIGURES = {
    "singular_values": "The twelve singular values over time, by depth; the two largest in blue.",
    "errors": "Root mean square error on seen and unseen entries, by depth, where the flow stops.",
    "log_volume": "Log volume density along the flow, of the metrics times N, so that depths compare; it is -∞ at the "
    "start, where all singular values are equal.",
    "record": "The record by years and weeks: the measured weeks, and the gaps filled.",
    "record_line": "The first years of the record with the filled weeks marked.",
}
"""File names and captions."""


def draw(folder: Path, monthly: Sequence[FlowResult], weekly: FlowResult, record: Array) -> None:
    """Write all figures as PNG files."""
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        for name, figure in (
            ("singular_values", _singular_values(monthly)),
            ("errors", _errors(monthly)),
            ("log_volume", _log_volume(monthly)),
            ("record", _record(weekly, record)),
            ("record_line", _record_line(weekly, record)),
        ):
            figure.savefig(folder / f"{name}.png", dpi=130)


def label(result: FlowResult) -> str:
    """A depth as the legends show it."""
    return {oo: "∞"}.get(result.depth, str(result.depth))


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(np.atleast_1d(np.asarray(figure.subplots(1, columns))))


def _singular_values(monthly: Sequence[FlowResult]) -> Figure:
    figure, panels = _figure(2.1 * len(monthly) + 0.6, 2.8, len(monthly))
    for axes, result in zip(panels, monthly, strict=True):
        later = result.times > 0
        for k, values in enumerate(result.singular_values[later].T):
            axes.loglog(result.times[later], values, color="C0" if k < 2 else "0.6", linewidth=1.4 if k < 2 else 0.7)
        axes.set_title(f"N = {label(result)}")
        axes.set_xlabel("t (rescaled)" if label(result) == "∞" else "t")
        axes.set_ylim(3e-4, 3)
        start = float(result.times[later][0])
        axes.set_xlim(max(start, float(result.times[-1]) * 1e-5), float(result.times[-1]))
    panels[0].set_ylabel("singular values")
    return figure


def _errors(monthly: Sequence[FlowResult]) -> Figure:
    figure, (axes,) = _figure(5.2, 3.2)
    places = np.arange(len(monthly))
    axes.plot(places, [result.unseen[-1] for result in monthly], "o-", label="unseen entries")
    axes.plot(places, [result.seen[-1] for result in monthly], "s-", color="0.5", label="seen entries")
    axes.plot(places, [result.mean_error for result in monthly], "k--", linewidth=0.8, label="filling in the mean")
    axes.set_yscale("log")
    axes.set_xticks(places, [label(result) for result in monthly])
    axes.set_xlabel("depth")
    axes.set_ylabel("root mean square error (ppm)")
    axes.legend(frameon=False)
    return figure


def _log_volume(monthly: Sequence[FlowResult]) -> Figure:
    figure, (axes,) = _figure(5.2, 3.2)
    for result in monthly:
        shown = np.isfinite(result.log_volume) & (result.times > 0)
        if shown.any():
            axes.plot(result.times[shown] / result.times[-1], result.log_volume[shown], label=f"N = {label(result)}")
    axes.set_xscale("log")
    axes.set_xlim(1e-4, 1)
    axes.set_xlabel("t / final t")
    axes.set_ylabel("log volume density")
    axes.legend(frameon=False)
    return figure


def _record(weekly: FlowResult, record: Array) -> Figure:
    figure, panels = _figure(8.4, 4.2, 2)
    low, high = float(np.nanmin(record)), float(np.nanmax(record))
    frame = (0, 52, YEARS[-1] + 1, YEARS[0])
    for axes, values, title in zip(
        panels, (record, weekly.filled), ("measured", f"filled, N = {label(weekly)}"), strict=True
    ):
        image = axes.imshow(values, aspect="auto", extent=frame, cmap="viridis", vmin=low, vmax=high)
        axes.set_title(title)
        axes.set_xlabel("week")
    gaps = np.argwhere(np.isnan(record))
    panels[1].plot(gaps[:, 1] + 0.5, gaps[:, 0] + YEARS[0] + 0.5, ".", color="red", markersize=2, label="was a gap")
    panels[1].legend(loc="upper right", fontsize=7)
    panels[0].set_ylabel("year")
    figure.colorbar(image, ax=panels, label="CO2 (ppm)")
    return figure


def _record_line(weekly: FlowResult, record: Array) -> Figure:
    figure, (axes,) = _figure(8.4, 2.8)
    years = 8
    weeks = YEARS[0] + np.arange(years * 52) / 52
    measured, fitted = record[:years].ravel(), weekly.completed[:years].ravel()
    gaps = np.isnan(measured)
    axes.plot(weeks, measured, ".", markersize=3, color="0.5", label="measured")
    axes.plot(weeks, fitted, linewidth=0.8, label="fit")
    axes.plot(weeks[gaps], fitted[gaps], "o", markersize=3.5, color="red", label="filled")
    axes.set_ylabel("CO2 (ppm)")
    axes.legend(frameon=False, ncols=3)
    return figure
