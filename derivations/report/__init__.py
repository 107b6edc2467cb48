"""`dln report`: the paper's story on the embedded data, from the formulas to the filled gaps."""

from .story import write_report

__all__ = ["write_report"]
