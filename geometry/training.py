r"""Training of singular values: gradient flows of spectral energies in closed form.

An energy of the singular values alone lets U and V rest, and the flow dX/dt = -A(∇E(X)) is

    dσ_k/dt = -λ(σ_k, σ_k) ∂E/∂σ_k,    dE/dt = -Σ_k λ(σ_k, σ_k) (∂E/∂σ_k)².

For E = ½ (σ - s)² in each mode it has the first integral t + G(σ) with G' = 1/(λ(σ, σ) (σ - s)).  Where
λ(σ, σ) = c σ^p, with x = σ/s,

    G = -H(x)/(c s^p),    H(x) = ∫ x^{-p}/(1 - x) dx = Σ_{n≥0} x^{n+1-p}/(n+1-p),

a logarithm of x in place of the term with n + 1 = p.  For a rational p (every integer depth, and depth ∞) H is a
finite sum of powers, logarithms and arctangents of a root of x; for a symbolic depth a hypergeometric function.

Source: the flow of singular values is in Arora, Cohen, Hu, Luo, arXiv 1905.13655; its closed form for two layers in
Saxe, McClelland, Ganguli, arXiv 1312.6120.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sympy import (
    Abs,
    Add,
    Dummy,
    Eq,
    Expr,
    Mul,
    Rational,
    S,
    Symbol,
    atan,
    cos,
    diff,
    exp,
    expand,
    hyper,
    log,
    pi,
    powsimp,
    sign,
    sin,
    solve,
    sympify,
)

from .coframe import SingularCoframe, generic_singular_value
from .indexed import index_symbols
from .means import explicit
from .spectral_flow import TimeDerivative

__all__ = [
    "RadialOperator",
    "SpectralEnergyFlow",
    "first_integral",
    "power_antiderivative",
    "radial_multiplier",
    "radial_power",
    "solution",
    "spectral_energy_flow",
    "without_signs",
]


class RadialOperator(Protocol):
    """What the flow of singular values needs of a network or of a spectral metric."""

    @property
    def coframe(self) -> SingularCoframe:
        """The coframe."""
        ...

    def pair_multiplier(self, a: Expr, b: Expr) -> Expr:
        """λ(a, b)."""
        ...


@dataclass(frozen=True)
class SpectralEnergyFlow:
    """The flow of a spectral energy.

    Attributes
    ----------
    equations : tuple of Eq
        dσ_k/dt; for a symbolic rank the one of a generic index k.
    dissipation : Expr
        dE/dt along the flow, never positive.
    """

    equations: tuple[Eq, ...]
    dissipation: Expr


def radial_multiplier(operator: RadialOperator, sigma: Expr) -> Expr:
    """λ(σ, σ), the mobility of a singular value."""
    return explicit(operator.pair_multiplier(sigma, sigma))


def radial_power(operator: RadialOperator) -> tuple[Expr, Expr]:
    """(c, p) with λ(σ, σ) = c σ^p.

    Raises
    ------
    ValueError
        If λ(σ, σ) is no power of σ.

    Examples
    --------
    >>> from sympy import Symbol, oo
    >>> from geometry import DeepLinearNetwork
    >>> radial_power(DeepLinearNetwork(Symbol("N", positive=True), (3, 3)))
    (N, 2 - 2/N)
    >>> radial_power(DeepLinearNetwork(oo, (3, 3)))
    (1, 2)
    """
    sigma = Dummy("sigma", positive=True)
    value = powsimp(radial_multiplier(operator, sigma))
    coefficient, power = value.as_independent(sigma, as_Add=False)
    base, exponent = (sigma, S.Zero) if power == 1 else power.as_base_exp()
    if base != sigma or exponent.has(sigma):
        raise ValueError(
            f"multiplier must be c*sigma**p on the diagonal, not {value}; for others integrate "
            "spectral_energy_flow(...).equations numerically"
        )
    return coefficient, exponent


def spectral_energy_flow(operator: RadialOperator, energy: Callable[[Expr], Expr] | Expr) -> SpectralEnergyFlow:
    """dσ_k/dt = -λ_kk ∂E/∂σ_k, and the dissipation dE/dt = -Σ λ_kk (∂E/∂σ_k)².

    Parameters
    ----------
    operator : DeepLinearNetwork or SpectralMetric
    energy : callable or Expr
        e for the additive energy Σ_k e(σ_k), for any rank; or an expression in the singular values of an explicit one.

    Raises
    ------
    ValueError
        If the energy is an expression and the rank is symbolic.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> flow = spectral_energy_flow(DeepLinearNetwork(2, (2, 2)), lambda sigma: sigma**2 / 2)
    >>> flow.equations[0], flow.dissipation
    (Eq(dsigma_1/dt, -2*sigma_1**2), -2*sigma_1**3 - 2*sigma_2**3)
    """
    if not callable(energy) or isinstance(energy, Expr):
        return _coupled_flow(operator, sympify(energy, strict=True))
    generic = Dummy("sigma", positive=True)
    slope = diff(energy(generic), generic)

    def rate(sigma: Expr) -> Expr:
        return -radial_multiplier(operator, sigma) * slope.xreplace({generic: sigma})

    coframe = operator.coframe
    if coframe.has_explicit_rank:
        names = list(coframe.singular_values)
    else:
        names = [generic_singular_value(index_symbols(1)[0])]
    equations = tuple(Eq(TimeDerivative(name), powsimp(rate(name)), evaluate=False) for name in names)
    dissipation = coframe.sum_over(1, lambda sigma: powsimp(rate(sigma) * slope.xreplace({generic: sigma})))
    return SpectralEnergyFlow(equations, dissipation)


def _coupled_flow(operator: RadialOperator, energy: Expr) -> SpectralEnergyFlow:
    if not operator.coframe.has_explicit_rank:
        raise ValueError(
            f"energy must be a callable e(sigma) for the symbolic rank {operator.coframe.rank}, not {energy}: "
            "then the energy is the sum of e over the singular values"
        )
    names = operator.coframe.singular_values
    slopes = [diff(energy, name) for name in names]
    rates = [-radial_multiplier(operator, name) * slope for name, slope in zip(names, slopes, strict=True)]
    equations = tuple(Eq(TimeDerivative(name), rate, evaluate=False) for name, rate in zip(names, rates, strict=True))
    return SpectralEnergyFlow(equations, Add(*map(Mul, rates, slopes)))


def power_antiderivative(power: Expr, x: Expr) -> Expr:
    """H with H'(x) = x^{-p}/(1 - x) for x > 0 and no constant term at x = 0.

    For a rational p = P/q the integrand is rational in z = x^{1/q}; for another p it is the hypergeometric series
    x^{1-p} ₂F₁(1, 1-p; 2-p; x)/(1-p), for 0 < x < 1 and p not 1, 2, ….

    Examples
    --------
    >>> from sympy import Integer, Symbol
    >>> x = Symbol("x", positive=True)
    >>> power_antiderivative(Integer(1), x), power_antiderivative(Integer(2), x)
    (log(x) - log(Abs(x - 1)), log(x) - log(Abs(x - 1)) - 1/x)
    """
    power, x = sympify(power, strict=True), sympify(x, strict=True)
    if not isinstance(power, Rational):
        return x ** (1 - power) / (1 - power) * hyper((1, 1 - power), (2 - power,), x)
    q = power.q
    exponent = q - 1 - power.p
    terms = []
    # z^e/(1 - z^q) = z^e + z^(e+q)/(1 - z^q), until the exponent is between 0 and q - 1; q dz z^e of each is simple.
    while exponent < 0:
        terms.append(_integrated_power(exponent, q, x))
        exponent += q
    while exponent >= q:
        exponent -= q
        terms.append(-_integrated_power(exponent, q, x))
    return Add(*terms) - _over_roots_of_unity(exponent, q, x ** Rational(1, q))


def without_signs(derivative: Expr) -> Expr:
    """The derivative of an expression with log|x| in it, with sign(x)/|x| written 1/x.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x = Symbol("x", positive=True)
    >>> without_signs(log(Abs(x - 1)).diff(x))
    1/(x - 1)
    """
    return derivative.replace(sign, lambda inner: Abs(inner) / inner)


def _integrated_power(exponent: int, q: int, x: Expr) -> Expr:
    """q ∫ z^e dz with z = x^{1/q}."""
    if exponent == -1:
        return log(x)
    return Rational(q, exponent + 1) * x ** Rational(exponent + 1, q)


def _over_roots_of_unity(exponent: int, q: int, z: Expr) -> Expr:
    """q ∫₀ z^e/(z^q - 1) dz for 0 ≤ e < q: Σ ω^{e+1} log(1 - z/ω) over the roots of unity, in real terms.

    The residue of q z^e/(z^q - 1) at ω is ω^{e+1}; conjugate roots are taken together.
    """
    terms = [log(Abs(z - 1))]
    if q % 2 == 0:
        terms.append((-1) ** (exponent + 1) * log(1 + z))
    for k in range(1, (q + 1) // 2):
        angle = 2 * pi * Rational(k, q)
        argument = atan((z - cos(angle)) / sin(angle)) + pi / 2 - angle
        terms.append(cos((exponent + 1) * angle) * log(z**2 - 2 * z * cos(angle) + 1))
        terms.append(-2 * sin((exponent + 1) * angle) * argument)
    return Add(*terms)


def first_integral(operator: RadialOperator, sigma: Expr, target: Expr) -> Expr:
    """G(σ): along the flow of E = ½ (σ - s)² the sum t + G(σ) is constant.

    Parameters
    ----------
    operator : DeepLinearNetwork or SpectralMetric
        With λ(σ, σ) = c σ^p.
    sigma, target : Expr
        σ > 0 and s ≥ 0; for a symbolic depth σ < s and N ≠ 2, or s = 0 and N ≠ 1.

    Examples
    --------
    >>> from sympy import oo, symbols
    >>> from geometry import DeepLinearNetwork
    >>> sigma, s = symbols("sigma s", positive=True)
    >>> first_integral(DeepLinearNetwork(1, (1, 1)), sigma, s)
    log(Abs(1 - sigma/s))
    >>> first_integral(DeepLinearNetwork(2, (1, 1)), sigma, 0)
    -1/(2*sigma)
    """
    coefficient, power = radial_power(operator)
    sigma, target = sympify(sigma, strict=True), sympify(target, strict=True)
    if target.is_negative:
        raise ValueError(f"target must not be negative, as singular values are not: {target}")
    if target == 0:
        return log(sigma) / coefficient if power == 0 else -(sigma**-power) / (coefficient * power)
    return -power_antiderivative(power, sigma / target) / (coefficient * target**power)


def solution(operator: RadialOperator, start: Expr, target: Expr, time: Expr) -> Expr:
    """σ(t) explicitly: solved from the first integral.

    Exponential at depth 1, logistic at depth 2, by Lambert's W at depth ∞ (its argument exp(s/σ_0) overflows in doubles
    where σ_0 < s/700); towards s = 0 algebraic beyond depth 1 (a symbolic depth is taken as one beyond 1).

    Raises
    ------
    ValueError
        If the first integral cannot be solved in these terms: finite depths above 2 with s > 0.

    Examples
    --------
    >>> from sympy import oo, symbols
    >>> from geometry import DeepLinearNetwork
    >>> start, s, t = symbols("sigma_0 s t", positive=True)
    >>> solution(DeepLinearNetwork(2, (1, 1)), start, s, t)
    s/((s/sigma_0 - 1)*exp(-2*s*t) + 1)
    >>> solution(DeepLinearNetwork(oo, (1, 1)), start, 0, t)
    1/sqrt(2*t + sigma_0**(-2))
    """
    coefficient, power = radial_power(operator)
    start, target, time = map(sympify, (start, target, time))
    if target == 0:
        if power == 0:
            return start * exp(-coefficient * time)
        return (start**-power + power * coefficient * time) ** (-1 / power)
    if power not in (0, 1, 2):
        raise ValueError(
            f"for the multiplier {coefficient}*sigma**({power}) the solution is implicit: use first_integral(...), or "
            "the target 0"
        )
    inverse = Dummy("y", positive=True)
    initial, decayed = Dummy("k", positive=True), exp(-coefficient * target**power * time)
    # exp(-H(x)) decays exponentially; solved for y = 1/x. It is taken without Abs: its sign is that of 1 - x.
    (solved,) = solve(exponential_of_integral(power, 1 / inverse) - initial, inverse)
    value = exponential_of_integral(power, start / target) * decayed
    return target / powsimp(solved.xreplace({initial: value}))


def exponential_of_integral(power: Expr, x: Expr) -> Expr:
    """exp(-H(x)) with the sign of 1 - x, for p = 0, 1, 2: (1 - x) x^{-p} exp(1/x where p = 2)."""
    generic = Symbol("x", positive=True)
    signed = power_antiderivative(power, generic).replace(Abs, lambda inner: -inner)
    product = Mul(*(exp(-term) for term in Add.make_args(signed)))
    algebraic, exponentials = product.as_independent(exp, as_Add=False)
    return (expand(algebraic) * exponentials).xreplace({generic: x})
