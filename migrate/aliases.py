"""Classes of other Torch packages that are, on a CPU, classes of ``nn``."""

from __future__ import annotations

__all__ = ["alias", "canonical_class"]

# Packages that repeat nn's classes under nn's names, for another device or another implementation.
MIRRORS = ("cudnn.", "cunn.", "inn.", "fbnn.", "dpnn.")

RENAMED = {
    "nn.SpatialConvolutionCUDA": "nn.SpatialConvolutionMM",
    "nn.SpatialMaxPoolingCUDA": "nn.SpatialMaxPooling",
}


def alias(name: str, stands_for: str) -> None:
    """Let a class of your own stand for another class with the same fields, in every file read.

    Args:
        name: the class in the files, ``acme.FastLinear``.
        stands_for: the class it means, ``nn.Linear``.

    Raises:
        ValueError: it stands for another class already.
    """
    known = RENAMED.setdefault(name, stands_for)
    if known != stands_for:
        raise ValueError(f"{name} stands for {known} already; it cannot stand for {stands_for} too")


def canonical_class(name: str) -> str:
    """The class of ``nn`` (or of ``modules``, or the name itself) that ``name`` stands for."""
    if name in RENAMED:
        return RENAMED[name]
    package, dot, short = name.partition(".")
    return f"nn.{short}" if package + dot in MIRRORS else name
