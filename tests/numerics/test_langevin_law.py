"""The long-run law of the Langevin equation against the exact density on 2 x 2 matrices; see `benchmarks.langevin_law`.

The test is a Kolmogorov-Smirnov test of three functions at the ends of independent chains.  Its rate of false alarms is
measured on exact samples, and chains that are wrong are seen.  Seeds are fixed: a failure is no matter of chance.
"""

from functools import cache
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, ks_2samp
from sympy import oo

from benchmarks.langevin_law import Case, ExactLaw, Run, mutants
from geometry import DeepLinearNetwork
from numerics.langevin_samples import LangevinSamples

LEVEL = 0.01
"""At which laws are tested here; the distance that 200 chains show at it is 0.13."""


def network(depth: object) -> DeepLinearNetwork:
    return DeepLinearNetwork(depth, (2, 2))  # type: ignore[arg-type]


RUNS = {
    "depth 1, ridge": Run(Case(network(1), 0.5, ridge=1.0), 12.0, 0.03, 250),
    "depth 2, ridge": Run(Case(network(2), 0.5, ridge=1.0), 12.0, 0.03, 250),
    "depth 2, ridge, entropy": Run(Case(network(2), 0.5, entropy=True, ridge=1.0), 12.0, 0.03, 250),
    "depth 3": Run(Case(network(3), 1.0), 1e6, 0.08, 600),
    "depth 5": Run(Case(network(5), 1.0), 1e6, 0.05, 600),
    "depth oo, ridge, barrier": Run(Case(network(oo), 0.5, ridge=1.0, barrier=1.0), 1e3, 0.03, 300),
}


@cache
def law(name: str) -> ExactLaw:
    return ExactLaw.of(RUNS[name].case, RUNS[name].largest)


@cache
def chains(name: str, space: str = "downstairs", adjusted: bool = False) -> LangevinSamples:
    run = RUNS[name]
    return run.samples(200, seed=1, space=space, adjusted=adjusted, entropy=run.case.entropy)


def ends(samples: LangevinSamples) -> tuple[np.ndarray, np.ndarray]:
    return samples.singular_values[:, -1], samples.matrices[:, -1]


@pytest.mark.parametrize("name", RUNS)
def test_chains_end_in_the_exact_law(name: str) -> None:
    assert law(name).p_value(*ends(chains(name)))[1] > LEVEL


@pytest.mark.parametrize("name", ["depth 2, ridge, entropy", "depth 5"])
def test_so_do_layers_and_both_spaces_agree(name: str) -> None:
    upstairs = chains(name, "upstairs")
    assert law(name).p_value(*ends(upstairs))[1] > LEVEL
    above, below = (law(name).functions(*ends(samples)) for samples in (upstairs, chains(name)))
    assert all(ks_2samp(above[function], below[function]).pvalue > LEVEL for function in above)


def test_so_do_adjusted_chains_with_steps_ten_times_as_long() -> None:
    run = RUNS["depth 2, ridge"]
    samples = Run(run.case, run.largest, 0.3, 100).samples(200, seed=2, adjusted=True)
    assert law("depth 2, ridge").p_value(*ends(samples))[1] > LEVEL
    assert 0.5 < samples.statistics.acceptance < 0.95


@pytest.mark.parametrize("place", range(4))
def test_wrong_chains_and_wrong_laws_are_seen(place: int) -> None:
    """Without the Itô correction, at 1.5 times the temperature, without the volume form, with entropy."""
    _, run, wrong, context = list(mutants(RUNS["depth 2, ridge"]))[place]
    with context:
        samples = run.samples(400, seed=1)
    assert wrong.p_value(*ends(samples))[1] < LEVEL / 10


def test_the_rate_of_false_alarms() -> None:
    """On exact samples: at most the level, and not far below."""
    exact, generator, trials = law("depth 3"), np.random.default_rng(0), 150
    p_values = []
    for _ in range(trials):
        X = exact.sample(60, generator)
        p_values.append(exact.p_value(np.linalg.svd(X, compute_uv=False), X)[1])
    for level in (0.05, 0.2):
        alarms = np.sum(np.array(p_values) < level)
        # Bonferroni's bound is attained within 1 - (1 - level/3)³ at most, were the functions independent.
        assert binom.cdf(alarms, trials, 1 - (1 - level / 3) ** 3) > 0.01
        assert binom.sf(alarms, trials, level) > 0.01


def test_the_exact_law_is_that_of_the_density() -> None:
    """Means of a few functions over the grid, against sums over a grid of all four entries at depth 1."""
    case = RUNS["depth 1, ridge"].case
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    # Normal: the diagonal entries have mean 1/2 and variance T/2, the others mean 0 and variance T.
    axes = [0.5 + 0.5 * nodes, np.sqrt(0.5) * nodes, np.sqrt(0.5) * nodes, 0.5 + 0.5 * nodes]
    X = np.array(list(product(*axes))).reshape(-1, 2, 2)
    weight = np.array([np.prod(w) for w in product(weights / weights.sum(), repeat=4)])
    sampled = ExactLaw.of(case, 12.0).sample(40_000, np.random.default_rng(3))
    for function in (
        lambda X: X[:, 0, 0],
        lambda X: X[:, 0, 1] ** 2,
        lambda X: np.linalg.det(X),
        lambda X: X[:, 1, 1] ** 2,
    ):
        values = function(sampled)
        assert abs(values.mean() - weight @ function(X)) < 4 * values.std() / 200
