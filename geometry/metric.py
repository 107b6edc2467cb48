r"""Spectral metrics: Riemannian metrics on rank-r matrices given by a multiplier.

A symmetric function λ(a, b) of two singular values defines the operator

    A(u_k v_lᵀ) = λ(σ_k, σ_l) u_k v_lᵀ,

with λ(σ_k, 0) against the null spaces, and the metric g(Z, Z) = <Z, A⁻¹ Z> (Frobenius inner
product).  λ = 1 is the Frobenius metric, λ = a + b on positive matrices twice Bures-Wasserstein.

Source: Cohen, Menon, Veraszto, arXiv 2210.12497, section 3.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from sympy import Add, Dummy, Eq, Expr, Matrix, Rational, S, Symbol, limit, oo, powsimp, sympify, zoo

from .coframe import DYSON_INDEX, CoframeBlock, SingularCoframe, gram_matrix, indexed
from .indexed import IndexedProduct, IndexedSum, index_symbols
from .means import explicit, recognize_means
from .volume import VolumeForm, block_volume_form

__all__ = ["SpectralMetric", "validated_coframe"]

Multiplier = Callable[[Expr, Expr], Expr]


def validated_coframe(shape: tuple[int | Expr, int | Expr], rank: int | Expr | None, field: str) -> SingularCoframe:
    """The coframe for a shape, rank and field that make sense.

    Raises
    ------
    ValueError
        If a side or the rank is no positive integer (or integer symbol), the rank is not between 1 and
        min(shape), or the field is not "R", "C" or "H".
    """
    if field not in DYSON_INDEX:
        raise ValueError(f"field must be one of 'R', 'C', 'H', not {field!r}")
    try:
        sides = tuple(_side(side) for side in shape)
    except TypeError as error:
        raise ValueError(f"shape must be a pair of integers (m, n), not {shape!r}") from error
    if len(sides) != 2:
        raise ValueError(f"shape must be a pair (m, n), not {shape!r}")
    validated_rank = _rank(rank, (sides[0], sides[1]))
    return SingularCoframe((sides[0], sides[1]), validated_rank, field)


def _rank(rank: int | Expr | None, sides: tuple[int | Expr, int | Expr]) -> int | Expr:
    explicit_sides = [side for side in sides if isinstance(side, int)]
    if rank is None:
        if sides[0] == sides[1]:
            return sides[0]
        if len(explicit_sides) < 2:
            raise ValueError(f"rank must be given for the symbolic shape {sides}")
        return min(explicit_sides)
    if isinstance(rank, Symbol):
        if rank.is_integer is False or rank.is_positive is False:
            raise ValueError(f"a symbolic rank must be a positive integer symbol, not {rank}")
        return rank
    try:
        if isinstance(rank, bool):
            raise TypeError("a bool is no rank")
        value = operator.index(rank)
    except TypeError as error:
        raise ValueError(f"rank must be an integer or an integer symbol, not {rank!r}") from error
    if value < 1 or any(value > side for side in explicit_sides):
        raise ValueError(f"rank must be between 1 and min(shape) for shape {sides}, not {value}")
    return value


def _side(side: int | Expr) -> int | Expr:
    if isinstance(side, Symbol):
        if side.is_integer is False or side.is_positive is False:
            raise ValueError(f"a symbolic side of the shape must be a positive integer symbol, not {side}")
        return side
    if isinstance(side, bool):
        raise ValueError(f"shape must consist of integers, not {side}")
    value = operator.index(side)
    if value < 1:
        raise ValueError(f"shape must consist of positive integers, not {value}")
    return value


def _expression(value: Any, name: str) -> Expr:
    """What a function of the user's returns, unless it is text, which is never evaluated."""
    if isinstance(value, str):
        raise ValueError(f"{name} must return an expression, not the text {value!r}; see geometry.parse_expression")
    return sympify(value)


class SpectralMetric:
    r"""A Riemannian metric <Z, A⁻¹ Z> with A(u_k v_lᵀ) = λ(σ_k, σ_l) u_k v_lᵀ.

    Parameters
    ----------
    shape : pair of int or Symbol
        m and n.
    rank : int or Symbol, optional
        r; min(shape) unless given.  For a symbol, formulas have sums and products over its indices.
    multiplier : callable
        λ(a, b), symmetric and positive; takes and returns SymPy expressions.
    field : {"R", "C", "H"}
        The field of the entries.
    null_multiplier : callable, optional
        λ(a, 0); the limit of λ(a, b) as b → 0 unless given.

    Raises
    ------
    ValueError
        If the multiplier is not symmetric, or vanishes against a zero singular value that occurs:
        then A cannot be inverted and there is no metric.

    Examples
    --------
    >>> bures = SpectralMetric(shape=(2, 2), multiplier=lambda a, b: a + b)
    >>> bures.volume_density()
    Abs(sigma_1 - sigma_2)/(2*sqrt(sigma_1)*sqrt(sigma_2))
    >>> bures.line_element().subs(dict.fromkeys(bures.forms[1:], 0))
    dsigma_1**2/(2*sigma_1)
    """

    def __init__(
        self,
        shape: tuple[int | Expr, int | Expr],
        rank: int | Expr | None = None,
        multiplier: Multiplier = lambda a, b: sympify(1),
        field: str = "R",
        null_multiplier: Callable[[Expr], Expr] | None = None,
    ) -> None:
        self.coframe = validated_coframe(shape, rank, field)
        self._a, self._b = Dummy("a", positive=True), Dummy("b", positive=True)
        self._pair = recognize_means(_expression(multiplier(self._a, self._b), "multiplier"))
        self._require_symmetric_and_positive()
        self._diagonal = self._diagonal_value()
        self._null = self._null_value(null_multiplier)
        if self.coframe.has_null_directions and self._null == 0:
            raise ValueError(
                f"the multiplier vanishes against a zero singular value, so on {self._describe()} the operator "
                "A has no inverse and there is no metric; choose rank = m = n"
            )

    def _describe(self) -> str:
        (m, n), r = self.coframe.shape, self.coframe.rank
        return f"{m} x {n} matrices of rank {r}"

    def _require_symmetric_and_positive(self) -> None:
        parameters = self._pair.free_symbols - {self._a, self._b}
        pair = self._pair.subs(dict.fromkeys(parameters, Rational(7, 2)))
        for a, b in ((Rational(64), Rational(729)), (Rational(4096, 15625), Rational(1, 64))):
            there = pair.subs({self._a: a, self._b: b}).evalf(30)
            back = pair.subs({self._a: b, self._b: a}).evalf(30)
            if not there.is_positive:
                raise ValueError(f"multiplier must be positive; at ({a}, {b}) it is {there}")
            if abs(there - back) > Rational(1, 10**20) * there:
                raise ValueError(f"multiplier must be symmetric; at ({a}, {b}) it is {there}, swapped {back}")

    def _diagonal_value(self) -> Expr:
        diagonal = self._pair.subs(self._b, self._a)
        if diagonal.has(S.NaN, zoo, oo, -oo):
            diagonal = limit(explicit(self._pair), self._b, self._a)
        return diagonal

    def _null_value(self, null_multiplier: Callable[[Expr], Expr] | None) -> Expr:
        if null_multiplier is not None:
            return _expression(null_multiplier(self._a), "null_multiplier")
        return limit(explicit(self._pair), self._b, 0, "+")

    @property
    def shape(self) -> tuple[int | Expr, int | Expr]:
        """(m, n)."""
        return self.coframe.shape

    @property
    def rank(self) -> int | Expr:
        """The rank r."""
        return self.coframe.rank

    @property
    def field(self) -> str:
        """The field of the matrix entries."""
        return self.coframe.field

    @property
    def dimension(self) -> Expr:
        """The real dimension of the manifold, β r (m + n - r) for β = 1."""
        return self.coframe.dimension

    @property
    def singular_values(self) -> Sequence[Symbol]:
        """The symbols (σ_1, …, σ_r), positive and decreasing."""
        return self.coframe.singular_values

    @property
    def forms(self) -> tuple[Symbol, ...]:
        """The one-forms of the coframe, block by block; A_k and B_k stand for whole columns."""
        return tuple(form for block in self.coframe.blocks() for form in block.forms)

    def multiplier(self, k: int | Symbol, l: int | Symbol) -> Expr:
        """λ(σ_k, σ_l), indices from 0; for a symbolic rank also index symbols such as k and l."""
        return self.pair_multiplier(self.coframe.singular_value(k), self.coframe.singular_value(l))

    def pair_multiplier(self, a: Expr, b: Expr) -> Expr:
        """λ(a, b), for any two positive singular values."""
        if a == b:
            return self._diagonal.xreplace({self._a: sympify(a)})
        return self._pair.xreplace({self._a: sympify(a), self._b: sympify(b)})

    def null_multiplier(self, k: int | Symbol) -> Expr:
        """λ(σ_k, 0), against the null spaces."""
        return self.pair_null_multiplier(self.coframe.singular_value(k))

    def pair_null_multiplier(self, a: Expr) -> Expr:
        """λ(a, 0), for any positive singular value."""
        return self._null.xreplace({self._a: sympify(a)})

    def block_multiplier(self, block: CoframeBlock) -> Expr:
        """The multiplier of the entries that a block moves."""
        if block.kind in ("left", "right"):
            return self.null_multiplier(block.indices[0])
        return self.multiplier(block.indices[0], block.indices[-1])

    def line_element(self) -> Expr:
        r"""ds² = Σ |velocity|²/λ as a quadratic form in the coframe.

        The form A_k stands for the whole column (U_⊥ᵀdU)_k, A_k² for its squared length, and
        likewise B_k; for β > 1 the square of a form stands for the sum over its components.
        """
        terms = []
        for block in self.coframe.blocks():
            gram = gram_matrix(block)
            quadratic = Add(*(gram[i, j] * v * w for i, v in enumerate(block.forms) for j, w in enumerate(block.forms)))
            term = powsimp(quadratic / self.block_multiplier(block))
            terms.append(self.coframe.over_block(block, IndexedSum, term))
        return Add(*terms)

    @cached_property
    def volume_form(self) -> VolumeForm:
        """√det g as a product of factors; blocks of one kind differ in their singular values only."""
        factors: list[tuple[Expr, Expr]] = []
        first: dict[str, tuple[CoframeBlock, VolumeForm]] = {}
        for block in self.coframe.blocks():
            if block.kind not in first:
                first[block.kind] = block, block_volume_form(block, self.block_multiplier(block))
            model, form = first[block.kind]
            factors += self._block_factors(block, form.renamed(self.coframe.renaming(model, block)))
        return VolumeForm.product(factors)

    def _block_factors(self, block: CoframeBlock, form: VolumeForm) -> Iterator[tuple[Expr, Expr]]:
        """The factors that a block brings in; for a generic block the products over its indices.

        In one of the two singular values of a pair the product over all pairs is one over single indices, each of
        which is in r - 1 pairs, half of them for each of the two.
        """
        if self.coframe.has_explicit_rank:
            yield from form.factors
            return
        values = dict(zip(map(self.coframe.singular_value, block.indices), block.indices, strict=True))
        for base, exponent in form.factors:
            involved = base.free_symbols & set(values)
            if not involved:
                yield base, exponent * self.coframe.count(len(values))
            elif len(involved) == len(values):
                yield self.coframe.over_block(block, IndexedProduct, base), exponent
            else:
                (one,) = involved
                single = base.xreplace({one: self.coframe.singular_value(index_symbols(1)[0])})
                yield (
                    IndexedProduct(indexed(single), index_symbols(1), self.rank),
                    exponent * (sympify(self.rank) - 1) / 2,
                )

    def volume_density(self) -> Expr:
        """√det g with respect to the coframe, the root of its Gram determinant."""
        return self.volume_form.density()

    def log_volume_density(self) -> Expr:
        """The logarithm of the volume density, as the sum of the logarithms of its factors."""
        return self.volume_form.log_density()

    # The rest of the geometry, each part in a module of its own that is imported when it is asked for.

    def scalar_curvature(self) -> Expr:
        """The scalar curvature; spheres are positive.  See `geometry.curvature.scalar_curvature`."""
        from .curvature import scalar_curvature

        return scalar_curvature(self)

    def ricci_curvature(self) -> Matrix:
        """The Ricci tensor in the frame dual to `forms`.  See `geometry.ricci.ricci_curvature`."""
        from .ricci import ricci_curvature

        return ricci_curvature(self)

    def riemann_curvature(self, a: Any, b: Any, c: Any, d: Any) -> Expr:
        """<R(a, b) c, d>, with the sign for which <R(a, b) b, a> is positive on spheres.  See `geometry.riemann`."""
        from .riemann import riemann_curvature

        return riemann_curvature(self, a, b, c, d)

    def sectional_curvature(self, a: Any, b: Any) -> Expr:
        """The curvature of the plane of two tangent vectors.  See `geometry.riemann.sectional_curvature`."""
        from .riemann import sectional_curvature

        return sectional_curvature(self, a, b)

    def christoffel_symbols(self) -> dict[tuple[Symbol, Symbol, Symbol], Expr]:
        """The coefficients of the connection in the coframe.  See `geometry.connection.christoffel_symbols`."""
        from .connection import christoffel_symbols

        return christoffel_symbols(self)

    def geodesic_equations(self) -> tuple[Eq, ...]:
        """The geodesic equations in the coframe.  See `geometry.geodesics.geodesic_equations`."""
        from .geodesics import geodesic_equations

        return geodesic_equations(self)

    def laplacian(self, function: Expr) -> Expr:
        """The Laplace-Beltrami operator on a function of the singular values.  See `geometry.laplacian.laplacian`."""
        from .laplacian import laplacian

        return laplacian(self, function)

    def __repr__(self) -> str:
        pair = self._pair.xreplace({self._a: Symbol("a"), self._b: Symbol("b")})
        return f"SpectralMetric(shape={self.shape}, rank={self.rank}, field={self.field!r}, multiplier={pair})"

    def _repr_latex_(self) -> str:
        from .displays import metric_latex

        return f"$\\displaystyle {metric_latex(self)}$"

    def _repr_html_(self) -> str:
        from .displays import metric_html

        return metric_html(self)
