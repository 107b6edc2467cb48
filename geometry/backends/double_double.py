"""Arithmetic without rounding: sums and products of doubles with their errors, for numbers and arrays of any library.

Source: T. J. Dekker, *A floating-point technique for extending the available precision*, Numer. Math. 18 (1971).
"""

from __future__ import annotations

from typing import Any

__all__ = ["LN2_HIGH", "LN2_LOW", "exponent_weight", "split_quotient", "two_product", "two_sum"]

LN2_HIGH = 0.6931471803691238
"""log 2 to 32 bits, so that its product with any exponent of a double, or a thousand of them, is exact."""

LN2_LOW = 1.9082149292705877e-10
"""log 2 - LN2_HIGH."""


GRID = 1.5 * 2.0**32
"""Added and subtracted, it rounds a double to a multiple of 2^-20."""


def two_sum(x: Any, y: Any) -> tuple[Any, Any]:
    """x + y as fl + error."""
    total = x + y
    virtual = total - x
    return total, (x - (total - virtual)) + (y - virtual)


def two_product(x: Any, y: Any) -> tuple[Any, Any]:
    """x y as fl + error; both factors are split into halves of 26 bits by Veltkamp's 2^27 + 1."""
    product = x * y
    x_high, y_high = 134217729.0 * x, 134217729.0 * y
    x_high, y_high = x_high - (x_high - x), y_high - (y_high - y)
    x_low, y_low = x - x_high, y - y_high
    return product, ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low


def split_quotient(numerator: Any, denominator: Any) -> tuple[Any, Any]:
    """numerator/denominator as fl + δ, accurate to second order for exact arguments."""
    quotient = numerator / denominator
    # two_product(quotient, denominator), written out: a function that calls no other can be jitted as it is.
    product = quotient * denominator
    x_high, y_high = 134217729.0 * quotient, 134217729.0 * denominator
    x_high, y_high = x_high - (x_high - quotient), y_high - (y_high - denominator)
    x_low, y_low = quotient - x_high, denominator - y_high
    error = ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low
    return quotient, ((numerator - product) - error) / denominator


def exponent_weight(numerator: Any, denominator: Any) -> tuple[Any, Any, Any]:
    """c = numerator/denominator, and c log 2 as a multiple of 2^-20 and the rest.

    Multiples of the first by integers, and the sums of such multiples for several c, are exact up to 2^33.
    """
    coefficient, remainder = split_quotient(numerator, denominator)
    product, error = two_product(coefficient, LN2_HIGH)
    high = (product + GRID) - GRID
    return coefficient, high, (product - high) + (error + (coefficient * LN2_LOW + remainder * LN2_HIGH))
