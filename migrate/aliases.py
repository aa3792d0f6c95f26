"""Classes of other Torch packages that are, on a CPU, classes of ``nn``."""

from __future__ import annotations

__all__ = ["canonical_class"]

# Packages that repeat nn's classes under nn's names, for another device or another implementation.
MIRRORS = ("cudnn.", "cunn.", "inn.", "fbnn.", "dpnn.")

RENAMED = {
    "cudnn.SpatialCrossEntropyCriterion": "nn.SpatialClassNLLCriterion",
    "nn.SpatialConvolutionCUDA": "nn.SpatialConvolutionMM",
    "nn.SpatialMaxPoolingCUDA": "nn.SpatialMaxPooling",
}


def canonical_class(name: str) -> str:
    """The class of ``nn`` (or of ``modules``, or the name itself) that ``name`` stands for."""
    if name in RENAMED:
        return RENAMED[name]
    package, dot, short = name.partition(".")
    return f"nn.{short}" if package + dot in MIRRORS else name
