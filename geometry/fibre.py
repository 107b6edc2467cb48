r"""The fibre of balanced layers over a matrix, and its Gram matrix.

The balanced layers with the product X = U Σ V* are

    W_p = Q_p Λ Q_{p-1}*,   Λ = Σ^{1/N},   Q_N = U,   Q_0 = V,

with Q_1, …, Q_{N-1} any r orthonormal vectors in F^h, h the hidden width: one orbit of G_h^{N-1}, which acts on the
hidden spaces, and a product of N-1 Stiefel manifolds.  A velocity Q_p* dQ_p = ω_p, Q_p⊥* dQ_p = C_p of the frames
moves the layers by

    dW_p = K_p Λ - Λ K_{p-1}   in the frames,   K_p = [[ω_p, -C_p*], [C_p, 0]],   K_0 = K_N = 0,

Λ continued by zeros.  In the Frobenius metric of the layers each entry kl, k < l, of K_1, …, K_{N-1} is
orthogonal to all others, and so is each real component of it; C_p,k is an entry against a zero singular value.  The
Gram matrix of one is tridiagonal of size N-1, and its determinant a continuant:

===============  ==========================  ====================  =======================
entries          diagonal                    off the diagonal      determinant
===============  ==========================  ====================  =======================
k < l            2 (σ_k^{2/N} + σ_l^{2/N})   -2 (σ_k σ_l)^{1/N}    2^{N-1} λ(σ_k, σ_l)
C, with σ_l = 0  2 σ_k^{2/N}                 0                     2^{N-1} λ(σ_k, 0)
kk (phases)      2 σ_k^{2/N}                 -σ_k^{2/N}            λ(σ_k, σ_k)
===============  ==========================  ====================  =======================

with λ the multiplier of A_N (not divided by the depth).

Source: Menon, Yu, arXiv 2509.09088; over C and H Contreras, Nahas, Kotwal, arXiv 2606.16579.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from sympy import Dummy, Expr, Matrix, Mul, Poly, Pow, S, Symbol, diag, expand, factor_list, powsimp, zeros

from .layers import layer_singular_value
from .means import recognize_means

__all__ = [
    "continuant",
    "fibre_velocities",
    "pair_determinant",
    "pair_gram_matrix",
    "phase_determinant",
    "phase_gram_matrix",
]

SAMPLE_DEPTH = 4
"""The depth at which the entries of a Gram matrix are read off: the first with two neighbours inside."""


def fibre_velocities(rotations: list[Matrix], core: Matrix) -> list[Matrix]:
    """dW_p = K_p Λ - Λ K_{p-1}, p = 1 … N, for the rotations K_1, …, K_{N-1} of the hidden spaces in their frames."""
    still = zeros(*core.shape)
    ends = [still, *rotations, still]
    return [ends[p] * core - core * ends[p - 1] for p in range(1, len(ends))]


def pair_gram_matrix(a: Expr, b: Expr, depth: int) -> Matrix:
    """The Gram matrix of one real component of the entries kl of K_1, …, K_{N-1}.

    Parameters
    ----------
    a, b : Expr
        σ_k^{1/N} and σ_l^{1/N}, the singular values of the layers; b = 0 for the entries of C.
    depth : int
        N, at least 1.

    Returns
    -------
    Matrix
        (N-1, N-1), from the layers' velocities.

    Examples
    --------
    >>> from sympy import symbols
    >>> a, b = symbols("a b", positive=True)
    >>> pair_gram_matrix(a, b, 3)
    Matrix([
    [2*a**2 + 2*b**2,         -2*a*b],
    [         -2*a*b, 2*a**2 + 2*b**2]])
    """
    return _gram_matrix(lambda form: Matrix([[0, form], [-form, 0]]), diag(a, b), depth)


def phase_gram_matrix(a: Expr, depth: int) -> Matrix:
    """The Gram matrix of one imaginary component of the entries kk of K_1, …, K_{N-1}; a = σ_k^{1/N}.

    Examples
    --------
    >>> from sympy import Symbol
    >>> phase_gram_matrix(Symbol("a", positive=True), 3)
    Matrix([
    [2*a**2,  -a**2],
    [ -a**2, 2*a**2]])
    """
    # A unit commutes with the real core, so that its coefficient alone is enough.
    return _gram_matrix(lambda form: Matrix([[form]]), Matrix([[a]]), depth)


def _gram_matrix(rotation: Callable[[Symbol], Matrix], core: Matrix, depth: int) -> Matrix:
    """The matrix of the quadratic form Σ_p |dW_p|² in the N-1 coefficients of the rotations."""
    forms = [Dummy(f"omega_{p}", real=True) for p in range(1, depth)]
    velocities = fibre_velocities([rotation(form) for form in forms], core)
    length = sum((entry**2 for velocity in velocities for entry in velocity), S.Zero)
    return Matrix(depth - 1, depth - 1, lambda i, j: (length.diff(forms[i], forms[j]) / 2).expand())


def continuant(diagonal: Expr, off_diagonal: Expr, size: Expr) -> Expr:
    """The determinant of the tridiagonal matrix with constant diagonals, of any size n, also a symbolic one.

    Expanded along the last row, D_n = d D_{n-1} - e² D_{n-2} with D_0 = 1, D_{-1} = 0.  With the roots x, y of
    t² - d t + e² the solution is (x^{n+1} - y^{n+1})/(x - y), or (n + 1) x^n where they coincide.

    Raises
    ------
    ValueError
        If the roots are no rational functions of the entries.

    Examples
    --------
    >>> from sympy import symbols
    >>> a, b, n = symbols("a b n", positive=True)
    >>> continuant(a**2 + b**2, -a * b, n)
    (-a**(2*n + 2) + b**(2*n + 2))/(-a**2 + b**2)
    """
    t = Symbol("t")
    characteristic = t**2 - diagonal * t + off_diagonal**2
    roots = []
    for factor, multiplicity in factor_list(characteristic, t)[1]:
        if Poly(factor, t).degree() > 1:
            raise ValueError(f"{characteristic} has no roots that are rational in its coefficients")
        leading, constant = Poly(factor, t).all_coeffs()
        roots += [-constant / leading] * multiplicity
    x, y = roots
    if x == y:
        return (size + 1) * x**size
    return Mul(x ** (size + 1) - y ** (size + 1), 1 / (x - y))


@lru_cache(maxsize=256)
def pair_determinant(first: Expr, second: Expr, depth: Expr) -> Expr:
    """The determinant of the Gram matrix of a pair over 2^{N-1}, for any depth: λ(σ_k, σ_l), in means.

    Parameters
    ----------
    first, second : Expr
        σ_k and σ_l; σ_l = 0 for the entries of C.
    depth : Expr
        N, a number or a symbol.

    Examples
    --------
    >>> from sympy import Integer, symbols
    >>> a, b, N = symbols("a b N", positive=True)
    >>> pair_determinant(a, b, N)
    N*PowerDifferenceMean(a, b, 2, 2/N)
    >>> pair_determinant(a, Integer(0), N)
    a**(2 - 2/N)
    """
    a, b = Dummy("a", positive=True), Dummy("b", positive=True) if second != 0 else S.Zero
    # All entries have the factor 2, which is taken out N-1 times.
    return _continued(pair_gram_matrix(a, b, SAMPLE_DEPTH) / 2, {a: first, b: second}, depth)


@lru_cache(maxsize=256)
def phase_determinant(sigma: Expr, depth: Expr) -> Expr:
    """The determinant of the Gram matrix of a phase, for any depth: λ(σ_k, σ_k).

    Examples
    --------
    >>> from sympy import symbols
    >>> phase_determinant(*symbols("a N", positive=True))
    N*a**(2 - 2/N)
    """
    a = Dummy("a", positive=True)
    return _continued(phase_gram_matrix(a, SAMPLE_DEPTH), {a: sigma}, depth)


def _continued(gram: Matrix, values: dict[Expr, Expr], depth: Expr) -> Expr:
    """The determinant of a Gram matrix of the kind of `gram`, for any depth, in terms of the singular values of X.

    Parameters
    ----------
    gram : Matrix
        In the singular values of the layers.
    values : dict
        The singular values of X that belong to these.
    depth : Expr
    """
    diagonal, off_diagonal = _bands(gram)
    generic = {a: a if sigma != 0 else S.Zero for a, sigma in values.items()}
    roots = {a: layer_singular_value(sigma, depth) for a, sigma in generic.items()}
    closed = recognize_means(continuant(diagonal, off_diagonal, depth - 1).subs(roots))
    # Means first, numbers then: where singular values coalesce the quotient has no value.
    return _expanded_exponents(powsimp(closed)).subs(values)


def _expanded_exponents(expression: Expr) -> Expr:
    return expression.replace(Pow, lambda base, exponent: base ** expand(exponent))


def _bands(gram: Matrix) -> tuple[Expr, Expr]:
    """The entries on the diagonal and beside it.

    Raises
    ------
    ArithmeticError
        If the matrix is not tridiagonal with constant diagonals.
    """
    bands = {0: gram[0, 0], 1: gram[0, 1]}
    places = ((i, j) for i in range(gram.rows) for j in range(gram.cols))
    if any(gram[i, j] != bands.get(abs(i - j), 0) for i, j in places):
        raise ArithmeticError(f"the Gram matrix {gram} of the fibre is not tridiagonal with constant diagonals")
    return bands[0], bands[1]
