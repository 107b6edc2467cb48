r"""The Riemann tensor and the sectional curvature of a spectral metric, component by component.

With ∇ of `connection` on the orthogonal frame,

    R(e_a, e_b) e_c = ∇_a ∇_b e_c - ∇_b ∇_a e_c - ∇_[e_a, e_b] e_c,

where an element κ of the isotropy acts by ∇_κ e = [κ, e].  A component is first found in names for the norms of the
frame and their derivatives, once for every metric: flipping signs of singular vectors fixes a totally geodesic product
of smaller manifolds, so it knows no singular values but those of its four vectors, whatever the rank.  Then the
metric's values are put in.

Sign: <R(a, b) b, a> is positive on spheres.

Sources: A. L. Besse, Einstein manifolds, chapter 7; S. Kobayashi, K. Nomizu, Foundations of differential geometry,
chapter X.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sympy import Add, Expr, Matrix, MatrixBase, Rational, S, Symbol, diff, expand, sympify

from .connection import (
    Frame,
    FrameElement,
    Vector,
    at_indices,
    frame_of_forms,
    generic_frame,
    rational,
    relabelled,
    require_explicit_rank,
)
from .normal_form import factored
from .structure import Generator, bracket

if TYPE_CHECKING:
    from .metric import SpectralMetric

__all__ = ["riemann_curvature", "sectional_curvature", "tangent_vector"]

MOST_OPERATIONS = 150
"""Sums of components longer than this are left as sums."""


@dataclass
class NamedConnection:
    """∇ on the frame, in names for what depends on the metric.

    Attributes
    ----------
    kind : str
        The field.
    meanings : dict
        By their names ("ratio", e) for x_e, ("rate", e, k) for ½ ∂ log g(e, e)/∂σ_k, ("rate", e, k, l) for its
        derivative, ("speed", k) for λ_kk.
    """

    kind: str
    meanings: dict[Symbol, tuple[Any, ...]] = field(default_factory=dict)

    def name(self, *meaning: Any) -> Symbol:
        """The name of a function; the units of a frame element do not matter to it."""
        key = tuple(Generator(part.kind, part.indices) if isinstance(part, Generator) else part for part in meaning)
        symbol = Symbol(str(key), positive=True)
        self.meanings[symbol] = key
        return symbol

    def ratio(self, element: Generator) -> Symbol:
        """x = g/Q."""
        null = element.kind in ("left", "right")
        return self.name("ratio", Generator("left", (element.indices[0], -1)) if null else element)

    def norm(self, element: FrameElement) -> Expr:
        """g(e, e)."""
        if isinstance(element, Generator):
            return rational(element.square) * self.ratio(element)
        return 1 / self.name("speed", element)

    def rate(self, element: FrameElement, index: int, *more: int) -> Expr:
        """½ ∂ log g(e, e)/∂σ_k, and derivatives of it."""
        involved = element.singular_indices if isinstance(element, Generator) else (element,)
        if not {index, *more} <= set(involved):
            return S.Zero
        if isinstance(element, Generator) and element.kind in ("left", "right"):
            element = Generator("left", (element.indices[0], -1))
        return self.name("rate", element, *sorted((index, *more)))

    def derivative(self, expression: Expr, index: int) -> Expr:
        """∂/∂σ_k of an expression in these names."""
        total: Expr = S.Zero
        for symbol in expression.free_symbols:
            what, element, *indices = self.meanings[symbol]
            if what == "rate":
                inner = self.rate(element, *indices, index)
            else:
                sign = 2 if what == "ratio" else -2  # λ_kk is the inverse of a norm
                inner = sign * symbol * self.rate(element, index)
            total += expression.diff(symbol) * inner
        return total

    def along(self, x: FrameElement, vector: Mapping[FrameElement, Expr]) -> Vector:
        """∇_x of a vector field that is invariant along the orbit."""
        total: Vector = {}
        for element, coefficient in vector.items():
            for z, value in self.basis(x, element).items():
                total[z] = total.get(z, S.Zero) + coefficient * value
            if not isinstance(x, Generator):
                total[element] = total.get(element, S.Zero) + self.derivative(coefficient, x)
        return {z: value for z, value in ((z, expand(value)) for z, value in total.items()) if value != 0}

    def basis(self, x: FrameElement, y: FrameElement) -> Vector:
        """∇_x y for elements of the frame; [x, y] for x in the isotropy."""
        if not isinstance(x, Generator) or not isinstance(y, Generator):
            radial, other = (y, x) if isinstance(x, Generator) else (x, y)
            if isinstance(x, Generator) and x.is_isotropic:
                return {}
            return {other: self.rate(other, radial)}  # type: ignore[arg-type]
        brackets = {z: rational(c) for z, c in bracket(x, y, self.kind).items() if not z.is_isotropic}
        found: Vector = {}
        if x.is_isotropic:
            return found | brackets
        a, b = self.ratio(x), self.ratio(y)
        found |= {z: c * (1 + (b - a) / self.ratio(z)) / 2 for z, c in brackets.items()}
        if x == y:
            found |= {k: -self.name("speed", k) * self.norm(x) * self.rate(x, k) for k in set(x.singular_indices)}
        return found

    def curvature(self, x: FrameElement, y: FrameElement, z: FrameElement) -> Vector:
        """R(x, y) z."""
        total = Counter[FrameElement]()
        for sign, first, second in ((1, x, y), (-1, y, x)):
            for w, value in self.along(first, self.along(second, {z: S.One})).items():
                total[w] += sign * value
        if isinstance(x, Generator) and isinstance(y, Generator):
            for element, constant in bracket(x, y, self.kind).items():
                for w, value in self.basis(element, z).items():
                    total[w] -= rational(constant) * value
        return dict(total)


@lru_cache(maxsize=4096)
def _named_component(
    kind: str, x: FrameElement, y: FrameElement, z: FrameElement, w: FrameElement
) -> tuple[Expr, dict[Symbol, tuple[Any, ...]]]:
    """<R(x, y) z, w> in names, and what they mean."""
    named = NamedConnection(kind)
    value = named.curvature(x, y, z).get(w, S.Zero) * named.norm(w)
    return expand(value), named.meanings


def _value(frame: Frame, meaning: tuple[Any, ...]) -> Expr:
    """What a name stands for."""
    what, element, *indices = meaning
    if what == "ratio":
        return frame.ratio(element)
    if what == "speed":
        return frame.speed(element)
    rate = frame.rate(element, indices[0])
    for index in indices[1:]:
        rate = factored(rate.diff(frame.sigma[index]))
    return rate


_COMPONENTS: WeakKeyDictionary[SpectralMetric, dict[tuple[FrameElement, ...], Expr]] = WeakKeyDictionary()


def _component(metric: SpectralMetric, elements: tuple[FrameElement, ...]) -> Expr:
    """<R(x, y) z, w> for elements of the frame."""
    generic, indices = relabelled(elements)
    known = _COMPONENTS.setdefault(metric, {})
    if generic not in known:
        frame = generic_frame(metric)
        expression, meanings = _named_component(metric.field, *generic)
        used = expression.free_symbols
        values = {symbol: _value(frame, meaning) for symbol, meaning in meanings.items() if symbol in used}
        known[generic] = _short(expression.xreplace(values))
    return at_indices(metric.coframe, known[generic], indices)


def _short(expression: Expr) -> Expr:
    return factored(expression) if expression.count_ops() <= MOST_OPERATIONS else expression


def _couples(elements: Sequence[FrameElement]) -> bool:
    """Whether the sign of a singular vector (or of a null direction) occurs an even number of times."""
    counts = Counter[tuple[str, int]]()
    for element in elements:
        if isinstance(element, Generator):
            for index in element.indices:
                counts["" if index >= 0 else element.kind, index] += 1
    return all(count % 2 == 0 for count in counts.values())


def riemann_curvature(metric: SpectralMetric, a: Any, b: Any, c: Any, d: Any) -> Expr:
    """<R(a, b) c, d>, with <R(a, b) b, a> positive on spheres.

    Parameters
    ----------
    metric : SpectralMetric
        Of explicit rank.
    a, b, c, d : int, form, expression, sequence or Matrix
        Tangent vectors: an index into `metric.forms` or a form of it means the vector of the dual frame, a linear
        combination of forms or a sequence of components one with these components, an (m, n) Matrix (over R) the
        velocity in the completed singular basis, Uᵀ Z V.

    Raises
    ------
    ValueError
        If the rank is a symbol, or an argument is no tangent vector.

    Examples
    --------
    >>> from geometry import SpectralMetric
    >>> polar = SpectralMetric(shape=(3, 3), rank=1)
    >>> riemann_curvature(polar, "A_1", "B_1", "B_1", "A_1")
    -sigma_1**2
    """
    require_explicit_rank(metric.coframe, "the Riemann tensor")
    first, second = (_plane(metric, *pair) for pair in ((a, b), (d, c)))
    total: Expr = S.Zero
    for (x, y), u in first.items():
        for (w, z), v in second.items():
            if _couples((x, y, z, w)):
                total += u * v * _component(metric, (x, y, z, w))
    return _short(total)


def _plane(metric: SpectralMetric, a: Any, b: Any) -> dict[tuple[FrameElement, FrameElement], Expr]:
    """The components of a ∧ b."""
    first, second = tangent_vector(metric, a), tangent_vector(metric, b)
    elements = sorted({*first, *second}, key=str)
    found = {}
    for x, y in combinations(elements, 2):
        found[x, y] = sum(sign * first.get(p, S.Zero) * second.get(q, S.Zero) for sign, p, q in ((1, x, y), (-1, y, x)))
    return {pair: value for pair, value in found.items() if value != 0}


def sectional_curvature(metric: SpectralMetric, a: Any, b: Any) -> Expr:
    """The curvature <R(a, b) b, a>/(|a|² |b|² - <a, b>²) of the plane of two tangent vectors.

    Parameters
    ----------
    metric : SpectralMetric
    a, b : int, form, expression, sequence or Matrix
        As in `riemann_curvature`.

    Raises
    ------
    ValueError
        If the rank is a symbol, an argument is no tangent vector, or the vectors span no plane.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> metric = DeepLinearNetwork(2, shape=(2, 2)).metric
    >>> sectional_curvature(metric, "dsigma_1", "dsigma_2")
    0
    >>> sectional_curvature(metric, "dsigma_1", "Omega^U_12")
    sigma_2*(sigma_1**2 - 4*sigma_1*sigma_2 + sigma_2**2)/(2*(sigma_1 + sigma_2)**2*(sigma_1**2 + sigma_2**2))
    """
    numerator = riemann_curvature(metric, a, b, b, a)
    area: Expr = S.Zero
    for (x, y), value in _plane(metric, a, b).items():
        area += value**2 * _norm(metric, x) * _norm(metric, y)
    if area == 0:
        raise ValueError(f"sectional_curvature needs two vectors that span a plane, not {a} and {b}")
    return _short(numerator / area)


def _norm(metric: SpectralMetric, element: FrameElement) -> Expr:
    (generic,), indices = relabelled((element,))
    return at_indices(metric.coframe, generic_frame(metric).norm(generic), indices)


def tangent_vector(metric: SpectralMetric, vector: Any) -> Vector:
    """The components of a tangent vector in the orthogonal frame; see `riemann_curvature` for what it can be.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if isinstance(vector, MatrixBase):
        return _from_velocity(metric, vector)
    dual, total = frame_of_forms(metric), Vector()
    for form, component in zip(metric.forms, _form_components(metric, vector), strict=True):
        for element, factor in dual[form].items():
            total[element] = total.get(element, S.Zero) + component * factor
    return {element: value for element, value in total.items() if value != 0}


def _form_components(metric: SpectralMetric, vector: Any) -> list[Expr]:
    forms = metric.forms
    if isinstance(vector, str):
        named = {form.name: form for form in forms}
        if vector not in named:
            raise ValueError(f"there is no form {vector!r}; the forms are {', '.join(named)}")
        vector = named[vector]
    if isinstance(vector, Sequence):
        if len(vector) != len(forms):
            raise ValueError(f"a tangent vector has one component for each of {forms}, not {len(vector)}")
        return [_component_value(component, vector) for component in vector]
    if not isinstance(vector, Expr):
        try:
            position = operator.index(vector)
        except TypeError as error:
            raise ValueError(
                f"{vector!r} is no tangent vector: give an index, a form, components or a Matrix"
            ) from error
        if not 0 <= position < len(forms):
            raise ValueError(f"an index of a form must be in 0 … {len(forms) - 1}, not {position}")
        vector = forms[position]
    components = [diff(vector, form) for form in forms]
    rest = expand(vector - Add(*(component * form for component, form in zip(components, forms, strict=True))))
    if rest != 0 or any(component.has(*forms) for component in components):
        raise ValueError(f"{vector} is not linear in the forms {', '.join(map(str, forms))}")
    return components


def _component_value(component: Any, vector: Any) -> Expr:
    if isinstance(component, str):
        raise ValueError(f"components of a tangent vector must be numbers or expressions, not the text {component!r}")
    value = sympify(component)
    if value.has(S.NaN, S.Infinity, S.NegativeInfinity, S.ComplexInfinity):
        raise ValueError(f"components of a tangent vector must be finite, not {vector}")
    return value


def _from_velocity(metric: SpectralMetric, velocity: MatrixBase) -> Vector:
    """The components of a matrix Uᵀ Z V in the completed singular basis."""
    coframe, rank = metric.coframe, require_explicit_rank(metric.coframe, "the Riemann tensor")
    if velocity.shape != coframe.shape or metric.field != "R":
        raise ValueError(
            f"a Matrix is a velocity in the singular basis, over R and of shape {coframe.shape}; over {metric.field} "
            f"and of shape {velocity.shape} give the components in the forms as a sequence"
        )
    if any(velocity[i, j] != 0 for i in range(rank, velocity.rows) for j in range(rank, velocity.cols)):
        raise ValueError("a velocity has no entries between null directions: those leave the matrices of this rank")
    found, half = Vector(), Rational(1, 2)
    for block in coframe.blocks():
        if block.kind in ("radial", "pair"):
            linear = Matrix([[diff(entry, form) for form in block.forms] for entry in block.velocity.values()])
            values = linear.LUsolve(Matrix([velocity[place] for place in block.velocity]))
            k, l = block.indices[0], block.indices[-1]
            if block.kind == "radial":
                found[int(k)] = values[0]
            else:
                for kind, sign in (("plus", 1), ("minus", -1)):
                    found[Generator(kind, (int(k), int(l)))] = (values[0] + sign * values[1]) * half
    for k in range(rank):
        for a in range(rank, velocity.rows):
            found[Generator("left", (k, rank - 1 - a))] = velocity[a, k] / coframe.singular_value(k)
        for b in range(rank, velocity.cols):
            found[Generator("right", (k, rank - 1 - b))] = velocity[k, b] / coframe.singular_value(k)
    return {element: value for element, value in found.items() if value != 0}
