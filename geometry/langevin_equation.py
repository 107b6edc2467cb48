r"""The Riemannian Langevin equation dX = -grad E dt + √(2T) dB, B Brownian motion of the metric.

Its generator is L = T Δ - <grad E, ∇·>, its equilibrium exp(-E/T) vol.  In Itô's sense

    dσ_k = (T Δσ_k - λ_kk ∂_k E) dt + √(2T λ_kk) dW_k,                       for a spectral energy,
    dX   = (T ΔX - A(∇E)) dt + √(2T) A^{1/2}(dW),    ΔX = U diag(c_k) Vᵀ,

with independent entries √(2T λ_kl) dW_kl of the noise in the singular basis.  The coordinates of X are no
harmonic functions: c_k is Δσ_k plus what rotations pull inwards, for each velocity of Û exp(tξ) Σ̂ exp(-tη) V̂ᵀ the
entry kk of ξ²Σ - 2ξΣη + Ση² over its squared length.  (For these velocities ∇_e e is radial, since the brackets
with e are orthogonal to e.)  For the deep linear network the pairs cancel, and so do the null spaces:

    ΔX = (2 - β)(N - 1) X (XᵀX)^{-1/N}.

Noise on the layers, as Brownian motion of the balanced manifold, projects to a flow with the free
energy F = E - T S, S the logarithm of the volume of the fibres: for a Riemannian submersion π_*Δ = Δ + <grad S, ∇·>,
grad S being minus the mean curvature of the fibres.  Horizontal noise alone is the equation above.

Source: Menon, Yu, arXiv 2302.11653 and 2509.09088; E. P. Hsu, *Stochastic analysis on manifolds*, chapter 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sympy import Add, Expr, I, Matrix, S, Symbol, cancel, diag, expand_log, log, powsimp, sqrt, sympify, zeros

from .coframe import CoframeBlock, generic_singular_value, gram_matrix, indexed
from .gibbs import validated_temperature
from .indexed import index_symbols
from .laplacian import (
    at_index,
    laplacian,
    model_blocks,
    radial_derivative,
    radial_drift_terms,
    radial_laplacian_drift,
    sum_over_others,
    validated_function,
)
from .means import explicit
from .metric import SpectralMetric
from .network import DeepLinearNetwork

__all__ = [
    "LangevinEquation",
    "correction_terms",
    "entropy_drift",
    "entropy_drift_terms",
    "langevin_equation",
    "matrix_laplacian",
    "orbit_acceleration",
]


# --------------------------------------------------------------------------------------- ΔX


def _generators(block: CoframeBlock) -> list[tuple[Matrix, Matrix]]:
    """(ξ, η) for each form of a block, on the directions that it moves: k and l, k and a null direction, or k."""
    turn, rest = Matrix([[0, 1], [-1, 0]]), zeros(2)
    if block.kind == "phase":
        return [(Matrix([[I]]), Matrix([[0]]))]
    return {"pair": [(turn, rest), (rest, turn)], "left": [(turn, rest)], "right": [(rest, turn)]}[block.kind]


def orbit_acceleration(block: CoframeBlock, sigma: tuple[Expr, ...]) -> Expr:
    """Σ over a Frobenius orthonormal frame of a block's rotations of (ξ²Σ - 2ξΣη + Ση²)_kk.

    A metric multiplies it by its multiplier, and it occurs as often as the block.

    Examples
    --------
    >>> from geometry import SingularCoframe
    >>> coframe = SingularCoframe((2, 2), 2)
    >>> _, _, pair = coframe.blocks()
    >>> orbit_acceleration(pair, coframe.singular_values)
    -2*sigma_1/(sigma_1**2 - sigma_2**2)
    """
    generators = _generators(block)
    inverse = gram_matrix(block).inv()
    spectrum = diag(*sigma) if len(sigma) == len(generators[0][0].row(0)) else diag(*sigma, 0)
    total = S.Zero
    for i, (xi, eta) in enumerate(generators):
        for j, (other_xi, other_eta) in enumerate(generators):
            second = xi * other_xi * spectrum - 2 * xi * spectrum * other_eta + spectrum * eta * other_eta
            total += inverse[i, j] * second[0, 0]
    return cancel(total)


@lru_cache(maxsize=128)
def matrix_laplacian(metric: SpectralMetric) -> Expr:
    """c_k in ΔX = U diag(c_k) Vᵀ, the Laplacian of the entries of X: the Itô correction, for a generic index k.

    Examples
    --------
    >>> from sympy import symbols
    >>> from geometry import DeepLinearNetwork
    >>> N = symbols("N", positive=True)
    >>> matrix_laplacian(DeepLinearNetwork(N, (4, 3), 2).metric)
    (N - 1)*sigma_k**(1 - 2/N)
    >>> matrix_laplacian(DeepLinearNetwork(N, (4, 3), 2, field="C").metric)
    0
    """
    own, between = correction_terms(metric)
    return indexed(own) + sum_over_others(metric.rank, between)


@lru_cache(maxsize=128)
def correction_terms(metric: SpectralMetric) -> tuple[Expr, Expr]:
    """c_k as a term in the generic sigma_k and one in sigma_k and sigma_l, which is summed over l ≠ k."""
    names = tuple(map(generic_singular_value, index_symbols(2)))
    own, between = radial_drift_terms(metric)
    between = explicit(between)
    for kind, block in model_blocks(metric).items():
        if kind == "radial":
            continue
        symbols = tuple(map(metric.coframe.singular_value, block.indices))
        renamed = dict(zip(symbols, names, strict=False))
        pull = (metric.block_multiplier(block) * orbit_acceleration(block, symbols)).xreplace(renamed)
        if kind == "pair":
            between += block.multiplicity * explicit(pull)
        else:
            own += block.multiplicity * explicit(pull)
    return _collected(own, names[0]), cancel(powsimp(between))


def _collected(expression: Expr, sigma: Symbol) -> Expr:
    """A sum of multiples of powers of σ, those of one power together."""
    coefficients: dict[Expr, Expr] = {}
    for term in Add.make_args(powsimp(expression.expand())):
        constant, power = powsimp(term).as_independent(sigma, as_Add=False)
        coefficients[power] = coefficients.get(power, S.Zero) + constant
    return Add(*(constant.expand() * power for power, constant in coefficients.items()))


# ------------------------------------------------------------------------------------- entropy


def entropy_drift(network: DeepLinearNetwork, hidden_width: int | Expr | None = None) -> Expr:
    """λ_kk ∂_k S, the component of grad S along σ_k, for a generic index k.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> entropy_drift(DeepLinearNetwork(2, (2, 2)))
    sigma_k*Sum(1/(sigma_k + sigma_l), l != k <= 2)
    """
    own, between = entropy_drift_terms(network, hidden_width)
    return indexed(own) + sum_over_others(network.rank, between)


def entropy_drift_terms(network: DeepLinearNetwork, hidden_width: int | Expr | None = None) -> tuple[Expr, Expr]:
    """λ_kk ∂_k S as a term in the generic sigma_k, and one in sigma_k and sigma_l that is summed over l ≠ k."""
    from .entropy import fibre_factors

    names = tuple(map(generic_singular_value, index_symbols(2)))
    slopes = {1: S.Zero, 2: S.Zero}
    for factor in fibre_factors(network, hidden_width):
        logarithm = expand_log(log(explicit(factor.determinant(*names[: factor.size]))), force=True)
        slopes[factor.size] += factor.exponent * logarithm.diff(names[0])
    inverse = network.pair_multiplier(names[0], names[0])
    return _collected(inverse * slopes[1], names[0]), powsimp(inverse * slopes[2])


# ------------------------------------------------------------------------------------ the equation


@dataclass(frozen=True)
class LangevinEquation:
    """Drift and noise of the Langevin equation, for σ and for X, at an index from 0 or for a generic k.

    Attributes
    ----------
    network : DeepLinearNetwork
    temperature : Expr
        T.
    energy : Expr
        In the singular values.
    vertical_noise : bool
        Whether the noise on the layers acts along the fibres too.
    hidden_width : int or Expr, optional
        The hidden width of the layers, for the entropy.
    """

    network: DeepLinearNetwork
    temperature: Expr
    energy: Expr
    vertical_noise: bool = False
    hidden_width: int | Expr | None = None

    def drift(self, k: int | Symbol) -> Expr:
        """T Δσ_k - λ_kk ∂_k E, and T λ_kk ∂_k S with vertical noise: Itô's drift of σ_k."""
        generic = self.temperature * (radial_laplacian_drift(self.network.metric) + self._entropic())
        return self._at(generic, k) - powsimp(self._weight(k, k) * self._force(k))

    def noise(self, k: int | Symbol) -> Expr:
        """√(2T λ_kk), what dW_k is multiplied by in dσ_k."""
        return sqrt(2 * self.temperature * self._weight(k, k))

    def matrix_drift(self, k: int | Symbol) -> Expr:
        """The entry kk, in the singular basis, of what T adds to -A(∇E) in the drift of X; the others are zero."""
        return self._at(self.temperature * (matrix_laplacian(self.network.metric) + self._entropic()), k)

    def matrix_noise(self, k: int | Symbol | None, l: int | Symbol | None) -> Expr:
        """√(2T λ_kl), what dW_kl is multiplied by in the entry kl of dX in the singular basis; None is null.

        Raises
        ------
        ValueError
            If both are null directions, which X does not move in.
        """
        known = [index for index in (k, l) if index is not None]
        if not known:
            raise ValueError("matrix_noise needs the index of a singular value in k or l: X keeps its rank")
        weight = self._weight(*known)
        return sqrt(2 * self.temperature * weight)

    def log_equilibrium_density(self) -> Expr:
        """-E/T + log √det g, and S with vertical noise: up to a constant, with respect to the coframe."""
        value = -self.energy / self.temperature + self.network.log_volume_density()
        return value + self.network.entropy(self.hidden_width) if self.vertical_noise else value

    def generator(self, function: Expr) -> Expr:
        """L f = T Δf - Σ λ_kk ∂_k E ∂_k f (+ T Σ λ_kk ∂_k S ∂_k f), for a function of the singular values.

        Raises
        ------
        ValueError
            If the rank is symbolic.
        """
        if not self.network.coframe.has_explicit_rank:
            raise ValueError(f"generator needs an explicit rank, not {self.network.rank}")
        terms = [self.temperature * laplacian(self.network.metric, function)]
        for position, sigma in enumerate(self.network.singular_values):
            slope = sympify(function, strict=True).diff(sigma)
            pull = self._weight(position, position) * self._force(position)
            terms.append((self._at(self.temperature * self._entropic(), position) - pull) * slope)
        return Add(*terms)

    def equations(self) -> Iterator[tuple[Expr, Expr]]:
        """(drift, noise) of σ_1, …, σ_r."""
        return ((self.drift(k), self.noise(k)) for k in range(len(self.network.singular_values)))

    def _entropic(self) -> Expr:
        return entropy_drift(self.network, self.hidden_width) if self.vertical_noise else S.Zero

    def _weight(self, *indices: int | Symbol) -> Expr:
        """λ_kl, or λ_k0 for one index; index symbols stay indices that numbers can be put in for."""
        sigma = [self._singular_value(index) for index in indices]
        weight = self.network.pair_multiplier if len(sigma) == 2 else self.network.pair_null_multiplier
        return indexed(weight(*sigma))

    def _singular_value(self, index: int | Symbol) -> Symbol:
        generic = isinstance(index, Symbol)
        return generic_singular_value(index) if generic else self.network.coframe.singular_value(index)

    def _at(self, generic: Expr, k: int | Symbol) -> Expr:
        return generic if isinstance(k, Symbol) else at_index(generic, k)

    def _force(self, k: int | Symbol) -> Expr:
        if isinstance(k, Symbol):
            return radial_derivative(self.energy, k)
        if not self.network.coframe.has_explicit_rank:
            index, _ = index_symbols(2)
            return at_index(radial_derivative(self.energy, index), k)
        return self.energy.diff(self.network.singular_values[k])


def langevin_equation(
    network: DeepLinearNetwork,
    temperature: Any,
    energy: Any = 0,
    vertical_noise: bool = False,
    hidden_width: int | Expr | None = None,
) -> LangevinEquation:
    """The Langevin equation on the matrices of rank r, or of the layers projected to them.

    Parameters
    ----------
    network : DeepLinearNetwork
    temperature : Expr
        T, positive.
    energy : Expr
        A function of the singular values; for a symbolic rank built with `network.coframe.sum_over`.  For any other
        energy leave it out and add -A(∇E) to the drift of X.
    vertical_noise : bool
        False: noise of the metric, which is also what horizontal noise on the layers projects to, with equilibrium
        exp(-E/T) vol.  True: Brownian motion on the balanced manifold, with equilibrium exp(-E/T + S) vol.
    hidden_width : int or Expr, optional
        Of the layers; the rank unless given.

    Raises
    ------
    ValueError
        If the temperature is not positive, or the energy no function of the singular values.

    Examples
    --------
    >>> from sympy import symbols
    >>> T = symbols("T", positive=True)
    >>> network = DeepLinearNetwork(3, (2, 1))
    >>> (sigma,) = network.singular_values
    >>> equation = langevin_equation(network, T, sigma**2 / 2)
    >>> equation.drift(0), equation.noise(0)
    (3*T*sigma_1**(1/3) - 3*sigma_1**(7/3), sqrt(6)*sqrt(T)*sigma_1**(2/3))
    >>> equation.matrix_drift(0)
    2*T*sigma_1**(1/3)
    """
    value = validated_function(network.metric, energy)
    return LangevinEquation(network, validated_temperature(temperature), value, bool(vertical_noise), hidden_width)
