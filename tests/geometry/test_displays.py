"""How networks and metrics show themselves in a notebook, and values for their symbols."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from sympy import Integer, Symbol, latex, log, oo, symbols

from geometry import DeepLinearNetwork, SpectralMetric, explicit
from geometry.displays import network_html
from geometry.html_fragments import details, displayed_formula, formula, heading, paragraph, preformatted, table
from geometry.substitution import values_of_symbols

N = Symbol("N", positive=True)
m, n, r = symbols("m n r", integer=True, positive=True)
NETWORKS = [
    DeepLinearNetwork(N, (2, 2)),
    DeepLinearNetwork(1, (2, 3), 1),
    DeepLinearNetwork(3, (4, 4), 4, "C"),
    DeepLinearNetwork(7, (5, 3), 3, rescaled=True),
    DeepLinearNetwork(oo, (3, 3)),
    DeepLinearNetwork(oo, (3, 4), 2, "H"),
    DeepLinearNetwork(N, (m, n), r),
    DeepLinearNetwork(N, (r, r), r),
]


class Tags(HTMLParser):
    """Reads HTML; every tag has to be closed, and nothing but the tags that we write may occur."""

    ALLOWED = frozenset({"div", "strong", "table", "tr", "th", "td", "p", "pre", "details", "summary"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.ALLOWED
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def text_of(html: str) -> str:
    """The text of HTML that is well formed."""
    reader = Tags()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader.text


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_networks_show_themselves(network: DeepLinearNetwork) -> None:
    text = text_of(network._repr_html_())
    for label in ("depth", "dimension", "multiplier", "volume density"):
        assert label in text
    assert text.count(r"\(") == text.count(r"\)") >= 4
    assert text.count("{") == text.count("}")
    assert text.count(r"\left") == text.count(r"\right")
    assert ("line element" in text) != network.freezes_spaces
    assert ("against the null spaces" in text) == network.coframe.has_null_directions
    assert network._repr_latex_().startswith("$")
    assert network._repr_latex_().endswith("$")


def test_formulas_of_low_rank_are_those_of_the_network() -> None:
    network = DeepLinearNetwork(N, (2, 2))
    text = text_of(network._repr_html_())
    assert rf"\(\sqrt{{\det g}} = {latex(explicit(network.volume_density()))}\)" in text
    assert rf"\(ds^2 = {latex(explicit(network.metric.line_element()))}\)" in text
    assert r"\(\lambda_{kl} = \frac{\sigma_{k}^{2} - \sigma_{l}^{2}}" in text


@pytest.mark.parametrize("depth", [N, Integer(1), Integer(3), oo], ids=str)
@pytest.mark.parametrize(("shape", "rank"), [((3, 3), 3), ((4, 3), 3), ((5, 4), 3)])
def test_formulas_of_higher_rank_are_those_of_the_network_with_products(
    depth: object, shape: tuple[int, int], rank: int
) -> None:
    from geometry.displays import _volume_density

    network = DeepLinearNetwork(depth, shape, rank)
    values = {Symbol(f"sigma_{k}", positive=True): Integer(7 - 2 * k) for k in (1, 2, 3)} | {N: Integer(4)}
    shown = _volume_density(network)
    assert "Product" in str(shown)
    assert abs(float(shown.doit().subs(values) / network.volume_density().subs(values)) - 1) < 1e-12


def test_dimensions_are_counted_without_the_blocks() -> None:
    assert r"\(200000\)" in text_of(DeepLinearNetwork(2, (500, 400))._repr_html_())
    assert r"\(r^{2}\)" in text_of(DeepLinearNetwork(N, (r, r), r)._repr_html_())


def test_large_networks_are_shown_at_once() -> None:
    start = time.perf_counter()
    network_html(DeepLinearNetwork(3, (1000, 800), 700))
    assert time.perf_counter() - start < 5


def test_depths_are_named() -> None:
    assert r"\quad N = 3$" in DeepLinearNetwork(3, (2, 2))._repr_latex_()
    assert r"\quad N \to \infty$" in DeepLinearNetwork(oo, (2, 2))._repr_latex_()
    assert "W_{L}" in DeepLinearNetwork(Symbol("L", positive=True), (2, 2))._repr_latex_()
    assert "rescaled" in DeepLinearNetwork(3, (2, 2), rescaled=True)._repr_html_()
    assert "rescaled" not in DeepLinearNetwork(3, (2, 2))._repr_html_()


def test_metrics_show_themselves() -> None:
    bures = SpectralMetric(shape=(2, 2), multiplier=lambda a, b: a + b)
    assert bures._repr_latex_() == rf"$\displaystyle ds^2 = {latex(bures.line_element())}$"
    assert r"\lambda_{kl} = \sigma_{k} + \sigma_{l}" in text_of(bures._repr_html_())
    wide = SpectralMetric(shape=(30, 30), multiplier=lambda a, b: a * b + N)
    assert r"\sum_{k=1}^{30}" in text_of(wide._repr_html_())
    assert r"\prod_{k < l}" in text_of(wide._repr_html_())


@pytest.mark.parametrize("name", ["<b>x</b>", "a&b", "<script>alert(1)</script>"])
def test_names_of_symbols_are_escaped(name: str) -> None:
    network = DeepLinearNetwork(Symbol(name, positive=True), (2, 2))
    text_of(network._repr_html_())  # refuses tags that are not ours
    assert name not in network._repr_html_()


@pytest.mark.parametrize(
    "fragment", [formula, displayed_formula, heading, paragraph, preformatted, lambda text: details(text, "")]
)
def test_fragments_escape(fragment: object) -> None:
    html = fragment('<script>"&"</script>')  # type: ignore[operator]
    assert "<script>" not in html
    assert '<script>"&"</script>' in text_of(html)


def test_tables_escape_labels_and_keep_values() -> None:
    html = table([("<i>", formula("a < b"))])
    assert text_of(html) == r"<i>\(a < b\)"


# ------------------------------------------------------------------ values for symbols


def test_values_by_symbol_and_by_name() -> None:
    network = DeepLinearNetwork(N, (m, n), r)
    expected = DeepLinearNetwork(3, (5, n), 2)
    assert network.subs({N: 3, m: 5, r: 2}) == expected
    assert network.subs({"N": 3, "m": 5}, r=2) == expected
    assert network.subs(N=oo).is_infinitely_deep
    assert network.subs() == network


def test_a_side_that_is_the_rank_changes_with_it() -> None:
    network = DeepLinearNetwork(N, (r, r), r, "C", rescaled=True).subs(r=4)
    assert network == DeepLinearNetwork(N, (4, 4), 4, "C", rescaled=True)


def test_formulas_of_a_network_with_values() -> None:
    assert DeepLinearNetwork(N, (2, 2)).subs(N=2).multiplier(0, 1) == DeepLinearNetwork(2, (2, 2)).multiplier(0, 1)
    assert DeepLinearNetwork(N, (2, 2)).subs(N=oo).multiplier(0, 1).has(log) is False  # a mean of its own
    assert explicit(DeepLinearNetwork(N, (2, 2)).subs(N=oo).multiplier(0, 1)).has(log)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"L": 2}, "L does not occur; the symbols that do: N"),
        ({Symbol("N"): 2}, "N occurs with other assumptions than yours; give its value by name"),
        ({N: "2"}, "the value of N must be a number or an expression, not '2'"),
        ({N: "__import__('os')"}, "must be a number or an expression"),
        ({N: True}, "not True"),
        ({N: [2]}, "must be a number or an expression"),
        ({N: 0}, "depth must be at least 1"),
        ({N: 2.5}, "depth must be an integer"),
    ],
)
def test_values_that_make_no_sense(values: dict[object, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DeepLinearNetwork(N, (2, 2)).subs(values)


def test_a_name_stands_for_every_symbol_of_that_name() -> None:
    plain = Symbol("N")
    assert values_of_symbols([N, plain], {}, {"N": 2}) == {N: 2, plain: 2}
    assert values_of_symbols([N, plain], {plain: 2}) == {plain: 2}


def test_metrics_as_text() -> None:
    bures = SpectralMetric(shape=(2, 3), rank=1, multiplier=lambda a, b: a + b)
    assert repr(bures) == "SpectralMetric(shape=(2, 3), rank=1, field='R', multiplier=a + b)"
