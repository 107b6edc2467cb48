"""Small matrices in compiled code: loops, as calls of a library would take longer than the work."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .machine_code import compiled

__all__ = [
    "copy",
    "copy_negative",
    "copy_transposed",
    "copy_vector",
    "decompose",
    "decompose_by_library",
    "decompose_pair",
    "factorize",
    "left_transposed_product",
    "orthonormalize",
    "product",
    "right_transposed_product",
    "solve",
    "subtract",
]

MOST_SWEEPS = 40
ORTHOGONAL = 5e-32
"""The square of the cosine below which two columns count as orthogonal."""


@compiled
def copy(source: Any, target: Any) -> None:
    """Overwrite a matrix; assignment to slices would take seconds to compile."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@compiled
def copy_negative(source: Any, target: Any) -> None:
    """Overwrite a matrix with minus another."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = -source[i, j]


@compiled
def copy_transposed(source: Any, target: Any) -> None:
    """Overwrite a matrix with the transpose of another."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[j, i] = source[i, j]


@compiled
def copy_vector(source: Any, target: Any) -> None:
    """Overwrite a vector."""
    for i in range(source.shape[0]):
        target[i] = source[i]


@compiled
def subtract(B: Any, A: Any) -> None:
    """A becomes A - B."""
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            A[i, j] -= B[i, j]


@compiled
def product(A: Any, B: Any, result: Any) -> None:
    """A B."""
    for i in range(A.shape[0]):
        for j in range(B.shape[1]):
            total = 0.0
            for k in range(A.shape[1]):
                total += A[i, k] * B[k, j]
            result[i, j] = total


@compiled
def left_transposed_product(A: Any, B: Any, result: Any) -> None:
    """Aᵀ B."""
    for i in range(A.shape[1]):
        for j in range(B.shape[1]):
            total = 0.0
            for k in range(A.shape[0]):
                total += A[k, i] * B[k, j]
            result[i, j] = total


@compiled
def right_transposed_product(A: Any, B: Any, result: Any) -> None:
    """A Bᵀ."""
    for i in range(A.shape[0]):
        for j in range(B.shape[0]):
            total = 0.0
            for k in range(A.shape[1]):
                total += A[i, k] * B[j, k]
            result[i, j] = total


@compiled
def decompose(S: Any, P: Any, sigma: Any, Q: Any) -> None:
    """S = P diag(σ) Qᵀ with det Q = 1, σ in no order, by one-sided Jacobi rotations of the columns of S Q.

    It keeps the relative accuracy of small singular values of graded matrices, which bidiagonalization does not.

    Source: Demmel, Veselić, *Jacobi's method is more accurate than QR*, SIAM J. Matrix Anal. Appl. 13 (1992).
    """
    r = len(sigma)
    if r == 2:
        a, b, c, d, first, second, q, s = decompose_pair(S[0, 0], S[0, 1], S[1, 0], S[1, 1])
        P[0, 0], P[0, 1], P[1, 0], P[1, 1] = a, b, c, d
        sigma[0], sigma[1] = first, second
        Q[0, 0], Q[0, 1], Q[1, 0], Q[1, 1] = q, s, -s, q
        return
    for i in range(r):
        for j in range(r):
            P[i, j] = S[i, j]
            Q[i, j] = 1.0 if i == j else 0.0
    for _ in range(MOST_SWEEPS):
        rotated = False
        for k in range(r - 1):
            for l in range(k + 1, r):
                alpha, beta, gamma = 0.0, 0.0, 0.0
                for i in range(r):
                    alpha += P[i, k] * P[i, k]
                    beta += P[i, l] * P[i, l]
                    gamma += P[i, k] * P[i, l]
                if gamma * gamma <= ORTHOGONAL * (alpha * beta):
                    continue
                rotated = True
                cotangent = (beta - alpha) / (2.0 * gamma)
                tangent = math.copysign(1.0, cotangent) / (abs(cotangent) + math.sqrt(1.0 + cotangent * cotangent))
                cosine = 1.0 / math.sqrt(1.0 + tangent * tangent)
                sine = cosine * tangent
                for i in range(r):
                    first, second = P[i, k], P[i, l]
                    P[i, k], P[i, l] = cosine * first - sine * second, sine * first + cosine * second
                    first, second = Q[i, k], Q[i, l]
                    Q[i, k], Q[i, l] = cosine * first - sine * second, sine * first + cosine * second
        if not rotated:
            break
    for k in range(r):
        square = 0.0
        for i in range(r):
            square += P[i, k] * P[i, k]
        sigma[k] = math.sqrt(square)
        for i in range(r):
            P[i, k] /= sigma[k]


@compiled
def decompose_by_library(S: Any, P: Any, sigma: Any, Q: Any) -> None:
    """S = P diag(σ) Qᵀ by LAPACK, for larger matrices."""
    left, values, right = np.linalg.svd(S)
    copy(left, P)
    copy_vector(values, sigma)
    copy_transposed(right, Q)


@compiled
def decompose_pair(a: float, b: float, c: float, d: float) -> tuple[float, ...]:
    """`decompose` of [[a, b], [c, d]]: the entries of P, then σ_1, σ_2, then q and s of Q = [[q, s], [-s, q]].

    One rotation is not always enough: rounding leaves a short column some way from orthogonal to a long one.
    """
    q, s = 1.0, 0.0
    alpha, beta = a * a + c * c, b * b + d * d
    for _ in range(MOST_SWEEPS):
        gamma = a * b + c * d
        if gamma * gamma <= ORTHOGONAL * (alpha * beta):
            break
        cotangent = (beta - alpha) / (2.0 * gamma)
        tangent = math.copysign(1.0, cotangent) / (abs(cotangent) + math.sqrt(1.0 + cotangent * cotangent))
        cosine = 1.0 / math.sqrt(1.0 + tangent * tangent)
        sine = cosine * tangent
        a, b = cosine * a - sine * b, sine * a + cosine * b
        c, d = cosine * c - sine * d, sine * c + cosine * d
        q, s = cosine * q - sine * s, sine * q + cosine * s
        alpha, beta = a * a + c * c, b * b + d * d
    first, second = math.sqrt(alpha), math.sqrt(beta)
    return a / first, b / second, c / first, d / second, first, second, q, s


@compiled
def orthonormalize(U: Any, upper: Any) -> None:
    """U = Q R with a positive diagonal of R; U becomes Q.  For columns that are nearly orthonormal."""
    for l in range(U.shape[1]):
        for k in range(U.shape[1]):
            upper[k, l] = 0.0
        for k in range(l):
            overlap = 0.0
            for i in range(U.shape[0]):
                overlap += U[i, k] * U[i, l]
            upper[k, l] = overlap
            for i in range(U.shape[0]):
                U[i, l] -= overlap * U[i, k]
        square = 0.0
        for i in range(U.shape[0]):
            square += U[i, l] * U[i, l]
        upper[l, l] = math.sqrt(square)
        for i in range(U.shape[0]):
            U[i, l] /= upper[l, l]


@compiled
def factorize(M: Any, pivots: Any) -> float:
    """Overwrite M with its LU factors, rows exchanged; the sign of its determinant."""
    size, sign = M.shape[0], 1.0
    for k in range(size):
        pivot = k
        for i in range(k + 1, size):
            if abs(M[i, k]) > abs(M[pivot, k]):
                pivot = i
        pivots[k] = pivot
        if pivot != k:
            sign = -sign
            for j in range(size):
                M[k, j], M[pivot, j] = M[pivot, j], M[k, j]
        if M[k, k] < 0.0:
            sign = -sign
        for i in range(k + 1, size):
            M[i, k] /= M[k, k]
            for j in range(k + 1, size):
                M[i, j] -= M[i, k] * M[k, j]
    return sign


@compiled
def solve(factors: Any, pivots: Any, vector: Any) -> None:
    """Overwrite a vector with the solution, from what `factorize` left."""
    size = len(vector)
    for k in range(size):
        vector[k], vector[pivots[k]] = vector[pivots[k]], vector[k]
    for i in range(size):
        for j in range(i):
            vector[i] -= factors[i, j] * vector[j]
    for i in range(size - 1, -1, -1):
        for j in range(i + 1, size):
            vector[i] -= factors[i, j] * vector[j]
        vector[i] /= factors[i, i]
