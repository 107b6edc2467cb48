r"""Power differences and means in jax.numpy: traced, compiled, vectorized and differentiated by JAX.

The forms are those of `numpy_backend`; what is added is that derivatives, of every order, are as accurate as values.
Differentiating code cancels as badly as the quotients that it avoids, and the derivative of a `where` or a maximum is
wrong where its arguments meet.  So derivatives are given.  With

    E_k(x) = ∫₀¹ s^k exp(-s x) ds,     E_k' = -E_{k+1},     r = E_1/E_0,     g = log a - log b,

the mean M = (q/p) (a^p - b^p)/(a^q - b^q) is a^(p-q) E_0(p g)/E_0(q g), whichever of a and b is larger, and

    dM/M = (p - q) da/a - (p r(p g) - q r(q g)) (da/a - db/b),     dg = da/a - db/b.

Both branches of a `where` are differentiated, so each sees only arguments at which it is finite.  At zero, slopes that
are infinite are given as 0.

Everything is in double precision.  JAX computes in single precision unless told otherwise; kernels do not change that
setting of the whole process.  Called with numbers or arrays a kernel evaluates under `jax.enable_x64`, and in 32-bit
mode returns NumPy arrays; called while JAX traces, when the precision is settled already, it demands that 64 bits be
on.  XLA takes numbers below 2e-308 for 0.
"""

from __future__ import annotations

from typing import Any

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise ImportError("the backend 'jax' needs the extra 'jax': pip install 'dln-geometry[jax]'") from error

from .double_double import two_sum
from .jax_calls import call, double, kernel_function
from .jax_logarithms import (
    Pair,
    exact_product,
    extended,
    extended_log,
    extended_sum,
    magnitude,
    rounded,
    scaled_product,
    weighted,
    weighted_log,
)
from .jax_powers import (
    SCALE,
    cube_root,
    decay,
    decay_center,
    fifth_root,
    log_gap,
    log_ratio,
    log_ratio_slope,
    power,
    power_slope,
    square_root,
)

__all__ = ["LIBRARIES", "NAMESPACE", "call", "kernel_function", "log_ratio", "power"]

LIBRARIES = ["jax.numpy"]
"""Where emitted code finds the elementary functions."""

Array = Any  # jax.Array or a tracer


# ----------------------------------------------------------------------------- differences and means


def homogeneous_sum(*powers: Array) -> Array:
    """Σ x^i y^j over i + j = 2 m, from x, y, x², y², x⁴, y⁴ and so on."""
    product = powers[0] * powers[1]
    total = powers[2] + powers[3] + product
    for x, y in zip(powers[4::2], powers[5::2], strict=True):
        total = x + y + product * total
    return total


def scaled_difference(a: Any, b: Any, h: Any) -> Array:
    """(a - b)/h, and 0 where h is 0."""
    a, b = double(a), double(b)
    scale = jnp.where(jnp.maximum(a, b) < 1e-200, SCALE, 1.0)
    vanishing = h == 0
    return jnp.where(vanishing, 0.0, (a * scale - b * scale) / jnp.where(vanishing, 1.0, h * scale))


@jax.custom_jvp
def _power_difference(a: Array, b: Array, numerator: Array, denominator: Array) -> Array:
    exponent = numerator / denominator
    gap = log_ratio(a, b)
    largest = jnp.maximum(power(a, numerator, denominator), power(b, numerator, denominator))
    size = -largest * jnp.expm1(-jnp.abs(exponent * gap))
    return jnp.where(exponent * gap >= 0, size, -size)


@_power_difference.defjvp
def _power_difference_slope(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (a, b, n, d), (da, db, dn, dd) = primals, tangents
    # Those of the two powers.
    slopes = (power_slope((x, n, d), (dx, dn, dd))[1] for x, dx in ((a, da), (b, db)))
    first, second = slopes
    return _power_difference(a, b, n, d), first - second


def power_difference(a: Any, b: Any, above: Any, below: Any, numerator: Any, denominator: Any) -> Array:
    """a^q - b^q, q = numerator/denominator; the two powers are not needed here."""
    return _power_difference(*jnp.broadcast_arrays(*map(double, (a, b, numerator, denominator))))


@jax.custom_jvp
def _mean(a: Array, b: Array, pn: Array, pd: Array, qn: Array, qd: Array) -> Array:
    """The power-difference mean; (a^p - b^p)/p is g E_0(|p| g) times hi^p, or times lo^p where p < 0."""
    p, q, first, second, below = pn / pd, qn / qd, pn * qd, qn * pd, pd * qd
    high, low = jnp.maximum(a, b), jnp.minimum(a, b)
    vanishing = low == 0
    gap = jnp.where(vanishing, 0.0, log_ratio(jnp.where(vanishing, 1.0, high), jnp.where(vanishing, 1.0, low)))
    same = power(jnp.where(p + q >= 0, high, low), first - second, below)
    mixed = power(jnp.where(p > 0, high, low), first, below) * power(jnp.where(q > 0, high, low), -second, below)
    ratio = decay(0, jnp.abs(p) * gap) / decay(0, jnp.abs(q) * gap)
    against_zero = jnp.abs(second / jnp.where(first == 0, 1.0, first))
    return jnp.where(p * q >= 0, same, mixed) * jnp.where(vanishing, against_zero, ratio)


@_mean.defjvp
def _mean_slope(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (a, b, pn, pd, qn, qd), (da, db, dpn, dpd, dqn, dqd) = primals, tangents
    p, q = pn / pd, qn / qd
    value = _mean(*primals)
    x, y = jnp.where(a == 0, 1.0, a), jnp.where(b == 0, 1.0, b)
    regular = (a != 0) & (b != 0)
    gap = log_ratio(jnp.where(regular, x, 1.0), jnp.where(regular, y, 1.0))
    p_share, q_share = decay_center(p * gap), decay_center(q * gap)
    by_gap = p * p_share - q * q_share
    # Against zero M = (q/p) a^(p-q).
    by_a = jnp.where(regular, p - q - by_gap, jnp.where(b == 0, p - q, 0.0)) / x
    by_b = jnp.where(regular, by_gap, jnp.where(a == 0, p - q, 0.0)) / y
    size = jnp.log(jnp.where(regular, x, jnp.maximum(x, y)))
    by_p = size - jnp.where(regular, gap * p_share, 1.0 / jnp.where(p == 0, 1.0, p))
    by_q = size - jnp.where(regular, gap * q_share, 1.0 / jnp.where(q == 0, 1.0, q))
    dp, dq = (dpn * pd - pn * dpd) / (pd * pd), (dqn * qd - qn * dqd) / (qd * qd)
    return value, value * (by_a * da + by_b * db + by_p * dp - by_q * dq)


def power_difference_mean(
    a: Any, b: Any, p_numerator: Any, p_denominator: Any, q_numerator: Any, q_denominator: Any
) -> Array:
    """(q/p) (a^p - b^p)/(a^q - b^q), with its values at a = b, at q = 0 and against zero."""
    numbers = (a, b, p_numerator, p_denominator, q_numerator, q_denominator)
    return _mean(*jnp.broadcast_arrays(*map(double, numbers)))


def difference_ratio(a: Any, b: Any, above: Any, below: Any, numerator: Any, denominator: Any) -> Array:
    """(a - b)/(a^q - b^q) for q > 0; the two powers are not needed here."""
    return power_difference_mean(a, b, 1, 1, numerator, denominator) * (double(denominator) / numerator)


def logarithmic_mean(a: Any, b: Any) -> Array:
    """(a - b)/(log a - log b), with the value a at a = b and 0 against zero."""
    return power_difference_mean(a, b, 1, 1, 0, 1)


# --------------------------------------------------------------------------- logarithms of means

# A mean is its scale to a power times its shape.  Their derivatives are given as those of the geometric mean and of
# what the mean exceeds it by: only the product is meaningful, and these are smooth where a and b meet.


@jax.custom_jvp
def _mean_scale(a: Array, b: Array) -> Array:
    return jnp.maximum(a, b)


@_mean_scale.defjvp
def _mean_scale_slope(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (a, b), (da, db) = primals, tangents
    value = _mean_scale(a, b)
    by_a = jnp.where(a == 0, 0.0, jnp.where(b == 0, 1.0, 0.5)) / jnp.where(a == 0, 1.0, a)
    by_b = jnp.where(b == 0, 0.0, jnp.where(a == 0, 1.0, 0.5)) / jnp.where(b == 0, 1.0, b)
    return value, value * (by_a * da + by_b * db)


def mean_scale(a: Any, b: Any) -> Array:
    """The larger of a and b, with the logarithmic derivative of √(a b)."""
    return _mean_scale(*jnp.broadcast_arrays(double(a), double(b)))


@jax.custom_jvp
def _mean_shape(gap: Array, p: Array, q: Array) -> Array:
    size = jnp.abs(gap)
    finite = jnp.where(jnp.isinf(size), 0.0, size)
    return jnp.where(jnp.isinf(size), q / p, decay(0, p * finite) / decay(0, q * finite))


@_mean_shape.defjvp
def _mean_shape_slope(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (gap, p, q), (dgap, dp, dq) = primals, tangents
    value = _mean_shape(gap, p, q)
    vanishing = jnp.isinf(gap)
    g = jnp.where(vanishing, 0.0, gap)
    by_gap = jnp.where(vanishing, 0.0, (p - q) / 2 - p * decay_center(p * g) + q * decay_center(q * g))
    # log(shape) = -(p - q) |g|/2 + even; the exponents' share of the first term is that of the scale.
    size = jnp.abs(g)
    by_p = jnp.where(vanishing, -1 / p, -size * decay_center(p * size))
    by_q = jnp.where(vanishing, -1 / q, -size * decay_center(q * size))
    return value, value * (by_gap * dgap + by_p * dp - by_q * dq)


def mean_shape(a: Any, b: Any, p_numerator: Any, p_denominator: Any, q_numerator: Any, q_denominator: Any) -> Array:
    """The power-difference mean for p, q > 0 over max(a, b)^(p-q)."""
    p, q = double(p_numerator) / p_denominator, double(q_numerator) / q_denominator
    return _mean_shape(*jnp.broadcast_arrays(log_ratio(a, b), p, q))


@jax.custom_jvp
def _weighted_excess(cn: Array, cd: Array, a: Array, b: Array, n: Array, d: Array) -> Pair:
    gap = log_ratio(a, b)
    x = jnp.abs(n / d * gap) / 2
    small = x <= 2.0
    square = jnp.where(small, x, 1.0) ** 2
    series = jnp.zeros_like(square)
    for k in range(14, 0, -1):
        series = square / (2 * k * (2 * k + 1)) * (1.0 + series)
    far = ~small & (x < jnp.inf)
    high, low = (jnp.where(far, extreme(a, b), other) for extreme, other in ((jnp.maximum, 8.0), (jnp.minimum, 1.0)))
    value, error = weighted(n, 2 * d, *(h - l for h, l in zip(extended_log(high), extended_log(low), strict=True)))
    large = jnp.where(far, x, 2.0)
    value, more = two_sum(value, jnp.log1p(-jnp.exp(-2 * large)) - jnp.log(2 * large))
    value = jnp.where(small, jnp.log1p(series), jnp.where(far, value, 0.0))
    return weighted(cn, cd, value, jnp.where(far, error + more, 0.0))


@_weighted_excess.defjvp
def _weighted_excess_slope(primals: Any, tangents: Any) -> tuple[Pair, Pair]:
    (cn, cd, a, b, n, d), (dcn, dcd, da, db, dn, dd) = primals, tangents
    value = _weighted_excess(*primals)
    p, c = n / d, cn / cd
    (gap, dgap) = log_ratio_slope((a, b), (da, db))
    finite = jnp.where(jnp.isinf(gap), 0.0, gap)
    slope = c * (0.5 - decay_center(p * finite)) * (p * dgap + finite * (dn * d - n * dd) / (d * d))
    slope += value[0] / c * (dcn * cd - cn * dcd) / (cd * cd)
    return value, (slope, jnp.zeros_like(slope))


def weighted_excess(c_numerator: Any, c_denominator: Any, a: Any, b: Any, numerator: Any, denominator: Any) -> Pair:
    """c log(sinh(x)/x) for x = (p/2) log(a/b), p = numerator/denominator; 0 against zero."""
    numbers = (c_numerator, c_denominator, a, b, numerator, denominator)
    return _weighted_excess(*jnp.broadcast_arrays(*map(double, numbers)))


def gamma(x: Any) -> Array:
    """Γ(x)."""
    from jax.scipy.special import gamma as jax_gamma

    return jax_gamma(double(x))


def log_gamma(x: Any) -> Array:
    """log Γ(x); NaN for x < 0."""
    from jax.scipy.special import gammaln

    return jnp.where(x < 0, jnp.nan, gammaln(double(x)))


_FUNCTIONS = (
    power,
    cube_root,
    fifth_root,
    square_root,
    log_gap,
    log_ratio,
    homogeneous_sum,
    scaled_difference,
    power_difference,
    difference_ratio,
    logarithmic_mean,
    power_difference_mean,
    scaled_product,
    magnitude,
    weighted_log,
    mean_scale,
    mean_shape,
    weighted_excess,
    extended,
    extended_sum,
    rounded,
    gamma,
    log_gamma,
)
NAMESPACE = {function.__name__: function for function in _FUNCTIONS}
NAMESPACE |= {"exact_product": exact_product, "sum_of_logs": extended_sum}
"""The functions that emitted kernels call."""
