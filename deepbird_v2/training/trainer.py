"""Training steps: forward, backward, update, as one compiled function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2.optimizers import CG, LBFGS, minimize
from deepbird_v2.optimizers.base import dense, merged
from deepbird_v2.training.replay import Replay
from deepbird_v2.training.torch_stream import TorchStream

__all__ = ["Trainer"]


class Trainer:
    """Trains a model batch by batch.

    Args:
        model: a Keras model.
        loss: (outputs, targets) → scalar.
        optimizer: any Keras optimizer, or :class:`LBFGS` or :class:`CG`.
        variables: what to train; default: the model's trainable variables.
        replay: the model's noise comes from ``stream`` in place of TensorFlow.
        stream: with ``replay``.
        ties: groups of positions in ``variables`` that stand for one parameter: each gets the sum
            of their gradients.
        compiled: run steps as a ``tf.function``.
    """

    def __init__(
        self,
        model: Any,
        loss: Callable[[Any, Any], Any],
        optimizer: Any,
        *,
        variables: Sequence[Any] | None = None,
        replay: Replay | None = None,
        stream: TorchStream | None = None,
        ties: Sequence[Sequence[int]] = (),
        compiled: bool = True,
    ) -> None:
        if (replay is None) != (stream is None):
            raise ValueError("replay and stream go together")
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.variables = list(model.trainable_variables if variables is None else variables)
        self.replay, self.stream, self.ties = replay, stream, ties
        wrap = _compiled if compiled else (lambda function: function)
        self._update, self._gradients = wrap(self._updated), wrap(self._loss_and_gradients)
        if isinstance(optimizer, keras.optimizers.Optimizer):
            optimizer.build(self.variables)

    def step(self, inputs: Any, targets: Any) -> list[Any]:
        """Train on one batch.

        Args:
            inputs: what the model takes.
            targets: what the loss takes.

        Returns:
            Losses, as scalar tensors or numbers: the first of them before any change, one for
            every time that the optimizer asked.
        """
        if isinstance(self.optimizer, LBFGS | CG):
            return [*minimize(self.optimizer, lambda: self._ask(inputs, targets), self.variables)]
        return [
            self._update(inputs, targets, self._masks(inputs))
            for _ in range(getattr(self.optimizer, "evaluations", 1))
        ]

    def run(self, batches: Iterable[tuple[Any, Any]]) -> Iterator[float]:
        """Train on each of the batches; the loss of each before its update."""
        for inputs, targets in batches:
            yield float(self.step(inputs, targets)[0])

    def _masks(self, inputs: Any) -> list[Any]:
        if self.replay is None or self.stream is None:
            return []
        return [tf.constant(m) for m in self.replay.draw(self.stream, _rows(inputs))]

    def _ask(self, inputs: Any, targets: Any) -> tuple[float, list[Any]]:
        loss, grads = self._gradients(inputs, targets, self._masks(inputs))
        shapes = [variable.shape for variable in self.variables]
        return float(loss), [dense(merged(g), s) for g, s in zip(grads, shapes, strict=True)]

    def _updated(self, inputs: Any, targets: Any, masks: Any) -> Any:
        if hasattr(self.optimizer, "prepare"):
            self.optimizer.prepare(self.variables)
        loss, grads = self._loss_and_gradients(inputs, targets, masks)
        self.optimizer.apply(grads, self.variables)
        return loss

    def _loss_and_gradients(self, inputs: Any, targets: Any, masks: Any) -> tuple[Any, list[Any]]:
        watched = [variable.value for variable in self.variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            if self.replay is not None:
                outputs = self.replay(inputs, masks)
            else:
                outputs = self.model(inputs, training=True)
            loss = self.loss(outputs, targets)
        grads = tape.gradient(loss, watched, unconnected_gradients="zero")
        for group in self.ties:
            total = tf.add_n([tf.convert_to_tensor(grads[position]) for position in group])
            grads = [total if position in group else g for position, g in enumerate(grads)]
        return loss, grads


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return tf.function(function, reduce_retracing=True, autograph=False)


def _rows(inputs: Any) -> int:
    """The batch size of the first input."""
    first = tf.nest.flatten(inputs)[0]
    if isinstance(first, tf.RaggedTensor):
        return int(first.nrows())
    return int(np.asarray(first.shape)[0])
