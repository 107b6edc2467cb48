"""The long-run law on rectangular matrices and on lower ranks; see `benchmarks.langevin_rank_law`.

Kolmogorov's and Smirnov's test of σ_1, σ_r and two entries at the ends of independent chains; its rate of false alarms
is measured on exact samples.  A law without the factors of null directions is rejected by the same chains.  Seeds are
fixed.
"""

from functools import cache

import numpy as np
import pytest
from scipy.stats import binom, ks_2samp
from sympy import oo

from benchmarks.langevin_rank_law import RankCase, RankLaw, RankRun, wrong_law
from geometry import DeepLinearNetwork

LEVEL = 0.01
CHAINS = 200

CASES = {
    f"{m} x {n}, rank {rank}, depth {depth}": RankCase(DeepLinearNetwork(depth, (m, n), rank))
    for m, n, rank in ((3, 2, 2), (3, 3, 1), (4, 3, 2))
    for depth in (2, 3, 5)
}
LAYERS = {
    "3 x 2, rank 2, depth 2": (2, (3, 2), 2),
    "3 x 3, rank 1, depth 5": (5, (3, 3), 1),
    "4 x 3, rank 2, depth 3": (3, (4, 3), 2),
}


@cache
def ends(case: RankCase, space: str = "downstairs") -> tuple[np.ndarray, np.ndarray]:
    h = 0.02 if case.network.depth == 2 else 0.01
    samples = RankRun(case, h, 3.0).samples(CHAINS, seed=3, space=space, halves=1)
    return samples.singular_values[:, -1], samples.matrices[:, -1]


@pytest.mark.parametrize("name", CASES)
def test_chains_end_in_the_exact_law_and_not_in_one_without_null_directions(name: str) -> None:
    case = CASES[name]
    assert RankLaw(case).p_value(*ends(case))[1] > LEVEL
    assert wrong_law(case).p_value(*ends(case))[1] < LEVEL


@pytest.mark.parametrize("name", LAYERS)
def test_layers_with_noise_along_the_fibres_end_in_the_law_with_entropy(name: str) -> None:
    """And chains downstairs that have the force of the entropy end there too."""
    depth, shape, rank = LAYERS[name]
    case = RankCase(DeepLinearNetwork(depth, shape, rank), entropy=True)
    upstairs = ends(case, "upstairs")
    assert RankLaw(case).p_value(*upstairs)[1] > LEVEL
    above, below = (case.functions(*ends(case, space)) for space in ("upstairs", "downstairs"))
    assert all(ks_2samp(above[function], below[function]).pvalue > LEVEL for function in above)


def test_one_layer_is_the_matrix_itself() -> None:
    case = CASES["4 x 3, rank 2, depth 2"]
    flat = RankCase(DeepLinearNetwork(1, case.network.shape, case.network.rank))
    assert RankLaw(flat).p_value(*ends(flat, "upstairs"))[1] > LEVEL
    np.testing.assert_array_equal(ends(flat, "upstairs")[1], ends(flat)[1])


def test_the_law_of_the_core_at_infinite_depth() -> None:
    case = RankCase(DeepLinearNetwork(oo, (3, 2), 2))
    samples = RankRun(case, 0.03, 6.0).samples(CHAINS, seed=3, halves=1)
    assert RankLaw(case).p_value(samples.singular_values[:, -1], samples.matrices[:, -1])[1] > LEVEL


def test_the_rate_of_false_alarms() -> None:
    """On exact samples: at most the level, and not far below."""
    law, generator, trials = RankLaw(CASES["4 x 3, rank 2, depth 3"]), np.random.default_rng(0), 100
    p_values = np.array([law.p_value(*law.sample(50, generator))[1] for _ in range(trials)])
    for level in (0.05, 0.2):
        alarms = np.sum(p_values < level)
        # Bonferroni's bound is attained within 1 - (1 - level/4)⁴ at most, were the functions independent.
        assert binom.cdf(alarms, trials, 1 - (1 - level / 4) ** 4) > 0.01
        assert binom.sf(alarms, trials, level) > 0.01


def test_the_exact_law_at_depth_one_is_that_of_normal_matrices() -> None:
    """For full rank exp(-E/T) dX: independent normal entries, two of them with mean M/2 and half the variance."""
    sigma, X = RankLaw(RankCase(DeepLinearNetwork(1, (3, 2), 2))).sample(40_000, np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.svd(X, compute_uv=False), sigma, rtol=1e-9)
    mean, variance = np.zeros((3, 2)), np.full((3, 2), 0.5)
    mean[:2, 0], variance[:2, 0] = (0.5, -0.25), 0.25
    assert np.abs((X.mean(axis=0) - mean) / np.sqrt(variance)).max() < 4 / 200
    assert np.abs(X.var(axis=0) / variance - 1).max() < 4 * np.sqrt(2) / 200
