"""The coordinates in which a gradient flow is integrated, one chart a file."""

from .chart import Chart, CompiledField, LinearMap, Preconditioner, SpectralCrossingError
from .completion_velocity import layers_are_cheaper
from .factored_chart import FactoredChart
from .layers_chart import LayersChart
from .matrix_chart import MatrixChart
from .spectral_chart import SpectralChart

__all__ = [
    "CHARTS",
    "Chart",
    "CompiledField",
    "FactoredChart",
    "LayersChart",
    "LinearMap",
    "MatrixChart",
    "Preconditioner",
    "SpectralChart",
    "SpectralCrossingError",
    "layers_are_cheaper",
]

CHARTS: dict[str, type[Chart]] = {
    "factored": FactoredChart,
    "spectral": SpectralChart,
    "matrix": MatrixChart,
    "layers": LayersChart,
}
"""Charts by name."""
