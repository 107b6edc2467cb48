"""Numerical forms of the functions that kernels call, one module a backend."""
