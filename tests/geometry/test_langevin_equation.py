"""The Langevin equation: ΔX by differences in coordinates of the matrices, the layers by brute force."""

from __future__ import annotations

from typing import Any

import mpmath
import pytest
from mpmath import mpf
from sympy import Integer, Rational, Symbol, exp, log, oo, symbols

from geometry import DeepLinearNetwork, SpectralMetric, compile_kernel
from geometry.langevin_equation import entropy_drift, langevin_equation, matrix_laplacian
from geometry.laplacian import at_index, laplacian
from tests.geometry.test_laplacian import CHARTS, DIGITS, TOLERANCE, laplacian_in_chart

N, T = symbols("N T", positive=True)


@pytest.mark.parametrize(
    ("size", "depth"),
    [((2, 2, 2), 1), ((2, 2, 2), 2), ((2, 2, 2), 3), ((2, 2, 2), oo), ((3, 3, 3), 3), ((3, 2, 1), 3), ((4, 3, 2), 2)],
    ids=str,
)
def test_laplacian_of_the_entries(size: tuple[int, int, int], depth: Any) -> None:
    """(1/√G) ∂_j (√G g^ij) in matrix coordinates, or in a chart: U diag(c) Vᵀ, with nothing off the diagonal."""
    m, n, rank = size
    network = DeepLinearNetwork(depth, (m, n), rank)
    c = compile_kernel(
        [at_index(matrix_laplacian(network.metric), k) for k in range(rank)], network.singular_values, "mpmath"
    )
    chart, t = CHARTS[size]
    places = [(i, j) for i in range(m) for j in range(n)]
    with mpmath.workdps(DIGITS):
        found = laplacian_in_chart(chart, t, depth, rank, [lambda X, p=place: X[p] for place in places])
        U, values, V = mpmath.svd_r(chart(t))
        weights = c(*(values[k] for k in range(rank)))
        for (i, j), entry in zip(places, found, strict=True):
            expected = mpmath.fsum(U[i, k] * weights[k] * V[k, j] for k in range(rank))
            assert abs(entry - expected) < TOLERANCE * 10


@pytest.mark.parametrize(("field", "beta"), [("R", 1), ("C", 2), ("H", 4)])
def test_closed_form_for_every_shape_and_rank(field: str, beta: int) -> None:
    m, n, r = symbols("m n r", integer=True, positive=True)
    found = matrix_laplacian(DeepLinearNetwork(N, (m, n), r, field).metric)
    sigma = Symbol("s", positive=True)
    k = Symbol("k", integer=True, positive=True)
    value = found.subs(k, 1).subs(Symbol("sigma_1", positive=True), sigma)
    assert (value - (2 - beta) * (N - 1) * sigma ** (1 - 2 / N)).expand() == 0


def test_complex_entries_are_harmonic() -> None:
    """Over C log |det X| is the real part of a holomorphic function of X, and Δ X = 0: harmonic at every depth."""
    for depth in (2, 3, oo):
        network = DeepLinearNetwork(depth, (2, 2), field="C")
        a, b = network.singular_values
        value = laplacian(network.metric, log(a * b)).subs({a: 7, b: Rational(1, 3)}).evalf(30)
        assert abs(value) < Rational(1, 10**20)


# ------------------------------------------------------------------------------------- equilibrium


@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3, oo])
@pytest.mark.parametrize("field", ["R", "C"])
def test_the_equilibrium_density_is_stationary(field: str, depth: Any, vertical: bool) -> None:
    """The current b p - ∂(λ p) of Fokker and Planck vanishes, p = exp(log density): detailed balance."""
    network = DeepLinearNetwork(depth, (2, 2), field=field)
    a, b = network.singular_values
    equation = langevin_equation(network, T, a**2 / 2 + b**2 / 2 + a * b / 3, vertical)
    log_density = equation.log_equilibrium_density()
    point = {a: Rational(17, 5), b: Rational(3, 7), T: Rational(2, 3)}
    for k, sigma in enumerate((a, b)):
        drift, noise = equation.drift(k), equation.noise(k)
        # |a - b| written without modulus, for a > b, to be differentiated.
        smooth = log_density.replace(lambda part: part.func.__name__ == "Abs", lambda part: part.args[0])
        strength = noise**2 / 2
        current = drift - strength.diff(sigma) - strength * smooth.diff(sigma)
        assert abs(current.subs(point).evalf(30)) < Rational(1, 10**24)


def test_generator_against_drift_and_noise() -> None:
    network = DeepLinearNetwork(3, (2, 2))
    a, b = network.singular_values
    equation = langevin_equation(network, T, a**2 + b, vertical_noise=True)
    function = exp(-a) * b**2
    (drift_a, noise_a), (drift_b, noise_b) = equation.equations()
    ito = drift_a * function.diff(a) + drift_b * function.diff(b)
    ito += noise_a**2 / 2 * function.diff(a, 2) + noise_b**2 / 2 * function.diff(b, 2)
    point = {a: Integer(3), b: Rational(1, 2), T: Rational(5, 3)}
    difference = (equation.generator(function) - ito).subs(point).evalf(30)
    assert abs(difference) < Rational(1, 10**25)


def test_symbolic_rank_and_depth() -> None:
    r = Symbol("r", integer=True, positive=True)
    symbolic, network = DeepLinearNetwork(N, (r, r), r), DeepLinearNetwork(N, (3, 3))
    point = dict(zip(network.singular_values, (Rational(7, 2), 2, Rational(3, 5)), strict=True)) | {N: 3, T: 2}
    k = Symbol("k", integer=True, positive=True)
    equations = [
        langevin_equation(each, T, each.coframe.sum_over(1, lambda a: a**3), vertical_noise=True)
        for each in (symbolic, network)
    ]
    for position in range(3):
        for value in ("drift", "matrix_drift", "noise"):
            general = getattr(equations[0], value)(k).subs({r: 3, k: position + 1}).doit()
            special = getattr(equations[1], value)(position)
            assert abs((general - special).subs(point).evalf(30)) < Rational(1, 10**24)


def test_noise_in_the_singular_basis() -> None:
    network = DeepLinearNetwork(3, (3, 2), 1)
    (a,) = network.singular_values
    equation = langevin_equation(network, T)
    assert equation.matrix_noise(0, 0) ** 2 == 2 * T * network.multiplier(0, 0)
    assert equation.matrix_noise(None, 0) ** 2 == equation.matrix_noise(0, None) ** 2 == 2 * T * a ** Rational(4, 3)
    with pytest.raises(ValueError, match="needs the index"):
        equation.matrix_noise(None, None)


@pytest.mark.parametrize("temperature", [0, -1, "hot"])
def test_bad_temperature(temperature: Any) -> None:
    with pytest.raises(ValueError, match="temperature"):
        langevin_equation(DeepLinearNetwork(3, (2, 2)), temperature)


def test_bad_energy() -> None:
    with pytest.raises(ValueError, match="sigma_3"):
        langevin_equation(DeepLinearNetwork(3, (2, 2)), 1, Symbol("sigma_3", positive=True))


# ---------------------------------------------------------------------- Brownian motion on the layers

UP_STEP = mpf(10) ** -10


def rotation(angle: Any) -> Any:
    return mpmath.matrix([[mpmath.cos(angle), -mpmath.sin(angle)], [mpmath.sin(angle), mpmath.cos(angle)]])


def balanced_layers(t: list[Any], depth: int) -> list[Any]:
    """W_p = Q_p Λ Q_{p-1}ᵀ for t = (λ_1, λ_2, angles of Q_0 … Q_N)."""
    core, frames = mpmath.diag(t[:2]), [rotation(angle) for angle in t[2:]]
    return [frames[p] * core * frames[p - 1].T for p in range(1, depth + 1)]


def product(layers: list[Any]) -> Any:
    total = layers[0]
    for layer in layers[1:]:
        total = layer * total
    return total


def upstairs_metric(t: list[Any], depth: int) -> tuple[Any, Any]:
    """The inverse of the Frobenius Gram matrix of the layers' velocities, and log √det: by differences."""
    moves = []
    for i in range(len(t)):
        above, below = (balanced_layers([*t[:i], t[i] + s * UP_STEP, *t[i + 1 :]], depth) for s in (1, -1))
        moves.append([(one - other) / (2 * UP_STEP) for one, other in zip(above, below, strict=True)])
    gram = mpmath.matrix(
        [
            [sum(sum(x * y for x, y in zip(F, G, strict=True)) for F, G in zip(a, b, strict=True)) for b in moves]
            for a in moves
        ]
    )
    return mpmath.inverse(gram), mpmath.log(mpmath.det(gram)) / 2


def upstairs_laplacian(t: list[Any], depth: int, functions: list[Any]) -> list[Any]:
    """Δ of f(W_N ⋯ W_1) on the balanced manifold, with nested differences."""
    step, size = mpf(10) ** -6, len(t)
    here, _ = upstairs_metric(t, depth)

    def moved(i: int, by: Any, j: int = 0, also: Any = 0) -> list[Any]:
        values = list(t)
        values[i] += by
        values[j] += also
        return values

    drift = [mpf(0)] * size
    for i in range(size):
        (above, high), (below, low) = (upstairs_metric(moved(i, s * step), depth) for s in (1, -1))
        for j in range(size):
            drift[j] += ((above - below)[i, j] + here[i, j] * (high - low)) / (2 * step)
    results = []
    for function in functions:

        def at(values: list[Any], f: Any = function) -> Any:
            return f(product(balanced_layers(values, depth)))

        value = mpf(0)
        for i in range(size):
            value += drift[i] * (at(moved(i, step)) - at(moved(i, -step))) / (2 * step)
            for j in range(size):
                corners = sum(a * b * at(moved(i, a * step, j, b * step)) for a in (1, -1) for b in (1, -1))
                value += here[i, j] * corners / (4 * step**2)
        results.append(value)
    return results


@pytest.mark.parametrize("depth", [2, 3])
def test_brownian_motion_of_the_layers_feels_the_entropy(depth: int) -> None:
    """Δ upstairs of σ_1², σ_2² and of an entry, against Δ + grad S, and not against Δ."""
    network = DeepLinearNetwork(depth, (2, 2))
    a, b = network.singular_values
    with mpmath.workdps(50):
        t = [mpf("1.3"), mpf("0.8"), *(mpf(k) / 7 for k in range(depth + 1))]
        trace = lambda X: sum(x**2 for x in X)  # noqa: E731
        determinant = lambda X: X[0, 0] * X[1, 1] - X[0, 1] * X[1, 0]  # noqa: E731
        found = upstairs_laplacian(t, depth, [trace, determinant, lambda X: X[0, 1]])
        point = {a: Rational(13, 10) ** depth, b: Rational(8, 10) ** depth}
        for function, value in zip((a**2 + b**2, a * b), found, strict=False):
            up, down = (
                langevin_equation(network, 1, 0, vertical_noise=noisy).generator(function).subs(point).evalf(30)
                for noisy in (True, False)
            )
            # Central differences with steps of 1e-6: errors of 1e-12 times third derivatives.
            assert abs(value - mpf(str(up))) < 1e-9
            assert abs(value - mpf(str(down))) > 1e-2
        left, right = rotation(t[-1]), rotation(t[2])
        correction = [langevin_equation(network, 1, 0, vertical_noise=True).matrix_drift(k) for k in range(2)]
        weights = [mpf(str(value.subs(point).evalf(30))) for value in correction]
        expected = sum(left[0, k] * weights[k] * right[1, k] for k in range(2))
        assert abs(found[2] - expected) < 1e-9


def test_entropy_drift_is_the_gradient_of_the_entropy() -> None:
    for network in (
        DeepLinearNetwork(3, (3, 3)),
        DeepLinearNetwork(4, (3, 3), field="H"),
        DeepLinearNetwork(3, (4, 3), 2),
        DeepLinearNetwork(oo, (3, 3), field="C"),
    ):
        sigma = network.singular_values
        point = dict(zip(sigma, (Rational(7, 2), 2, Rational(3, 5)), strict=False))
        for k, value in enumerate(sigma):
            found = at_index(entropy_drift(network, hidden_width=5), k)
            expected = network.multiplier(k, k) * network.entropy(5).diff(value)
            assert abs((found - expected).subs(point).evalf(30)) < Rational(1, 10**24)


def test_a_metric_of_ones_own() -> None:
    """Twice Bures-Wasserstein is depth 2 with its multiplier: Δ X = U Vᵀ, as for the network."""
    assert matrix_laplacian(SpectralMetric((3, 3), multiplier=lambda a, b: a + b)) == 1
