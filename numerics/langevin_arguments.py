"""The arguments of `langevin`: what they may be, and what is said of those that make no sense."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry import DeepLinearNetwork

from .energies import Energy
from .factored import FactoredMatrix
from .langevin_layers import resolved_depth
from .network_kernels import explicit_shape

__all__ = ["SPACES", "positive_number", "positive_temperature", "start_decompositions", "time_grid", "validate_problem"]

Array = NDArray[np.float64]

SPACES = ("downstairs", "upstairs")


def start_decompositions(
    network: DeepLinearNetwork, start: FactoredMatrix | Sequence[FactoredMatrix], chains: int | range | None
) -> tuple[tuple[Array, Array, Array], Sequence[int]]:
    """U (chains, m, r), σ (chains, r) and V (chains, n, r) of the starts, and the numbers of the chains.

    Raises
    ------
    TypeError, ValueError
        If a start is no `FactoredMatrix` of the network's shape and rank, there are not as many as chains, or the
        chains are neither a positive integer nor a range of numbers from 0.
    """
    shape = explicit_shape(network)
    points = [start] if isinstance(start, FactoredMatrix) else list(start)
    for point in points:
        if not isinstance(point, FactoredMatrix):
            raise TypeError(
                f"start must be a FactoredMatrix or a sequence of them, not of {type(point).__name__}; "
                "see FactoredMatrix.from_matrix"
            )
        if point.shape != shape or point.rank != network.coframe.rank:
            raise ValueError(
                f"start must have the network's shape {shape} and rank {network.rank}, "
                f"not {point.shape} and {point.rank}"
            )
        if not point.singular_values[-1] > 0:
            raise ValueError("start must have positive singular values; see FactoredMatrix.from_matrix")
    numbers = _chain_numbers(chains, len(points))
    if not isinstance(start, FactoredMatrix) and len(points) != len(numbers):
        raise ValueError(f"start must be one point, or one for each of the {len(numbers)} chains, not {len(points)}")
    U, sigma, V = (np.stack(parts) for parts in zip(*(point.decomposition for point in points), strict=True))
    repeated = (np.repeat(part, len(numbers) // len(points), axis=0) for part in (U, sigma, V))
    return tuple(repeated), numbers  # type: ignore[return-value]


def _chain_numbers(chains: int | range | None, starts: int) -> Sequence[int]:
    if chains is None:
        return range(starts)
    if isinstance(chains, range):
        if len(chains) and min(chains) >= 0:
            return chains
    else:
        try:
            if operator.index(chains) > 0:
                return range(operator.index(chains))
        except TypeError:
            pass
    raise ValueError(f"chains must be a positive integer, or a range of numbers from 0, not {chains!r}")


def positive_temperature(temperature: Any) -> float:
    """T as a number.

    Raises
    ------
    TypeError, ValueError
        If it is a text, or not positive and finite.
    """
    if isinstance(temperature, str):
        raise TypeError(f"temperature must be a number, not the text {temperature!r}")
    value = float(temperature)
    if value == 0:
        raise ValueError("temperature must be positive; without noise use numerics.gradient_flow")
    return positive_number("temperature", value)


def positive_number(name: str, value: Any) -> float:
    """A positive, finite number.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    if isinstance(value, str) or not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive and finite, not {value!r}")
    return float(value)


def time_grid(times: ArrayLike) -> Array:
    """The times as an array (T,).

    Raises
    ------
    ValueError
        If they are not at least two finite, increasing numbers.
    """
    grid = np.asarray(times, dtype=np.float64)
    if grid.ndim != 1 or len(grid) < 2 or not np.isfinite(grid).all() or not (np.diff(grid) > 0).all():
        raise ValueError(f"times must be at least two finite, increasing numbers, not {times!r}")
    return grid


def validate_problem(energy: Energy, network: DeepLinearNetwork, space: str, adjusted: bool, noise: float) -> None:
    """Refuse what is not supported.

    Parameters
    ----------
    noise : float
        The standard deviation √(2T h) of a step, which rounding has to stay below.

    Raises
    ------
    ValueError
        With what to do instead.
    """
    shape = explicit_shape(network)
    if tuple(energy.shape) != shape:
        raise ValueError(f"energy must have the network's shape {shape}, not {tuple(energy.shape)}")
    if space not in SPACES:
        raise ValueError(f"space must be one of {', '.join(map(repr, SPACES))}, not {space!r}")
    if space == "upstairs":
        count = network.layer_count()
        if adjusted:
            raise ValueError("adjusted=True is for space='downstairs': steps of the layers have no density in X")
        if count > resolved_depth(network.coframe.rank, noise):
            raise ValueError(
                f"space='upstairs' loses the smallest singular values of a product of {count} layers to rounding; use "
                "space='downstairs' with entropy=True"
            )
    if adjusted and network.is_infinitely_deep:
        raise ValueError("adjusted=True needs a finite depth: at depth oo take steps short enough")
    if adjusted and network.coframe.has_null_directions:
        raise ValueError(
            f"adjusted=True needs matrices of full rank m = n = r, not {shape[0]} x {shape[1]} ones of rank "
            f"{network.rank}: steps that turn their spaces have no density in X at hand; take steps short enough"
        )
