"""Theorems on deep linear networks as chains of checked steps."""

from .derivation import CheckResult, Derivation, DerivationError
from .step import Step
from .theorems import DERIVATIONS
from .verification import Verification, verify

__all__ = ["DERIVATIONS", "CheckResult", "Derivation", "DerivationError", "Step", "Verification", "verify"]
