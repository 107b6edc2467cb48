"""The theorems on the fibre's volume: they pass, and fail with a factor, sign or exponent changed."""

import pytest
from sympy import Symbol, oo

import derivations.theorems.entropy as entropy_theorem
import derivations.theorems.entropy_limit as limit_theorem
import derivations.theorems.fibre_gram_matrix as gram_theorem
import derivations.theorems.free_energy as free_energy_theorem
import derivations.theorems.group_volumes as volume_theorem
import geometry.free_energy
from derivations.derivation import ROUTES, DerivationError, NotApplicableError
from geometry import DeepLinearNetwork

N = Symbol("N", positive=True)
FINITE = DeepLinearNetwork(N, (2, 2), field="C")
DEEP = DeepLinearNetwork(oo, (2, 2))
PLAIN = DeepLinearNetwork(1, (2, 2))
ALL = [
    (gram_theorem, FINITE), (entropy_theorem, FINITE),
    (entropy_theorem, DeepLinearNetwork(3, (3, 2), 2, rescaled=True)),
    (limit_theorem, DEEP), (free_energy_theorem, FINITE), (free_energy_theorem, DEEP), (volume_theorem, PLAIN),
    (volume_theorem, DeepLinearNetwork(1, (2, 2), field="H")), (volume_theorem, DeepLinearNetwork(1, (3, 3))),
]  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("theorem", "network"), ALL, ids=str)
def test_they_hold(theorem, network, route) -> None:
    assert theorem.derive(network).check(route).passed
    assert theorem.derive(network).latex()


def assert_fails(theorem, network) -> None:
    for route in ROUTES:
        with pytest.raises(DerivationError):
            theorem.derive(network).check(route)


def test_gram_matrix_mutants(monkeypatch) -> None:
    original = gram_theorem.pair_determinant
    for mutant in (lambda a, b, n: 2 * original(a, b, n), lambda a, b, n: original(a, b, n) * a):
        monkeypatch.setattr(gram_theorem, "pair_determinant", mutant)
        assert_fails(gram_theorem, FINITE)


def test_continuant_mutant(monkeypatch) -> None:
    original = gram_theorem.continuant
    monkeypatch.setattr(gram_theorem, "continuant", lambda d, e, n: original(d, e, n + 1))
    assert_fails(gram_theorem, FINITE)


def test_entropy_mutants(monkeypatch) -> None:
    original = entropy_theorem.entropy
    for mutant in (lambda *a: 2 * original(*a), lambda *a: original(*a) + 1, lambda n, *a: original(n, *a) - n.depth):
        monkeypatch.setattr(entropy_theorem, "entropy", mutant)
        assert_fails(entropy_theorem, FINITE)


def test_limit_mutants(monkeypatch) -> None:
    original = limit_theorem.entropy
    for mutant in (lambda *a: -original(*a), lambda *a: original(*a) / 2):
        monkeypatch.setattr(limit_theorem, "entropy", mutant)
        assert_fails(limit_theorem, DEEP)


def test_free_energy_mutants(monkeypatch) -> None:
    original = geometry.free_energy.entropy
    for mutant in (lambda *a: 2 * original(*a), lambda *a: -original(*a)):
        monkeypatch.setattr(geometry.free_energy, "entropy", mutant)
        assert_fails(free_energy_theorem, FINITE)


def test_volume_mutants(monkeypatch) -> None:
    original = volume_theorem.sphere_volume
    monkeypatch.setattr(volume_theorem, "sphere_volume", lambda q: 2 * original(q))
    assert_fails(volume_theorem, PLAIN)


def test_where_they_say_nothing() -> None:
    for theorem, network in (
        (gram_theorem, DEEP), (entropy_theorem, DEEP), (limit_theorem, FINITE), (volume_theorem, FINITE),
        (free_energy_theorem, DeepLinearNetwork(N, (3, 3), Symbol("r", integer=True, positive=True))),
        (volume_theorem, DeepLinearNetwork(1, (3, 3), 2)),
    ):  # fmt: skip
        with pytest.raises(NotApplicableError):
            theorem.derive(network)
