"""The functions that kernels call, as SymPy sees them; `backends` has the numerical forms under the same names.

To add one: write it here, enter it in `KERNEL_FUNCTIONS` with the name that emitted code calls it by, and give the
NAMESPACE of a module of each backend an implementation by that name.  A backend without one refuses the expression.
Exponents are given as numerator and denominator, so that the rounding of their quotient can be compensated.
"""

from __future__ import annotations

from sympy import (
    Abs,
    Function,
    LambertW,
    Max,
    Min,
    Piecewise,
    acosh,
    asinh,
    atan,
    cos,
    cosh,
    exp,
    gamma,
    hyper,
    log,
    loggamma,
    sign,
    sin,
    sinh,
    tan,
    tanh,
)

__all__ = ["ELEMENTARY", "FUNCTION_MODULES", "KERNEL_FUNCTIONS"]


class _Positive(Function):
    """A function whose values are positive, or 0 at the edge of its domain."""

    is_positive = True


# ------------------------------------------------------------------------------ powers and logarithms


class power(Function):
    """x^(numerator/denominator): (x, numerator, denominator)."""

    def _eval_is_positive(self) -> bool | None:
        return True if self.args[0].is_positive else None


class cube_root(_Positive):
    """x^(1/3) for x >= 0."""


class fifth_root(_Positive):
    """x^(1/5) for x >= 0."""


class log_gap(_Positive):
    """|log a - log b|."""


class log_ratio(Function):
    """log a - log b."""


# ----------------------------------------------------------------------------- differences and means


class homogeneous_sum(_Positive):
    """Σ x^i y^j over i + j = 2 m, from (x, y, x², y², x⁴, y⁴, …, x^(2m), y^(2m)): only the powers it needs."""


class scaled_difference(Function):
    """(a - b)/h, and 0 where h is 0: (a, b, h)."""


class power_difference(Function):
    """a^q - b^q: (a, b, a^q, b^q, numerator, denominator)."""


class difference_ratio(_Positive):
    """(a - b)/(a^q - b^q) for q > 0: (a, b, a^(1-q), b^(1-q), numerator, denominator)."""


class logarithmic_mean(_Positive):
    """(a - b)/(log a - log b)."""


class power_difference_mean(_Positive):
    """(q/p) (a^p - b^p)/(a^q - b^q), both exponents as numerator and denominator."""


class power_divided_difference(Function):
    """The divided difference of a^p with respect to a^q/q; exponents as numerator and denominator, then the points."""


# ----------------------------------------------------------------------------------- sums of logarithms


class descending(Function):
    """The numbers from the largest to the smallest."""


class ranked(_Positive):
    """One of several positive numbers in descending order: (its place from 0, the numbers)."""


class interval_product(Function):
    """Π (d_k + … + d_l) over all k <= l, of steps d >= 0 between points in order; a scaled product."""


class scaled_product(Function):
    """A product with its exponent apart, which neither overflows nor underflows."""


class weighted_log(Function):
    """c log P to twice the working precision: (numerator, denominator, P), P a scaled or exact product."""


class exact_product(Function):
    """A product with its exponent and its rounding error apart, whose logarithm is accurate also near 1."""


class magnitude(Function):
    """The absolute value of a scaled or exact product."""


class mean_scale(_Positive):
    """The larger of a and b, as the part that carries the size of a mean."""


class mean_shape(_Positive):
    """The power-difference mean for p, q > 0 over its value max(a, b)^(p-q) at a = b; both exponents as quotients."""


class weighted_excess(Function):
    """c log of the logarithmic over the geometric mean of a^p and b^p, twice as precise: (c, a, b, p); 0 at zero."""


class sum_of_logs(Function):
    """The sum of weighted logarithms of scaled products."""


class extended(Function):
    """A number, to twice the working precision."""


class extended_sum(Function):
    """The sum of numbers in twice the working precision."""


class rounded(Function):
    """A number in twice the working precision, rounded."""


KERNEL_FUNCTIONS: dict[type[Function], str] = {
    power: "power",
    cube_root: "cube_root",
    fifth_root: "fifth_root",
    log_gap: "log_gap",
    log_ratio: "log_ratio",
    homogeneous_sum: "homogeneous_sum",
    scaled_difference: "scaled_difference",
    power_difference: "power_difference",
    difference_ratio: "difference_ratio",
    logarithmic_mean: "logarithmic_mean",
    power_difference_mean: "power_difference_mean",
    power_divided_difference: "power_divided_difference",
    descending: "descending",
    ranked: "ranked",
    interval_product: "interval_product",
    scaled_product: "scaled_product",
    weighted_log: "weighted_log",
    exact_product: "exact_product",
    magnitude: "magnitude",
    mean_scale: "mean_scale",
    mean_shape: "mean_shape",
    weighted_excess: "weighted_excess",
    sum_of_logs: "sum_of_logs",
    extended: "extended",
    extended_sum: "extended_sum",
    rounded: "rounded",
    LambertW: "lambert_w",
    gamma: "gamma",
    loggamma: "log_gamma",
    hyper: "hypergeometric",
}
"""SymPy class -> the name of its implementation in the backends' namespaces."""

FUNCTION_MODULES = ("{}_backend", "interval_products_{}", "divided_differences_{}")
"""Where a backend's implementations are, in `backends`; one that does not exist brings none."""

ELEMENTARY = (Abs, Max, Min, Piecewise, acosh, asinh, atan, cos, cosh, exp, log, sign, sin, sinh, tan, tanh)
"""What the printers know how to write on every backend."""
