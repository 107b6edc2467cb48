"""Events against closed forms: the singular values of a diagonal problem decouple."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from geometry import DeepLinearNetwork
from numerics import Crossing, Escape, FactoredMatrix, MatrixCompletion, RankLoss, balanced_start, gradient_flow

NETWORK = DeepLinearNetwork(2, (2, 2))


def passage(start: float, level: float, target: float) -> float:
    """dσ/dt = -2 σ (σ - target) at depth 2: the time from a start to a level."""
    return quad(lambda sigma: 1 / (2 * sigma * (target - sigma)), start, level, epsabs=0, epsrel=1e-12)[0]


def flow(targets: list[float], start: list[float], end: float, *events, **options):
    energy = MatrixCompletion.from_array(np.diag(targets))
    point = FactoredMatrix(np.eye(2), np.diag(start), np.eye(2))
    return gradient_flow(energy, NETWORK, point, [0.0, end], events=events, rtol=1e-10, **options)


@pytest.mark.parametrize("engine", ["scipy", "sundials", "auto"])
def test_escapes(engine: str) -> None:
    if engine == "sundials":
        pytest.importorskip("sksundae")
    trajectory = flow([3.0, 1.0], [1e-3, 1e-4], 20.0, Escape(0.5), engine=engine)
    assert [record.index for record in trajectory.events] == [0, 1]
    expected = [passage(1e-3, 0.5, 3.0), passage(1e-4, 0.5, 1.0)]
    np.testing.assert_allclose([record.time for record in trajectory.events], expected, rtol=1e-6)
    assert trajectory.events[0].singular_values[0] == pytest.approx(0.5)


def test_a_singular_value_that_falls_loses_rank() -> None:
    trajectory = flow([1.0, 0.0], [0.5, 0.3], 60.0, RankLoss(0.01), Escape(0.9))
    kinds = [type(record.event) for record in trajectory.events]
    assert kinds == [Escape, RankLoss]
    # dσ/dt = -2 σ²: 1/σ grows at rate 2.
    assert trajectory.events[1].time == pytest.approx((1 / 0.01 - 1 / 0.3) / 2, rel=1e-6)


def test_singular_values_that_exchange_places_cross() -> None:
    trajectory = flow([1.0, 3.0], [0.4, 0.1], 5.0, Crossing())
    (record,) = trajectory.events
    equal = record.singular_values
    assert record.gap < 1e-3 * equal[0]
    assert record.time == pytest.approx(passage(0.4, equal[0], 1.0), rel=1e-3)
    # Nothing approaches anything here.
    assert flow([3.0, 1.0], [0.4, 0.1], 5.0, Crossing()).events == ()


@pytest.mark.parametrize("factor", [1e3, 1e9])
def test_events_of_fast_flows_are_located_as_well(factor: float) -> None:
    """The energy times a factor is the same flow in other units of time."""
    point = FactoredMatrix(np.eye(2), np.diag([0.4, 0.1]), np.eye(2))
    slow, fast = (
        gradient_flow(
            scale * MatrixCompletion.from_array(np.diag([1.0, 3.0])),
            NETWORK,
            point,
            [0.0, 5.0 / scale],
            events=[Crossing(), Escape(0.5)],
            rtol=1e-10,
        )
        for scale in (1.0, factor)
    )
    assert [record.event for record in fast.events] == [record.event for record in slow.events]
    for mine, theirs in zip(fast.events, slow.events, strict=True):
        assert mine.time * factor == pytest.approx(theirs.time, rel=1e-6)
    (crossing,) = (record for record in fast.events if isinstance(record.event, Crossing))
    assert crossing.gap < 1e-6


def test_no_event_is_recorded_after_the_stop() -> None:
    whole = flow([3.0, 1.0], [1e-3, 1e-4], 20.0, Escape(0.5))
    energy = MatrixCompletion.from_array(np.diag([3.0, 1.0]))
    point = FactoredMatrix(np.eye(2), np.diag([1e-3, 1e-4]), np.eye(2))
    for record in whole.events:
        close = energy(np.diag(record.singular_values)) * (1 + 1e-6)
        stopped = gradient_flow(energy, NETWORK, point, until={"energy": close}, events=[Escape(0.5)], rtol=1e-10)
        assert all(found.time <= stopped.times[-1] for found in stopped.events)
        assert len(stopped.events) == record.index


def test_events_are_validated() -> None:
    for kind in (Escape, RankLoss):
        with pytest.raises(ValueError, match="level must be positive"):
            kind(-1.0)
        with pytest.raises(ValueError, match="level must be positive"):
            kind("1")
    with pytest.raises(TypeError, match="sequence of events"):
        gradient_flow(
            MatrixCompletion.from_array(np.eye(2)), NETWORK, balanced_start(NETWORK), [0, 1], events=Escape(0.5)
        )
    with pytest.raises(ValueError, match="largest_gap"):
        Crossing(0.0)
    with pytest.raises(TypeError, match="events must be"):
        flow([3.0, 1.0], [0.4, 0.1], 1.0, "crossing")
