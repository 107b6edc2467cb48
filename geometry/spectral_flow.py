r"""The gradient flow dX/dt = -A(∇E(X)) in singular-value coordinates.

With X = U Σ Vᵀ and G = Uᵀ ∇E(X) V the block Uᵀ (dX/dt) V has the entries -λ_kl G_kl.  Set equal to
Ω^U Σ + dΣ/dt - Σ Ω^V it is solved for

    dσ_k/dt = -λ_kk G_kk,
    Ω^U_kl = λ_kl (σ_l G_kl + σ_k G_lk)/(σ_k² - σ_l²) = (σ_l G_kl + σ_k G_lk)/(σ_k^{2/N} - σ_l^{2/N}),
    Ω^V_kl = λ_kl (σ_k G_kl + σ_l G_lk)/(σ_k² - σ_l²),

and the null spaces for A = -λ_k0/σ_k U_⊥ᵀ ∇E V, B likewise.

Source: Cohen, Menon, Veraszto, arXiv 2210.12497, section 4; Arora, Cohen, Hu, Luo, arXiv 1905.13655.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sympy import (
    Eq,
    Expr,
    Function,
    Matrix,
    MatrixBase,
    Symbol,
    cancel,
    diag,
    expand,
    eye,
    powsimp,
    simplify,
    solve,
    sympify,
    zeros,
)
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from .coframe import SingularCoframe
from .means import explicit

__all__ = ["SpectralFlow", "TimeDerivative", "pair_rotation", "spectral_flow"]


class SpectralOperator(Protocol):
    """What the flow needs of A: the coframe of its matrices, and its multiplier."""

    @property
    def coframe(self) -> SingularCoframe:
        """The coframe."""
        ...

    def multiplier(self, k: int, l: int) -> Expr:
        """λ_kl."""
        ...

    def null_multiplier(self, k: int) -> Expr:
        """λ_k0."""
        ...


class TimeDerivative(Function):
    """d/dt of a symbol that depends on time: the left-hand side of a flow's equations."""

    nargs = 1

    def _latex(self, printer: LatexPrinter) -> str:
        return rf"\frac{{d {printer._print(self.args[0])}}}{{dt}}"

    def _sympystr(self, printer: StrPrinter) -> str:
        return f"d{printer._print(self.args[0])}/dt"


@dataclass(frozen=True)
class SpectralFlow:
    """The spectral ODE of one energy.

    Attributes
    ----------
    equations : tuple of Eq
        For σ_1 … σ_r, then the entries of U and of V, row by row; the latter two are absent where
        the energy is invariant under both orthogonal groups, since U and V rest then.
    left, right : Matrix
        U (m, r) and V (n, r), in symbols U_ik and V_jk.
    gradient : Matrix
        G = Uᵀ ∇E(X) V, (r, r).
    left_rotation, right_rotation : Matrix
        Ω^U and Ω^V along the flow, (r, r), skew.
    """

    equations: tuple[Eq, ...]
    left: Matrix
    right: Matrix
    gradient: Matrix
    left_rotation: Matrix
    right_rotation: Matrix


def pair_rotation(a: Expr, b: Expr, gradient: tuple[Expr, Expr], multiplier: Expr) -> tuple[Expr, Expr]:
    """Ω^U_kl and Ω^V_kl for σ_k = a, σ_l = b and (G_kl, G_lk), solved from the two entries they move.

    The equations are Ω^U_kl b - a Ω^V_kl = -λ G_kl and (for the entry lk, with skew Ω) -Ω^U_kl a + b
    Ω^V_kl = -λ G_lk.
    """
    left, right = Symbol("omega_U"), Symbol("omega_V")
    skew_left, skew_right = Matrix([[0, left], [-left, 0]]), Matrix([[0, right], [-right, 0]])
    velocity = skew_left * diag(a, b) - diag(a, b) * skew_right
    weight = Symbol("lambda")
    first, second = Symbol("G_kl"), Symbol("G_lk")
    solution = solve([velocity[0, 1] + weight * first, velocity[1, 0] + weight * second], [left, right])
    values = {weight: explicit(multiplier), first: gradient[0], second: gradient[1]}

    def cancelled(rotation: Expr) -> Expr:
        numerator, denominator = cancel(rotation).as_numer_denom()
        shared = cancel(values[weight] / expand(denominator))
        return (numerator / weight).expand().subs(values) * shared

    return cancelled(solution[left]), cancelled(solution[right])


def spectral_flow(network: SpectralOperator, energy: Callable[[Matrix], Expr]) -> SpectralFlow:
    """The spectral ODE of dX/dt = -A_N(∇E(X)), derived for one energy.

    Parameters
    ----------
    network : DeepLinearNetwork
        Or another operator, over R, with an explicit shape.
    energy : callable
        Takes the (m, n) Matrix of the entries of X and returns a scalar expression in them.

    Raises
    ------
    ValueError
        If the shape or the rank is symbolic, the field is not R, or the energy is no scalar.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> flow = spectral_flow(DeepLinearNetwork(2, (2, 2)), lambda X: (X.T * X).trace() / 2)
    >>> flow.equations[0]
    Eq(dsigma_1/dt, -2*sigma_1**2)
    """
    m, n = network.coframe.shape
    if not (isinstance(m, int) and isinstance(n, int)):
        raise ValueError(f"gradient_flow needs an explicit shape, not {network.coframe.shape}")
    if not network.coframe.has_explicit_rank:
        raise ValueError(f"gradient_flow needs an explicit rank, not {network.coframe.rank}")
    if network.coframe.field != "R":
        raise ValueError(f"gradient_flow is derived over the real field, not over {network.coframe.field!r}")
    entries = Matrix(m, n, lambda i, j: Symbol(f"X_{i + 1}{_comma(m, n)}{j + 1}", real=True))
    value = energy(entries)
    value = value[0, 0] if isinstance(value, MatrixBase) and value.shape == (1, 1) else value
    if isinstance(value, str):
        raise ValueError(f"energy must return an expression, not the text {value!r}; see geometry.parse_expression")
    value = sympify(value)
    if not isinstance(value, Expr) or isinstance(value, MatrixBase):
        raise ValueError(f"energy must return a scalar expression, not {value!r}")
    ambient = Matrix(m, n, lambda i, j: value.diff(entries[i, j]))
    if _is_spectral(value, entries, ambient):
        return _spectral_energy_flow(network, entries, ambient)
    return _general_flow(network, entries, ambient)


def _comma(m: int, n: int) -> str:
    return "," if max(m, n) > 9 else ""


def _frame(letter: str, rows: int, columns: int) -> Matrix:
    return Matrix(rows, columns, lambda i, k: Symbol(f"{letter}_{i + 1}{_comma(rows, columns)}{k + 1}", real=True))


def _is_spectral(value: Expr, entries: Matrix, ambient: Matrix) -> bool:
    """Whether E(Q X Rᵀ) = E(X) for all orthogonal Q and R: a function of the singular values.

    For rotations ∇E Xᵀ and Xᵀ ∇E have to be symmetric for every X, the derivatives of E along the two
    group actions; one reflection on each side does the rest.
    """
    for product in (ambient * entries.T, entries.T * ambient):
        if any(simplify(expand(entry)) != 0 for entry in product - product.T):
            return False
    first_row = dict(zip(entries.row(0), -entries.row(0), strict=True))
    first_column = dict(zip(entries.col(0), -entries.col(0), strict=True))
    return all(simplify(value.xreplace(flip) - value) == 0 for flip in (first_row, first_column))


def _spectral_energy_flow(network: SpectralOperator, entries: Matrix, ambient: Matrix) -> SpectralFlow:
    """The flow of σ alone: for a spectral energy G is diagonal, and can be had at U = I, V = I."""
    (m, n), r, sigma = entries.shape, len(network.coframe.singular_values), network.coframe.singular_values
    diagonal = Matrix(m, n, lambda i, j: sigma[i] if i == j and i < r else 0)
    gradient = ambient.subs(dict(zip(entries, diagonal, strict=True)))[:r, :r]
    equations = tuple(
        Eq(TimeDerivative(sigma[k]), powsimp(-network.multiplier(k, k) * gradient[k, k]), evaluate=False)
        for k in range(r)
    )
    return SpectralFlow(equations, eye(m)[:, :r], eye(n)[:, :r], gradient, zeros(r), zeros(r))


def _general_flow(network: SpectralOperator, entries: Matrix, ambient: Matrix) -> SpectralFlow:
    (m, n), r, sigma = entries.shape, len(network.coframe.singular_values), network.coframe.singular_values
    left, right = _frame("U", m, r), _frame("V", n, r)
    point = left * diag(*sigma) * right.T
    slope = ambient.subs(dict(zip(entries, point, strict=True)))
    gradient = left.T * slope * right
    left_rotation, right_rotation = zeros(r), zeros(r)
    for k in range(r):
        for l in range(k + 1, r):
            pair = pair_rotation(sigma[k], sigma[l], (gradient[k, l], gradient[l, k]), network.multiplier(k, l))
            left_rotation[k, l], right_rotation[k, l] = pair
            left_rotation[l, k], right_rotation[l, k] = -pair[0], -pair[1]
    against_null = diag(*(network.null_multiplier(k) / sigma[k] for k in range(r)))
    # I - U Uᵀ is zero where there is no null space; written out it would only look as if it were not.
    left_null = eye(m) - left * left.T if network.coframe.left_nullity != 0 else zeros(m)
    right_null = eye(n) - right * right.T if network.coframe.right_nullity != 0 else zeros(n)
    left_velocity = left * left_rotation - left_null * slope * right * against_null
    right_velocity = right * right_rotation - right_null * slope.T * left * against_null
    pairs = [(sigma[k], -network.multiplier(k, k) * gradient[k, k]) for k in range(r)]
    pairs += [*zip(left, left_velocity, strict=True), *zip(right, right_velocity, strict=True)]
    equations = tuple(Eq(TimeDerivative(symbol), velocity, evaluate=False) for symbol, velocity in pairs)
    return SpectralFlow(equations, left, right, gradient, left_rotation, right_rotation)
