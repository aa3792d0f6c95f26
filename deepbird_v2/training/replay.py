"""A model whose noise comes from outside: masks as inputs, drawn from Torch's stream.

The layers that draw are replaced by a product (or a sum) with an input of its own. Everything else,
variables included, is the model's, so training the one trains the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from deepbird_v2.layers.dropout import BernoulliDropout, WhiteNoise
from deepbird_v2.training.torch_stream import TorchStream

__all__ = ["NoiseUse", "Replay", "input_like"]

NOISY = (keras.layers.Dropout, BernoulliDropout, WhiteNoise)


@dataclass(frozen=True)
class NoiseUse:
    """One use of a layer that draws.

    Attributes:
        layer: its name.
        node: which of its calls.
        axes: how its tensors are transposed from Torch's layout (as ``np.transpose``); empty if
            they are not.
    """

    layer: str
    node: int = 0
    axes: tuple[int, ...] = ()


class Replay:
    """A model's twin that takes its noise as inputs.

    Args:
        model: a functional Keras model.
        uses: the uses of its noisy layers in the order in which Torch draws; None: in the model's
            own order.

    Attributes:
        twin: model of (the inputs, list of masks), on the same variables.

    Raises:
        ValueError: a layer draws in a way that cannot be replayed, or ``uses`` leaves one out.
    """

    def __init__(self, model: Any, uses: Sequence[NoiseUse] | None = None) -> None:
        self.model = model
        known = {layer.name: layer for layer in model.layers}
        _refuse_others(model)
        calls = _calls(model)
        if uses is None:
            uses = [NoiseUse(name, node) for name, node in calls]
        self.uses = [
            u for u in uses if getattr(known[u.layer], "rate", 1.0)
        ]  # rate 0 draws nothing
        self._layers = [known[use.layer] for use in self.uses]
        self._shapes = [_input_shape(known[u.layer], u.node) for u in self.uses]
        left = {c for c in calls if getattr(known[c[0]], "rate", 1.0)}
        left -= {(u.layer, u.node) for u in self.uses}
        if left:
            raise ValueError(f"{model.name}: the order of draws leaves out {sorted(left)}")
        self.twin = self._twin(calls) if self.uses else None

    def _twin(self, calls: Sequence[tuple[str, int]]) -> Any:
        masks = [
            keras.Input(batch_shape=_mask_shape(layer, shape), dtype=layer.compute_dtype)
            for layer, shape in zip(self._layers, self._shapes, strict=True)
        ]
        of_call = {
            (u.layer, u.node): (mask, isinstance(layer, WhiteNoise))
            for u, mask, layer in zip(self.uses, masks, self._layers, strict=True)
        }
        coming = iter(calls)

        def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
            if not isinstance(operation, NOISY):
                return operation(*args, **kwargs)
            found = of_call.get(next(coming))
            if found is None:
                return args[0]
            mask, adds = found
            return args[0] + mask if adds else args[0] * mask

        inputs = keras.tree.map_structure(input_like, self.model.input)
        outputs = self.model._run_through_graph(inputs, call_fn=call)
        return keras.Model([inputs, masks], outputs, name=f"{self.model.name}_replay")

    def draw(self, stream: TorchStream, batch: int) -> list[np.ndarray[Any, Any]]:
        """The masks of one forward pass, drawn in Torch's order.

        Args:
            stream: to draw from.
            batch: number of rows.
        """
        drawn = []
        for use, layer, shape in zip(self.uses, self._layers, self._shapes, strict=True):
            sizes = [batch if size is None else size for size in _mask_shape(layer, shape)]
            axes = use.axes or tuple(range(len(sizes)))
            torch_sizes = [sizes[axes.index(axis)] for axis in range(len(sizes))]
            noise = _draw(layer, stream, torch_sizes)
            drawn.append(np.ascontiguousarray(noise.transpose(axes)))
        return drawn

    def __call__(self, inputs: Any, masks: Any, training: bool = True) -> Any:
        """The model's outputs with these masks."""
        if self.twin is None:
            return self.model(inputs, training=training)
        return self.twin(
            [inputs, [keras.ops.convert_to_tensor(mask) for mask in masks]], training=training
        )


def _draw(layer: Any, stream: TorchStream, sizes: Sequence[int]) -> np.ndarray[Any, Any]:
    dtype = np.dtype(layer.compute_dtype)
    if isinstance(layer, WhiteNoise):
        return stream.normal(layer.mean, layer.stddev, sizes).astype(dtype)
    kept = stream.bernoulli(1.0 - layer.rate, sizes).astype(dtype)
    scaled = getattr(layer, "scale", "training") == "training"
    return kept / dtype.type(1.0 - layer.rate) if scaled else kept


def _mask_shape(layer: Any, shape: Sequence[int | None]) -> tuple[int | None, ...]:
    """The input's, 1 along axes that are dropped together.

    Raises:
        ValueError: more than the batch is open.
    """
    shared = {axis % len(shape) for axis in getattr(layer, "shared_axes", ())}
    sizes = tuple(1 if axis in shared else size for axis, size in enumerate(shape))
    if None in sizes[1:]:
        raise ValueError(f"{layer.name}: cannot draw its noise ahead for an input of shape {shape}")
    return sizes


def _input_shape(layer: Any, node: int) -> tuple[int | None, ...]:
    return tuple(layer._inbound_nodes[node].input_tensors[0].shape)


def _calls(model: Any) -> list[tuple[str, int]]:
    """(layer, node) of every use of a noisy layer in the order in which Keras runs the graph."""
    by_depth: Mapping[int, list[Any]] = model._nodes_by_depth
    return [
        (node.operation.name, node.operation._inbound_nodes.index(node))
        for depth in sorted(by_depth, reverse=True)
        for node in by_depth[depth]
        if isinstance(node.operation, NOISY)
    ]


def _refuse_others(model: Any) -> None:
    for layer in model.layers:
        held = vars(layer).values()
        if not isinstance(layer, NOISY) and any(
            isinstance(value, keras.random.SeedGenerator) for value in held
        ):
            raise ValueError(
                f"{layer.name}: what {type(layer).__name__} draws depends on its input and cannot "
                f"be replayed from Torch's stream"
            )


def input_like(x: Any) -> Any:
    """A new input of the shape, type and layout of a tensor."""
    return keras.Input(
        batch_shape=x.shape,
        dtype=x.dtype,
        name=x.name,
        sparse=getattr(x, "sparse", False),
        ragged=getattr(x, "ragged", False),
    )
