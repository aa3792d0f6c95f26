"""Why a backend cannot run a model."""

from __future__ import annotations

__all__ = ["CannotRunError"]


class CannotRunError(ValueError):
    """A backend has no way to compute something that a model does.

    Args:
        what: it cannot compute, the same for all models: ``a Conv2D``.
        where: name of the layer or input.

    Attributes:
        what: see above.
    """

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.what = what
