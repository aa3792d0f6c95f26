"""Parts of a Keras model, run alone: from one seam of the Torch modules to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2.export import RAGGED
from migrate.feed import feed
from migrate.inputs import Plan, Records
from migrate.taps import Spot, resolve

__all__ = ["Parts"]

Array = np.ndarray[Any, Any]


class Parts:
    """The parts of a model.

    Args:
        model: the Keras model.
        plan: what the model takes, where Torch's inputs are to be fed; None for records.
        root: spots of the whole model's inputs.
        training: run in training mode.
    """

    def __init__(self, model: Any, plan: Plan | None, root: Any, training: bool = False) -> None:
        self.model, self.training = model, training
        known = plan is not None and not isinstance(plan, Records)
        self._plans: dict[Spot, Plan] = dict(_paired(root, plan)) if known else {}

    def run(self, takes: Any, gives: Any, value: Any, training: bool | None = None) -> Any:
        """What one part makes of a value.

        Args:
            takes: spot(s) of the part's input.
            gives: spot(s) of its output.
            value: arrays, lists, sparse rows or decoded records, in Torch's form and layout.
            training: mode; default: that of all parts.

        Returns:
            The output in Torch's layout; sparse tensors as (row, key, value) columns.
        """
        return self.run_all(takes, {"": gives}, value, training)[""]

    def run_all(
        self, takes: Any, gives: Mapping[str, Any], value: Any, training: bool | None = None
    ) -> dict[str, Any]:
        """As :meth:`run`, for several outputs of one run.

        Args:
            takes: spot(s) of the input.
            gives: name → spot(s).
            value: as for :meth:`run`.
            training: as for :meth:`run`.
        """
        given = dict(_paired(takes, value))
        wanted = dict.fromkeys(s for spots in gives.values() for s in _flat(spots))
        missing = [spot for spot in wanted if spot not in given]
        found: dict[Spot, Any] = {spot: given[spot] for spot in wanted if spot in given}
        if missing:
            entries = {spot: resolve(self.model, spot) for spot in given}
            fed = [self._fed(s, entries[s], v) for s, v in given.items()]
            part = keras.Model(list(entries.values()), [resolve(self.model, s) for s in missing])
            mode = self.training if training is None else training
            answer = part(fed, training=mode)
            outputs = answer if isinstance(answer, list) else [answer]
            found |= {s: _torch_form(s, y) for s, y in zip(missing, outputs, strict=True)}
        return {name: _packed(spots, found) for name, spots in gives.items()}

    def _fed(self, spot: Spot, tensor: Any, value: Any) -> Any:
        planned = self._plans.get(spot)
        if planned is not None and not hasattr(value, "row_splits"):
            return feed(planned, value)
        if isinstance(value, tf.RaggedTensor):
            return value
        if getattr(tensor, "sparse", False):
            indices = np.stack([value.row, value.key], axis=1)
            shape = (len(value), tensor.shape[1])
            return tf.SparseTensor(indices, value.value.astype(tensor.dtype), shape)
        return tf.constant(np.ascontiguousarray(spot.from_torch(value), dtype=tensor.dtype))


def _paired(spots: Any, value: Any) -> Iterator[tuple[Spot, Any]]:
    """(spot, what is there) of nested spots; decoded records become ragged columns."""
    if isinstance(spots, list):
        for spot, entry in zip(spots, value, strict=False):
            yield from _paired(spot, entry)
    elif isinstance(spots, dict):
        for name, spot in spots.items():
            yield (
                spot,
                tf.RaggedTensor.from_row_splits(
                    tf.constant(getattr(value, name), RAGGED[name]),
                    value.row_splits,
                    validate=False,
                ),
            )
    else:
        yield spots, value


def _flat(spots: Any) -> list[Spot]:
    if isinstance(spots, list | dict):
        entries = spots.values() if isinstance(spots, dict) else spots
        return [spot for entry in entries for spot in _flat(entry)]
    return [spots]


def _packed(spots: Any, found: Mapping[Spot, Any]) -> Any:
    if isinstance(spots, list):
        return [_packed(spot, found) for spot in spots]
    if isinstance(spots, dict):
        return {name: _packed(spot, found) for name, spot in spots.items()}
    return found[spots]


def _torch_form(spot: Spot, value: Any) -> Any:
    if isinstance(value, tf.SparseTensor):
        columns = (value.indices[:, 0], value.indices[:, 1], value.values)
        return [np.asarray(column) for column in columns]
    return spot.to_torch(np.asarray(value))
