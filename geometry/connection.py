r"""The Levi-Civita connection of a spectral metric, in the frame dual to its coframe.

The frame of the radial ∂/∂σ_k and the basis of `structure` is orthogonal.  With [e_i, e_j] = Σ_k c^k_ij e_k along the
orbit, g_i = g(e_i, e_i) and x_i = g_i/Q(e_i, e_i), Koszul's formula says

    ∇_{e_i} e_j       = Σ_k c^k_ij (x_k - x_i + x_j)/(2 x_k) e_k - δ_ij Σ_k ½ λ_kk (∂g_i/∂σ_k) ∂/∂σ_k,
    ∇_{e_i} ∂/∂σ_k    = ∇_{∂/∂σ_k} e_i = ½ (∂ log g_i/∂σ_k) e_i,
    ∇_{∂/∂σ_k} ∂/∂σ_k = -½ (∂ log λ_kk/∂σ_k) ∂/∂σ_k.

The elements of the isotropy drop out: they rotate the null spaces and the phases, which are given by no matrix.

Source: A. L. Besse, Einstein manifolds, chapter 7; S. Kobayashi, K. Nomizu, Foundations of differential geometry,
chapter X.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sympy import Expr, Rational, S, Symbol, factor_terms

from .coframe import SingularCoframe, generic_singular_value
from .indexed import index_symbols
from .normal_form import factored
from .structure import Generator, bracket

if TYPE_CHECKING:
    from .metric import SpectralMetric

__all__ = [
    "Frame",
    "FrameElement",
    "Vector",
    "at_indices",
    "christoffel_symbols",
    "frame_of_forms",
    "generic_frame",
    "rational",
    "relabelled",
    "require_explicit_rank",
]

FrameElement = int | Generator
"""A radial direction ∂/∂σ_k as its index from 0, or an element along the orbit."""
Vector = dict[FrameElement, Expr]
"""Components in the frame."""
FormLabel = tuple[str, FrameElement]
"""A form of the coframe: "U" or "V" with E^U + E^V, "" with its frame element."""


def require_explicit_rank(coframe: SingularCoframe, what: str) -> int:
    """The rank as a number.

    Raises
    ------
    ValueError
        If it is a symbol.
    """
    if not isinstance(coframe.rank, int):
        raise ValueError(
            f"{what} has a component for every pair of indices, so rank must be a number, not {coframe.rank}"
        )
    return coframe.rank


class Frame:
    """The orthogonal frame of a spectral metric on generic singular values σ_k, σ_l, σ_p, σ_q: norms and connection.

    Parameters
    ----------
    metric : SpectralMetric
    """

    def __init__(self, metric: SpectralMetric) -> None:
        self.field = metric.field
        self.sigma = tuple(map(generic_singular_value, index_symbols(4)))
        self._multiplier, self._null_multiplier = metric.pair_multiplier, metric.pair_null_multiplier
        self._connection: dict[tuple[FrameElement, FrameElement], Vector] = {}

    def ratio(self, element: Generator) -> Expr:
        """x = g/Q: (σ_k ∓ σ_l)²/λ_kl, σ_k²/λ_k0."""
        a, b = (self.sigma[index] for index in element.indices)
        if element.kind in ("left", "right"):
            return factored(a**2 / self._null_multiplier(a))
        sign = -1 if element.kind == "plus" else 1
        return factored((a + sign * b) ** 2 / self._multiplier(a, b))

    def norm(self, element: FrameElement) -> Expr:
        """g(e, e)."""
        if isinstance(element, Generator):
            return rational(element.square) * self.ratio(element)
        return 1 / self.speed(element)

    def speed(self, index: int) -> Expr:
        """λ_kk."""
        return self._multiplier(self.sigma[index], self.sigma[index])

    def rate(self, element: FrameElement, index: int) -> Expr:
        """½ ∂ log g(e, e)/∂σ_k."""
        norm = self.norm(element)
        return factored(norm.diff(self.sigma[index]) / (2 * norm))

    def connection(self, x: FrameElement, y: FrameElement) -> Vector:
        """∇_x y in the frame."""
        if (x, y) not in self._connection:
            orbital = isinstance(x, Generator) and isinstance(y, Generator)
            found = self._along_orbit(x, y) if orbital else self._radial(x, y)  # type: ignore[arg-type]
            self._connection[x, y] = {z: value for z, value in found.items() if value != 0}
        return self._connection[x, y]

    def _along_orbit(self, x: Generator, y: Generator) -> Vector:
        found: Vector = {}
        for z, constant in bracket(x, y, self.field).items():
            if not z.is_isotropic:
                change = _short((self.ratio(y) - self.ratio(x)) / self.ratio(z))
                found[z] = rational(constant) * (1 + change) / 2
        if x == y:
            for k in sorted(set(x.singular_indices)):
                found[k] = factored(-self.speed(k) * self.norm(x) * self.rate(x, k))
        return found

    def _radial(self, x: FrameElement, y: FrameElement) -> Vector:
        radial, other = (y, x) if isinstance(x, Generator) else (x, y)
        involved = other.indices if isinstance(other, Generator) else (other,)
        return {other: self.rate(other, radial)} if radial in involved else {}  # type: ignore[arg-type]


_FRAMES: WeakKeyDictionary[SpectralMetric, Frame] = WeakKeyDictionary()


def generic_frame(metric: SpectralMetric) -> Frame:
    """The frame of a metric, with what it has computed already."""
    if metric not in _FRAMES:
        _FRAMES[metric] = Frame(metric)
    return _FRAMES[metric]


def relabelled(elements: Sequence[FrameElement]) -> tuple[tuple[FrameElement, ...], tuple[int, ...]]:
    """Frame elements on the singular values 0, 1, … and nulls -1, -2, … and the indices that these stand for."""
    involved: set[int] = set()
    nulls: dict[tuple[str, int], int] = {}
    for element in elements:
        if isinstance(element, Generator):
            involved |= set(element.singular_indices)
            if element.kind in ("left", "right"):
                side = element.kind, element.indices[1]
                nulls.setdefault(side, -1 - sum(kind == element.kind for kind, _ in nulls))
        else:
            involved.add(element)
    indices = tuple(sorted(involved))
    number = {index: position for position, index in enumerate(indices)}

    def renamed(element: FrameElement) -> FrameElement:
        if not isinstance(element, Generator):
            return number[element]
        i, j = element.indices
        second = number[j] if j >= 0 else nulls[element.kind, j]
        return Generator(element.kind, (number[i], second), element.unit)

    return tuple(map(renamed, elements)), indices


def restored(element: FrameElement, indices: tuple[int, ...]) -> FrameElement:
    """A frame element on 0, 1, … back on the indices that these stand for."""
    if not isinstance(element, Generator):
        return indices[element]
    i, j = (indices[index] if index >= 0 else index for index in element.indices)
    return Generator(element.kind, (i, j), element.unit)


def at_indices(coframe: SingularCoframe, expression: Expr, indices: tuple[int, ...]) -> Expr:
    """An expression in generic singular values at explicit indices."""
    names = map(generic_singular_value, index_symbols(len(indices)))
    return expression.xreplace(dict(zip(names, map(coframe.singular_value, indices), strict=True)))


def frame_of_forms(metric: SpectralMetric) -> dict[Symbol, Vector]:
    """The frame vector dual to each form, in the orthogonal frame; for A_k, B_k, phases the first of their kind."""
    dual: dict[Symbol, Vector] = {}
    for block in metric.coframe.blocks():
        k, l = block.indices[0], block.indices[-1]
        if block.kind == "pair":
            plus, minus = (Generator(kind, (k, l)) for kind in ("plus", "minus"))
            half = Rational(1, 2)
            for form, sign in zip(block.forms, (1, -1), strict=True):
                dual[form] = {plus: half, minus: sign * half}
        else:
            elements: dict[str, Any] = {
                "radial": k,
                "phase": Generator("minus", (k, k), 1),
                "left": Generator("left", (k, -1)),
                "right": Generator("right", (k, -1)),
            }
            dual[block.forms[0]] = {elements[block.kind]: S.One}
    return dual


def christoffel_symbols(metric: SpectralMetric) -> dict[tuple[Symbol, Symbol, Symbol], Expr]:
    r"""The connection in the coframe: Γ^a_bc with ∇_{e_c} e_b = Σ_a Γ^a_bc e_a, e_a dual to the forms.

    The frame is not a coordinate one: Γ^a_bc - Γ^a_cb is the component along e_a of [e_c, e_b].  A_k and B_k stand
    for one component towards one null direction, over C and H a form for its real component and a phase for its first
    one; the coefficients are those among these.

    Parameters
    ----------
    metric : SpectralMetric
        Of explicit rank.

    Returns
    -------
    dict
        (a, b, c), forms of the metric, to Γ^a_bc, where that is not zero.

    Raises
    ------
    ValueError
        If the rank is a symbol.

    Examples
    --------
    >>> from geometry import SpectralMetric
    >>> polar = SpectralMetric(shape=(3, 1))
    >>> for indices, value in christoffel_symbols(polar).items():
    ...     print(indices, value)
    (A_1, A_1, dsigma_1) 1/sigma_1
    (A_1, dsigma_1, A_1) 1/sigma_1
    (dsigma_1, A_1, A_1) -sigma_1
    """
    require_explicit_rank(metric.coframe, "the connection")
    dual, known = frame_of_forms(metric), dict[tuple[tuple[FrameElement, Expr], ...], dict[FormLabel, Expr]]()
    forms = {_label(form, vector): form for form, vector in dual.items()}
    found: dict[tuple[Symbol, Symbol, Symbol], Expr] = {}
    for (c, along), (b, vector) in product(dual.items(), repeat=2):
        generic, indices = relabelled([*along, *vector])
        key = tuple(zip(generic, [*along.values(), *vector.values()], strict=True))
        if key not in known:
            # One computation for all choices of the indices.
            known[key] = _derivative(generic_frame(metric), dict(key[: len(along)]), dict(key[len(along) :]))
        for (letter, element), value in known[key].items():
            a = forms[letter, restored(element, indices)]
            found[a, b, c] = at_indices(metric.coframe, value, indices)
    return found


def _derivative(frame: Frame, along: Vector, vector: Vector) -> dict[FormLabel, Expr]:
    """∇ of one dual vector along another, by the forms of its components."""
    total: Vector = {}
    for (x, u), (y, v) in product(along.items(), vector.items()):
        for z, value in frame.connection(x, y).items():
            total[z] = total.get(z, S.Zero) + u * v * value
    found: dict[FormLabel, Expr] = {}
    for element, value in total.items():
        if isinstance(element, Generator) and element.kind in ("plus", "minus") and len(set(element.indices)) == 2:
            # E^U ± E^V are the elements of the frame.
            plus = Generator("plus", element.indices, element.unit)
            for letter, sign in (("U", 1), ("V", 1 if element.kind == "plus" else -1)):
                found[letter, plus] = found.get((letter, plus), S.Zero) + sign * value
        else:
            found["", element] = value
    short = {label: _short(value) for label, value in found.items()}
    return {label: value for label, value in short.items() if value != 0 and _is_represented(label[1])}


def _is_represented(element: FrameElement) -> bool:
    """Whether a form of the coframe stands for the element."""
    if not isinstance(element, Generator):
        return True
    i, j = element.indices
    return element.unit == (1 if i == j else 0) and j >= -1


def _short(value: Expr) -> Expr:
    """Over one denominator, which in three singular values is longer than the sum."""
    singular = {symbol for symbol in value.free_symbols if symbol.name.startswith("sigma_")}
    return factored(value) if len(singular) < 3 else factor_terms(value)


def _label(form: Symbol, vector: Vector) -> FormLabel:
    """A form by its letter, where several share their frame elements, and the first of these."""
    letter = {"Omega^U": "U", "Omega^V": "V"}.get(form.name.partition("_")[0], "")
    return letter, next(iter(vector))


def rational(value: Fraction) -> Rational:
    """A fraction as a SymPy number."""
    return Rational(value.numerator, value.denominator)
