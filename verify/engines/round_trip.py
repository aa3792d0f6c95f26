"""A converted model through files and back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from deepbird_v2.export import load_keras, saved_model
from migrate.feed import feed, to_numpy

__all__ = ["release", "through_keras_file", "through_saved_model"]


def through_keras_file(converted: Any, inputs: Any) -> Any:
    """What the model answers after it was saved as ``.keras`` and loaded.

    Args:
        converted: the :class:`migrate.converter.Converted`.
        inputs: in Torch's form.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        converted.model.save(path)
        model = load_keras(path)
    return to_numpy(model(feed(converted.plan, inputs), training=False))


def through_saved_model(converted: Any, inputs: Any) -> list[Any]:
    """What the ``predict`` signature of a SavedModel answers: the outputs, flattened.

    Args:
        converted: the :class:`migrate.converter.Converted`.
        inputs: in Torch's form.
    """
    model = converted.model
    fed = keras.tree.flatten(feed(converted.plan, inputs))
    tensors: dict[str, Any] = {}
    for i, tensor in zip(keras.tree.flatten(model.input), fed, strict=True):
        if isinstance(tensor, tf.SparseTensor):
            parts = {
                "indices": tensor.indices,
                "values": tensor.values,
                "shape": tensor.dense_shape,
            }
            tensors |= {f"{i.name}_{part}": value for part, value in parts.items()}
        else:
            tensors[i.name] = tensor
    with tempfile.TemporaryDirectory() as folder:
        saved_model(model, Path(folder))
        answer = tf.saved_model.load(folder).signatures["predict"](**tensors)
    return [to_numpy(answer[f"output_{n}"]) for n in range(1, len(answer) + 1)]


def release() -> None:
    """Let go of the models that Keras remembers."""
    keras.backend.clear_session()
