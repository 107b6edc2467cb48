"""How derivations show themselves in a notebook, and what their steps can be asked."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest
from sympy import Eq, Expr, Integer, Limit, Piecewise, Rational, Sum, Symbol, oo, symbols

from derivations import DERIVATIONS, Derivation, DerivationError, Step
from derivations.derivation import NotApplicableError
from derivations.verification import verified_networks
from geometry import DeepLinearNetwork, PowerDifferenceMean
from geometry.indexed import IndexedProduct, IndexedSum

N = Symbol("N", positive=True)
r = Symbol("r", integer=True, positive=True)
sigma_k, sigma_l = symbols("sigma_k sigma_l", positive=True)
ROUTES = ("exact", "precise", "float")


class Structure(HTMLParser):
    """Reads HTML: what is opened is closed, and only tags that we write occur."""

    ALLOWED = frozenset({"div", "strong", "table", "tr", "th", "td", "p", "pre", "details", "summary", "ol", "li"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.summaries: list[str] = []
        self.count: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.ALLOWED
        self.open.append(tag)
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag == "summary":
            self.summaries.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] == "summary":
            self.summaries[-1] += data


def structure(source: str) -> Structure:
    reader = Structure()
    reader.feed(source)
    reader.close()
    assert reader.open == []
    return reader


@cache
def derived(name: str) -> Derivation:
    return DERIVATIONS[name](verified_networks(name)[0])


def multiplier() -> Derivation:
    return DERIVATIONS["multiplier"](DeepLinearNetwork(N, (3, 3)))


# ------------------------------------------------------------------ HTML


@pytest.mark.parametrize("name", list(DERIVATIONS))
def test_every_derivation_shows_its_steps(name: str) -> None:
    derivation = derived(name)
    shown = structure(derivation._repr_html_())
    assert shown.count["ol"] == 1
    assert shown.count["li"] == len(derivation.steps)
    assert shown.summaries == [step.reason for step in derivation.steps]
    assert derivation.statement in shown.text
    assert str(derivation.reference) in shown.text
    for equation in derivation.result_latex():
        assert rf"\[{equation}\]" in shown.text
    for step in derivation.steps:
        assert rf"\[{step.latex()}\]" in shown.text
    for opening, closing in ((r"\(", r"\)"), (r"\[", r"\]")):
        formulas = re.findall(re.escape(opening) + r"(.*?)" + re.escape(closing), shown.text, re.DOTALL)
        assert shown.text.count(opening) == shown.text.count(closing) == len(formulas)
        assert all(found.count("{") == found.count("}") for found in formulas)


def test_abbreviations_are_explained_where_they_occur_first() -> None:
    derivation = DERIVATIONS["volume-form"](DeepLinearNetwork(N, (2, 2)))
    text = structure(derivation._repr_html_()).text
    assert text.count(r"\(\lambda_{11} =") == 1
    step = structure(derivation.steps[-1]._repr_html_()).text
    assert {rf"\lambda_{{{pair}}} =" in step for pair in ("11", "12", "22")} == {True}


def test_a_step_shows_its_reason_its_latex_and_its_python() -> None:
    step = multiplier().steps[0]
    shown = structure(step._repr_html_())
    assert step.reason in shown.text
    assert shown.summaries == ["LaTeX", "Python"]
    assert step.latex() in shown.text
    assert step.python() in shown.text
    assert shown.count["pre"] == 2


def test_text_of_a_derivation_is_escaped() -> None:
    wicked = "<img src=x onerror=alert(1)> & co"
    derivation = multiplier()
    step = Step(Symbol(wicked), Symbol("</pre><script>"), wicked, where={Symbol("<i>"): Symbol("<u>")})
    wrong = replace(
        derivation, name=wicked, statement=wicked, subject=(wicked,) * len(derivation.subject), steps=(step,)
    )
    for source in (wrong._repr_html_(), step._repr_html_()):
        structure(source)  # refuses tags that are not ours
        assert wicked not in source
        assert html.escape(wicked) in source


# ------------------------------------------------------------------ values


def test_a_step_at_a_depth() -> None:
    step = multiplier().steps[0]
    at_three = step.subs(N=3)
    assert at_three.network == DeepLinearNetwork(3, (3, 3))
    assert (
        at_three.lhs.doit()
        - (sigma_k ** Rational(4, 3) + (sigma_k * sigma_l) ** Rational(2, 3) + sigma_l ** Rational(4, 3))
        == 0
    )
    assert at_three == step.subs({N: 3}) == step.subs({"N": 3})
    assert at_three.reason == step.reason
    assert "N" not in at_three.latex()


@pytest.mark.parametrize("route", ROUTES)
def test_a_step_at_a_depth_can_be_checked(route: str) -> None:
    for step in multiplier().steps:
        assert step.subs(N=3).check(route).passed


def test_a_step_at_numbers() -> None:
    step = multiplier().steps[0].subs(N=2, sigma_k=3).subs(sigma_l=5)
    assert step.lhs.doit() == step.rhs == 8
    assert step.values == {sigma_k: 3, sigma_l: 5}
    assert step.check("precise").passed
    assert step.check("float").passed
    with pytest.raises(ValueError, match=r"chooses its own values, and sigma_k = 3, sigma_l = 5 was put in"):
        step.check("exact")


def test_floating_point_values_are_for_the_float_route() -> None:
    step = multiplier().steps[0].subs(N=3, sigma_k=0.3, sigma_l=2)
    assert step.check("float").passed
    with pytest.raises(ValueError, match=r"takes no floating-point numbers: .* Rational\(3, 10\)"):
        step.check("precise")


def test_a_step_at_a_rank() -> None:
    derivation = DERIVATIONS["volume-form"](DeepLinearNetwork(N, (r, r), r))
    step = derivation.steps[-1]
    assert step.rhs.has(IndexedProduct)
    at_two = step.subs(r=2)
    assert at_two.network == DeepLinearNetwork(N, (2, 2), 2)
    assert not at_two.lhs.has(IndexedProduct, IndexedSum)
    assert at_two.lhs.has(Sum)
    assert not at_two.lhs.has(Piecewise)  # what SymPy makes of a geometric sum
    assert at_two.rhs - DeepLinearNetwork(N, (2, 2)).volume_density() ** 2 == 0
    for route in ROUTES:
        assert at_two.check(route).passed


def test_every_step_at_a_rank_is_what_it_is_for_that_rank() -> None:
    """Sums over singular values that are written out, and the same step derived for the rank."""
    for name in ("metric", "volume-form"):
        symbolic = DERIVATIONS[name](DeepLinearNetwork(N, (r, r), r)).steps[-1].subs(r=2, N=2)
        explicit_rank = DERIVATIONS[name](DeepLinearNetwork(2, (2, 2))).steps[-1]
        for side in ("lhs", "rhs"):
            assert (getattr(symbolic, side) - getattr(explicit_rank, side)).doit().simplify() == 0


def test_the_variable_of_a_limit_stays() -> None:
    step = DERIVATIONS["infinite-depth"](DeepLinearNetwork(N, (2, 2))).steps[0]
    with_value = step.subs(N=3, sigma_k=2)
    assert isinstance(with_value.lhs, Limit)
    assert with_value.lhs.args[1] == N
    assert with_value.lhs.args[0] == PowerDifferenceMean(2, sigma_l, 2, 2 / N)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tau": 2}, "tau does not occur; the symbols that do: N, sigma_k, sigma_l"),
        ({"N": "3"}, "must be a number or an expression, not '3'"),
        ({Symbol("sigma_k"): 3}, "other assumptions than yours"),
        ({"N": oo}, "must be finite"),
        ({"sigma_k": oo}, "must be finite"),
    ],
)
def test_values_that_make_no_sense(values: dict[object, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        multiplier().steps[0].subs(values)


def test_a_derivation_for_another_network() -> None:
    derivation = multiplier().subs(N=2)
    assert derivation == DERIVATIONS["multiplier"](DeepLinearNetwork(2, (3, 3)))
    assert derivation.check("exact").passed
    assert multiplier().subs(N=oo).network.is_infinitely_deep
    metric = DERIVATIONS["metric"](DeepLinearNetwork(N, (3, 2), 2))
    with pytest.raises(NotApplicableError):
        metric.subs(N=oo)
    with pytest.raises(ValueError, match="sigma_k does not occur; the symbols that do: N"):
        multiplier().subs(sigma_k=2)
    with pytest.raises(ValueError, match="'mine' is not in DERIVATIONS"):
        replace(multiplier(), name="mine").subs(N=2)


# ------------------------------------------------------------------ checks


@pytest.mark.parametrize("route", ROUTES)
def test_a_wrong_step_fails_its_check(route: str) -> None:
    first = multiplier().steps[0]
    assert first.check(route).passed
    for wrong in (2 * first.rhs, -first.rhs, first.rhs * sigma_k):
        with pytest.raises(DerivationError, match=rf"route {route}: the step \(geometric series\) fails"):
            replace(first, rhs=wrong).check(route)
        with pytest.raises(DerivationError, match="fails"):
            replace(first, rhs=wrong).subs(N=2).check(route)


def test_a_step_of_its_own_needs_a_network() -> None:
    step = Step(sigma_k + sigma_l, sigma_l + sigma_k + 0, "sums commute")
    with pytest.raises(ValueError, match="network must be given"):
        step.check()
    assert step.check("exact", DeepLinearNetwork(2, (2, 2))).name == "sums commute"
    with pytest.raises(ValueError, match="route must be one of 'exact', 'precise', 'float', not 'guess'"):
        multiplier().steps[0].check("guess")


# ------------------------------------------------------------------ code


@pytest.mark.parametrize("name", list(DERIVATIONS))
def test_the_python_of_every_step_gives_its_sides(name: str) -> None:
    for step in derived(name).steps:
        defined: dict[str, Expr] = {}
        exec(step.python(), defined)
        for side in ("lhs", "rhs"):
            difference = defined[side] - getattr(step, side)
            if difference != 0:
                # The code multiplies out what the step has in front of a sum, which SymPy does not see as the same.
                free = sorted(difference.free_symbols, key=str)
                values = {
                    symbol: Integer(3) if symbol == N else Rational(4 + 3 * i, 7) for i, symbol in enumerate(free)
                }
                assert abs(difference.subs(values).doit().evalf(30, chop=True)) < 1e-25, step.reason


def test_python_ends_with_the_sides_and_defines_no_more_than_it_needs() -> None:
    lines = multiplier().steps[0].python().splitlines()
    assert lines[-1].startswith("rhs = ")
    assert [line.split(" = ")[0] for line in lines if " = Symbol(" in line] == ["N", "p", "sigma_k", "sigma_l"]
    assert not any(line.startswith("from geometry") for line in lines)
    limit = DERIVATIONS["infinite-depth"](DeepLinearNetwork(N, (2, 2))).steps[0]
    assert "from geometry.means import PowerDifferenceMean" in limit.python().splitlines()


def test_the_python_of_a_derivation_gives_its_result() -> None:
    derivation = multiplier().subs(N=2)
    defined: dict[str, Expr] = {}
    exec(derivation.python(), defined)
    assert defined["result"] == derivation.result


def test_the_kernel_of_a_step() -> None:
    step = multiplier().steps[0].subs(N=2)
    kernel = step.kernel()
    assert kernel.arguments == (sigma_k, sigma_l)
    assert float(kernel(3.0, 5.0)) == pytest.approx(8.0, rel=1e-14)
    assert "def " in kernel.source
    symbolic = DERIVATIONS["volume-form"](DeepLinearNetwork(N, (r, r), r)).steps[-1]
    with pytest.raises(ValueError, match="cannot be compiled"):
        symbolic.kernel()


def test_a_step_as_an_equation_of_sympy() -> None:
    step = multiplier().steps[0]
    assert isinstance(step.equation, Eq)
    assert step.equation.args == (step.lhs, step.rhs)
    assert step.equation.lhs.has(Sum)
