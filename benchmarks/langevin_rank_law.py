r"""The long-run law of the Langevin equation against the exact density, on rectangular matrices and on lower ranks.

    python -m benchmarks.langevin_rank_law

E = ½ |X|² + ½ ((X_11 - 1)² + (X_21 + ½)²).  Under exp(-|X|²/2T) vol the singular spaces are uniform and independent of
the singular values, whose density is the emitted volume form with its factors σ^{(m+n-2r)/N}; so exact samples are
singular values from a grid, singular vectors from orthogonalized normal matrices, and rejection for the two
entries.  At infinite depth the spaces are frozen: there E = ½ |X|² + ⅛ (log det XᵀX)², and singular values are tested.

Each row: independent chains from one start, their ends held by Kolmogorov's and Smirnov's two-sample test against
many exact samples, in σ_1^{1/N}, σ_r^{1/N}, X_11 and X_21, at a level that makes 5 % the rate of false alarms of the
whole table.  "all" is the distance with the second half of the run pooled, which bounds the bias of the steps.  Laws
with a wrong exponent follow, without σ^{(m+n-2r)/N}, and have to be rejected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstwo
from sympy import Matrix, log, oo, symbols

from geometry import DeepLinearNetwork, compile_kernel
from numerics import FactoredMatrix, MatrixCompletion, SymbolicEnergy
from numerics.energies import Energy, Ridge
from numerics.langevin_equation import langevin
from numerics.langevin_samples import LangevinSamples

Array = NDArray[np.float64]

LEVEL = 0.05 / 24
"""Of each test, for 24 rows at most."""
CELLS = 700
"""Cells of the grid for each singular value."""
LARGEST = 12.0
"""Singular values are below it up to a probability of e^{-100}."""
EXACT = 20_000
"""Exact samples that chains are compared with."""


@dataclass(frozen=True)
class RankCase:
    """A network, a temperature, and whether the density has the entropy."""

    network: DeepLinearNetwork
    temperature: float = 0.5
    entropy: bool = False

    @cached_property
    def energy(self) -> Energy:
        """E."""
        m, n = self.network.shape
        if self.network.freezes_spaces:
            X = Matrix(m, n, symbols(f"x_0:{m * n}", real=True))
            return SymbolicEnergy(sum(x**2 for x in X) / 2 + log((X.T * X).det()) ** 2 / 8, X)
        observed = np.full((m, n), np.nan)
        observed[0, 0], observed[1, 0] = 1.0, -0.5
        return Ridge((m, n), 1.0) + MatrixCompletion.from_array(observed)

    def spectral_part(self, sigma: Array) -> Array:
        """The part of E that depends on singular values (…, r) only."""
        ridge = np.sum(sigma**2, axis=-1) / 2
        return ridge + np.log(sigma).sum(axis=-1) ** 2 / 2 if self.network.freezes_spaces else ridge

    def other_part(self, X: Array) -> Array:
        """The rest of E, at matrices (…, m, n)."""
        if self.network.freezes_spaces:
            return np.zeros(len(X))
        return ((X[:, 0, 0] - 1) ** 2 + (X[:, 1, 0] + 0.5) ** 2) / 2

    def functions(self, sigma: Array, X: Array) -> dict[str, Array]:
        """What is tested, of singular values (count, r) and matrices (count, m, n)."""
        if self.network.freezes_spaces:
            return {"first": sigma[:, 0], "last": sigma[:, -1]}
        y = sigma ** (1 / self.network.layer_count())
        return {"first": y[:, 0], "last": y[:, -1], "X_11": X[:, 0, 0], "X_21": X[:, 1, 0]}


@dataclass(frozen=True)
class RankLaw:
    """exp(-E/T) vol, or exp(-E/T + S) vol, for rank 1 or 2.

    Attributes
    ----------
    case : RankCase
    measure : DeepLinearNetwork, optional
        Whose volume form is taken; another than the case's is a wrong law.
    """

    case: RankCase
    measure: DeepLinearNetwork | None = None

    @cached_property
    def edges(self) -> Array:
        """Of the cells of σ: equal ones in y, which is σ^{1/N} or log σ."""
        if self.case.network.is_infinitely_deep:
            return np.exp(np.linspace(-np.log(LARGEST) * 3, np.log(LARGEST), CELLS + 1))
        depth = self.case.network.layer_count()
        return np.linspace(0, LARGEST ** (1 / depth), CELLS + 1) ** depth

    @cached_property
    def cells(self) -> tuple[Array, Array]:
        """The decreasing singular values (cells, r) in the middle of cells, and the probabilities."""
        case, rank = self.case, self.case.network.coframe.rank
        measure = self.measure or case.network
        log_density = measure.log_volume_density() + (case.network.entropy() if case.entropy else 0)
        kernel = compile_kernel(log_density, measure.singular_values)
        centres = (self.edges[1:] + self.edges[:-1]) / 2
        grid = np.stack(np.meshgrid(*[centres] * rank, indexing="ij"), axis=-1).reshape(-1, rank)
        sizes = np.stack(np.meshgrid(*[np.diff(self.edges)] * rank, indexing="ij"), axis=-1).reshape(-1, rank)
        inside = (np.diff(grid, axis=-1) < 0).all(axis=-1)
        grid, sizes = grid[inside], sizes[inside]
        exponent = kernel(*grid.T) - case.spectral_part(grid) / case.temperature + np.log(sizes).sum(axis=-1)
        masses = np.exp(exponent - exponent.max())
        return grid, masses / masses.sum()

    def sample(self, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        """Independent singular values (count, r) and matrices (count, m, n)."""
        grid, masses = self.cells
        m, n = self.case.network.shape
        kept: list[tuple[Array, Array]] = []
        while sum(len(sigma) for sigma, _ in kept) < count:
            chosen = grid[generator.choice(len(grid), count, p=masses)]
            # Uniform within the cells, in y.
            left = np.searchsorted(self.edges, chosen) - 1
            share = generator.random(chosen.shape)
            sigma = np.sort(self.edges[left] + share * (self.edges[left + 1] - self.edges[left]), axis=-1)[:, ::-1]
            U, V = (_uniform_frames(count, side, sigma.shape[-1], generator) for side in (m, n))
            X = (U * sigma[:, None, :]) @ np.swapaxes(V, -1, -2)
            weights = np.exp(-self.case.other_part(X) / self.case.temperature)
            accepted = generator.random(count) < weights
            kept.append((sigma[accepted], X[accepted]))
        sigma, X = (np.concatenate(parts)[:count] for parts in zip(*kept, strict=True))
        return sigma, X

    @cached_property
    def exact(self) -> dict[str, Array]:
        """The tested functions of many exact samples, sorted."""
        found = self.case.functions(*self.sample(EXACT, np.random.default_rng(11)))
        return {name: np.sort(values) for name, values in found.items()}

    def distances(self, sigma: Array, X: Array) -> dict[str, float]:
        """The largest differences of distribution functions, for each tested function."""
        return {name: _distance(values, self.exact[name]) for name, values in self.case.functions(sigma, X).items()}

    def p_value(self, sigma: Array, X: Array) -> tuple[float, float]:
        """The largest distance, and the p-value of the test of all functions, by Bonferroni's bound.

        The p-value of two samples is taken as that of one of the size ab/(a + b), the limit for large ones.
        """
        found = self.distances(sigma, X)
        distance, size = max(found.values()), len(X) * EXACT / (len(X) + EXACT)
        return distance, min(1.0, len(found) * float(kstwo.sf(distance, round(size))))


def _uniform_frames(count: int, side: int, rank: int, generator: np.random.Generator) -> Array:
    """Orthonormal columns (count, side, rank), uniformly distributed."""
    Q, R = np.linalg.qr(generator.standard_normal((count, side, rank)))
    return np.asarray(Q * np.sign(np.diagonal(R, axis1=-2, axis2=-1))[:, None, :])


def _distance(sample: Array, exact: Array) -> float:
    """Between the distribution functions of a sample and of a sorted one, at the jumps of the first and before them."""
    points, ranks = np.sort(sample), np.arange(len(sample) + 1) / len(sample)
    before, at = (np.searchsorted(exact, points, side=side) / len(exact) for side in ("left", "right"))
    return float(max(np.abs(ranks[:-1] - before).max(), np.abs(ranks[1:] - at).max()))


# ------------------------------------------------------------------------------------------ the table


@dataclass(frozen=True)
class RankRun:
    """What is integrated to compare with a law: steps h up to the time `until`."""

    case: RankCase
    h: float
    until: float

    def samples(self, chains: int, seed: int = 0, space: str = "downstairs", halves: int = 8) -> LangevinSamples:
        """Chains from one start, at the half, and `halves` times in the second half."""
        network = self.case.network
        times = self.until * np.concatenate([[0.0], np.linspace(0.5, 1.0, halves + 1)])
        m, n = network.shape
        X = np.eye(m, network.rank) @ np.diag([1.0, 0.8][: network.rank]) @ np.eye(network.rank, n)
        start = FactoredMatrix.from_matrix(X, rank=network.rank)
        case = self.case
        return langevin(
            case.energy,
            network,
            start,
            times,
            case.temperature,
            seed,
            chains=chains,
            step=self.h,
            space=space,
            entropy=case.entropy,
        )


def standard_runs() -> Iterator[RankRun]:
    """3 x 2 matrices of rank 2, 3 x 3 ones of rank 1, 4 x 3 ones of rank 2; depths 1, 2, 3, 5, oo."""
    for shape, rank in (((3, 2), 2), ((3, 3), 1), ((4, 3), 2)):
        for depth, h in ((1, 0.01), (2, 0.01), (3, 0.005), (5, 0.0025)):
            yield RankRun(RankCase(DeepLinearNetwork(depth, shape, rank), entropy=depth in (3, 5)), h, 4.0)
    yield RankRun(RankCase(DeepLinearNetwork(oo, (3, 2), 2)), 0.01, 6.0)


def wrong_law(case: RankCase) -> RankLaw:
    """The law with the volume form of r x r matrices: σ^{(m+n-2r)/N} is missing."""
    rank = case.network.coframe.rank
    return RankLaw(case, DeepLinearNetwork(case.network.depth, (rank, rank), rank))


def row(name: str, law: RankLaw, samples: LangevinSamples, seconds: float) -> str:
    """A line of the table."""
    distance, p = law.p_value(samples.singular_values[:, -1], samples.matrices[:, -1])
    sigma, X = samples.singular_values[:, 1:], samples.matrices[:, 1:]
    pooled = law.distances(sigma.reshape(-1, sigma.shape[-1]), X.reshape(-1, *X.shape[2:]))
    steps = samples.statistics.steps * len(samples.chains)
    verdict, bias = "ok" if p > LEVEL else "REJECTED", max(pooled.values())
    return f"{name:<52} {distance:7.4f} {p:8.3g}  {verdict:<9}{bias:7.4f} {1e6 * seconds / steps:7.1f} µs"


def main(chains: int = 500) -> None:
    """Print the table."""
    print(f"{chains} chains each; level {LEVEL:g} a row")
    print(f"{'':<52} {'distance':>7} {'p':>8}  {'verdict':<9}{'all':>7} {'a step':>9}")
    for run in standard_runs():
        case, network = run.case, run.case.network
        label = f"{network.shape[0]} x {network.shape[1]}, rank {network.rank}, depth {network.depth}"
        label += ", E - T S" * case.entropy
        # One layer is the matrix itself, and an infinite product has no layers.
        layered = not network.is_infinitely_deep and network.layer_count() > 1
        for space in ("downstairs", "upstairs") if layered else ("downstairs",):
            begin = perf_counter()
            samples = run.samples(chains, space=space)
            print(row(f"{label}, {space}", RankLaw(case), samples, perf_counter() - begin), flush=True)
    for depth in (2, 3):
        case = RankCase(DeepLinearNetwork(depth, (3, 2), 2))
        begin = perf_counter()
        samples = RankRun(case, 0.01, 4.0).samples(2 * chains)
        print(row(f"3 x 2, rank 2, depth {depth}, law of 2 x 2 ones", wrong_law(case), samples, perf_counter() - begin))


if __name__ == "__main__":
    main()
