"""The entropy against the Gram determinant of the orbit of explicit complex matrices (H in 2 x 2 blocks)."""

import mpmath
import numpy as np
import pytest
from scipy.linalg import expm
from sympy import Rational, Symbol, oo, symbols

from geometry import DeepLinearNetwork, compile_kernel
from geometry.entropy import entropy, entropy_constant, entropy_growth, fibre_volume

UNITS = {
    "R": [np.eye(1)],
    "C": [np.eye(1), 1j * np.eye(1)],
    "H": [np.eye(2), *(np.array(unit) for unit in ([[1j, 0], [0, -1j]], [[0, 1], [-1, 0]], [[0, 1j], [1j, 0]]))],
}


def place(size, k, l, unit):
    where = np.zeros((size, size))
    where[k, l] = 1
    return np.kron(where, unit)


def generators(size, field, moved):
    """Skew-Hermitian matrices with one real component in the first columns, as many as are moved."""
    units = UNITS[field]
    for k in range(moved):
        yield from (place(size, k, k, unit) for unit in units[1:])
        for l in range(k + 1, size):
            yield from (place(size, k, l, unit) - place(size, l, k, unit.conj().T) for unit in units)


def frame(size, field, generator):
    return expm(sum(generator.standard_normal() * skew for skew in generators(size, field, size)))


def log_gram(sigma, shape, depth, width, field, seed=0):
    """½ log det of the Gram matrix of the orbit's tangent vectors K W_p, -W_{p+1} K."""
    generator, (m, n), unit = np.random.default_rng(seed), shape, UNITS[field][0]
    widths = [n, *[width] * (depth - 1), m]
    frames = [frame(size, field, generator) if size > 1 or field != "R" else np.eye(1) for size in widths]
    layers = []
    for p in range(1, depth + 1):
        core = np.zeros((widths[p], widths[p - 1]))
        np.fill_diagonal(core[: len(sigma), : len(sigma)], np.asarray(sigma) ** (1 / depth))
        layers.append(frames[p] @ np.kron(core, unit) @ frames[p - 1].conj().T)
    vectors = []
    for p in range(1, depth):
        for skew in generators(width, field, len(sigma)):
            rotation = frames[p] @ skew @ frames[p].conj().T
            velocity = [np.zeros_like(layer, dtype=complex) for layer in layers]
            velocity[p - 1], velocity[p] = rotation @ layers[p - 1], -layers[p] @ rotation
            vectors.append(np.concatenate([part.ravel() for part in velocity]))
    stacked = np.array(vectors)
    gram = np.real(stacked.conj() @ stacked.T) / len(unit)
    return np.linalg.slogdet(gram)[1] / 2


def log_stiefel(width, rank, field):
    """Spheres from Gaussian integrals."""
    beta, total = len(UNITS[field]), mpmath.mpf(0)
    for j in range(width - rank + 1, width + 1):
        total += mpmath.log(2 * mpmath.pi ** (mpmath.mpf(beta * j) / 2) / mpmath.gamma(mpmath.mpf(beta * j) / 2))
    return total


CASES = [
    ((1, 1), 1, "R", 3, 1), ((2, 2), 2, "R", 2, 0), ((2, 2), 2, "R", 5, 1), ((3, 3), 3, "R", 3, 0),
    ((3, 3), 3, "R", 4, 1), ((4, 3), 2, "R", 3, 0), ((3, 4), 2, "R", 2, 2), ((1, 1), 1, "C", 4, 0),
    ((2, 2), 2, "C", 3, 0), ((2, 3), 2, "C", 2, 1), ((3, 3), 3, "C", 2, 0), ((1, 1), 1, "H", 3, 1),
    ((2, 2), 2, "H", 2, 0), ((2, 2), 2, "H", 3, 1),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "rank", "field", "depth", "wider"), CASES)
def test_against_the_orbit(shape, rank, field, depth, wider) -> None:
    sigma = [1.9, 1.1, 0.4][:rank]
    N = Symbol("N", positive=True)
    width = rank + wider
    expected = log_gram(sigma, shape, depth, width, field) + (depth - 1) * log_stiefel(width, rank, field)
    for network in (
        DeepLinearNetwork(N, shape, rank, field),
        DeepLinearNetwork(depth, shape, rank, field, rescaled=True),
    ):
        values = dict(zip(network.singular_values, sigma, strict=True))
        found = float(entropy(network, width).subs({N: depth}).subs(values))
        # Determinants of Gram matrices with up to 28 rows, in double precision.
        assert abs(found - expected) < 1e-11 * max(1, abs(expected))
        assert abs(float(fibre_volume(network, width).subs({N: depth}).subs(values)) / np.exp(found) - 1) < 1e-11


@pytest.mark.parametrize("field", "RCH")
@pytest.mark.parametrize("depth", [Symbol("N", positive=True), oo, 3])
def test_symbolic_rank_and_width(field, depth) -> None:
    m, n, r, h = symbols("m n r h", integer=True, positive=True)
    general = entropy(DeepLinearNetwork(depth, (m, n), r, field), h).subs({r: 3, h: 4}).doit()
    explicit = entropy(DeepLinearNetwork(depth, (3, 3), 3, field), 4)
    values = {"N": 7, "sigma_1": 2, "sigma_2": 1.5, "sigma_3": 0.5}
    numbers = {symbol: values[str(symbol)] for symbol in explicit.free_symbols}
    assert general.free_symbols == explicit.free_symbols
    assert float((general - explicit).subs(numbers)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("field", "RCH")
def test_the_limit(field) -> None:
    """S_N - (N-1) log c - κ log N at N = 10⁸ and twice that, extrapolated; also where σ_1 and σ_2 nearly coalesce."""
    N = Symbol("N", positive=True)
    network = DeepLinearNetwork(N, (2, 2), field=field)
    for sigma in ([mpmath.mpf(2), mpmath.mpf(1) / 3], [1 + mpmath.mpf(10) ** -20, mpmath.mpf(1)]):
        with mpmath.workdps(60):
            kernel = compile_kernel(entropy(network, 3), [N, *network.singular_values], "mpmath")
            constant = mpmath.mpf(entropy_constant(network, 3).evalf(60))
            growth = mpmath.mpf(entropy_growth(network, 3).evalf(60))
            rest = [
                kernel(n, *sigma) - (n - 1) * constant - growth * mpmath.log(n) for n in map(mpmath.mpf, (1e8, 2e8))
            ]
            limit = compile_kernel(entropy(network.infinite_depth(), 3), list(network.singular_values), "mpmath")
            # What is left is of order 1/N².
            assert abs(2 * rest[1] - rest[0] - limit(*sigma)) < 1e-14


def test_growth() -> None:
    r = Symbol("r", integer=True, positive=True)
    growth = [entropy_growth(DeepLinearNetwork(5, (r, r), field=field)) for field in "RCH"]
    assert [value.subs(r, 3) for value in growth] == [Rational(x, 2) for x in (3, 9, 21)]


def test_coalescence_is_regular() -> None:
    network = DeepLinearNetwork(Symbol("N", positive=True), (2, 2))
    a, b = network.singular_values
    kernel = compile_kernel(entropy(network), [network.depth, a, b])
    assert kernel(3.0, 1.5, 1.5) == pytest.approx(kernel(3.0, 1.5 + 1e-13, 1.5), rel=1e-12)


@pytest.mark.parametrize("width", [1, 1.5, True, float("nan"), "wide"])
def test_bad_widths(width) -> None:
    with pytest.raises(ValueError, match="hidden_width"):
        DeepLinearNetwork(2, (2, 2)).entropy(width)
