r"""The free energy F = E - T S of energies in the singular values, and its equilibria.

Brownian motion on balanced layers, at temperature T, feels the volume of the fibre beside the energy: X follows
-grad F, where dσ_k/dt = -λ_kk ∂F/∂σ_k.  Equilibria of F are where σ_k ∂_k E = T σ_k ∂_k S for all k.

- The determinants in S are homogeneous: Σ_k σ_k ∂_k S = ν, a constant, so that Σ_k σ_k ∂_k E = T ν at every
  equilibrium: for E = ½ Σ σ_k², the square of the Frobenius norm is T ν.
- For E = Σ f(σ_k) one equilibrium has all singular values equal to s, s f'(s) = T ν/r, for every depth, field and rank:
  entropy pushes singular values away from zero, but does not part them.  The Hessian there has the eigenvalue
  f'' + T ν/(r s²) along (1, …, 1), and another one r-1 times.

The temperature is T throughout; β is the field's.

Source: Menon, Yu, arXiv 2509.09088; Chen, Kotwal, Menon, arXiv 2512.06137.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

from sympy import (
    Add,
    Dummy,
    Eq,
    Expr,
    Integer,
    Matrix,
    Poly,
    PolynomialError,
    Rational,
    S,
    Symbol,
    expand,
    expand_log,
    factor_list,
    log,
    powsimp,
    resultant,
    roots,
    series,
    sympify,
    together,
)
from sympy import exp as exponential

from .entropy import entropy, fibre_factors
from .means import explicit
from .network import DeepLinearNetwork

__all__ = [
    "entropy_degree",
    "equilibria",
    "equilibrium_equations",
    "free_energy",
    "free_energy_gradient",
    "free_energy_hessian",
    "riemannian_gradient",
    "symmetric_equilibria",
    "symmetric_hessian_eigenvalues",
]

HIGHEST_DEGREE = 9
"""The largest product of the degrees of two polynomial equations that `equilibria` eliminates an unknown from."""
SAMPLES = (Rational(7, 3), Rational(6, 5), Rational(11, 2), Rational(13, 9), Rational(19, 11))
"""Values for parameters at which candidates for equilibria are tried: above 1, as the depth is one of them."""


def free_energy(
    network: DeepLinearNetwork, energy: Expr, temperature: Expr, hidden_width: int | Expr | None = None
) -> Expr:
    """F = E - T S.

    Parameters
    ----------
    network : DeepLinearNetwork
    energy : Expr
        E in the singular values of the network; for a symbolic rank by `network.coframe.sum_over`.
    temperature : Expr
        T, not negative.
    hidden_width : int or Expr, optional
        As in `geometry.entropy.entropy`; at infinite depth S is the limit that is returned there.

    Raises
    ------
    ValueError
        If the temperature is negative, or the energy has a singular value that the network has not.

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import DeepLinearNetwork
    >>> T = symbols("T", positive=True)
    >>> network = DeepLinearNetwork(2, (2, 2))
    >>> a, b = network.singular_values
    >>> free_energy(network, (a**2 + b**2) / 2, T).diff(a)
    -T/(2*(sigma_1 + sigma_2)) + sigma_1
    """
    energy, temperature = _validated(network, energy, temperature)
    return energy - temperature * entropy(network, hidden_width)


def free_energy_gradient(
    network: DeepLinearNetwork, energy: Expr, temperature: Expr, hidden_width: int | Expr | None = None
) -> Matrix:
    """The derivatives ∂F/∂σ_k, (r, 1).

    Raises
    ------
    ValueError
        As `free_energy`, and if the rank is symbolic.
    """
    sigma = _explicit_singular_values(network)
    total = free_energy(network, energy, temperature, hidden_width)
    return Matrix([total.diff(value) for value in sigma])


def free_energy_hessian(
    network: DeepLinearNetwork, energy: Expr, temperature: Expr, hidden_width: int | Expr | None = None
) -> Matrix:
    """The second derivatives ∂²F/∂σ_k∂σ_l, (r, r).

    Raises
    ------
    ValueError
        As `free_energy_gradient`.
    """
    return free_energy_gradient(network, energy, temperature, hidden_width).jacobian(
        Matrix(_explicit_singular_values(network))
    )


def riemannian_gradient(
    network: DeepLinearNetwork, energy: Expr, temperature: Expr, hidden_width: int | Expr | None = None
) -> Matrix:
    """The gradient λ_kk ∂F/∂σ_k in the metric of the network, (r, 1): σ moves against it.

    Raises
    ------
    ValueError
        As `free_energy_gradient`.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> network = DeepLinearNetwork(2, (2, 2))
    >>> a, b = network.singular_values
    >>> riemannian_gradient(network, a, 0)
    Matrix([
    [2*sigma_1],
    [        0]])
    """
    slope = free_energy_gradient(network, energy, temperature, hidden_width)
    return Matrix([network.multiplier(k, k) * slope[k] for k in range(len(slope))])


def equilibrium_equations(
    network: DeepLinearNetwork, energy: Expr, temperature: Expr, hidden_width: int | Expr | None = None
) -> tuple[Eq, ...]:
    """σ_k ∂_k E = T σ_k ∂_k S for k = 1 … r, both sides written out.

    Raises
    ------
    ValueError
        As `free_energy_gradient`.
    """
    energy, temperature = _validated(network, energy, temperature)
    volume = entropy(network, hidden_width)
    return tuple(
        Eq(expand(value * energy.diff(value)), expand(temperature * value * volume.diff(value)), evaluate=False)
        for value in _explicit_singular_values(network)
    )


def entropy_degree(network: DeepLinearNetwork, hidden_width: int | Expr | None = None) -> Expr:
    """ν = Σ_k σ_k ∂_k S, the degree of homogeneity of the fibre's volume.

    (2 - 2/N) (β r(r-1)/4 + (β-1) r/2 + β r(h-r)/2).

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import DeepLinearNetwork
    >>> entropy_degree(DeepLinearNetwork(symbols("N", positive=True), (3, 3)))
    3 - 3/N
    """
    a = Dummy("a", positive=True)
    degrees = (
        factor.exponent * network.coframe.count(factor.size) * _degree(factor.determinant(*[a] * factor.size), a)
        for factor in fibre_factors(network, hidden_width)
    )
    return expand(Add(*degrees))


def _degree(power: Expr, a: Expr) -> Expr:
    return expand(a * expand_log(log(power)).diff(a))


def symmetric_equilibria(
    network: DeepLinearNetwork,
    energy_of_one: Callable[[Expr], Expr],
    temperature: Expr,
    hidden_width: int | Expr | None = None,
) -> list[Expr]:
    """The values s of equilibria σ_1 = … = σ_r = s for E = Σ f(σ_k): the positive roots of s f'(s) = T ν/r.

    Parameters
    ----------
    network : DeepLinearNetwork
        Of any depth, rank and field, symbolic or not.
    energy_of_one : callable
        f, of one singular value.
    temperature, hidden_width
        As for `free_energy`.

    Raises
    ------
    ValueError
        If s f'(s) is no polynomial of degree 1 or 2 in some power of s.

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import DeepLinearNetwork
    >>> N, T = symbols("N T", positive=True)
    >>> r = symbols("r", integer=True, positive=True)
    >>> symmetric_equilibria(DeepLinearNetwork(N, (r, r)), lambda s: s**2 / 2, T)[0].subs({r: 3, N: 2})
    sqrt(2)*sqrt(T)/2
    """
    s = Dummy("s", positive=True)
    pull = sympify(temperature, strict=True) * entropy_degree(network, hidden_width) / network.rank
    equation = expand(powsimp(expand(s * sympify(energy_of_one(s), strict=True).diff(s))) - pull)
    return [root for root in _roots_in_a_power(equation, s) if _may_be_positive([root])]


def symmetric_hessian_eigenvalues(
    network: DeepLinearNetwork,
    energy_of_one: Callable[[Expr], Expr],
    temperature: Expr,
    value: Expr,
    hidden_width: int | Expr | None = None,
) -> tuple[Expr, Expr]:
    """The eigenvalues of the Hessian of F at σ_1 = … = σ_r = s, along (1, …, 1) and across it; both > 0 at a minimum.

    Where two singular values meet, log λ(s e^{x/2}, s e^{-x/2}) = log λ(s, s) + ψ'' x²/2 + …, with ψ'' = (1 - 1/N²)/3.

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import DeepLinearNetwork
    >>> T = symbols("T", positive=True)
    >>> symmetric_hessian_eigenvalues(DeepLinearNetwork(2, (2, 2)), lambda s: s**2 / 2, T, T**0.5 / 2)
    (2, 1)
    """
    s, x = Dummy("s", positive=True), Dummy("x", real=True)
    temperature, rank = sympify(temperature, strict=True), sympify(network.rank)
    curvature = sympify(energy_of_one(s), strict=True).diff(s, 2).subs(s, value)
    along = temperature * entropy_degree(network, hidden_width) / (rank * value**2)
    across = along
    for factor in fibre_factors(network, hidden_width):
        if factor.kind == "pair":
            apart = series(explicit(factor.determinant(exponential(x / 2), exponential(-x / 2))), x, 0, 3).removeO()
            bend = 2 * apart.coeff(x, 2) / apart.coeff(x, 0)
            across -= temperature * factor.exponent * rank * bend / value**2
    return tuple(together(expand(curvature + entropic)) for entropic in (along, across))


def equilibria(
    network: DeepLinearNetwork, energy: Expr, temperature: Expr, hidden_width: int | Expr | None = None
) -> list[dict[Symbol, Expr]]:
    """The critical points of F with positive singular values in closed form, for rank 1 and 2.

    Equations that are polynomials in σ are eliminated, at depth 1 and 2.  Otherwise, for an energy symmetric in two
    singular values, the equilibria where they are equal are returned; there may be others.

    Parameters
    ----------
    network, energy, temperature, hidden_width
        As for `free_energy`.

    Returns
    -------
    list of dict
        Values for the singular values.  With parameters that leave it open whether one is positive it is listed too.

    Raises
    ------
    ValueError
        If the rank is symbolic or above 2, or there is no closed form of degree 2.

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import DeepLinearNetwork
    >>> T = symbols("T", positive=True)
    >>> network = DeepLinearNetwork(2, (2, 2))
    >>> a, b = network.singular_values
    >>> equilibria(network, (a**2 + b**2) / 2, T)
    [{sigma_1: sqrt(T)/2, sigma_2: sqrt(T)/2}]
    """
    sigma = _explicit_singular_values(network)
    if len(sigma) > 2:
        raise ValueError(
            f"equilibria are solved for rank 1 and 2, not for rank {len(sigma)}: use symmetric_equilibria, or solve "
            "the equilibrium_equations numerically"
        )
    energy, temperature = _validated(network, energy, temperature)
    equations = [
        expand(powsimp(equation.lhs - equation.rhs))
        for equation in equilibrium_equations(network, energy, temperature, hidden_width)
    ]
    if len(sigma) < 2:
        return [{sigma[0]: root} for root in _roots_in_a_power(equations[0], sigma[0]) if _may_be_positive([root])]
    try:
        return _eliminated(equations, sigma)
    except (PolynomialError, ValueError):
        return _with_equal_values(network, energy, temperature, hidden_width, sigma)


def _with_equal_values(
    network: DeepLinearNetwork,
    energy: Expr,
    temperature: Expr,
    hidden_width: int | Expr | None,
    sigma: Sequence[Symbol],
) -> list[dict[Symbol, Expr]]:
    """Where the energy is symmetric in the singular values: Σ_k σ_k ∂_k E = T ν on the line where they are equal."""
    first, second = sigma
    swapped = energy.subs({first: second, second: first}, simultaneous=True)
    if expand(energy - swapped) != 0:
        raise ValueError(
            f"the equilibria of the energy {energy} have no closed form of degree 2 at depth {network.depth}: solve "
            "the equilibrium_equations numerically"
        )
    radial = energy.subs(second, first)
    equation = expand(powsimp(first * radial.diff(first)) - temperature * entropy_degree(network, hidden_width))
    found = [root for root in _roots_in_a_power(equation, first) if _may_be_positive([root])]
    return [{first: root, second: root} for root in found]


def _eliminated(equations: Sequence[Expr], sigma: Sequence[Symbol]) -> list[dict[Symbol, Expr]]:
    """The solutions of two polynomial equations, by their resultant."""
    first, second = sigma
    numerators = [together(explicit(equation)).as_numer_denom()[0].expand() for equation in equations]
    degrees = [Poly(numerator, first, second).total_degree() for numerator in numerators]
    if degrees[0] * degrees[1] > HIGHEST_DEGREE:
        raise ValueError(f"equations of degree {degrees[0]} and {degrees[1]} are too much for closed forms")
    # Both unknowns by a resultant of their own, which is simpler than putting the first into an equation.
    ones, others = (_polynomial_roots(resultant(*numerators, gone), kept) for gone, kept in ((second, first), sigma))
    pairs = (dict(zip(sigma, values, strict=True)) for values in product(ones, others))
    return [pair for pair in pairs if _may_be_positive(list(pair.values())) and _solves(equations, pair)]


def _polynomial_roots(polynomial: Expr, unknown: Symbol) -> list[Expr]:
    """All roots, where the factors have at most degree 2."""
    found: list[Expr] = []
    for factor, _ in factor_list(expand(polynomial), unknown)[1]:
        if Poly(factor, unknown).degree() > 2:
            raise ValueError(f"the roots of {factor} have no simple closed form")
        found += roots(Poly(factor, unknown), multiple=False)
    return found


def _roots_in_a_power(equation: Expr, unknown: Symbol) -> list[Expr]:
    """The roots of a polynomial of degree 1 or 2 in a power x^q, as x."""
    exponents = [term.as_independent(unknown)[1].as_base_exp()[1] for term in Add.make_args(equation)]
    powers = {exponent for exponent, term in zip(exponents, Add.make_args(equation), strict=True) if term.has(unknown)}
    smallest = [q for q in powers if powers <= {q, expand(2 * q)}]
    generator = Dummy("x", positive=True)
    if not smallest:
        raise ValueError(f"{equation} is no polynomial of degree 1 or 2 in a power of {unknown}")
    q = smallest[0]
    polynomial = equation.replace(
        lambda part: part.as_base_exp()[0] == unknown and part.as_base_exp()[1] in (q, expand(2 * q)),
        lambda part: generator if part.as_base_exp()[1] == q else generator**2,
    )
    return [root ** (1 / q) for root in roots(Poly(polynomial, generator)) if _may_be_positive([root])]


def _samples(expressions: Sequence[Expr]) -> list[list[Expr]]:
    """The values of expressions at sample values of their parameters."""
    symbols = sorted(set().union(*(expression.free_symbols for expression in expressions)), key=str)
    found = []
    for shift in range(len(SAMPLES)):
        values = {symbol: _sample(symbol, shift, place) for place, symbol in enumerate(symbols)}
        found.append([expression.subs(values).evalf(30) for expression in expressions])
    return found


def _sample(symbol: Symbol, shift: int, place: int) -> Expr:
    value = Integer(2 + shift) if symbol.is_integer else SAMPLES[(shift + 2 * place) % len(SAMPLES)]
    return -value if shift % 2 and not symbol.is_positive else value


def _may_be_positive(expressions: Sequence[Expr]) -> bool:
    """Whether at some sample values of the parameters all expressions are positive."""
    tiny = Rational(1, 10**20)
    return any(all(value.is_real and value > tiny for value in values) for values in _samples(expressions))


def _solves(equations: Sequence[Expr], solution: dict[Symbol, Expr]) -> bool:
    """Whether candidates solve the equations at all sample values of the parameters."""
    values = _samples([equation.subs(solution) for equation in equations])
    return all(abs(value) < Rational(1, 10**15) for sample in values for value in sample)


def _validated(network: DeepLinearNetwork, energy: Expr, temperature: Expr) -> tuple[Expr, Expr]:
    energy, temperature = sympify(energy, strict=True), sympify(temperature, strict=True)
    if not isinstance(energy, Expr) or energy.has(S.NaN):
        raise ValueError(f"energy must be an expression in the singular values, not {energy!r}")
    if temperature.is_negative or temperature.has(S.NaN) or temperature.is_real is False:
        raise ValueError(f"temperature must not be negative, not {temperature}")
    if network.coframe.has_explicit_rank:
        own = set(network.singular_values)
        strange = {s for s in energy.free_symbols if s.name.startswith("sigma_")} - own
        if strange:
            raise ValueError(f"energy has {sorted(map(str, strange))}; the singular values are {sorted(map(str, own))}")
    return energy, temperature


def _explicit_singular_values(network: DeepLinearNetwork) -> tuple[Symbol, ...]:
    if not network.coframe.has_explicit_rank:
        raise ValueError(f"rank must be an integer here, not {network.rank}: put a number in, or use free_energy")
    return tuple(network.singular_values)
