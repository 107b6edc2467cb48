"""Steps of the Langevin equation against the definition: expectations over one step, by quadrature over its noise."""

from collections.abc import Callable
from itertools import combinations
from unittest.mock import patch

import numpy as np
import pytest
from sympy import oo

from geometry import DeepLinearNetwork
from numerics import MatrixCompletion
from numerics.langevin_energies import batched_energy
from numerics.langevin_kernels import FlatKernels, flat_kernels
from numerics.langevin_layers import LayersStep, absorbed, resolved_depth
from numerics.langevin_metropolis import MetropolisStep
from numerics.langevin_steps import FlatStep, TurningStep
from tests.definition import defined_operator, integrated_multiplier, precise_multiplier

Size = tuple[int, int, int]

STARTS: dict[Size, np.ndarray] = {
    (2, 2, 2): np.array([[1.2, 0.4], [-0.3, 0.7]]),
    (3, 3, 3): np.array([[1.2, 0.4, -0.2], [-0.3, 0.7, 0.5], [0.1, -0.6, 1.6]]),
    (3, 2, 2): np.array([[1.2, 0.4], [-0.3, 0.7], [0.5, 0.6]]),
    (2, 3, 2): np.array([[1.2, 0.4, 0.2], [-0.3, 0.7, -0.6]]),
    (3, 3, 1): np.outer([1.0, 0.4, -0.6], [0.9, -0.5, 0.7]),
    (4, 3, 2): np.array([[1.0, 0.3], [-0.4, 0.8], [0.6, 0.5], [0.2, -0.7]]) @ [[1.0, 0.2, -0.4], [0.1, 0.9, 0.6]],
}
"""Matrices m x n of rank r."""
ENERGIES = {size: MatrixCompletion.from_array(np.where(np.eye(*size[:2]) > 0, 1.0, np.nan)) for size in STARTS}
TEMPERATURE = 0.3
DELTA = 2e-3
"""Of central differences of fourth order, whose errors are DELTA⁴ times derivatives of order 1 to 100."""

Function = Callable[[np.ndarray], np.ndarray]


def function(matrices: np.ndarray) -> np.ndarray:
    """No invariance left, and not linear."""
    a, b, c, d = (matrices[:, i, j] for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)))
    return b + a**2 / 2 + np.sin(c) + 0.3 * np.sum(matrices**2, axis=(1, 2)) + 0.1 * a * d


def second_derivative(f: Function, X: np.ndarray, direction: np.ndarray) -> float:
    values = f(np.array([X + k * DELTA * direction for k in (-2, -1, 0, 1, 2)]))
    return float(np.dot([-1, 16, -30, 16, -1], values) / (12 * DELTA**2))


def derivative(f: Function, X: np.ndarray, direction: np.ndarray) -> float:
    values = f(np.array([X + k * DELTA * direction for k in (-2, -1, 1, 2)]))
    return float(np.dot([1, -8, 8, -1], values) / (12 * DELTA))


def defined_entropy(matrices: np.ndarray, depth: float, rank: int = 2) -> np.ndarray:
    """½ Σ log λ_kl over pairs, the entropy up to a constant, from the definition of the multiplier."""
    multiplier = integrated_multiplier if np.isinf(depth) else lambda a, b: precise_multiplier(a, b, int(depth))
    sigma = np.linalg.svd(matrices, compute_uv=False)[:, :rank]
    return np.array([sum(np.log(float(multiplier(*pair))) / 2 for pair in combinations(row, 2)) for row in sigma])


def generator(size: Size, depth: float, entropy: bool) -> float:
    """T (Σ second derivatives along A^{1/2} of a basis + ∂ along the Itô correction) + ∂ along -A(∇E) (+ T A(∇S)).

    A is that of the tangent space, which at depth 1 it leaves.
    """
    X, rank = STARTS[size], size[2]
    U, sigma, Vt = np.linalg.svd(X, full_matrices=False)
    U, sigma, Vt = U[:, :rank], sigma[:rank], Vt[:rank]
    operator, basis = defined_operator(X, depth, rank), np.eye(X.size).reshape(-1, *X.shape)

    def A(Z: np.ndarray) -> np.ndarray:
        moved = operator(Z)
        return moved - (moved - U @ (U.T @ moved)) @ (np.eye(X.shape[1]) - Vt.T @ Vt)

    speeds, directions = np.linalg.eigh(np.array([A(e).ravel() for e in basis]))
    total = sum(
        TEMPERATURE * second_derivative(function, X, np.sqrt(max(speed, 0.0)) * direction.reshape(X.shape))
        for speed, direction in zip(speeds, directions.T, strict=True)
    )
    correction = X if np.isinf(depth) else (depth - 1) * (U * sigma ** (1 - 2 / depth)) @ Vt
    velocity = TEMPERATURE * correction - A(ENERGIES[size].gradient(X).toarray())
    if entropy:
        slope = [derivative(lambda matrices: defined_entropy(matrices, depth, rank), X, e) for e in basis]
        velocity += TEMPERATURE * A(np.reshape(slope, X.shape))
    return total + derivative(function, X, velocity)


def normal_quadrature(dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights that integrate polynomials of degree 5 against the normal density (McNamee, Stenger 1967)."""
    axes = np.sqrt(3) * np.eye(dimension)
    single = [sign * axis for axis in axes for sign in (1, -1)]
    double = [s * a + t * b for a, b in combinations(axes, 2) for s in (1, -1) for t in (1, -1)]
    weights = [1 + (dimension**2 - 7 * dimension) / 18, *[(4 - dimension) / 18] * len(single), *[1 / 36] * len(double)]
    return np.array([np.zeros(dimension), *single, *double]), np.array(weights)


def one_step_error(step: FlatStep, h: float, expected: float, size: Size = (2, 2, 2)) -> float:
    """(E f(X_h) - f)/h - L f, with an error of order h² from the quadrature."""
    X = STARTS[size]
    points, weights = normal_quadrature(int(np.prod(step.noise_shape)))
    noise = points.reshape(-1, *step.noise_shape)
    frames = step.frames_of(np.broadcast_to(X, (len(noise), *X.shape)))
    moved = function(step.matrices(step(frames, h, noise, np.zeros(0))))
    return float(weights @ moved - function(X[None])[0]) / h - expected


STEPS: list[tuple[object, type[FlatStep], Size]] = [
    *((depth, FlatStep, (2, 2, 2)) for depth in (1, 2, 3, 6)),
    *((depth, TurningStep, (2, 2, 2)) for depth in (1, 2, 3, 10)),
    *((depth, LayersStep, (2, 2, 2)) for depth in (1, 2, 3, 6)),
    (3, FlatStep, (3, 3, 3)),
    (2, LayersStep, (3, 3, 3)),
    *((oo, TurningStep, (side, side, side)) for side in (2, 3)),
    *((depth, FlatStep, size) for depth in (1, 2, 5) for size in ((3, 2, 2), (3, 3, 1))),
    *((depth, LayersStep, size) for depth in (2, 5) for size in ((2, 3, 2), (3, 3, 1))),
    (1, FlatStep, (4, 3, 2)),
    (3, FlatStep, (4, 3, 2)),
    (3, LayersStep, (4, 3, 2)),
    (10, TurningStep, (4, 3, 2)),
    (oo, TurningStep, (4, 3, 2)),
]


def integrator(
    kind: type[FlatStep], depth: object, entropy: bool, size: Size = (2, 2, 2), rescaled: bool = False
) -> FlatStep:
    network = DeepLinearNetwork(depth, size[:2], size[2], rescaled=rescaled)  # type: ignore[arg-type]
    return kind(network, batched_energy(ENERGIES[size]), TEMPERATURE, entropy)


@pytest.mark.parametrize("entropy", [False, True])
@pytest.mark.parametrize(("depth", "kind", "size"), STEPS)
def test_the_weak_order_is_one(depth: object, kind: type[FlatStep], size: Size, entropy: bool) -> None:
    """Errors over one step are of second order, so that of (E f - f)/h halves with h; upstairs the force T grad S of
    the fibres comes out of the vertical noise alone."""
    step = integrator(kind, depth, entropy, size)
    expected = generator(size, float(depth), entropy)  # type: ignore[arg-type]
    errors = [one_step_error(step, h, expected, size) for h in (0.002, 0.001)]
    assert abs(errors[1]) < 0.02 * abs(expected)
    assert 1.8 < errors[0] / errors[1] < 2.2


@pytest.mark.parametrize(("depth", "kind"), [(3, FlatStep), (oo, TurningStep)])
def test_mutants_are_seen_over_one_step(depth: object, kind: type[FlatStep]) -> None:
    right, expected = integrator(kind, depth, False), generator((2, 2, 2), float(depth), False)  # type: ignore[arg-type]
    seen = 5 * abs(one_step_error(right, 0.001, expected))
    with patch.object(FlatStep, "drift", lambda self, frames, pairs: np.zeros_like(frames.y)):
        assert abs(one_step_error(right, 0.001, expected)) > seen
    assert abs(one_step_error(integrator(kind, depth, True), 0.001, expected)) > seen
    hotter = integrator(kind, depth, False)
    hotter.temperature *= 1.2
    assert abs(one_step_error(hotter, 0.001, expected)) > seen


@pytest.mark.parametrize("size", [(3, 2, 2), (3, 3, 1), (4, 3, 2)])
@pytest.mark.parametrize("kind", [FlatStep, LayersStep])
def test_mutants_of_null_directions_are_seen_over_one_step(kind: type[FlatStep], size: Size) -> None:
    """Downstairs the angle and the pull on y; upstairs the further rows and columns of the outer layers."""
    step, expected = integrator(kind, 3, False, size), generator(size, 3.0, False)
    seen = 5 * abs(one_step_error(step, 0.001, expected, size))
    turn = FlatKernels.null_turn
    downstairs = (
        patch.object(FlatKernels, "null_turn", lambda self, y: turn(self, y) / np.sqrt(3)),
        patch(
            "numerics.langevin_steps.right_decomposition",
            lambda stack: (np.diagonal(stack, axis1=1, axis2=2), np.eye(size[2])),
        ),
    )
    upstairs = (
        patch("numerics.langevin_layers.absorbed", lambda frames, layer, rows: absorbed(frames, layer, 1.2 * rows)),
    )
    for mutant in downstairs if kind is FlatStep else upstairs:
        with mutant:
            assert abs(one_step_error(step, 0.001, expected, size)) > seen


def test_without_vertical_noise_no_entropy() -> None:
    """Upstairs the expectations with and without noise along the fibres differ by the force of the entropy."""
    free, confined = (integrator(LayersStep, 3, entropy) for entropy in (True, False))
    assert abs(one_step_error(confined, 0.002, generator((2, 2, 2), 3.0, True))) > 0.1
    assert abs(one_step_error(free, 0.002, generator((2, 2, 2), 3.0, False))) > 0.1


@pytest.mark.parametrize("kind", [FlatStep, LayersStep])
def test_a_rescaled_network_runs_slower(kind: type[FlatStep]) -> None:
    """The metric times N is N times the time."""
    noise = np.random.default_rng(0).standard_normal((5, *integrator(kind, 3, True).noise_shape))
    start = np.broadcast_to(STARTS[2, 2, 2], (5, 2, 2))
    ends = []
    for rescaled, h in ((False, 0.01), (True, 0.03)):
        step = integrator(kind, 3, True, rescaled=rescaled)
        ends.append(step.matrices(step(step.frames_of(start), h, noise, np.zeros(0))))
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-9)


# --------------------------------------------------------------------------------------- the chart


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_drift_and_noise_of_the_chart(depth: int, rank: int) -> None:
    """ΔY and the covariance of dY, from A_N as a sum and differences of Y = √N X (XᵀX)^{(1/N-1)/2}."""
    matrix = np.random.default_rng(depth).standard_normal((rank, rank))

    def chart(matrix: np.ndarray) -> np.ndarray:
        U, sigma, Vt = np.linalg.svd(matrix)
        return np.sqrt(depth) * (U * sigma ** (1 / depth)) @ Vt

    A, basis = defined_operator(matrix, depth), np.eye(rank**2).reshape(-1, rank, rank)
    speeds, directions = np.linalg.eigh(np.array([A(e).ravel() for e in basis]))
    U, sigma, Vt = np.linalg.svd(matrix)
    correction = (depth - 1) * (U * sigma ** (1 - 2 / depth)) @ Vt
    eps = 1e-4
    laplacian = (chart(matrix + eps * correction) - chart(matrix - eps * correction)) / (2 * eps)
    covariance = np.zeros((rank**2, rank**2))
    for speed, direction in zip(speeds, directions.T, strict=True):
        move = np.sqrt(speed) * eps * direction.reshape(rank, rank)
        ahead, behind = chart(matrix + move), chart(matrix - move)
        laplacian += (ahead + behind - 2 * chart(matrix)) / eps**2
        turned = (U.T @ (ahead - behind) @ Vt.T / (2 * eps)).ravel()
        covariance += np.outer(turned, turned)
    kernels = flat_kernels(DeepLinearNetwork(depth, (rank, rank)), turning=False)
    pairs = kernels.pair_coefficients(np.asarray(kernels.coordinate(sigma)))
    # Second differences with steps of 1e-4 have rounding errors of 1e-8 times the numbers of order 10.
    np.testing.assert_allclose(U.T @ laplacian @ Vt.T, np.diag(pairs.drift(rank)), atol=2e-5)
    expected = np.zeros_like(covariance)
    for k in range(rank):
        expected[k * rank + k, k * rank + k] = 1.0
    for k, l, s, a in zip(*np.triu_indices(rank, 1), pairs.symmetric(), pairs.skew(), strict=True):
        kl, lk = k * rank + l, l * rank + k
        expected[kl, kl] = expected[lk, lk] = (s**2 + a**2) / 2
        expected[kl, lk] = expected[lk, kl] = (s**2 - a**2) / 2
    np.testing.assert_allclose(covariance, expected, atol=1e-5)


@pytest.mark.parametrize("depth", [1, 2, 3, 10, 100, oo])
def test_coefficients_are_regular_at_coalescence_and_at_zero(depth: object) -> None:
    kernels = flat_kernels(DeepLinearNetwork(depth, (3, 3)), turning=depth == oo)  # type: ignore[arg-type]
    for sigma in ([1.3, 1.3, 0.2], [1.3, 1.3 * (1 - 1e-9), 1e-9], [2.0, 1e-30, 1e-30], [1e20, 1e-20, 1e-20]):
        pairs = kernels.pair_coefficients(np.asarray(kernels.coordinate(np.array(sigma))))
        values = [pairs.symmetric(), pairs.skew(), pairs.turn(), pairs.drift(3), *pairs.pair_entropy_slopes()]
        assert all(np.isfinite(value).all() for value in [*values, *np.ravel(pairs.shifts()).tolist()])
    near = [kernels.pair_coefficients(np.asarray(kernels.coordinate(np.array([1.3, 1.3 - gap])))) for gap in (0, 1e-3)]
    scale = max(np.abs(near[1].drift(2)).max(), 1.0)
    assert np.abs(near[0].drift(2) - near[1].drift(2)).max() < 0.02 * scale


# ------------------------------------------------------------------------------- stiff directions


@pytest.mark.parametrize("kind", [FlatStep, TurningStep, LayersStep])
def test_steps_longer_than_fast_relaxations_have_the_right_slow_drift(kind: type[FlatStep]) -> None:
    """Far out, at [[x, 140], [1/2, z]] and depth 5, the diagonal relaxes within 1e-4; averaged over it y_1 drifts as

    dy_1 = T (2 - 2N)/y_1 dt: 2T/y_1 from Δy_1, and the rest from the fluctuations of the diagonal.
    """
    far, T, h, count = np.array([[1.0, 140.0], [0.5, 1.0]]), 1.0, 0.01, 4000
    step = kind(DeepLinearNetwork(5, (2, 2)), batched_energy(ENERGIES[2, 2, 2]), T, False)
    frames, generator = step.frames_of(np.broadcast_to(far, (count, 2, 2))), np.random.default_rng(0)
    begin = frames.y[0, 0]
    for _ in range(4):
        frames = step(frames, h, generator.standard_normal((count, *step.noise_shape)), np.zeros(0))
    drift, error = (frames.y[:, 0].mean() - begin) / (4 * h), frames.y[:, 0].std() / np.sqrt(count) / (4 * h)
    assert abs(drift - T * (2 - 2 * 5) / begin) < 4 * error
    assert abs(drift) > 8 * error
    diagonal = step.matrices(frames)[:, [0, 1], [0, 1]]
    # Four standard errors of a variance.
    assert abs(diagonal.var() / T - 1) < 4 * np.sqrt(2 / (2 * count)) + h


@pytest.mark.parametrize("kind", [FlatStep, LayersStep])
@pytest.mark.parametrize("depth", [2, 5])
def test_so_have_steps_longer_than_fast_turns_of_the_spaces(kind: type[FlatStep], depth: int) -> None:
    """E = x_2²/2 at (140, 1/2): x_2 relaxes at once, and averaged over it y drifts as dy = T (1 - N)/y dt."""
    T, h, count = 1.0, 0.01, 4000
    energy = MatrixCompletion.from_array([[np.nan], [0.0]])
    step = kind(DeepLinearNetwork(depth, (2, 1)), batched_energy(energy), T, False)
    frames, random = step.frames_of(np.broadcast_to([[140.0], [0.5]], (count, 2, 1))), np.random.default_rng(0)
    begin = frames.y[0, 0]
    for _ in range(4):
        frames = step(frames, h, random.standard_normal((count, *step.noise_shape)), np.zeros(0))
    drift, error = (frames.y[:, 0].mean() - begin) / (4 * h), frames.y[:, 0].std() / np.sqrt(count) / (4 * h)
    assert abs(drift - T * (1 - depth) / begin) < 4 * error
    assert abs(step.matrices(frames)[:, 1, 0].var() / T - 1) < 4 * np.sqrt(2 / count) + h


def test_products_of_many_layers_are_refused_where_rounding_would_count() -> None:
    assert resolved_depth(2, 0.1) == np.inf
    assert 15 < resolved_depth(3, 0.1) < 16


def test_metropolis_density_is_the_equilibrium() -> None:
    """exp(-E/T) vol in Y: the emitted volume form over that of the coframe in Y, which is the one of depth 1."""
    network, flat = DeepLinearNetwork(3, (2, 2)), DeepLinearNetwork(1, (2, 2))
    step = MetropolisStep(network, batched_energy(ENERGIES[2, 2, 2]), TEMPERATURE, entropy=True)
    matrices = np.random.default_rng(1).standard_normal((6, 2, 2))
    frames = step.frames_of(matrices)
    sigma = np.linalg.svd(matrices, compute_uv=False)
    energies = np.array([ENERGIES[2, 2, 2](matrix) for matrix in matrices])
    expected = -energies / TEMPERATURE + defined_entropy(matrices, 3)
    for row, (y, s) in enumerate(zip(frames.y, sigma, strict=True)):
        upper = network.log_volume_density().subs(dict(zip(network.singular_values, s, strict=True)))
        lower = flat.log_volume_density().subs(dict(zip(flat.singular_values, y, strict=True)))
        # dy = σ^{1/N - 1} dσ/√N for each of the two.
        expected[row] += float(upper - lower) - np.sum(np.log(s ** (1 / 3 - 1) / np.sqrt(3)))
    found = step.log_density(frames)
    np.testing.assert_allclose(found - found[0], expected - expected[0], rtol=1e-9)
