"""Losses with Lua Torch's definitions; one file a kind.

Every loss is a function ``(input, target, **options) -> scalar`` of TensorFlow tensors, in the
input's floating type. Its gradient with respect to the input is Torch's, ties and bounds
included. ``LOSSES`` has them by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepbird_v2.losses import classes, elementwise, pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["LOSSES"]

LOSSES: Mapping[str, Callable[..., Any]] = {
    name: getattr(module, name)
    for module in (elementwise, classes, pairs)
    for name in module.__all__
}
