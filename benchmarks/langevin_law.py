r"""The long-run law of the Langevin equation against the exact density, on 2 x 2 matrices.

    python -m benchmarks.langevin_law

E = ½ ((X_11 - 1)² + (X_22 - 1)²), as it is at depths 3 and 5, with a term that confines where exp(-E/T) has no finite
mass without, or where its tails make chains slow: ½ |X|² (ridge) at depths 1 and 2 and with entropy, at depth oo
½ (log |det X|)² (barrier) besides.

With X = Q rotation(a) + R reflection(b), Q = (σ_1 + σ_2)/2, R = (σ_1 - σ_2)/2 and σ_2 of the sign of det X, the
energy is (Q cos a - 1)² + (R cos b)², and the angles of U and V are uniform in the coframe; so the exact law is a
quadrature of the emitted volume form over σ_1 and σ_2, and over a and b for each.

Each row: independent chains from one start, their ends as independent samples, and `ExactLaw.p_value`, at a level that
makes 5 % the rate of false alarms of the whole table.
"all" is the distance with the second half of the run pooled, which many more samples than the test has: it bounds
the bias of the steps, and is to be compared with the distance that the test can see.  "up/down" is the p-value of the
two-sample test between both spaces.  Chains that are wrong on purpose follow, and have to be rejected.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp, kstest, kstwo
from sympy import Matrix, log, oo, symbols

from geometry import DeepLinearNetwork, compile_kernel
from numerics import FactoredMatrix, SymbolicEnergy
from numerics.langevin_equation import langevin
from numerics.langevin_samples import LangevinSamples
from numerics.langevin_steps import FlatStep

Array = NDArray[np.float64]

LEVEL = 0.05 / 20
"""Of each test, for 20 rows at most."""
CELLS = 700
"""Cells of the quadrature for each singular value; its error is below a thousandth."""
ANGLES = 256


@dataclass(frozen=True)
class Case:
    """A depth, a temperature and the terms that confine: the weights of ½ |X|² and of ½ (log |det X|)²."""

    network: DeepLinearNetwork
    temperature: float
    entropy: bool = False
    ridge: float = 0.0
    barrier: float = 0.0

    @cached_property
    def energy(self) -> SymbolicEnergy:
        """E in the entries of X."""
        X = Matrix(2, 2, symbols("X_11 X_12 X_21 X_22", real=True))
        value = ((X[0, 0] - 1) ** 2 + (X[1, 1] - 1) ** 2) / 2 + self.ridge * sum(entry**2 for entry in X) / 2
        return SymbolicEnergy(value + self.barrier * log(X.det() ** 2) ** 2 / 8 if self.barrier else value, X)

    def confinement(self, first: Array, second: Array) -> Array:
        """The terms that confine, of σ_1 and |σ_2|."""
        total = self.ridge * (first**2 + second**2) / 2
        return total + self.barrier * np.log(first * second) ** 2 / 2 if self.barrier else total


@dataclass(frozen=True)
class ExactLaw:
    """exp(-E/T) vol, or exp(-E/T + S) vol, on a grid of σ_1 and |σ_2|.

    Attributes
    ----------
    case : Case
    edges : array (CELLS + 1,)
        Of the cells in x, where σ = x^N, or e^x at depth oo.
    flat : bool
        Take the volume form of depth 1 instead: a wrong law, to be rejected.
    """

    case: Case
    edges: Array
    flat: bool = False

    @classmethod
    def of(cls, case: Case, largest: float) -> ExactLaw:
        """With singular values up to the largest one."""
        if case.network.is_infinitely_deep:
            return cls(case, np.linspace(-np.log(largest), np.log(largest), CELLS + 1))
        top = largest ** (1 / case.network.layer_count())
        # Cells grow outwards, where the density decays by powers.
        return cls(case, top * np.sinh(np.linspace(0, 5, CELLS + 1)) / np.sinh(5))

    def sigma(self, x: Array) -> Array:
        """σ(x)."""
        return np.exp(x) if self.case.network.is_infinitely_deep else x ** self.case.network.layer_count()

    @cached_property
    def centres(self) -> Array:
        """Of the cells, in x."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @cached_property
    def masses(self) -> Array:
        """The probabilities (2, CELLS, CELLS) of cells of σ_1 and σ_2 > 0, then σ_2 < 0."""
        case, T = self.case, self.case.temperature
        measure = DeepLinearNetwork(1, (2, 2)) if self.flat else case.network
        log_density = measure.log_volume_density() + (case.network.entropy() if case.entropy else 0)
        kernel = compile_kernel(log_density, case.network.singular_values)
        first, second = np.meshgrid(self.sigma(self.centres), self.sigma(self.centres), indexing="ij")
        inside = first > second
        first, second = first[inside], second[inside]
        weights = np.diff(self.sigma(self.edges))
        area = np.outer(weights, weights)[inside]
        radial = np.exp(kernel(first, second) - case.confinement(first, second) / T) * area
        masses = np.zeros((2, len(self.centres), len(self.centres)))
        for side, sign in zip(masses, (1.0, -1.0), strict=True):
            Q, R = (first + sign * second) / 2, (first - sign * second) / 2
            side[inside] = radial * self.mean_over_angle(Q, 1.0) * self.mean_over_angle(R, 0.0)
        if case.network.is_infinitely_deep:
            # Singular matrices are infinitely far away: det X stays positive, as at the start.
            masses[1] = 0.0
        return masses / masses.sum()

    def mean_over_angle(self, radius: Array, target: float) -> Array:
        """The mean of exp(-(radius cos a - target)²/T) over a, interpolated in log radius."""
        nodes = np.geomspace(1e-9, 1e9, 1500)
        angles, weights = np.polynomial.legendre.leggauss(96)
        values = np.zeros_like(nodes)
        T = self.case.temperature
        # In c = radius cos a the density is 1/√(radius² - c²): only |c| up to a few √T counts when the radius is large.
        reach = np.minimum(1.0, (target + 8 * np.sqrt(T)) / nodes)
        top = np.arcsin(reach)
        for node, weight in zip(angles, weights, strict=True):
            cosine = np.sin(top * node)
            values += weight * top * np.exp(-((nodes * cosine - target) ** 2) / T)
        return np.exp(np.interp(np.log(np.maximum(radius, 1e-9)), np.log(nodes), np.log(values / np.pi)))

    def distribution(self, name: str) -> tuple[Array, Array]:
        """The distribution function of "first" = x(σ_1), or "second" = x(σ_2) sign(det X): abscissae, and values."""
        if name == "first":
            return self.edges, np.concatenate([[0.0], np.cumsum(self.masses.sum(axis=(0, 2)))])
        positive, negative = self.masses.sum(axis=1)
        if self.case.network.is_infinitely_deep:
            return self.edges, np.concatenate([[0.0], np.cumsum(positive + negative)])
        both = np.concatenate([negative[::-1], positive])
        return np.concatenate([-self.edges[:0:-1], self.edges]), np.concatenate([[0.0], np.cumsum(both)])

    def trace_distribution(self) -> tuple[Array, Array]:
        """The distribution function of (X_11 + X_22)/2 = Q cos a."""
        edges = 1 + np.linspace(-6, 6, 1201) * np.sqrt(max(self.case.temperature, 0.01))
        rows, columns = np.nonzero(self.masses.sum(axis=0) > 0)
        sigma = self.sigma(self.centres)
        # A histogram of Q first: cells in log Q, with the mean over a taken out and put in again angle by angle.
        Q = np.concatenate([(sigma[rows] + sign * sigma[columns]) / 2 for sign in (1.0, -1.0)])
        mass = np.concatenate([side[rows, columns] for side in self.masses])
        nodes = np.geomspace(1e-6, 1e9, 3000)
        place = np.clip(np.searchsorted(nodes, Q), 1, len(nodes) - 1)
        binned = np.bincount(place, mass, len(nodes))
        known = np.flatnonzero(binned)
        distribution = np.zeros_like(edges)
        for radius, weight in zip(np.sqrt(nodes[known] * nodes[known - 1]), binned[known], strict=True):
            distribution += weight * self._of_projection(edges, radius)
        return edges, distribution

    def _of_projection(self, edges: Array, radius: float) -> Array:
        """P(radius cos a ≤ c) for the density exp(-(radius cos a - 1)²/T) of a, at the edges."""
        c = np.clip(edges / radius, -1.0, 1.0)
        angle = np.arcsin(c)
        middle, width = (angle[1:] + angle[:-1]) / 2, np.diff(angle)
        pieces = np.exp(-((radius * np.sin(middle) - 1) ** 2) / self.case.temperature) * width
        total = np.concatenate([[0.0], np.cumsum(pieces)])
        return total / total[-1]

    @cached_property
    def cumulative(self) -> Array:
        """The masses summed up in their order in memory."""
        return np.cumsum(self.masses)

    def sample(self, count: int, generator: np.random.Generator) -> Array:
        """Independent matrices, (count, 2, 2)."""
        cells = np.searchsorted(self.cumulative, generator.random(count) * self.cumulative[-1], side="right")
        side, row, column = np.unravel_index(cells, self.masses.shape)
        first, second = (
            self.sigma(self.edges[index] + np.diff(self.edges)[index] * generator.random(count))
            for index in (row, column)
        )
        first, second = np.maximum(first, second), np.minimum(first, second) * np.where(side == 0, 1.0, -1.0)
        Q, R = (first + second) / 2, (first - second) / 2
        a, b = (self._angles(radius, target, generator) for radius, target in ((Q, 1.0), (R, 0.0)))
        rotation = Q * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        reflection = R * np.array([[np.cos(b), np.sin(b)], [np.sin(b), -np.cos(b)]])
        return np.moveaxis(rotation + reflection, -1, 0)

    def _angles(self, radius: Array, target: float, generator: np.random.Generator) -> Array:
        """Angles with the density exp(-(radius cos a - target)²/T), by rejection from their cosines."""
        T, angles, waiting = self.case.temperature, np.zeros_like(radius), np.arange(len(radius))
        reach = np.arcsin(np.minimum(1.0, (target + 8 * np.sqrt(T)) / np.abs(radius)))
        while len(waiting):
            proposed = reach[waiting] * generator.uniform(-1, 1, len(waiting))
            distance = radius[waiting] * np.sin(proposed) - target
            nearest = np.maximum(target - np.abs(radius[waiting]), 0.0)
            accepted = generator.random(len(waiting)) < np.exp((nearest**2 - distance**2) / T)
            angles[waiting[accepted]] = proposed[accepted]
            waiting = waiting[~accepted]
        turned = np.where(generator.random(len(radius)) < 0.5, 1.0, -1.0)
        return turned * (np.pi / 2 - angles)

    @cached_property
    def distributions(self) -> dict[str, tuple[Array, Array]]:
        """Of the three functions that are tested."""
        return {
            "first": self.distribution("first"),
            "second": self.distribution("second"),
            "trace": self.trace_distribution(),
        }

    def functions(self, singular_values: Array, matrices: Array) -> dict[str, Array]:
        """What is tested, of singular values (count, 2) and matrices (count, 2, 2)."""
        if self.case.network.is_infinitely_deep:
            x = np.log(singular_values)
            second = x[:, 1]
        else:
            x = singular_values ** (1 / self.case.network.layer_count())
            second = x[:, 1] * np.sign(np.linalg.det(matrices))
        return {"first": x[:, 0], "second": second, "trace": np.trace(matrices, axis1=1, axis2=2) / 2}

    def distances(self, singular_values: Array, matrices: Array) -> dict[str, float]:
        """The Kolmogorov-Smirnov distances of the three functions."""
        found = self.functions(singular_values, matrices)
        return {
            name: float(kstest(found[name], lambda values, grid=grid: np.interp(values, *grid)).statistic)
            for name, grid in self.distributions.items()
        }

    def p_value(self, singular_values: Array, matrices: Array) -> tuple[float, float]:
        """The largest Kolmogorov-Smirnov distance of the three functions, and the p-value of the test of all three.

        The p-values of the single tests are exact for independent samples.  The least of them is multiplied by 3, which
        keeps the rate of false alarms below the level, whatever the dependence of the functions.
        """
        distance = max(self.distances(singular_values, matrices).values())
        return distance, min(1.0, 3 * float(kstwo.sf(distance, len(matrices))))


# ------------------------------------------------------------------------------------------ the table


@dataclass(frozen=True)
class Run:
    """What is integrated to compare with a law: steps of a noise variance 2 T h, `count` of them."""

    case: Case
    largest: float
    noise: float
    count: int

    def samples(self, chains: int, seed: int = 0, **options: object) -> LangevinSamples:
        """Chains from diag(1, 0.9), at the half, and eight times in the second half."""
        h = self.noise / (2 * self.case.temperature)
        times = h * self.count * np.concatenate([[0.0], np.linspace(0.5, 1.0, 9)])
        start = FactoredMatrix.from_matrix(np.diag([1.0, 0.9]))
        case = self.case
        return langevin(
            case.energy, case.network, start, times, case.temperature, seed, chains=chains, step=h, **options
        )  # type: ignore[arg-type]


def standard_runs() -> Iterator[Run]:
    """Depths 1, 2, 3, 5, oo."""
    for depth, temperature, entropy, ridge, barrier, largest, noise, count in (
        (1, 0.5, False, 1.0, 0.0, 12.0, 0.02, 400),
        (2, 0.5, False, 1.0, 0.0, 12.0, 0.02, 400),
        (2, 0.5, True, 1.0, 0.0, 12.0, 0.02, 400),
        (3, 1.0, False, 0.0, 0.0, 1e6, 0.04, 2000),
        (3, 0.5, True, 1.0, 0.0, 12.0, 0.02, 1800),
        (5, 1.0, False, 0.0, 0.0, 1e6, 0.02, 2500),
        (5, 0.5, True, 1.0, 0.0, 12.0, 0.02, 3000),
        (oo, 0.5, False, 1.0, 1.0, 1e3, 0.02, 500),
        (oo, 0.5, True, 1.0, 1.0, 1e3, 0.02, 500),
    ):
        network = DeepLinearNetwork(depth, (2, 2))
        yield Run(Case(network, temperature, entropy, ridge, barrier), largest, noise, count)


def row(name: str, law: ExactLaw, samples: LangevinSamples, seconds: float) -> str:
    """A line of the table."""
    distance, p = law.p_value(samples.singular_values[:, -1], samples.matrices[:, -1])
    pooled = samples.singular_values[:, 1:].reshape(-1, 2), samples.matrices[:, 1:].reshape(-1, 2, 2)
    steps = samples.statistics.steps * len(samples.chains)
    return (
        f"{name:<46} {distance:7.4f} {p:8.3g}  {'ok' if p > LEVEL else 'REJECTED':<9}"
        f"{max(law.distances(*pooled).values()):7.4f} {1e6 * seconds / steps:7.1f} µs"
    )


def mutants(run: Run) -> Iterator[tuple[str, Run, ExactLaw, AbstractContextManager[object]]]:
    """Chains or laws that are wrong."""
    case, law = run.case, ExactLaw.of(run.case, run.largest)
    still = patch.object(FlatStep, "drift", lambda self, frames, pairs: np.zeros_like(frames.y))
    yield "no Itô correction", run, law, still
    yield (
        "temperature 1.5 T",
        replace(run, case=replace(case, temperature=1.5 * case.temperature)),
        law,
        nullcontext(),
    )
    yield "law without volume form", run, replace(law, flat=True), nullcontext()
    yield "law with entropy", run, ExactLaw.of(replace(case, entropy=True), run.largest), nullcontext()


def main(chains: int = 500) -> None:
    """Print the table."""
    seen = kstwo.isf(LEVEL / 3, chains)
    print(f"{chains} chains each; level {LEVEL:g} a row, so that distances are seen from {seen:.3f} on")
    print(f"{'':<46} {'distance':>7} {'p':>8}  {'verdict':<9}{'all':>7} {'a step':>9}  up/down")
    for run in standard_runs():
        case, law, ends = run.case, ExactLaw.of(run.case, run.largest), []
        terms = " + ridge" * bool(case.ridge) + " + barrier" * bool(case.barrier) + " - T S" * case.entropy
        for space in ("downstairs", "upstairs"):
            if space == "upstairs" and case.network.is_infinitely_deep:
                continue
            begin = perf_counter()
            samples = run.samples(chains, space=space, entropy=case.entropy)
            line = row(f"depth {case.network.depth}, E{terms}, {space}", law, samples, perf_counter() - begin)
            ends.append(law.functions(samples.singular_values[:, -1], samples.matrices[:, -1]))
            if len(ends) > 1:
                agreement = min(ks_2samp(ends[0][name], ends[1][name]).pvalue for name in ends[0])
                line += f"  {min(1.0, 3 * agreement):.3g}"
            print(line, flush=True)
    (run,) = (run for run in standard_runs() if run.case.network.depth == 2 and not run.case.entropy)
    begin = perf_counter()
    samples = run.samples(chains, adjusted=True)
    print(row("depth 2, E + ridge, adjusted", ExactLaw.of(run.case, run.largest), samples, perf_counter() - begin))
    for name, wrong, law, context in mutants(run):
        begin = perf_counter()
        with context:
            samples = wrong.samples(4 * chains)
        print(row(f"depth 2, E + ridge, {name}", law, samples, perf_counter() - begin), flush=True)


if __name__ == "__main__":
    main()
