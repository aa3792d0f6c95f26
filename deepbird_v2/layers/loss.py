"""A loss as a layer, for models that give a loss."""

from __future__ import annotations

from typing import Any

import keras

from deepbird_v2.losses import LOSSES

__all__ = ["Loss"]


@keras.saving.register_keras_serializable("deepbird")
class Loss(keras.layers.Layer):
    """A function of :mod:`deepbird_v2.losses`.

    Args:
        loss: its name.
        options: its options, as plain numbers and lists.

    Call arguments:
        values: [input, target], or [input] for a loss without target.
    """

    def __init__(self, loss: str, options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if loss not in LOSSES:
            raise ValueError(f"no loss {loss!r}; there are: {', '.join(sorted(LOSSES))}")
        self.loss, self.options = loss, dict(options or {})
        self.built = True

    def call(self, values: Any) -> Any:
        """A scalar."""
        return LOSSES[self.loss](*values, **self.options)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "loss": self.loss, "options": self.options}
