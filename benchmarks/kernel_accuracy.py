"""A picture of the kernels' errors, in units in the last place, over the gap of two singular values and their size.

    python -m benchmarks.kernel_accuracy -o accuracy.png [--backends numpy numba jax]

Against mpmath with 80 digits.  Grey is the quotient as on paper, through SymPy's lambdify; the line is at 8 ulps.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import mpmath
import numpy as np
from matplotlib.axes import Axes
from sympy import Expr, Rational, lambdify, log, oo, symbols

from geometry import DeepLinearNetwork, compile_kernel, explicit

BOUND = 8
DEPTHS = (2, 3, 10, 37, 10**6, oo)
POINTS = 120
a, b = symbols("a b", positive=True)
Array = np.ndarray[Any, np.dtype[np.float64]]
Exact = Callable[[mpmath.mpf, mpmath.mpf], mpmath.mpf]


def quantities(depth: Any) -> dict[str, tuple[Expr, Exact]]:
    """Expression and exact value, in mpmath's precision, of the multiplier and of the denominator of the rates."""
    infinite = depth == oo
    expression = log(a) - log(b) if infinite else a ** Rational(2, depth) - b ** Rational(2, depth)

    def difference(x: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
        if infinite:
            return mpmath.log(x) - mpmath.log(y)
        q = mpmath.mpf(2) / depth
        return x**q - y**q

    def multiplier(x: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
        if x == y:
            return x * x if infinite else depth * x ** (2 - mpmath.mpf(2) / depth)
        return (x * x - y * y) / ((2 if infinite else 1) * difference(x, y))

    return {
        "multiplier": (DeepLinearNetwork(depth, (2, 2)).pair_multiplier(a, b), multiplier),
        "denominator of the rates": (expression, difference),
    }


def errors(values: Array, exact: Exact, x: Array, y: Array) -> Array:
    """In units in the last place; NaN where the exact value is no normal number."""
    found = np.full(len(x), np.nan)
    with mpmath.workdps(80):
        for index, value in enumerate(values):
            target = exact(mpmath.mpf(float(x[index])), mpmath.mpf(float(y[index])))
            if 2.3e-308 < abs(target) < 1.7e308:
                ulp = mpmath.mpf(float(np.spacing(abs(float(target)))))
                found[index] = float(abs(mpmath.mpf(float(value)) - target) / ulp) if np.isfinite(value) else np.inf
    return found


def over_gaps() -> tuple[Array, Array, Array]:
    """Relative gap, and the pairs at it; sizes of order 1 below a ratio of 10, around 1 above."""
    exponents = np.linspace(-16, 300, POINTS)
    exponents = np.where(np.arange(POINTS) % 2 == 0, np.linspace(-16, 0, POINTS), exponents)
    gap = 10.0 ** np.sort(exponents)
    scale = np.random.default_rng(0).uniform(1, 10, POINTS)
    low = scale / np.sqrt(np.maximum(gap, 1))
    return gap, low * (1 + gap), low


def over_sizes() -> tuple[Array, Array, Array]:
    """Size, and pairs of all gaps at it."""
    generator = np.random.default_rng(1)
    size = 10.0 ** np.linspace(-300, 300, POINTS)
    return size, size, size * (1 - 10.0 ** generator.uniform(-16, -0.01, POINTS))


def draw(axes: Axes, name: str, backends: list[str], sample: tuple[Array, Array, Array]) -> dict[str, float]:
    """All depths and backends in one panel; returns the largest error of each backend."""
    coordinate, x, y = np.log10(sample[0]), *sample[1:]  # 600 decades are too many for matplotlib's own scale
    worst: dict[str, float] = dict.fromkeys(backends, 0.0)
    for depth in DEPTHS:
        expression, exact = quantities(depth)[name]
        with np.errstate(all="ignore"):
            naive = errors(np.asarray(lambdify((a, b), explicit(expression))(x, y)), exact, x, y)
        axes.plot(coordinate, np.clip(naive, 1e-2, 1e16), ".", color="0.8", markersize=3)
        for color, backend in enumerate(backends):
            found = errors(np.asarray(compile_kernel(expression, (a, b), backend)(x, y)), exact, x, y)
            worst[backend] = max(worst[backend], float(np.nanmax(found)))
            axes.plot(coordinate, np.clip(found, 1e-2, 1e16), ".", color=f"C{color}", markersize=3)
    axes.axhline(BOUND, color="black", linewidth=0.8)
    axes.set(yscale="log", ylim=(5e-3, 3e16), ylabel="error in ulps", title=name)
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--backends", nargs="+", default=["numpy"])
    options = parser.parse_args()
    figure, panels = plt.subplots(2, 2, figsize=(11, 7), sharey=True, layout="constrained")
    for row, (label, sample) in enumerate((("relative gap", over_gaps()), ("size", over_sizes()))):
        for axes, name in zip(panels[row], ("multiplier", "denominator of the rates"), strict=True):
            worst = draw(axes, name, options.backends, sample)
            axes.set_xlabel(f"log₁₀ of the {label}")
            print(f"{name}, over the {label}: " + ", ".join(f"{k} {v:.1f}" for k, v in worst.items()) + " ulps at most")
    handles = [plt.Line2D([], [], marker=".", linestyle="", color="0.8", label="lambdify")]
    for color, backend in enumerate(options.backends):
        handles.append(plt.Line2D([], [], marker=".", linestyle="", color=f"C{color}", label=backend))
    panels[0, 0].legend(handles=handles)
    figure.savefig(options.output, dpi=150)


if __name__ == "__main__":
    main()
