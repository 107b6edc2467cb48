"""Every peer ends where the toolkit ends: what is timed side by side is the same flow."""

import mpmath
import numpy as np
import pytest
from sympy import oo

from benchmarks import completion_flows, stiffness, tables
from benchmarks.completion_flows import Comparison
from benchmarks.peers import OURS, PEERS, Outcome, Solver, TimeLimitError, completion_problem
from benchmarks.peers import factored_chart as factored_chart_module
from benchmarks.peers.layers_scipy import loss_drop_time
from benchmarks.peers.scipy_run import integrate
from benchmarks.peers.square_flow import diffrax_square_flow, scipy_square_flow
from benchmarks.tolerance_search import Measurement, loosest
from numerics import FrozenSpacesWarning, gradient_flow

LIMIT = 20.0
TIGHT = 1e-9


def small_problem(depth, end):
    return completion_problem(depth, end, shape=(6, 5), rank=2, observations=17, norm=3.0, scale=0.1)


PROBLEMS = {2: small_problem(2, 0.8), 3: small_problem(3, 0.8), 20: small_problem(20, 0.3), oo: small_problem(oo, 4.0)}


@pytest.fixture(scope="module")
def ends():
    with pytest.warns(FrozenSpacesWarning):
        return {
            depth: gradient_flow(
                problem.energy, problem.network, problem.start, [0.0, problem.end], rtol=1e-10, method="Radau"
            ).matrix(-1)
            for depth, problem in PROBLEMS.items()
        }


def named(solver):
    return f"{solver.family}: {solver.name}"


@pytest.mark.parametrize("depth", PROBLEMS)
def test_the_problems_are_no_trifles(depth, ends):
    problem = PROBLEMS[depth]
    assert problem.error(problem.start.to_array(), ends[depth]) > 0.05


@pytest.mark.parametrize("depth", PROBLEMS)
@pytest.mark.parametrize("solver", [peer for peer in PEERS if not peer.needs], ids=named)
def test_scipy_peers_end_where_the_toolkit_ends(solver, depth, ends):
    problem = PROBLEMS[depth]
    if not solver.applies(problem):
        assert problem.infinitely_deep
        return
    outcome = solver.prepare(problem, LIMIT)(TIGHT)
    assert problem.error(outcome.X, ends[depth]) < 1e-6
    assert outcome.evaluations > 0


# The unrolled products at depth 3, the scanned ones at depth 20; no middle layers at depth 2.
@pytest.mark.parametrize(
    ("depth", "name"),
    [
        (2, "thin layers, diffrax: Tsit5, I, dense"),
        (3, "thin layers, diffrax: Dopri8, PI, dense"),
        (3, "thin layers, diffrax: Tsit5, I, sparse"),
        (20, "thin layers, diffrax: Dopri8, I, dense"),
        (3, "full layers, diffrax: Tsit5, I"),
        (3, "factored chart, diffrax: Dopri8, I"),
        (oo, "factored chart, diffrax: Tsit5, PI"),
    ],
)
def test_diffrax_peers_end_where_the_toolkit_ends(name, depth, ends):
    pytest.importorskip("diffrax")
    solver = next(peer for peer in PEERS if named(peer) == name)
    outcome = solver.prepare(PROBLEMS[depth], np.inf)(TIGHT)
    assert PROBLEMS[depth].error(outcome.X, ends[depth]) < 1e-6


def test_gradient_descent_reaches_the_loss(ends):
    pytest.importorskip("torch")
    from benchmarks.peers.gradient_descent_torch import gradient_descent

    problem = PROBLEMS[3]
    loss = problem.energy(ends[3])
    outcome = gradient_descent(problem, loss, LIMIT)(1e-2)
    assert problem.energy(outcome.X) <= loss
    assert problem.error(outcome.X, ends[3]) < 0.05
    with pytest.raises(RuntimeError, match="diverges"):
        gradient_descent(problem, loss, LIMIT)(10.0)


def test_the_toolkit_is_called_like_a_peer(ends):
    solver = next(each for each in OURS if each.name == "factored, scipy DOP853")
    outcome = solver.prepare(PROBLEMS[3], LIMIT)(TIGHT)
    assert PROBLEMS[3].error(outcome.X, ends[3]) < 1e-6
    assert "DOP853" in outcome.detail["chosen"]


def test_a_wrong_multiplier_in_a_peer_is_seen(ends, monkeypatch):
    right = factored_chart_module.multipliers

    def wrong(sigma, depth, array):
        multiplier, rate = right(sigma, depth, array)
        return multiplier * (depth - 1) / depth, rate

    monkeypatch.setattr(factored_chart_module, "multipliers", wrong)
    outcome = factored_chart_module.factored_scipy(PROBLEMS[3], "DOP853", LIMIT)(TIGHT)
    assert PROBLEMS[3].error(outcome.X, ends[3]) > 1e-2


def test_layers_multiply_to_the_start():
    for width in (None, 6):
        layers = PROBLEMS[3].layers(width)
        np.testing.assert_allclose(layers[2] @ layers[1] @ layers[0], PROBLEMS[3].start.to_array(), atol=1e-14)
        for above, below in zip(layers[1:], layers[:-1], strict=True):
            np.testing.assert_allclose(above.T @ above, below @ below.T, atol=1e-14)


def test_the_loss_has_dropped_at_its_time():
    problem = small_problem(3, 50.0)
    end = loss_drop_time(problem, 100)
    trajectory = gradient_flow(problem.energy, problem.network, problem.start, [0.0, end])
    assert trajectory.energy[0] / trajectory.energy[-1] == pytest.approx(100, rel=0.05)
    with pytest.raises(RuntimeError, match="has not dropped"):
        loss_drop_time(small_problem(3, 1e-3), 100)


def test_scipy_stops_at_the_time_limit():
    with pytest.raises(TimeLimitError, match="right-hand sides"):
        integrate(lambda state: -state, np.ones(1), [1.0], method="RK45", rtol=1e-3, atol=1e-6, limit=0.0)


# ------------------------------------------------------------------------------------- the harness


def solver_with_error(error, exact):
    """A solver whose relative error at a tolerance is error(tolerance)."""

    def prepare(problem, limit):
        return lambda tolerance: Outcome(exact * (1 + error(tolerance)), 7)

    return Solver("family", "name", prepare)


@pytest.mark.parametrize(("factor", "expected"), [(30.0, 10**-7.5), (0.05, 10**-5.0), (1e-9, 1e-3)])
def test_the_loosest_sufficient_tolerance_is_found(factor, expected, ends):
    solver = solver_with_error(lambda tolerance: factor * tolerance, ends[3])
    found, solve = loosest(solver, PROBLEMS[3], ends[3], LIMIT)
    assert found.tolerance == pytest.approx(expected)
    assert found.error == pytest.approx(factor * expected, rel=1e-3, abs=1e-12)
    assert (found.remark, solve is None) == ("", False)


def test_a_solver_that_is_unstable_at_loose_tolerances_is_not_given_up(ends):
    def unstable(tolerance):
        if tolerance > 1e-7:
            raise TimeLimitError
        return tolerance

    found, _ = loosest(solver_with_error(unstable, ends[3]), PROBLEMS[3], ends[3], LIMIT)
    assert found.tolerance == pytest.approx(1e-7)


def test_solvers_that_cannot_are_named_with_the_reason(ends):
    problem, exact = PROBLEMS[3], ends[3]

    def slow(problem, limit):
        return never

    def never(tolerance):
        raise TimeLimitError

    cases = {
        "not installed": (Solver("family", "name", slow, needs="no_such_package"), problem),
        "no layers": (Solver("family", "name", slow), PROBLEMS[oo]),
        "> 20 s": (Solver("family", "name", slow), problem),
        "error 1e+00": (solver_with_error(lambda _: 1.0, exact), problem),
    }
    for remark, (solver, given) in cases.items():
        found, solve = loosest(solver, given, exact, LIMIT)
        assert (found.remark, solve) == (remark, None)


def test_the_ratio_is_that_of_simultaneous_rounds():
    ours = Measurement("this", "auto", rounds=[1.0, 10.0, 1.0])
    theirs = Measurement("peer", "x", rounds=[2.0, 20.0, 2.0])
    assert theirs.ratio(ours) == 2.0
    assert Measurement("peer", "none").ratio(ours) == np.inf


def test_the_summary_shows_the_best_and_the_lead():
    def measured(family, seconds):
        return Measurement(family, "x", 1e-3, 1e-7, Outcome(np.eye(2), 50), rounds=[seconds])

    families = completion_flows.FAMILIES[1:-1]
    measurements = [measured("this", 0.1), measured("this", 0.05), *(measured(family, 0.2) for family in families)]
    measurements.append(Measurement("PyTorch", "x", remark="not installed"))
    comparison = Comparison(PROBLEMS[3], 3, 0, measurements, 1e-12)
    row = completion_flows.summary([comparison]).splitlines()[-1]
    assert row.startswith("| 3 | 0.1 s (50) | 0.05 s (50) | 0.2 s (50) |")
    assert row.endswith("| not installed | 2.00 |")
    assert "| PyTorch | x | | | not installed |" in completion_flows.detail(comparison)


# ------------------------------------------------------------------------------------- stiffness


def test_escape_times_agree_with_closed_forms():
    """At depth oo dσ/dt = σ²(g - σ), at depth 2 the logistic dσ/dt = 2σ(g - σ)."""

    def at_infinite_depth(sigma, g):
        return -1 / (g * sigma) + mpmath.log(sigma / (g - sigma)) / g**2

    def at_depth_two(sigma, g):
        return mpmath.log(sigma / (g - sigma)) / (2 * g)

    for depth, primitive in ((oo, at_infinite_depth), (2, at_depth_two)):
        for scale in (1e-3, 1e-8):
            exact = [
                float(primitive(mpmath.mpf(g) / 2, g) - primitive(mpmath.mpf(scale), g)) for g in stiffness.TARGETS
            ]
            np.testing.assert_allclose(stiffness.escape_times(depth, scale), exact, rtol=1e-12)


def test_escape_errors_are_measured():
    exact = [1.0, 2.0, 3.0, 4.0]
    times = stiffness.sampled_times(exact, 6.0)
    for shift in (0.0, 5e-4, 1.5e-3):
        moved = np.array(exact) * (1 + shift)
        values = np.array(stiffness.TARGETS) / (1 + np.exp(-50 * (times[:, None] - moved)))
        assert stiffness.escape_error(times, values, exact) == pytest.approx(shift, abs=6e-5)
    assert stiffness.escape_error(times, np.full((len(times), 4), 1e-8), exact) == np.inf


@pytest.mark.parametrize("depth", [3, oo])
def test_solvers_of_the_diagonal_problem_find_the_escapes(depth):
    problem, exact = stiffness.diagonal_problem(depth, 1e-2), stiffness.escape_times(depth, 1e-2)
    times = stiffness.sampled_times(exact, problem.end)
    flows = [
        stiffness.toolkit_flow(problem, times, ("factored", "scipy", None)),
        scipy_square_flow(problem, times, "Radau", 1e-8, None, LIMIT),
    ]
    for flow in flows:
        assert stiffness.escape_error(times, np.linalg.svd(flow.X, compute_uv=False), exact) < 1e-4


def test_the_square_flow_in_diffrax_agrees_with_that_in_scipy():
    pytest.importorskip("diffrax")
    problem = stiffness.diagonal_problem(3, 1e-2)
    times = np.array([0.0, problem.end])
    ours = scipy_square_flow(problem, times, "DOP853", 1e-9, None, LIMIT)
    theirs = diffrax_square_flow(problem, times, "Dopri8", 1e-9, 1e-11, 10_000)
    np.testing.assert_allclose(theirs.X[-1], ours.X[-1], atol=1e-7)


def test_what_is_not_offered_is_said():
    def unknown():
        raise ValueError("engine must be one of 'scipy', not 'x'")

    assert stiffness.attempted(unknown) == "not offered"
    assert stiffness.attempted(lambda: "1.2 s") == "1.2 s"


# ------------------------------------------------------------------------------------- the page


def test_a_section_is_replaced_and_the_others_stay():
    page = tables.updated("", "completion", "first")
    page = tables.updated(page, "stiffness", "second")
    again = tables.updated(page, "completion", "third")
    assert page.startswith("# Benchmarks")
    assert "first" not in again
    assert again.index("third") < again.index("second")
    assert again.count("<!-- begin") == again.count("<!-- end") == 2
    assert tables.updated(again, "completion", "first") == page
