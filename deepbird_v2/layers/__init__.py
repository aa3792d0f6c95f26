"""Keras layers that Keras lacks, or has with other semantics; one file a layer.

``register()`` imports all of them, so that ``keras.models.load_model`` knows them.
"""

from __future__ import annotations

import importlib
import pkgutil

__all__ = ["register"]


def register() -> None:
    """Import every layer of this package, which registers it with Keras."""
    for layer in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{layer.name}")
