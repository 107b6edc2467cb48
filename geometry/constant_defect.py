r"""Two layers with a constant defect: unbalanced, and still a spectral metric.

The layer flow of X = W_2 W_1 is dX/dt = -(S ∇E + ∇E T) with S = W_2 W_2ᵀ and T = W_1ᵀ W_1, and it
conserves W_2ᵀ W_2 - W_1 W_1ᵀ.  Where this is δ times the identity of the hidden space,

    S² - δ S = X Xᵀ,     T² + δ T = Xᵀ X,

so that S and T are functions of X, with eigenvalues ±δ/2 + √(σ² + δ²/4), and X moves by the gradient
flow in the spectral metric with

    λ(a, b) = √(a² + δ²/4) + √(b² + δ²/4).

δ = 0 is the network of depth 2, λ = a + b; far below |δ| the flow is that of depth 1, |δ| times as fast.

Source: derived here from Arora, Cohen, Hazan, arXiv 1802.06509.
"""

from __future__ import annotations

from sympy import Expr, Symbol, solve, sympify

from .metric import SpectralMetric

__all__ = ["constant_defect_metric", "layer_square"]


def layer_square(sigma: Expr, defect: Expr) -> Expr:
    """The eigenvalue s of W_2 W_2ᵀ over the singular value σ: the positive solution of s² - δ s = σ².

    With -δ for δ it is that of W_1ᵀ W_1.

    Examples
    --------
    >>> from sympy import symbols
    >>> a, delta = symbols("a", positive=True), symbols("delta", real=True)
    >>> layer_square(a, delta)
    delta/2 + sqrt(4*a**2 + delta**2)/2
    """
    square = Symbol("s")
    sigma, defect = sympify(sigma, strict=True), sympify(defect, strict=True)
    solutions = solve(square**2 - defect * square - sigma**2, square)
    # The product of the two solutions is -σ², so one of them is positive: the larger, half the sum above.
    (larger,) = (solution for solution in solutions if (solution - defect / 2).is_positive)
    return larger


def constant_defect_metric(side: int | Symbol, defect: Expr, field: str = "R") -> SpectralMetric:
    """The metric on square matrices of full rank whose gradient flow is that of two layers with defect δ I.

    Parameters
    ----------
    side : int or Symbol
        m = n = r = hidden width.  (Otherwise W_2 W_2ᵀ and W_1ᵀ W_1 differ against the null spaces.)
    defect : Expr
        δ, real: a number or a symbol declared real.
    field : {"R", "C", "H"}

    Raises
    ------
    ValueError
        If the defect is not known to be real.

    Examples
    --------
    >>> from sympy import Rational
    >>> constant_defect_metric(2, Rational(0)).multiplier(0, 1)
    sigma_1 + sigma_2
    """
    value = sympify(defect, strict=True)
    if not value.is_real:
        raise ValueError(f"defect must be real, not {defect!r}; declare a symbol with symbols('delta', real=True)")
    return SpectralMetric(
        (side, side), side, lambda a, b: layer_square(a, value) + layer_square(b, -value), field=field
    )
