"""One flow from start to end in compiled code, and a row of them."""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import numpy as np

from .machine_code import compiled, kept_on_disk, sources_digest
from .matrices import product, right_transposed_product
from .steps import MOST_ROWS, STAGES, explicit_step, fill_coordinates, implicit_step, settle, turn_velocity
from .velocity import Problem, difference_quotients, scratch, velocity

__all__ = ["EXPLICIT", "FAILED", "FINISHED", "IMPLICIT", "SWITCHING", "TOO_MANY_STEPS", "flows"]

EXPLICIT, IMPLICIT, SWITCHING = 0, 1, 2
FINISHED, TOO_MANY_STEPS, FAILED = 0, 1, 2
STIFF_STEPS = 8
"""After so many steps at the limit of stability, not interrupted by as many others, the implicit method takes over."""
SMALLEST_STEP = 1e-14

Room = namedtuple("Room", "table jacobian factors pivots speed place shift")


@compiled
def _flow(
    U: Any,
    sigma: Any,
    V: Any,
    times: Any,
    rtol: float,
    atol: float,
    method: int,
    most_steps: int,
    problem: Any,
    points: Any,
    spectra: Any,
    counts: Any,
) -> float:
    """The time that was reached."""
    (m, r), n = U.shape, V.shape[0]
    size = r * r + problem.left + problem.right
    work = scratch(m, n, r)
    stages, new, y = np.empty((STAGES + 4, size)), np.empty(size), np.zeros(size)
    room = Room(
        np.empty((MOST_ROWS, size)),
        np.empty((size, size)),
        np.empty((size, size)),
        np.empty(size, np.int64),
        stages[0],
        np.empty(size),
        np.empty(size),
    )
    fill_coordinates(sigma, U, V, problem, y)
    velocity(y, U, V, problem, work, stages[0])
    counts[0] = 1
    _record(y, U, V, work, points[0], spectra[0])
    time, step, target = times[0], _first_step(y, stages[0], rtol, r), 6
    implicit, stiff, gentle = method == IMPLICIT, 0, 0
    for index in range(1, len(times)):
        end = times[index]
        while time < end:
            if counts[1] + counts[2] >= most_steps:
                counts[4] = TOO_MANY_STEPS
                return time
            tried = end - time if 1.01 * step >= end - time else step
            if not tried > SMALLEST_STEP * abs(time):
                counts[4] = FAILED
                return time
            if implicit:
                difference_quotients(y, stages[0], U, V, problem, work, new, room.jacobian)
                error, proposed, target, evaluations = implicit_step(
                    y, tried, target, rtol, atol, U, V, problem, work, room, new
                )
                counts[0] += size + evaluations
                counts[3] += 1
            else:
                error, stiffness = explicit_step(y, tried, rtol, atol, U, V, problem, work, stages, new)
                counts[0] += STAGES
                factor = 0.9 * error**-0.125 if error > 0.0 else 6.0
                proposed = tried * (min(6.0, factor) if error < 1.0 else max(0.333, min(0.9, factor)))
                if math.isnan(error):
                    proposed = 0.1 * tried
                if error < 1.0:
                    stiff, gentle = (stiff + 1, 0) if stiffness > 1.0 else (stiff, gentle + 1)
                    if gentle == STIFF_STEPS:
                        stiff, gentle = 0, 0
            if not error < 1.0:
                counts[2] += 1
                step = proposed
                continue
            counts[1] += 1
            time = end if tried == end - time else time + tried
            # A step cut short by a time that was asked for says little about the next one.
            step = proposed if tried >= 0.5 * step else max(step, proposed)
            if settle(y, new, U, V, problem, work) or implicit:
                velocity(y, U, V, problem, work, stages[0])
                counts[0] += 1
            else:
                turn_velocity(stages[STAGES], work, stages[0])
            if method == SWITCHING and not implicit and stiff == STIFF_STEPS:
                implicit = True
        _record(y, U, V, work, points[index], spectra[index])
    counts[4] = FINISHED
    return time


@compiled
def _first_step(y: Any, speed: Any, rtol: float, r: int) -> float:
    """A hundredth of the time in which X changes by itself."""
    height, pace = 0.0, 0.0
    for i in range(r * r):
        height += y[i] ** 2
        pace += speed[i] ** 2
    return 0.01 * math.sqrt(height / pace) if pace > 0.0 else 1e-3


@compiled
def _record(y: Any, U: Any, V: Any, work: Any, point: Any, spectrum: Any) -> None:
    """X, and the singular values in decreasing order."""
    r = U.shape[1]
    S = y[: r * r].reshape(r, r)
    product(U, S, work.within_left)
    right_transposed_product(work.within_left, V, point)
    for k in range(r):
        place = k
        while place > 0 and spectrum[place - 1] < S[k, k]:
            spectrum[place] = spectrum[place - 1]
            place -= 1
        spectrum[place] = S[k, k]


def _program(digest: str) -> Any:
    """The compiled function of a row of flows; the digest is part of the key under which it is kept."""

    @kept_on_disk
    def flows(
        lefts: Any,
        sigmas: Any,
        rights: Any,
        times: Any,
        rtol: float,
        atols: Any,
        method: int,
        most_steps: int,
        pair: Any,
        null_rate: Any,
        gradient: Any,
        data: Any,
        left: int,
        right: int,
        keeps_rank: bool,
        points: Any,
        spectra: Any,
        counts: Any,
        ends: Any,
    ) -> None:
        """Integrate each start; what the arrays are stands in `batched_flows`."""
        _ = digest
        for index in range(len(sigmas)):
            problem = Problem(pair, null_rate, gradient, data[index], left, right, keeps_rank)
            ends[index] = _flow(
                lefts[index].copy(),
                sigmas[index],
                rights[index].copy(),
                times,
                rtol,
                atols[index],
                method,
                most_steps,
                problem,
                points[index],
                spectra[index],
                counts[index],
            )

    return flows


flows = _program(sources_digest())
