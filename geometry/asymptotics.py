r"""Asymptotic series in 1/N around infinite depth.

The limits at infinite depth are the leading terms of series in 1/N, of any order.  That of the multiplier is

    λ_kl/N = L(σ_k², σ_l²) exp(-s/N) (u/N)/sinh(u/N),    u = log(σ_k/σ_l),  s = log(σ_k σ_l),

with the logarithmic mean L, a series with Bernoulli numbers that converges for |u| < π N; those of the volume form,
of the entropy and of the curvature follow from it.

Source: Cohen, Menon, Veraszto, arXiv 2210.12497, Theorem 2, for the leading terms; the series are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Add, Expr, Integer, S, Symbol, expand, log, sympify
from sympy.printing.latex import latex

from .network import DeepLinearNetwork
from .normal_form import factored
from .power_series import PowerSeries, expanded

__all__ = [
    "DepthSeries",
    "curvature_series",
    "depth_series",
    "entropy_series",
    "log_volume_series",
    "multiplier_series",
    "symbolic_depth_twin",
    "volume_series",
]

MOST_ATTEMPTS = 4
"""How often the number of terms is doubled where leading ones cancel."""


@dataclass(frozen=True)
class DepthSeries:
    """A series Σ_j c_j N^{-(v+j)}, up to a remainder of order N^{-(v+n+1)}.

    Attributes
    ----------
    depth : Symbol
        N.
    leading_power : Expr
        v.
    coefficients : tuple of Expr
        c_0, …, c_n.
    """

    depth: Symbol
    leading_power: Expr
    coefficients: tuple[Expr, ...]

    @property
    def leading(self) -> Expr:
        """c_0, the limit of N^v times what is expanded."""
        return self.coefficients[0]

    def coefficient(self, power: int) -> Expr:
        """The coefficient of N^{-power}.

        Raises
        ------
        ValueError
            If the power is beyond the order of the series.
        """
        place = sympify(power) - self.leading_power
        if not place.is_Integer or place >= len(self.coefficients):
            raise ValueError(f"the series goes from N^{-self.leading_power} on for {len(self.coefficients)} terms")
        return self.coefficients[int(place)] if place >= 0 else S.Zero

    def truncated(self, terms: int | None = None) -> Expr:
        """The sum of the first terms, all of them unless a number is given."""
        chosen = self.coefficients if terms is None else self.coefficients[:terms]
        return Add(*(c * self.depth ** -(self.leading_power + j) for j, c in enumerate(chosen)))

    def _repr_latex_(self) -> str:
        remainder = self.depth ** -(self.leading_power + len(self.coefficients))
        terms = (c * self.depth ** -(self.leading_power + j) for j, c in enumerate(self.coefficients))
        body = " + ".join(latex(term) for term in terms if term != 0)
        return rf"$\displaystyle {body} + O\left({latex(remainder)}\right)$"


def depth_series(expression: Expr, depth: Symbol, order: int) -> DepthSeries:
    """The series of an expression in 1/depth, `order` terms beyond the leading one.

    Parameters
    ----------
    expression : Expr
        Made of powers x^{c/N + d} of positive x, logarithms, means, absolute values, sums over indices, and rational
        operations.
    depth : Symbol
        N.
    order : int
        How many terms there are after the leading one.

    Raises
    ------
    ValueError
        If the order is negative, or the expression has no series in powers of 1/N.

    Examples
    --------
    >>> from sympy import symbols
    >>> a, b, N = symbols("a b N", positive=True)
    >>> depth_series(a ** (2 / N) - b ** (2 / N), N, 1).coefficients
    (2*log(a) - 2*log(b), 2*log(a)**2 - 2*log(b)**2)
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 0:
        raise ValueError(f"order must be an integer from 0 on, not {order!r}")
    count = order + 2
    for _ in range(MOST_ATTEMPTS):
        try:
            series = expanded(expression, depth, count)
        except ArithmeticError:
            series = PowerSeries(S.Zero, ())
        if len(series.coefficients) > order:
            return DepthSeries(depth, series.valuation, tuple(map(_tidy, series.coefficients[: order + 1])))
        # What cancelled took leading terms away: start with more of them.
        count = 2 * count
    raise ValueError(f"the terms of {expression} cancel up to the order {count}: it has no leading power of {depth}")


def _tidy(coefficient: Expr) -> Expr:
    """Multiplied out, unless that makes it longer."""
    long = expand(coefficient)
    return long if long.count_ops() <= coefficient.count_ops() else coefficient


def symbolic_depth_twin(network: DeepLinearNetwork) -> DeepLinearNetwork:
    """The network with symbolic depth N and everything else the same, not rescaled."""
    depth = network.depth if isinstance(network.depth, Symbol) else Symbol("N", positive=True)
    return DeepLinearNetwork(depth, network.shape, network.rank, network.field)


def multiplier_series(network: DeepLinearNetwork, k: int, l: int, order: int) -> DepthSeries:
    """The series of λ_kl/N; regular where the singular values coalesce.

    Examples
    --------
    >>> multiplier_series(DeepLinearNetwork(2, (2, 2)), 0, 0, 2).coefficients
    (sigma_1**2, -2*sigma_1**2*log(sigma_1), 2*sigma_1**2*log(sigma_1)**2)
    """
    twin = symbolic_depth_twin(network)
    return depth_series(twin.multiplier(k, l) / twin.depth, twin.depth, order)


def log_volume_series(network: DeepLinearNetwork, order: int) -> DepthSeries:
    """The series of log N^{βr²/2} √det g^N: its pairs have even powers only, but for exponents of single values.

    Examples
    --------
    >>> series = log_volume_series(DeepLinearNetwork(2, (2, 2)), 2)
    >>> series.coefficients[1]
    2*log(sigma_1) + 2*log(sigma_2)
    """
    twin = symbolic_depth_twin(network)
    power = Integer(twin.coframe.dyson_index) * sympify(twin.rank) ** 2 / 2
    return _without_logarithms(twin.log_volume_density() + power * log(twin.depth), twin, order)


def volume_series(network: DeepLinearNetwork, order: int) -> DepthSeries:
    """The series of N^{βr²/2} √det g^N, its coefficients as multiples of the limit."""
    logarithm = log_volume_series(network, order)
    relative = PowerSeries(S.Zero, (S.Zero, *logarithm.coefficients[1:])).exponential()
    limit = network.infinite_depth().volume_density()
    return DepthSeries(logarithm.depth, S.Zero, tuple(limit * c for c in relative.coefficients))


def entropy_series(network: DeepLinearNetwork, order: int, hidden_width: int | Expr | None = None) -> DepthSeries:
    """The series of S_N - (N-1) log c - κ log N, whose limit is the entropy at infinite depth."""
    from .entropy import entropy_constant, entropy_growth

    twin = symbolic_depth_twin(network)
    divergent = (twin.depth - 1) * entropy_constant(twin, hidden_width)
    divergent += entropy_growth(twin, hidden_width) * log(twin.depth)
    return _without_logarithms(twin.entropy(hidden_width) - divergent, twin, order)


def _without_logarithms(expression: Expr, twin: DeepLinearNetwork, order: int) -> DepthSeries:
    """A series from N^0 on; logarithms of N have to cancel."""
    depth: Symbol = twin.depth
    count, found = order + 2, list[Expr]()
    for _ in range(MOST_ATTEMPTS):
        found = expanded(expression, depth, count).flattened()
        if len(found) > order:
            break
        count = 2 * count
    else:
        raise ArithmeticError(f"the terms of {expression} cancel up to the order {count}")
    coefficients = [_tidy(c) for c in found[: order + 1]]
    if any(c.has(depth) for c in coefficients):
        raise ArithmeticError(f"logarithms of {depth} are left in {coefficients}")
    return DepthSeries(depth, S.Zero, tuple(coefficients))


def curvature_series(network: DeepLinearNetwork, order: int) -> DepthSeries:
    """The series of the scalar curvature of N g^N, for m = n = r: its limit is that of infinite depth.

    Raises
    ------
    ValueError
        If there are null spaces: the metric has no limit there, and its curvature none either.
    """
    if network.infinite_depth().freezes_spaces:
        raise ValueError(f"the metric of {network} has no limit at infinite depth: choose m = n = r")
    twin = symbolic_depth_twin(network)
    series = depth_series(twin.metric.scalar_curvature() / twin.depth, twin.depth, order)
    return DepthSeries(series.depth, series.leading_power, tuple(map(factored, series.coefficients)))
