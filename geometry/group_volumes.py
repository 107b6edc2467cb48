r"""Volumes of spheres, of the groups O_d, U_d, Sp_d and of Stiefel manifolds, and of the angles of a coframe.

The coframe of the singular values says how a volume form depends on σ; to integrate it, the volume
of everything else is needed: of the singular vectors.  With Ω = Q* dQ the metrics are those of the coframe:
every entry Ω_kl, k < l, counts once with its β real components, so do the β - 1 imaginary
components of Ω_kk, and every entry of Q_⊥* dQ.

======================  =====================================================  =========================
sphere S^q              vol(S^q) = 2 π^{(q+1)/2}/Γ((q+1)/2)                     2 points for q = 0
group G_d               Π_{j ≤ d} vol(S^{βj-1})                                 O_d (both parts), U_d, Sp_d
Stiefel manifold        Π_{n-k < j ≤ n} vol(S^{βj-1}) = vol(G_n)/vol(G_{n-k})   k orthonormal vectors in F^n
angles of the coframe   vol(St_r(F^m)) vol(St_r(F^n))/vol(S^{β-1})^r            σ_1 > … > σ_r
======================  =====================================================  =========================

The last column of Q in G_d runs through the sphere S^{βd-1}, its velocity has the components Ω_kd, k < d, and
the imaginary ones of Ω_dd: an orthonormal coframe of the sphere.  What is left is G_{d-1}: a Riemannian
submersion, so the volumes multiply.  U and V belong to the same X as U D and V D for D diagonal with
units of the field, a group of volume vol(S^{β-1})^r, which the phases (Ω^U - Ω^V)_kk do not see.

Source: Muirhead, *Aspects of Multivariate Statistical Theory* (1982), section 2.1; Forrester, *Log-Gases and Random
Matrices* (2010), chapters 1-3.
"""

from __future__ import annotations

import operator

from sympy import Expr, Integer, Mul, expand, gamma, pi, sympify

from .coframe import DYSON_INDEX, SingularCoframe
from .indexed import IndexedProduct, index_symbols

__all__ = ["angular_volume", "ball_volume", "group_volume", "sphere_volume", "stiefel_volume"]


def sphere_volume(dimension: int | Expr) -> Expr:
    """The volume 2 π^{(q+1)/2}/Γ((q+1)/2) of the unit sphere S^q in R^{q+1}.

    Parameters
    ----------
    dimension : int or Expr
        q, at least 0: S⁰ has 2 points.

    Raises
    ------
    ValueError
        If the dimension is a negative number or no integer.

    Examples
    --------
    >>> sphere_volume(0), sphere_volume(1), sphere_volume(2), sphere_volume(3)
    (2, 2*pi, 4*pi, 2*pi**2)
    """
    half = (_size("dimension", dimension, at_least=0) + 1) / 2
    return 2 * pi**half / gamma(half)


def ball_volume(dimension: int | Expr) -> Expr:
    """The volume π^{D/2}/Γ(D/2 + 1) of the unit ball in R^D.

    Raises
    ------
    ValueError
        If the dimension is a negative number or no integer.

    Examples
    --------
    >>> ball_volume(2), ball_volume(4)
    (pi, pi**2/2)
    """
    half = _size("dimension", dimension, at_least=0) / 2
    return pi**half / gamma(half + 1)


def group_volume(d: int | Expr, field: str = "R") -> Expr:
    """The volume Π_{j ≤ d} vol(S^{βj-1}) of O_d (both components), U_d or Sp_d; an unevaluated product for a symbol.

    Parameters
    ----------
    d : int or Expr
        The side, at least 0.
    field : {"R", "C", "H"}

    Raises
    ------
    ValueError
        If d is a negative number or no integer, or the field is none of the three.

    Examples
    --------
    >>> group_volume(1), group_volume(2), group_volume(1, "C"), group_volume(1, "H")
    (2, 4*pi, 2*pi, 2*pi**2)
    """
    return stiefel_volume(d, d, field)


def stiefel_volume(n: int | Expr, k: int | Expr, field: str = "R") -> Expr:
    """The volume Π_{n-k < j ≤ n} vol(S^{βj-1}) of the manifold of k orthonormal vectors in F^n.

    Parameters
    ----------
    n, k : int or Expr
        0 ≤ k ≤ n.  A symbolic n with an explicit k gives k factors, a symbolic k an `IndexedProduct`.
    field : {"R", "C", "H"}

    Raises
    ------
    ValueError
        If a size is a negative number or no integer, k is above n, or the field is none of the three.

    Examples
    --------
    >>> stiefel_volume(3, 1), stiefel_volume(3, 2), stiefel_volume(2, 1, "C")
    (4*pi, 8*pi**2, 2*pi**2)
    """
    n, k, beta = _size("n", n, at_least=0), _size("k", k, at_least=0), _dyson_index(field)
    if (n - k).is_negative:
        raise ValueError(f"k must be at most n: there are no {k} orthonormal vectors in dimension {n}")
    if isinstance(k, Integer):
        return Mul(*(sphere_volume(beta * (n - j) - 1) for j in range(int(k))))
    taken = {symbol.name for symbol in (n.free_symbols | k.free_symbols)}
    index = next(symbol for symbol in index_symbols(4) if symbol.name not in taken)
    return IndexedProduct(sphere_volume(expand(beta * (n - k + index)) - 1), (index,), k)


def angular_volume(coframe: SingularCoframe) -> Expr:
    """The volume of the angles: what a density in the coframe is multiplied by, once integrated over σ_1 > … > σ_r > 0.

    vol(St_r(F^m)) vol(St_r(F^n))/vol(S^{β-1})^r; at m = n = r it is vol(G_d)²/vol(S^{β-1})^d.

    Parameters
    ----------
    coframe : SingularCoframe
        Sides and rank may be symbols.

    Examples
    --------
    >>> angular_volume(SingularCoframe((1, 1), 1))
    2
    >>> angular_volume(SingularCoframe((2, 2), 2))
    4*pi**2
    """
    m, n = coframe.shape
    stabilizer = sphere_volume(coframe.dyson_index - 1) ** coframe.rank
    return stiefel_volume(m, coframe.rank, coframe.field) * stiefel_volume(n, coframe.rank, coframe.field) / stabilizer


def _dyson_index(field: str) -> Integer:
    if field not in DYSON_INDEX:
        raise ValueError(f"field must be one of 'R', 'C', 'H', not {field!r}")
    return Integer(DYSON_INDEX[field])


def _size(name: str, size: int | Expr, at_least: int) -> Expr:
    """A size as an expression: an integer not below a bound, or something symbolic."""
    if isinstance(size, Expr) and not size.is_number:
        if size.is_integer is False or (size - at_least).is_negative:
            raise ValueError(f"{name} must be an integer of at least {at_least}, not {size}")
        return size
    try:
        value = operator.index(size)
    except TypeError as error:
        raise ValueError(f"{name} must be an integer or an integer symbol, not {size!r}") from error
    if isinstance(size, bool) or value < at_least:
        raise ValueError(f"{name} must be an integer of at least {at_least}, not {size!r}")
    return sympify(value, strict=True)
