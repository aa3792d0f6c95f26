"""The converted model in training: the same loop as v1's, in TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepbird_v2.training import Replay, TorchStream, Trainer
from migrate.converter import Converted, convert
from migrate.feed import feed
from migrate.flat import FlatLayout
from migrate.optim import make_optimizer, save_state
from migrate.trainable import Trainable, noise_uses
from verify.traces import UPDATE, Trace

__all__ = ["V2Training"]

Array = np.ndarray[Any, Any]


class V2Training:
    """A trace's model converted, with its loss and its method.

    Args:
        trace: what to run.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        inputs, target = trace.batch(1)
        example = None if trace.features is not None else inputs
        self.converted = convert(trace.module, example, features=trace.features)
        self.criterion = _criterion(trace, self.converted, inputs, target)
        plan = self.criterion.plan
        self._targets = plan[1:] if isinstance(plan, list) else []  # none for a nil target
        self.trainable = Trainable(self.converted)
        self._layout: FlatLayout = trace.layout
        self.method, config = trace.method, dict(trace.config)
        if trace.method == UPDATE:
            self.method, config = "sgd", {"learningRate": config["learningRate"]}
            if max(self.trainable.uses) > 1:
                config["learningRates"] = self.trainable.to_torch(_uses(self.trainable))
        self.optimizer = make_optimizer(self.method, config, self.trainable)
        replay, stream = Replay(self.converted.model, noise_uses(self.converted)), None
        if replay.uses:
            stream = TorchStream(trace.seed or 0)
            stream.permutation(trace.permuted)
        self.trainer = Trainer(
            self.converted.model,
            self._loss,
            self.optimizer,
            variables=self.trainable.variables,
            replay=replay if stream is not None else None,
            stream=stream,
            ties=self.trainable.ties,
        )

    def step(self, inputs: Any, target: Any) -> list[float]:
        """Train on one batch in Torch's form; losses as Torch's method gives them."""
        targets = feed(self._targets, [target][: len(self._targets)])
        return [float(x) for x in self.trainer.step(feed(self.converted.plan, inputs), targets)]

    @property
    def x(self) -> Array:
        """The flat vector, as the trace has it."""
        return self._layout.gather(self.converted.parameters())

    @property
    def state(self) -> dict[str, Any]:
        """The method's state as Torch's table."""
        return save_state(self.method, self.optimizer, self.trainable)

    def statistics(self) -> dict[str, Array]:
        """Path of every running mean and variance → its value."""
        return {
            b.path: np.asarray(b.value())
            for b in self.converted.report.bindings
            if b.path.rpartition(".")[2] in ("running_mean", "running_var")
        }

    def _loss(self, outputs: Any, targets: Any) -> Any:
        return self.criterion.model([outputs, *targets], training=True)


def _uses(trainable: Trainable) -> list[Array]:
    return [
        np.full(tuple(v.shape), n, str(v.dtype))
        for v, n in zip(trainable.variables, trainable.uses, strict=True)
    ]


def _criterion(trace: Trace, converted: Converted, inputs: Any, target: Any) -> Converted:
    return convert(trace.criterion, [converted(inputs), target])
