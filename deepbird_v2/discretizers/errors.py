"""The errors of discretizers: what, where, and what to do."""

from __future__ import annotations

__all__ = ["CalibrationDataError", "StateError"]


class StateError(ValueError):
    """A discretizer's state does not make sense; says which feature and why."""


class CalibrationDataError(ValueError):
    """Data that a discretizer cannot be calibrated from."""
