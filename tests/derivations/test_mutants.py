"""Every formula with a sign, an exponent or a factor changed fails the verification."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sympy import Expr, Integer, Symbol, oo

import derivations.theorems.spectral_flow
import geometry.spectral_flow
from derivations import verify
from geometry import DeepLinearNetwork, SpectralMetric
from geometry.spectral_flow import pair_rotation
from geometry.volume import VolumeForm

N = Symbol("N", positive=True)
NETWORKS = (DeepLinearNetwork(N, (2, 2)), DeepLinearNetwork(3, (3, 2), 2), DeepLinearNetwork(oo, (2, 2)))


def failures(name: str) -> set[tuple[str, str]]:
    """(depth, route) of what fails."""
    fresh = [DeepLinearNetwork(n.depth, n.shape, n.rank) for n in NETWORKS]
    return {(str(n.depth), r.route) for n in fresh for r in verify([name], networks=[n]) if not r.passed}


ALL = {(str(network.depth), route) for network in NETWORKS for route in ("exact", "precise", "float")}


def test_nothing_fails_unmutated() -> None:
    for name in ("multiplier", "metric", "volume-form", "infinite-depth", "spectral-flow"):
        assert not failures(name)


@pytest.mark.parametrize(
    "mutate",
    [
        lambda value, a, b: 2 * value,
        lambda value, a, b: -value,
        lambda value, a, b: value * a * b,
        lambda value, a, b: value.subs(a, a**2) if value.has(a) else 3 * value,
    ],
    ids=["factor", "sign", "degree", "exponent"],
)
def test_multiplier(monkeypatch: pytest.MonkeyPatch, mutate: Callable[..., Expr]) -> None:
    original = DeepLinearNetwork.pair_multiplier
    monkeypatch.setattr(DeepLinearNetwork, "pair_multiplier", lambda self, a, b: mutate(original(self, a, b), a, b))
    assert failures("multiplier") == ALL


@pytest.mark.parametrize(
    "mutate",
    [
        lambda element, forms: 2 * element,
        lambda element, forms: -element,
        lambda element, forms: element.subs(forms[-1], -forms[-1]),
        lambda element, forms: element + forms[0] ** 2,
    ],
    ids=["factor", "sign", "cross term", "summand"],
)
def test_metric(monkeypatch: pytest.MonkeyPatch, mutate: Callable[..., Expr]) -> None:
    original = SpectralMetric.line_element

    def mutated(self: SpectralMetric) -> Expr:
        # The last of the rotations comes with a cross term.
        rotations = [form for form in self.forms if "Omega" in form.name]
        return mutate(original(self), rotations or self.forms)

    monkeypatch.setattr(SpectralMetric, "line_element", mutated)
    assert failures("metric") == ALL


def changed(form: VolumeForm, change: str) -> VolumeForm:
    """A volume form with one of its factors changed."""
    *others, (base, exponent) = form.factors
    if change == "exponent":
        return VolumeForm((*others, (base, exponent + 1)))
    if change == "factor":
        return VolumeForm((*form.factors, (Integer(3), Integer(1))))
    inner = base.args[0]
    flipped = inner.args[0] - inner.args[1]
    return VolumeForm((*others, (abs(flipped), exponent)))


@pytest.mark.parametrize("change", ["exponent", "factor", "sign"])
def test_volume_form(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    original = DeepLinearNetwork.volume_form.func  # type: ignore[attr-defined]
    monkeypatch.setattr(DeepLinearNetwork, "volume_form", property(lambda self: changed(original(self), change)))
    found = failures("volume-form")
    assert {depth for depth, _ in found} == {"N", "3", "oo"}
    assert {("N", "exact"), ("N", "precise"), ("N", "float"), ("oo", "float"), ("oo", "precise")} <= found


@pytest.mark.parametrize("change", ["exponent", "factor", "sign"])
def test_limit(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    original = DeepLinearNetwork._volume_form_at_infinite_depth

    def mutated(self: DeepLinearNetwork) -> VolumeForm:
        form = original(self)
        # The factor with the difference comes last for the change of its sign.
        ordered = sorted(form.factors, key=lambda factor: factor[0].func.__name__ == "Abs")
        return changed(VolumeForm(tuple(ordered)), change)

    monkeypatch.setattr(DeepLinearNetwork, "_volume_form_at_infinite_depth", mutated)
    assert failures("infinite-depth") == ALL


@pytest.mark.parametrize("change", ["sign", "factor", "exponent"])
def test_spectral_flow(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    def mutated(a: Expr, b: Expr, gradient: tuple[Expr, Expr], multiplier: Expr) -> tuple[Any, Any]:
        left, right = pair_rotation(a, b, gradient, multiplier)
        return {"sign": (-left, right), "factor": (left, 2 * right), "exponent": (left * a, right)}[change]

    monkeypatch.setattr(geometry.spectral_flow, "pair_rotation", mutated)
    monkeypatch.setattr(derivations.theorems.spectral_flow, "pair_rotation", mutated)
    assert failures("spectral-flow") == ALL
