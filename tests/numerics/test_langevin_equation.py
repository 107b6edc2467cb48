"""The interface of the Langevin equation: reproducibility, exact moments, and what is refused."""

import pickle
import warnings

import numpy as np
import pytest
from sympy import Abs, Matrix, log, oo, symbols

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix, MatrixCompletion, SymbolicEnergy, balanced_start, gradient_flow
from numerics.energies import Ridge, as_dense, from_functions
from numerics.langevin_energies import batched_energy
from numerics.langevin_equation import LangevinError, default_step, langevin
from numerics.langevin_equilibria import NoEquilibriumWarning
from numerics.langevin_frames import SingularBasis, rotated, spectral_decomposition, svd
from numerics.langevin_samples import effective_sample_size

FULL = MatrixCompletion.from_array([[1.0, 0.0], [0.0, 1.0]])
DIAGONAL = MatrixCompletion.from_array([[1.0, np.nan], [np.nan, 1.0]])
START = FactoredMatrix.from_matrix([[1.0, 0.2], [0.0, 0.5]])


class Own:
    """An energy of one's own: ½ |X - 1|² on square matrices, with nothing but value and gradient."""

    def __init__(self, side: int = 2) -> None:
        self.shape = (side, side)

    def __call__(self, X: np.ndarray) -> float:
        return float(np.sum((X - np.eye(self.shape[0])) ** 2) / 2)

    def gradient(self, X: np.ndarray) -> np.ndarray:
        return X - np.eye(self.shape[0])


class Flat(Own):
    """E = 0."""

    def gradient(self, X: np.ndarray) -> np.ndarray:
        return np.zeros(self.shape)


def network(depth: object = 3, side: int = 2) -> DeepLinearNetwork:
    return DeepLinearNetwork(depth, (side, side))  # type: ignore[arg-type]


LOWER = DeepLinearNetwork(3, (4, 3), 2)
"""Null directions on both sides."""


# ------------------------------------------------------------------------------------ random numbers


@pytest.mark.parametrize("options", [{}, {"space": "upstairs"}, {"adjusted": True}])
def test_the_numbers_of_a_chain_depend_on_seed_and_number_only(options: dict[str, object]) -> None:
    arguments = (FULL, network(), START, [0.0, 0.05, 0.1])
    whole, again, part, other = (
        langevin(*arguments, seed=seed, chains=chains, **options).matrices  # type: ignore[arg-type]
        for seed, chains in ((7, 6), (7, 6), (7, range(2, 5)), (8, 6))
    )
    np.testing.assert_array_equal(whole, again)
    np.testing.assert_array_equal(whole[2:5], part)
    assert np.abs(whole - other).max() > 1e-3
    assert len(np.unique(whole[:, -1, 0, 0])) == 6


def test_intermediate_times_change_nothing() -> None:
    coarse = langevin(FULL, network(), START, [0.0, 0.2], chains=3, step=0.01)
    fine = langevin(FULL, network(), START, [0.0, 0.1, 0.2], chains=3, step=0.01)
    np.testing.assert_allclose(coarse.matrices[:, -1], fine.matrices[:, -1], rtol=1e-10)


def test_a_generator_is_drawn_from() -> None:
    generator = np.random.default_rng(0)
    first, second = (langevin(FULL, network(), START, [0.0, 0.1], seed=generator) for _ in range(2))
    same = langevin(FULL, network(), START, [0.0, 0.1], seed=np.random.default_rng(0))
    assert np.abs(first.matrices - second.matrices).max() > 1e-3
    np.testing.assert_array_equal(first.matrices, same.matrices)


def test_each_chain_has_its_start() -> None:
    starts = [balanced_start(network(), scale, 0) for scale in (0.5, 1.0, 2.0)]
    samples = langevin(FULL, network(), starts, [0.0, 0.01])
    np.testing.assert_allclose(samples.matrices[:, 0], [start.to_array() for start in starts], rtol=1e-12)
    assert samples.chains == (0, 1, 2)
    np.testing.assert_allclose(samples.factored(1, 0).to_array(), starts[1].to_array(), rtol=1e-12)


def test_small_singular_values_of_a_start_keep_their_accuracy() -> None:
    tiny = FactoredMatrix(np.eye(2), np.diag([1.0, 1e-40]), np.eye(2))
    samples = langevin(FULL, network(5), tiny, [0.0, 1e-9], chains=2)
    np.testing.assert_allclose(samples.singular_values[:, 0], [[1.0, 1e-40]] * 2, rtol=1e-12)


# ------------------------------------------------------------------------------------ exact moments


def test_an_ornstein_uhlenbeck_process_at_depth_one() -> None:
    """dX = -(X - 1) dt + √(2T) dW: the steps are exact for a quadratic energy in flat space."""
    T, t, count = 0.5, 0.7, 2000
    samples = langevin(FULL, network(1), START, [0.0, t], T, chains=count, step=0.1)
    X, decay = samples.matrices[:, -1], np.exp(-t)
    variance = T * (1 - decay**2)
    expected = np.eye(2) + decay * (START.to_array() - np.eye(2))
    assert np.abs(X.mean(axis=0) - expected).max() < 4 * np.sqrt(variance / count)
    assert np.abs(X.var(axis=0) / variance - 1).max() < 4 * np.sqrt(2 / count)


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("side", [1, 2, 3])
def test_radial_brownian_motion_is_that_of_a_square_matrix(depth: int, side: int) -> None:
    """|y|² is a squared Bessel process of dimension r² at every depth: its mean grows by 2 T r² t."""
    T, t, count = 0.5, 0.1, 600
    start = balanced_start(network(depth, side), 1.0)
    samples = langevin(Flat(side), network(depth, side), start, [0.0, t], T, chains=count, step=t / (10 * depth))
    square = np.sum(samples.flat_coordinates**2, axis=-1)
    growth = square[:, -1] - square[:, 0]
    assert abs(growth.mean() - 2 * T * side**2 * t) < 4 * growth.std() / np.sqrt(count)


@pytest.mark.parametrize("space", ["downstairs", "upstairs"])
@pytest.mark.parametrize(("shape", "rank"), [((3, 1), 1), ((2, 3), 2), ((3, 3), 1), ((4, 3), 2)])
@pytest.mark.parametrize("depth", [1, 3])
def test_radial_brownian_motion_on_lower_ranks(depth: int, shape: tuple[int, int], rank: int, space: str) -> None:
    """y does what the singular values of a Brownian r x (m+n-r) matrix do: E |y|² grows by 2T r (m+n-r) t."""
    T, t, count = 0.5, 0.1, 600
    lower = DeepLinearNetwork(depth, shape, rank)
    start = balanced_start(lower, 1.0)
    samples = langevin(
        Ridge(shape, 1e-12), lower, start, [0.0, t], T, chains=count, step=t / 20, space=space, entropy=False
    )
    square = np.sum(samples.flat_coordinates**2, axis=-1)
    growth = square[:, -1] - square[:, 0]
    assert abs(growth.mean() - 2 * T * rank * (sum(shape) - rank) * t) < 4 * growth.std() / np.sqrt(count)
    assert np.linalg.matrix_rank(samples.matrices[:, -1]).tolist() == [rank] * count


@pytest.mark.filterwarnings("ignore::numerics.langevin_equilibria.NoEquilibriumWarning")
@pytest.mark.parametrize("space", ["downstairs", "upstairs"])
@pytest.mark.parametrize(("shape", "rank"), [((2, 2), 2), ((3, 3), 1), ((4, 3), 2)])
@pytest.mark.parametrize(("depth", "scale"), [(1, 1e-100), (2, 1e-12), (3, 1e-30)])
def test_small_starts_are_left_like_brownian_motion(
    depth: int, scale: float, shape: tuple[int, int], rank: int, space: str
) -> None:
    """E |y|² = 2T r (m+n-r) t from y = 0, where singular values coalesce at 0 too: no step is thrown out by a pole."""
    T, t, count = 0.5, 0.1, 300
    small = DeepLinearNetwork(depth, shape, rank)
    start = balanced_start(small, scale)
    samples = langevin(
        Ridge(shape, 1e-12), small, start, [0.0, t], T, chains=count, step=t / 40, space=space, entropy=False
    )
    square = np.sum(samples.flat_coordinates[:, -1] ** 2, axis=-1)
    expected = 2 * T * rank * (sum(shape) - rank) * t
    # Four standard errors, and what the first of 40 steps may be wrong by.
    assert abs(square.mean() - expected) < 4 * square.std() / np.sqrt(count) + expected / 40


@pytest.mark.filterwarnings("ignore::numerics.langevin_equilibria.NoEquilibriumWarning")
def test_radial_brownian_motion_at_infinite_depth_is_dysons() -> None:
    """Σ y_k is 2-dimensional noise, and (y_1 - y_2)² grows by 8 T t."""
    T, t, count = 0.5, 0.2, 2000
    samples = langevin(Flat(), network(oo), balanced_start(network(oo), 1.0), [0.0, t], T, chains=count, step=0.01)
    y = samples.flat_coordinates[:, -1]
    gap = (y[:, 0] - y[:, 1]) ** 2
    assert abs(gap.mean() - 8 * T * t) < 4 * gap.std() / np.sqrt(count)
    assert abs(y.sum(axis=1).var() / (4 * T * t) - 1) < 4 * np.sqrt(2 / count)


@pytest.mark.parametrize(("shape", "rank"), [((2, 2), 2), ((3, 2), 2), ((3, 3), 1)])
def test_an_energy_of_ones_own_runs_like_that_of_the_package(shape: tuple[int, int], rank: int) -> None:
    """Only the exponential weights differ, of order h."""
    lower, target = DeepLinearNetwork(3, shape, rank), np.eye(*shape)
    of_package = MatrixCompletion.from_array(target)
    ones_own = from_functions(lambda X: float(np.sum((X - target) ** 2) / 2), lambda X: X - target, shape=shape)
    own, known = (
        langevin(energy, lower, balanced_start(lower, 1.0), [0.0, 0.03], chains=3, step=1e-4).matrices
        for energy in (ones_own, of_package)
    )
    assert 0 < np.abs(own - known).max() < 2e-3


@pytest.mark.filterwarnings("ignore::numerics.langevin_equilibria.NoEquilibriumWarning")
def test_large_depths_approach_infinite_depth_path_by_path() -> None:
    """In rescaled time, with the same numbers; the difference goes down like 1/N."""
    ends = [
        langevin(FULL, DeepLinearNetwork(depth, (2, 2), rescaled=True), START, [0.0, 0.3], chains=30).matrices[:, -1]
        for depth in (20, 200, oo)
    ]
    gaps = [np.abs(end - ends[-1]).mean() for end in ends[:2]]
    assert gaps[1] < 3e-3
    assert 7 < gaps[0] / gaps[1] < 14


@pytest.mark.filterwarnings("ignore::numerics.langevin_equilibria.NoEquilibriumWarning")
@pytest.mark.parametrize("entropy", [False, True])
def test_at_infinite_depth_the_core_moves_and_the_spaces_rest(entropy: bool) -> None:
    """Path by path as the square matrices S do under E(U S Vᵀ), with the same numbers."""
    lower = DeepLinearNetwork(oo, (4, 3), 2)
    start = balanced_start(lower, 1.0, 4)
    (U, _, V), target = start.decomposition, np.random.default_rng(2).standard_normal((4, 3))
    energy = MatrixCompletion.from_array(target)
    core_energy = from_functions(
        lambda S: float(np.sum((U @ S @ V.T - target) ** 2) / 2),
        lambda S: U.T @ (U @ S @ V.T - target) @ V,
        shape=(2, 2),
        hessian=lambda S, Z: Z,
    )
    core_start = FactoredMatrix.from_matrix(np.diag(start.singular_values))
    options = {"times": [0.0, 0.5, 1.0], "chains": 5, "step": 0.01, "entropy": entropy}
    whole = langevin(energy, lower, start, **options)  # type: ignore[arg-type]
    core = langevin(core_energy, network(oo), core_start, **options)  # type: ignore[arg-type]
    np.testing.assert_allclose(whole.matrices, U @ core.matrices @ V.T, atol=1e-9)
    assert np.abs(whole.matrices[:, 1] - whole.matrices[:, 0]).max() > 0.1
    outside = np.eye(4) - U @ U.T
    assert np.abs(outside @ whole.matrices).max() < 1e-12


@pytest.mark.parametrize("space", ["downstairs", "upstairs"])
def test_transposition_and_rotations_change_nothing_in_law(space: str) -> None:
    """Means over chains of X are those of the transposed network, and those from a rotated start and target rotated."""
    generator = np.random.default_rng(3)
    X, target = generator.standard_normal((4, 2)) @ generator.standard_normal((2, 3)), generator.standard_normal((4, 3))
    left, right = (np.linalg.qr(generator.standard_normal((side, side)))[0] for side in (4, 3))
    means, errors = [], []
    for P, Q, transposed in ((np.eye(4), np.eye(3), False), (np.eye(4), np.eye(3), True), (left, right, False)):
        moved = [P @ matrix @ Q.T for matrix in (X, target)]
        moved = [matrix.T for matrix in moved] if transposed else moved
        shape = moved[0].shape
        start = FactoredMatrix.from_matrix(moved[0], rank=2)
        energy = MatrixCompletion.from_array(moved[1])
        lower = DeepLinearNetwork(3, shape, 2)  # type: ignore[arg-type]
        samples = langevin(energy, lower, start, [0.0, 0.2], 0.3, chains=500, step=0.01, space=space)
        ends = samples.matrices[:, -1]
        ends = np.swapaxes(ends, 1, 2) if transposed else ends
        ends = P.T @ ends @ Q
        means.append(ends.mean(axis=0))
        errors.append(ends.std(axis=0) / np.sqrt(500))
    for mean, error in zip(means[1:], errors[1:], strict=True):
        assert np.abs((mean - means[0]) / np.hypot(error, errors[0])).max() < 4


@pytest.mark.parametrize("space", ["downstairs", "upstairs"])
def test_chains_without_noise_follow_the_gradient_flow(space: str) -> None:
    """At a temperature of 1e-12, on lower ranks too; Euler's steps are wrong by O(h)."""
    energy = MatrixCompletion.from_array(np.arange(12.0).reshape(4, 3) / 6 - 1)
    start = balanced_start(LOWER, 0.7, 1)
    flow = gradient_flow(energy, LOWER, start, [0.0, 1.0], rtol=1e-10, atol=1e-14).matrix(-1)
    gaps = [
        np.abs(langevin(energy, LOWER, start, [0.0, 1.0], 1e-12, step=h, space=space).matrices[0, -1] - flow).max()
        for h in (0.004, 0.002)
    ]
    assert gaps[1] < 0.01
    assert 1.6 < gaps[0] / gaps[1] < 2.4


def test_energies_of_a_batch_are_those_of_each_matrix() -> None:
    X = Matrix(2, 2, symbols("a b c d", real=True))
    completion = MatrixCompletion.from_array([[1.0, np.nan], [0.5, 2.0]], [[2.0, 1.0], [1.0, 3.0]])
    symbolic = SymbolicEnergy(X.det() ** 2 + X[0, 0] * X[0, 1], X)
    user = from_functions(
        lambda X: float(np.sum(X**4)), lambda X: 4 * X**3, shape=(2, 2), hessian=lambda X, Z: 12 * X**2 * Z
    )
    matrices, directions = np.random.default_rng(0).standard_normal((3, 2, 2)), np.eye(4).reshape(4, 2, 2)
    for energy in (completion, symbolic, Ridge((2, 2), 0.3), user, 2.0 * completion + Ridge((2, 2), 0.3) + user, Own()):
        batch = batched_energy(energy)
        np.testing.assert_allclose(batch.values(matrices), [energy(one) for one in matrices], rtol=1e-13)
        slopes = [as_dense(energy.gradient(one)) for one in matrices]
        np.testing.assert_allclose(batch.gradients(matrices), slopes, rtol=1e-13)
        if batch.hessians is not None:
            second = [[as_dense(energy.hessian(one, Z)).ravel() for Z in directions] for one in matrices]
            found = np.broadcast_to(batch.hessians(matrices), (3, 4, 4))
            np.testing.assert_allclose(found, second, rtol=1e-12, atol=1e-14)
    assert batched_energy(Own()).hessians is None
    kink = SymbolicEnergy(Abs(X[0, 0]), X)
    assert batched_energy(kink).hessians is None or np.isfinite(batched_energy(kink).hessians(matrices)).all()


def test_chains_pass_singular_matrices_at_finite_depth_only() -> None:
    X = Matrix(2, 2, symbols("a b c d", real=True))
    energy = SymbolicEnergy(sum(entry**2 for entry in X) / 2 + log(X.det() ** 2) ** 2 / 50, X)
    for depth, passes in ((2, True), (oo, False)):
        samples = langevin(energy, network(depth), START, [0.0, 1.0, 2.0], 1.0, chains=50, step=0.02)
        signs = np.sign(np.linalg.det(samples.matrices))
        assert (signs[:, 0] == 1).all()
        assert (signs < 0).any() == passes


# ------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"temperature": 0}, "gradient_flow"),
        ({"temperature": -1.0}, "temperature must be positive"),
        ({"temperature": np.nan}, "temperature must be positive"),
        ({"step": 0.0}, "step must be positive"),
        ({"times": [0.0]}, "times must be at least two"),
        ({"times": [0.0, 0.0]}, "increasing"),
        ({"chains": 0}, "chains must be a positive integer"),
        ({"chains": range(-1, 2)}, "chains must be a positive integer"),
        ({"chains": 2.5}, "chains must be a positive integer"),
        ({"space": "sideways"}, "space must be one of"),
        ({"seed": -1}, "seed must be"),
        ({"start": balanced_start(network(3, 3))}, "start must have the network's shape"),
        ({"start": [START, START], "chains": 3}, "one for each of the 3 chains"),
        ({"energy": Own(3)}, "energy must have the network's shape"),
        ({"network": DeepLinearNetwork(3, (2, 2), field="C")}, "real field"),
        ({"space": "upstairs", "adjusted": True}, "downstairs"),
        ({"network": network(oo), "space": "upstairs"}, "layers"),
        ({"network": network(oo), "adjusted": True}, "finite depth"),
    ],
)
def test_what_makes_no_sense_is_refused(changed: dict[str, object], message: str) -> None:
    arguments = {"energy": FULL, "network": network(), "start": START, "times": [0.0, 0.1], **changed}
    with pytest.raises(ValueError, match=message):
        langevin(**arguments)  # type: ignore[arg-type]


def test_texts_and_arrays_are_refused() -> None:
    with pytest.raises(TypeError, match="the text '1'"):
        langevin(FULL, network(), START, [0.0, 0.1], temperature="1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="FactoredMatrix"):
        langevin(FULL, network(), np.eye(2), [0.0, 0.1])  # type: ignore[arg-type]


def test_adjusted_steps_are_refused_on_lower_ranks() -> None:
    for shape, rank in (((2, 3), 2), ((2, 2), 1)):
        lower = DeepLinearNetwork(3, shape, rank)
        energy = MatrixCompletion.from_array(np.ones(shape))
        with pytest.raises(ValueError, match=f"not {shape[0]} x {shape[1]} ones of rank {rank}"):
            langevin(energy, lower, balanced_start(lower), [0.0, 0.1], adjusted=True)


@pytest.mark.filterwarnings("ignore::numerics.langevin_equilibria.NoEquilibriumWarning")
@pytest.mark.parametrize("options", [{}, {"space": "upstairs"}, {"network": DeepLinearNetwork(oo, (4, 3), 2)}])
def test_samples_on_lower_ranks(options: dict[str, object]) -> None:
    """Their shapes, orthonormal singular vectors after many steps, and numbers that depend on the chain only."""
    lower, start = options.pop("network", LOWER), balanced_start(LOWER, 1.0)
    energy = Ridge((4, 3), 1.0)
    arguments = {"energy": energy, "network": lower, "start": start, "times": [0.0, 1.0, 2.0], "step": 0.01, **options}
    whole, part = (langevin(**arguments, seed=5, chains=chains) for chains in (4, range(1, 3)))  # type: ignore[arg-type]
    assert (whole.left.shape, whole.right.shape) == ((4, 3, 4, 2), (4, 3, 3, 2))
    assert whole.singular_values.shape == (4, 3, 2)
    for vectors in (whole.left, whole.right):
        gram = np.swapaxes(vectors, -1, -2) @ vectors
        np.testing.assert_allclose(gram, np.broadcast_to(np.eye(2), gram.shape), atol=1e-12)
    np.testing.assert_allclose(whole.matrices[:, 0], [start.to_array()] * 4, atol=1e-13)
    np.testing.assert_array_equal(whole.matrices[1:3], part.matrices)
    np.testing.assert_allclose(whole.factored(1, 2).to_array(), whole.matrices[1, 2], atol=1e-13)


def test_long_products_are_refused_upstairs() -> None:
    with pytest.raises(ValueError, match="to rounding"):
        langevin(Own(3), network(40, 3), balanced_start(network(40, 3), 1.0), [0.0, 0.1], space="upstairs")


@pytest.mark.parametrize(
    ("depth", "entropy", "warned"),
    [(1, False, True), (2, False, True), (3, False, False), (3, True, True), (4, True, False), (oo, False, True)],
)
def test_a_warning_where_there_is_no_equilibrium(depth: object, entropy: bool, warned: bool) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        langevin(DIAGONAL, network(depth), START, [0.0, 0.001], entropy=entropy)
    assert [item.category for item in caught] == [NoEquilibriumWarning] * warned


@pytest.mark.parametrize("shape", [(2, 2), (3, 2)])
@pytest.mark.parametrize("power", [1, 2])
def test_a_barrier_silences_the_warning_at_infinite_depth(shape: tuple[int, int], power: int) -> None:
    X = Matrix(*shape, symbols(f"x_:{shape[0] * shape[1]}", real=True))
    energy = SymbolicEnergy(sum(entry**2 for entry in X) + (-1) ** power * log((X.T * X).det()) ** power, X)
    deep = DeepLinearNetwork(oo, shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        langevin(energy, deep, balanced_start(deep, 1.0), [0.0, 0.01])
    with pytest.warns(NoEquilibriumWarning, match="lower rank"):
        langevin(Ridge(shape, 1.0), deep, balanced_start(deep, 1.0), [0.0, 0.01])


@pytest.mark.parametrize(("shape", "rank"), [((3, 2), 2), ((2, 2), 1), ((4, 3), 2)])
@pytest.mark.parametrize("depth", [1, 3])
def test_null_directions_keep_the_mass_near_lower_rank_finite(depth: int, shape: tuple[int, int], rank: int) -> None:
    lower = DeepLinearNetwork(depth, shape, rank)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        langevin(Ridge(shape, 1.0), lower, balanced_start(lower, 1.0), [0.0, 0.01])


def test_a_chain_that_diverges_is_named() -> None:
    with pytest.raises(LangevinError, match="choose a smaller step") as caught:
        langevin(Own(), network(5), balanced_start(network(5), 20.0), [0.0, 5.0], chains=2, step=1.0)
    assert caught.value.chains == (0, 1)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_progress_and_statistics() -> None:
    seen: list[tuple[float, float]] = []
    samples = langevin(
        FULL, network(), START, [0.0, 0.1, 0.3], chains=2, step=0.1, adjusted=True, progress=lambda *at: seen.append(at)
    )
    assert seen == [(0.1, 0.3), (0.3, 0.3)]
    assert samples.statistics.steps == 3
    assert samples.statistics.longest_step == pytest.approx(0.1)
    assert samples.statistics.rejections.shape == (2,)
    assert default_step(network(3), 1.0) == pytest.approx(0.01 / 6)


# ------------------------------------------------------------------------------------ the parts


@pytest.mark.parametrize("side", [1, 2, 4])
def test_decompositions(side: int) -> None:
    matrices = np.random.default_rng(side).standard_normal((50, side, side))
    matrices[0] = np.eye(side)
    matrices[1] = -np.eye(side)
    P, s, Q = svd(matrices)
    np.testing.assert_allclose((P * s[:, None, :]) @ np.swapaxes(Q, 1, 2), matrices, atol=1e-14)
    np.testing.assert_allclose(s, np.linalg.svd(matrices, compute_uv=False), atol=1e-14)
    symmetric = matrices + np.swapaxes(matrices, 1, 2)
    P, y = spectral_decomposition(symmetric)
    np.testing.assert_allclose((P * y[:, None, :]) @ np.swapaxes(P, 1, 2), symmetric, atol=1e-13)
    assert (np.diff(y, axis=-1) <= 0).all()
    assert (np.diff(s, axis=-1) <= 0).all()
    turned = rotated(np.broadcast_to(np.eye(side), matrices.shape), (matrices - np.swapaxes(matrices, 1, 2)) / 10)
    np.testing.assert_allclose(
        turned @ np.swapaxes(turned, 1, 2), np.broadcast_to(np.eye(side), matrices.shape), atol=1e-14
    )
    basis = SingularBasis(side)
    np.testing.assert_allclose(basis.matrices(basis.coordinates(matrices)), matrices, atol=1e-14)


def test_determinants_make_the_small_singular_value_accurate() -> None:
    factors = np.array([[[1.0, 1e-9], [0.5, 1e-9]], [[1.0, 0.3], [0.2, 1e-8]]])
    product = factors[1] @ factors[0]
    determinant = np.linalg.det(factors).prod()
    _, s, _ = svd(product[None], np.array([determinant]))
    assert s[0, 0] * s[0, 1] == pytest.approx(abs(determinant), rel=1e-14)


def test_effective_sample_size_of_an_autoregressive_chain() -> None:
    """ρ_t = a^t: one independent sample in (1 + a)/(1 - a)."""
    a, generator = 0.8, np.random.default_rng(0)
    noise = generator.standard_normal((40, 3000)) * np.sqrt(1 - a**2)
    values = np.zeros_like(noise)
    values[:, 0] = generator.standard_normal(40)
    for t in range(1, noise.shape[1]):
        values[:, t] = a * values[:, t - 1] + noise[:, t]
    expected = values.size * (1 - a) / (1 + a)
    assert abs(effective_sample_size(values) / expected - 1) < 0.15


@pytest.mark.parametrize("values", [np.zeros((3, 10)), np.zeros(10), np.full((2, 5), np.nan)])
def test_effective_sample_size_refuses(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="values must"):
        effective_sample_size(values)
