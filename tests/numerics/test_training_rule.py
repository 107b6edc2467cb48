"""Stability and lag of gradient descent against the recursion itself on a quadratic loss."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import Rational, Symbol, expand, log, series, solve

from numerics.training_rule import GradientDescent

RULES = [(0.0, False), (0.5, False), (0.9, False), (0.5, True), (0.9, True)]


def growth(rate: float, beta: float, nesterov: bool, curvature: float) -> float:
    """The largest growth factor of (w_k, b_k) on ½ λ w², from the matrix of one step, column by column."""
    rule = GradientDescent(rate, beta, nesterov)
    columns = []
    for w, b in ((1.0, 0.0), (0.0, 1.0)):
        (moved,), (buffer,) = rule.step((np.array([[w]]),), (np.array([[curvature * w]]),), (np.array([[b]]),))
        columns.append([moved[0, 0], buffer[0, 0]])
    return float(np.abs(np.linalg.eigvals(np.array(columns).T)).max())


@pytest.mark.parametrize(("beta", "nesterov"), RULES)
def test_stable_rates(beta: float, nesterov: bool) -> None:
    curvature = 3.0
    largest = GradientDescent(1.0, beta, nesterov).stable_rate(curvature)
    assert growth(largest * (1 - 1e-6), beta, nesterov, curvature) < 1
    assert growth(largest * (1 + 1e-6), beta, nesterov, curvature) > 1
    assert GradientDescent(largest, beta, nesterov).stable_sharpness() == pytest.approx(curvature)
    # The bound of another rule would be seen.
    if beta:
        other = GradientDescent(1.0, beta, not nesterov).stable_rate(curvature)
        assert abs(growth(other, beta, nesterov, curvature) - 1) > 1e-3


@pytest.mark.parametrize(("beta", "nesterov"), RULES)
def test_lag_and_effective_rate_under_a_constant_gradient(beta: float, nesterov: bool) -> None:
    """The way after many steps is η (k - s) times the gradient."""
    rule = GradientDescent(0.1, beta, nesterov)
    W, b = (np.zeros((1, 1)),), (np.zeros((1, 1)),)
    for _ in range(1000):
        W, b = rule.step(W, (np.ones((1, 1)),), b)
    assert -W[0][0, 0] == pytest.approx(rule.effective_rate * (1000 - rule.lag), rel=1e-12)


@pytest.mark.parametrize(("beta", "nesterov"), RULES)
def test_modification_is_that_of_the_decay_rate(beta: float, nesterov: bool) -> None:
    """On ½ w² the slow mode z of the recursion decays as exp(-η (1 + m + …)) a step, m the modification."""
    z, h, momentum = Symbol("z"), Symbol("h", positive=True), Rational(str(beta))
    # w_{k+1} - w_k - β (w_k - w_{k-1}) = -h w_k - [Nesterov] β h (w_k - w_{k-1}), w_k = z^k.
    pull = h * z + (momentum * h * (z - 1) if nesterov else 0)
    (slow,) = (mode for mode in solve(z**2 - z - momentum * (z - 1) + pull, z) if mode.subs(h, 0) == 1)
    decay = expand(series(-log(slow), h, 0, 3).removeO() * (1 - momentum) / h)
    assert decay.subs(h, 0) == 1
    assert GradientDescent(1.0, beta, nesterov).modification == pytest.approx(float(decay.diff(h)), rel=1e-13)


def test_refused_sharpness() -> None:
    with pytest.raises(ValueError, match="without upward curvature no rate is stable"):
        GradientDescent(0.1).stable_rate(0.0)
