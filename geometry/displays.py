r"""How networks and metrics show themselves in a notebook.

Up to rank 2 formulas are written out.  Beyond, sums and products over the singular values stand for
themselves, so that a network of any size is shown at once: the formulas are those of a twin with a
symbol for its rank, for which the number is put in.
"""

from __future__ import annotations

from typing import Any

from sympy import Dummy, Expr, Symbol, factor, latex, sympify

from .coframe import SingularCoframe, generic_singular_value
from .html_fragments import displayed_formula, formula, heading, paragraph, table
from .indexed import index_symbols
from .means import explicit
from .metric import SpectralMetric
from .network import DeepLinearNetwork

__all__ = ["metric_html", "metric_latex", "network_html", "network_latex"]

MOST_WRITTEN_OUT = 2
"""The largest rank at which formulas are written out."""
RANK = Dummy("rank", integer=True, positive=True)
"""The rank of the twins, different from every symbol of the user's."""
FIELDS = {"R": r"\mathbb{R}", "C": r"\mathbb{C}", "H": r"\mathbb{H}"}


def network_latex(network: DeepLinearNetwork) -> str:
    r"""What the network is: the product of its layers, the space and the rank.

    Examples
    --------
    >>> print(network_latex(DeepLinearNetwork(3, shape=(4, 5), rank=2)))
    X = W_N \cdots W_1 \in \mathbb{R}^{4 \times 5},\quad \operatorname{rank} X = 2,\quad N = 3
    """
    if isinstance(network.depth, Symbol):
        return rf"X = W_{{{latex(network.depth)}}} \cdots W_1 \in {_space(network.coframe)}"
    relation = r"\to" if network.is_infinitely_deep else "="
    return rf"X = W_N \cdots W_1 \in {_space(network.coframe)},\quad N {relation} {latex(network.depth)}"


def network_html(network: DeepLinearNetwork) -> str:
    """The network as a table: depth, dimension, multipliers, metric and volume density."""
    sigma_k, sigma_l = map(generic_singular_value, index_symbols(2))
    rows = [
        ("depth", formula(latex(network.depth) + (r",\ \text{rescaled}" if network.rescaled else ""))),
        ("dimension", _dimension(network.coframe)),
        ("multiplier", formula(rf"\lambda_{{kl}} = {_typeset(network.pair_multiplier(sigma_k, sigma_l))}")),
    ]
    if network.coframe.has_null_directions:
        null = _typeset(network.pair_null_multiplier(sigma_k))
        rows.append(("against the null spaces", formula(rf"\lambda_{{k0}} = {null}")))
    if network.freezes_spaces:
        rows.append(("metric", "none: the multiplier vanishes against the null spaces"))
    else:
        rows.append(("line element", formula(f"ds^2 = {_line_element(network.metric)}")))
    rows.append(("volume density", formula(f"{_volume_subject(network)} = {_typeset(_volume_density(network))}")))
    return heading("Deep linear network") + displayed_formula(network_latex(network)) + table(rows)


def metric_latex(metric: SpectralMetric) -> str:
    r"""The line element in the coframe.

    Examples
    --------
    >>> print(metric_latex(SpectralMetric(shape=(1, 1), multiplier=lambda a, b: a + b)))
    ds^2 = \frac{d\sigma_{1}^{2}}{2 \sigma_{1}}
    """
    return f"ds^2 = {_line_element(metric)}"


def metric_html(metric: SpectralMetric) -> str:
    """The metric as a table: space, dimension, multiplier, line element and volume density."""
    sigma_k, sigma_l = map(generic_singular_value, index_symbols(2))
    density = _twin(metric).volume_density().subs(RANK, metric.rank)
    rows = [
        ("on", formula(rf"X \in {_space(metric.coframe)}")),
        ("dimension", _dimension(metric.coframe)),
        ("multiplier", formula(rf"\lambda_{{kl}} = {_typeset(metric.pair_multiplier(sigma_k, sigma_l))}")),
        ("line element", formula(metric_latex(metric))),
        ("volume density", formula(rf"\sqrt{{\det g}} = {_typeset(density)}")),
    ]
    note = "σ_1 > … > σ_r are the singular values; the forms are those of the singular value decomposition."
    return heading("Spectral metric") + table(rows) + paragraph(note)


def _space(coframe: SingularCoframe) -> str:
    m, n = map(latex, coframe.shape)
    return rf"{FIELDS[coframe.field]}^{{{m} \times {n}}},\quad \operatorname{{rank}} X = {latex(coframe.rank)}"


def _dimension(coframe: SingularCoframe) -> str:
    # From a generic block of each kind: there are hundreds of thousands of blocks at rank 500.
    generic = SingularCoframe(coframe.shape, RANK, coframe.field).dimension
    return formula(latex(factor(generic.subs(RANK, coframe.rank))))


def _volume_subject(network: DeepLinearNetwork) -> str:
    if not network.is_infinitely_deep:
        return r"\sqrt{\det g}"
    order = sympify(network.coframe.dyson_index) * sympify(network.coframe.rank) ** 2 / 2
    return rf"\lim_{{N \to \infty}} N^{{{latex(order)}}} \sqrt{{\det g^N}}"


def _volume_density(network: DeepLinearNetwork) -> Expr:
    if _is_written_out(network.rank):
        return network.volume_density()
    rank, shape = _symbolic_sizes(network.coframe)
    twin = DeepLinearNetwork(network.depth, shape, rank, network.field, network.rescaled)
    return twin.volume_density().subs(rank, network.rank)


def _line_element(metric: SpectralMetric) -> str:
    return _typeset(_twin(metric).line_element().subs(RANK, metric.rank))


def _twin(metric: SpectralMetric) -> SpectralMetric:
    """The same metric for the symbol `RANK`, unless its formulas are written out."""
    if _is_written_out(metric.rank):
        return metric
    rank, shape = _symbolic_sizes(metric.coframe)
    return SpectralMetric(
        shape, rank, metric.pair_multiplier, metric.field, null_multiplier=metric.pair_null_multiplier
    )


def _is_written_out(rank: int | Expr) -> bool:
    return isinstance(rank, int) and rank <= MOST_WRITTEN_OUT


def _symbolic_sizes(coframe: SingularCoframe) -> tuple[Symbol, tuple[Any, Any]]:
    """The symbol `RANK`, and the shape with it wherever there are no null directions."""
    m, n = coframe.shape
    return RANK, (RANK if coframe.left_nullity == 0 else m, RANK if coframe.right_nullity == 0 else n)


def _typeset(expression: Expr) -> str:
    return str(latex(explicit(expression)))
