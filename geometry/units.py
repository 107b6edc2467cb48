"""The units of R, C and H as real matrices: what makes a matrix over a field a real block matrix.

Each unit stands for multiplication by it from the left on the real components, so that products,
conjugates (transposes) and traces of matrices over the field are those of the block matrices, and
<Y, Z> = tr(Yᵀ Z)/β.
"""

from __future__ import annotations

from sympy import ImmutableMatrix, Matrix, eye

__all__ = ["UNITS"]

_I = Matrix([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, -1], [0, 0, 1, 0]])
_J = Matrix([[0, 0, -1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, -1, 0, 0]])

UNITS: dict[str, tuple[ImmutableMatrix, ...]] = {
    "R": (ImmutableMatrix(eye(1)),),
    "C": (ImmutableMatrix(eye(2)), ImmutableMatrix(_I[:2, :2])),
    "H": tuple(map(ImmutableMatrix, (eye(4), _I, _J, _I * _J))),
}
"""1; 1, i; 1, i, j, k. The first is real, the others are imaginary."""
