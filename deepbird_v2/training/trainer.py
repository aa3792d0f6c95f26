"""Training steps: forward, backward, update, as one compiled function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from deepbird_v2.optimizers import CG, LBFGS, minimize
from deepbird_v2.optimizers.base import dense, merged
from deepbird_v2.training.preprocessing import Cut, cut_off
from deepbird_v2.training.replay import Replay
from deepbird_v2.training.torch_stream import TorchStream

__all__ = ["Trainer"]

LOOP = 64  # steps between two looks of Python at the losses
AHEAD = 4  # batches that wait, ready


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
        self._whole = model if replay is None or replay.twin is None else replay.twin
        self._compiled = compiled
        wrap = _compiled if compiled else (lambda function: function)
        self._update = wrap(lambda given, targets: self._updated(self._whole, given, targets))
        self._gradients = wrap(
            lambda given, targets: self._loss_and_gradients(self._whole, given, targets)
        )
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
            self._update(self._with_noise(inputs), targets)
            for _ in range(getattr(self.optimizer, "evaluations", 1))
        ]

    def run(self, batches: Iterable[tuple[Any, Any]]) -> Iterator[float]:
        """Train on each of the batches; the loss of each before its update.

        Args:
            batches: (inputs, targets) pairs. A ``tf.data.Dataset`` of them is trained without
                going back to Python, up to `LOOP` steps at a time, and does by itself what comes
                before the first trainable layer. To stop early, ``take`` from it; noise may be
                drawn for more batches than were trained.
        """
        once = getattr(self.optimizer, "evaluations", 1) == 1
        known = once and isinstance(self.optimizer, keras.optimizers.Optimizer)
        if known and self._compiled and isinstance(batches, tf.data.Dataset):
            yield from self._in_loops(batches)
            return
        for inputs, targets in batches:
            yield float(self.step(inputs, targets)[0])

    def _in_loops(self, batches: tf.data.Dataset) -> Iterator[float]:
        if self.replay is not None and self.replay.twin is not None:
            batches = batches.map(self._drawn)
        cut, model = cut_off(self._whole), self._whole
        if cut is not None:
            batches = batches.map(lambda given, targets: (_ahead(cut, given), targets))
            model = cut.rest
        iterator = iter(batches.prefetch(AHEAD))
        loop = _compiled(lambda: self._looped(model, iterator))
        while len(losses := loop().numpy()):
            yield from losses.tolist()

    def _looped(self, model: Any, iterator: Any) -> Any:
        """Up to `LOOP` steps; the losses, fewer where the data ended."""

        def train(batch: Any, losses: Any) -> Any:
            given, targets = batch.get_value()
            loss = self._updated(model, _as_taken(model, given), targets)
            return losses.write(losses.size(), tf.cast(loss, tf.float64))

        def step(n: Any, _: Any, losses: Any) -> tuple[Any, Any, Any]:
            batch = iterator.get_next_as_optional()
            more = batch.has_value()
            return n + 1, more, tf.cond(more, lambda: train(batch, losses), lambda: losses)

        losses = tf.TensorArray(tf.float64, 0, dynamic_size=True, element_shape=())
        state = (tf.constant(0), tf.constant(True), losses)
        going = tf.while_loop(
            lambda n, more, _: more & (n < LOOP), step, state, parallel_iterations=1
        )
        return going[2].stack()

    def _with_noise(self, inputs: Any) -> Any:
        """What the model takes, or its twin."""
        if self.replay is None or self.stream is None or self.replay.twin is None:
            return inputs
        masks = self.replay.draw(self.stream, int(_rows(inputs)))
        return [inputs, [tf.constant(mask) for mask in masks]]

    def _drawn(self, inputs: Any, targets: Any) -> tuple[Any, Any]:
        """A batch of a dataset, with its noise; drawn in the order of the batches."""
        replay: Any = self.replay
        wanted = replay.twin.inputs[-len(replay.uses) :]
        draw = functools.partial(replay.draw, self.stream)
        masks = tf.numpy_function(
            lambda rows: draw(int(rows)), [_rows(inputs)], [m.dtype for m in wanted]
        )
        for mask, like in zip(masks, wanted, strict=True):
            mask.set_shape(like.shape)
        return (inputs, tuple(masks)), targets

    def _ask(self, inputs: Any, targets: Any) -> tuple[float, list[Any]]:
        loss, grads = self._gradients(self._with_noise(inputs), targets)
        shapes = [variable.shape for variable in self.variables]
        return float(loss), [dense(merged(g), s) for g, s in zip(grads, shapes, strict=True)]

    def _updated(self, model: Any, given: Any, targets: Any) -> Any:
        if hasattr(self.optimizer, "prepare"):
            self.optimizer.prepare(self.variables)
        loss, grads = self._loss_and_gradients(model, given, targets)
        self.optimizer.apply(grads, self.variables)
        return loss

    def _loss_and_gradients(self, model: Any, given: Any, targets: Any) -> tuple[Any, list[Any]]:
        watched = [variable.value for variable in self.variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            loss = self.loss(model(given, training=True), targets)
        grads = tape.gradient(loss, watched, unconnected_gradients="zero")
        for group in self.ties:
            total = tf.add_n([tf.convert_to_tensor(grads[position]) for position in group])
            grads = [total if position in group else g for position, g in enumerate(grads)]
        return loss, grads


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return tf.function(function, reduce_retracing=True, autograph=False)


def _ahead(cut: Cut, given: Any) -> tuple[Any, ...]:
    return tuple(keras.tree.flatten(cut.ahead(_as_taken(cut.ahead, given))))


def _as_taken(model: Any, given: Any) -> Any:
    """Elements of a dataset, in which there are no lists, in the structure of a model's inputs."""
    return keras.tree.pack_sequence_as(model.input, keras.tree.flatten(given))


def _rows(inputs: Any) -> Any:
    """The batch size of the first input, a number or an int64 scalar."""
    first = tf.nest.flatten(inputs)[0]
    if isinstance(first, tf.RaggedTensor):
        return first.nrows()
    return tf.shape(first, tf.int64)[0]
