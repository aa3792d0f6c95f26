"""A converted model as serving's fast backends run it."""

from __future__ import annotations

from typing import Any

import keras

from deepbird_v2.serving.predictor import FAST_BACKENDS
from migrate.feed import feed

__all__ = ["through_backend"]


def through_backend(name: str, converted: Any, inputs: Any) -> Any:
    """What a backend answers, without the gate that would stop it if it were wrong.

    Args:
        name: of the backend, ``compiled`` or ``litert``.
        converted: the :class:`migrate.converter.Converted`.
        inputs: in Torch's form.

    Returns:
        Arrays, or nested lists of them, as the model gives them.

    Raises:
        CannotRunError: the backend has no kernel for something in the model.
    """
    model = converted.model
    backend = FAST_BACKENDS[name](model)
    fed = keras.tree.flatten(feed(converted.plan, inputs))
    names = [i.name for i in keras.tree.flatten(model.input)]
    columns = {n: tensor.numpy() for n, tensor in zip(names, fed, strict=True)}
    answers = list(backend.run(columns).values())
    return keras.tree.pack_sequence_as(model.output, answers)
