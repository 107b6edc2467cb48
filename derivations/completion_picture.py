"""The picture of `dln complete`: what was given, what became of it, its spectrum, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

__all__ = ["completion_picture"]

Array = NDArray[np.float64]

GAP_COLOUR = "0.9"
MOST_VALUES = 30
"""So many singular values can be told apart."""


def completion_picture(
    path: Path, values: Array, filled: Array, singular_values: Array, errors: Mapping[str, float] | None
) -> None:
    """Write the picture as a PNG file.

    Parameters
    ----------
    path : Path
    values, filled : array (m, n)
        With gaps (NaN), and without.
    singular_values : array (r,)
        Of the fit less its mean.
    errors : mapping of str to float, optional
        Root mean square errors on held-out entries, by method; without them there is no panel of them.
    """
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(9.0, 6.4), layout="constrained")
        # Each half on its own, so that the long names below do not narrow the matrices.
        above, below = list(np.asarray(figure.subfigures(2, 1, height_ratios=(3, 2))))
        _matrices(above, values, filled)
        spectrum, comparison = below.subplots(1, 2)
        _spectrum(spectrum, singular_values)
        if errors:
            _comparison(comparison, errors)
        else:
            comparison.set_axis_off()
        figure.savefig(path, dpi=130)


def _matrices(figure: SubFigure, values: Array, filled: Array) -> None:
    """Both in the colours of what was observed, so that a fit that leaves its range is seen as such."""
    given, completed = figure.subplots(1, 2, sharex=True, sharey=True)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    colours = matplotlib.colormaps["viridis"].with_extremes(bad=GAP_COLOUR)
    gaps = int(np.isnan(values).sum())
    titles = f"given, {gaps} gap{'s' * (gaps != 1)} in grey", "completed"
    for axes, shown, title in zip((given, completed), (values, filled), titles, strict=True):
        image = axes.imshow(shown, aspect="auto", cmap=colours, vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(title)
        axes.set_xlabel("column (from 0)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    given.set_ylabel("row (from 0)")
    below, above = bool((filled < low).any()), bool((filled > high).any())
    extend = "both" if below and above else "min" if below else "max" if above else "neither"
    figure.colorbar(image, ax=[given, completed], extend=extend)


def _spectrum(axes: Axes, singular_values: Array) -> None:
    shown = singular_values[:MOST_VALUES]
    positive = shown > 0
    axes.semilogy(np.flatnonzero(positive) + 1, shown[positive], "o-", markersize=4, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("k")
    more = f", the first {MOST_VALUES} of {len(singular_values)}" if len(singular_values) > MOST_VALUES else ""
    axes.set_title(f"singular values of the fit less its mean{more}")


def _comparison(axes: Axes, errors: Mapping[str, float]) -> None:
    places = np.arange(len(errors))[::-1]
    axes.barh(places, list(errors.values()), color=["C0"] + ["0.7"] * (len(errors) - 1), height=0.6)
    for place, error in zip(places, errors.values(), strict=True):
        axes.annotate(f"{error:.3g}", (error, place), (3, 0), textcoords="offset points", va="center")
    axes.set_yticks(places, list(errors))
    axes.margins(x=0.15)
    axes.set_title("root mean square error on held-out entries")
