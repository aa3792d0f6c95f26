"""Models to disk and back: ``.keras``, SavedModel with signatures, and the folder around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2 import folder as folders
from deepbird_v2.data import DecodeMode, FeatureConfig
from deepbird_v2.data.batch import Batch
from deepbird_v2.data.graph_decode import decode_in_graph
from deepbird_v2.layers import register

__all__ = ["RecordModel", "load_keras", "save_model", "saved_model"]

RAGGED = {"key": tf.int64, "value": tf.float64, "field": tf.int64}


class RecordModel:
    """A model of decoded DataRecords: columns in, named scores out.

    Args:
        model: Keras model of ragged ``key`` and ``value`` (and ``field``) that gives a dict, output
            name → [batch, 1] or [batch].
        features: which features it reads.
        name: of the model.
    """

    def __init__(self, model: Any, features: FeatureConfig, name: str = "model") -> None:
        self.model, self.features, self.name = model, features, name
        self.columns = tuple(i.name for i in keras.tree.flatten(model.input))
        spec = {
            c: tf.RaggedTensorSpec([None, None], RAGGED[c], row_splits_dtype=tf.int64)
            for c in self.columns
        }
        self._run = tf.function(lambda x: model(x, training=False), input_signature=[spec])

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return tuple(self.model.output)

    @classmethod
    def load(cls, folder: str | Path, *, check: bool = True) -> RecordModel:
        """Load from a model folder.

        Args:
            folder: the folder.
            check: refuse files that were altered since the folder was written.

        Raises:
            FolderError: the folder holds no such model.
        """
        root = Path(folder)
        manifest = folders.read_manifest(root, check=check)
        if manifest.kind != "records":
            raise folders.FolderError(f"{root}: the model takes tensors, not DataRecords")
        features = FeatureConfig.load(root / "features.json")
        return cls(load_keras(root / "model.keras"), features, manifest.name)

    def predict(self, batch: Batch) -> dict[str, np.ndarray[Any, Any]]:
        """Scores of a decoded batch.

        Args:
            batch: B records.

        Returns:
            Output name → [B], in the type that the model computes it in.
        """
        fed = {
            c: tf.RaggedTensor.from_row_splits(
                tf.constant(getattr(batch, c), RAGGED[c]), batch.row_splits, validate=False
            )
            for c in self.columns
        }
        return {k: np.asarray(v).reshape(len(batch)) for k, v in self._run(fed).items()}


def load_keras(path: str | Path) -> Any:
    """``keras.models.load_model`` that knows this package's layers."""
    register()
    return keras.models.load_model(str(path), compile=False)


def saved_model(model: Any, path: Path, features: FeatureConfig | None = None) -> None:
    """Write a SavedModel with the signature ``predict`` (also ``serving_default``).

    Tensors go in and out under the names of the Keras inputs and outputs. A ragged input becomes a
    flat tensor, with one ``row_splits`` int64[batch + 1] for all of them; a sparse input ``x``
    becomes ``x_indices``, ``x_values`` and ``x_shape``.

    With ``features`` there is a second signature, ``predict_records``: ``records`` string[batch],
    serialized DataRecords, decoded by TensorFlow's own operations; see
    :mod:`deepbird_v2.data.graph_decode` for what those cannot decode.
    """
    inputs = keras.tree.flatten(model.input)
    signature = {name: spec for i in inputs for name, spec in _specs(i).items()}

    @tf.function(input_signature=[signature])
    def predict(tensors: Any) -> Any:
        fed = [_assemble(i, tensors) for i in inputs]
        return _named(model(keras.tree.pack_sequence_as(model.input, fed), training=False))

    module = tf.Module()
    # Not the model itself: Keras would trace it with dense inputs in place of ragged ones.
    module.weights = [variable.value for variable in model.variables]
    module.predict = predict
    concrete = predict.get_concrete_function()
    signatures = {"predict": concrete, "serving_default": concrete}
    if features is not None and features.decode_mode != DecodeMode.VALUE_NAME:
        module.predict_records = _predict_records(model, features)
        signatures["predict_records"] = module.predict_records.get_concrete_function()
    tf.saved_model.save(module, str(path), signatures=signatures)


def _predict_records(model: Any, features: FeatureConfig) -> Any:
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "records")])
    def predict_records(records: Any) -> Any:
        columns = decode_in_graph(records, features)
        return _named(model({name: columns[name] for name in model.input}, training=False))

    return predict_records


def _named(outputs: Any) -> dict[str, Any]:
    if isinstance(outputs, dict):
        return outputs
    return {f"output_{n}": y for n, y in enumerate(keras.tree.flatten(outputs), 1)}


def _specs(i: Any) -> dict[str, Any]:
    if getattr(i, "ragged", False):
        return {
            i.name: tf.TensorSpec([None], i.dtype, i.name),
            "row_splits": tf.TensorSpec([None], tf.int64, "row_splits"),
        }
    if i.sparse:
        parts = {"indices": ([None, 2], tf.int64), "values": ([None], i.dtype)}
        parts["shape"] = ([2], tf.int64)
        return {
            f"{i.name}_{part}": tf.TensorSpec(shape, dtype, f"{i.name}_{part}")
            for part, (shape, dtype) in parts.items()
        }
    return {i.name: tf.TensorSpec(i.shape, i.dtype, i.name)}


def _assemble(i: Any, tensors: Any) -> Any:
    if getattr(i, "ragged", False):
        return tf.RaggedTensor.from_row_splits(tensors[i.name], tensors["row_splits"])
    if i.sparse:
        return tf.SparseTensor(*(tensors[f"{i.name}_{p}"] for p in ("indices", "values", "shape")))
    return tensors[i.name]


def save_model(root: Path, model: Any, features: FeatureConfig | None = None) -> None:
    """Write ``model.keras``, ``saved_model/`` and ``features.json`` into a folder."""
    model.save(str(root / "model.keras"))
    saved_model(model, root / "saved_model", features)
    if features is not None:
        features.save(root / "features.json")
