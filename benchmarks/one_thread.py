"""Restrict this process to one core and one thread: import it before NumPy and JAX.

OpenBLAS, MKL, OpenMP and PyTorch read the environment.  XLA has no reliable setting of its own (jax#1539,
jax#743); its thread pool has as many threads as there are cores that the process may use, so it is pinned.
"""

from __future__ import annotations

import os

for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
