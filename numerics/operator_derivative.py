r"""The derivative of the operator A_N along a change of X, in the singular basis, where nothing is singular.

X = P diag(σ) Qᵀ is square (the core S of the factored chart, or X itself at full rank m = n).  In the singular basis,
with G = Pᵀ Z Q, A(Z) is λ∘G.  X moves along Y; Y' = Pᵀ Y Q moves X Xᵀ and Xᵀ X by

    M = Y' diag(σ) + diag(σ) Y'ᵀ,        L = diag(σ) Y' + Y'ᵀ diag(σ),

and the derivative of a function of X Xᵀ on one side and of Xᵀ X on the other (Daleckii and Krein) is

    dA(Z)_ij = Σ_k D_ik,j M_ik G_kj + Σ_k D_kj,i G_ik L_kj,      D_ik,j = (λ_ij - λ_kj)/(σ_i² - σ_k²) = T_ikj/λ_ik,

with the symmetric T of `geometry.divided_differences.multiplier_divided_difference`: at depth N the sum of all products
of N - 2 of the numbers σ_i^{2/N}, σ_k^{2/N}, σ_j^{2/N}.  The values of its kernel are positive and do not notice
where singular values coalesce.

Source: Daleckii, Krein (1965); Higham, *Functions of Matrices* (2008), theorem 3.11; for the null rates Noferini, *A
formula for the Fréchet derivative of a generalized matrix function*, SIAM J. Matrix Anal. Appl. 38 (2017).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .network_kernels import NetworkKernels

__all__ = ["NullRateDerivative", "OperatorDerivative", "operator_derivative"]

Array = NDArray[np.float64]


def _in_basis(P: Array, Q: Array, matrix: Array) -> Array:
    return np.asarray(np.swapaxes(P, -1, -2) @ matrix @ Q)


def _rotated(P: Array, Q: Array, derivative: Array) -> Array:
    """A derivative (r, r, r, r) in the singular basis, as a matrix (r², r²) on entries in row-major order."""
    r = len(P)
    rows = P @ np.moveaxis(derivative.reshape(r, r, r * r), -1, 0) @ Q.T
    both = P @ rows.reshape(r, r, r * r).transpose(2, 0, 1) @ Q.T
    return np.asarray(both.reshape(r * r, r * r))


class OperatorDerivative:
    r"""The linear map Y -> d/dt A_{X + t Y}(Z) at t = 0, for one X and one Z.

    Parameters
    ----------
    kernels : NetworkKernels
        Of the network; A is divided by N where it is rescaled.
    P, sigma, Q : arrays (r, r), (r,), (r, r)
        X = P diag(sigma) Qᵀ, with positive sigma.
    Z : array (r, r)
        What A is applied to; it is held fixed.

    Notes
    -----
    Precomputed are the r³ numbers T_ikj G_kj, which serve both sides; a direction costs 2 r³ multiplications and four
    matrix products.

    Examples
    --------
    At depth 3 and along X itself, A grows as a function of degree 2 - 2/3:

    >>> from geometry import DeepLinearNetwork
    >>> from numerics.network_kernels import network_kernels
    >>> kernels = network_kernels(DeepLinearNetwork(3, (2, 2)))
    >>> identity, Z = np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> derivative = OperatorDerivative(kernels, identity, np.ones(2), identity, Z)
    >>> (derivative(identity) / (3 * Z)).round(12).tolist()
    [[1.333333333333, 1.333333333333], [1.333333333333, 1.333333333333]]
    """

    def __init__(self, kernels: NetworkKernels, P: Array, sigma: Array, Q: Array, Z: Array) -> None:
        block, triple = _in_basis(P, Q, Z), kernels.triple_array(sigma)
        self.P, self.sigma, self.Q = P, sigma, Q
        self.multiplier = kernels.multiplier_matrix(sigma)
        self._weights = triple * block  # T_ikj G_kj; as T is symmetric, T_ikj G_ik is its entry (j, i, k)

    def __call__(self, direction: Array) -> Array:
        """d/dt A_{X + t Y}(Z), (…, r, r), for directions Y, (…, r, r)."""
        turned = _in_basis(self.P, self.Q, direction)
        scaled_right, scaled_left = turned * self.sigma, self.sigma[:, None] * turned
        gram_left = (scaled_right + np.swapaxes(scaled_right, -1, -2)) / self.multiplier
        gram_right = (scaled_left + np.swapaxes(scaled_left, -1, -2)) / self.multiplier
        first = (gram_left[..., :, None, :] @ self._weights)[..., :, 0, :]
        # L is symmetric, so that its rows are its columns.
        second = (self._weights @ gram_right[..., :, :, None])[..., :, :, 0]
        return np.asarray(self.P @ (first + np.swapaxes(second, -1, -2)) @ self.Q.T)

    def adjoint(self, covector: Array) -> Array:
        """The gradient of <W, dA(Z)> in the direction Y, (…, r, r), for covectors W, (…, r, r)."""
        turned = _in_basis(self.P, self.Q, covector)
        gram_left = (self._weights @ turned[..., :, :, None])[..., :, :, 0] / self.multiplier
        gram_right = (np.swapaxes(turned, -1, -2)[..., :, None, :] @ self._weights)[..., :, 0, :] / self.multiplier
        left = (gram_left + np.swapaxes(gram_left, -1, -2)) * self.sigma
        right = (gram_right + np.swapaxes(gram_right, -1, -2)) * self.sigma[:, None]
        return np.asarray(self.P @ (left + right) @ self.Q.T)

    def matrix(self) -> Array:
        """The map as a matrix (r², r²) between entries in row-major order, in O(r⁵)."""
        r = len(self.sigma)
        left, right = self._weights / self.multiplier[:, :, None], self._weights.transpose(1, 2, 0) / self.multiplier
        derivative = np.zeros((r, r, r, r))
        i, k, j = np.indices((r, r, r))
        for rows, columns, value in (
            (i, k, left * self.sigma[:, None]),
            (k, i, left * self.sigma[:, None, None]),
            (k, j, right * self.sigma[:, None]),
            (j, k, right * self.sigma),
        ):
            derivative[i, j, rows, columns] += value
        return _rotated(self.P, self.Q, derivative)


def operator_derivative(kernels: NetworkKernels, P: Array, sigma: Array, Q: Array, direction: Array, Z: Array) -> Array:
    """d/dt A_{X + t Y}(Z) at t = 0 for X = P diag(sigma) Qᵀ, Y = direction; see `OperatorDerivative`."""
    return OperatorDerivative(kernels, P, sigma, Q, Z)(direction)


class NullRateDerivative:
    r"""The linear map Y -> d/dt P diag(c) Qᵀ at X + t Y; c_k = λ(σ_k, 0)/σ_k are the rates of the singular spaces.

    The function of X is odd in its singular values, so that its derivative has the entries α_kl Y'_kl + β_kl Y'_lk in
    the singular basis, α = (σ_k c_k - σ_l c_l)/(σ_k² - σ_l²), β = (σ_l c_k - σ_k c_l)/(σ_k² - σ_l²).  The velocities
    of U and V have the transposed function or this one in them.

    Parameters
    ----------
    kernels, P, sigma, Q
        As for `OperatorDerivative`.

    Examples
    --------
    At depth 1 the function is the inverse transposed:

    >>> from geometry import DeepLinearNetwork
    >>> from numerics.network_kernels import network_kernels
    >>> kernels = network_kernels(DeepLinearNetwork(1, (2, 2)))
    >>> derivative = NullRateDerivative(kernels, np.eye(2), np.array([2.0, 1.0]), np.eye(2))
    >>> (derivative(np.array([[0.0, 1.0], [0.0, 0.0]])) + 0.0).tolist()
    [[0.0, 0.0], [-0.5, 0.0]]
    """

    def __init__(self, kernels: NetworkKernels, P: Array, sigma: Array, Q: Array) -> None:
        pairs = np.asarray(kernels.rate_difference(sigma[:, None], sigma))
        self.P, self.Q, self._same, self._swapped = P, Q, pairs[..., 0], pairs[..., 1]

    def __call__(self, direction: Array) -> Array:
        """The derivative of P diag(c) Qᵀ, (…, r, r), along directions (…, r, r)."""
        turned = _in_basis(self.P, self.Q, direction)
        return np.asarray(self.P @ (self._same * turned + self._swapped * np.swapaxes(turned, -1, -2)) @ self.Q.T)

    def adjoint(self, covector: Array) -> Array:
        """The gradient of <W, d(P diag(c) Qᵀ)> in the direction: α and β are symmetric, and so is the map."""
        return self(covector)

    def matrix(self) -> Array:
        """The map as a matrix (r², r²) between entries in row-major order."""
        r = len(self.P)
        derivative = np.zeros((r, r, r, r))
        k, l = np.indices((r, r))
        derivative[k, l, k, l] += self._same
        derivative[k, l, l, k] += self._swapped
        return _rotated(self.P, self.Q, derivative)
