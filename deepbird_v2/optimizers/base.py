"""What every optimizer here has: one rule an element, applied to whole tensors or to rows.

A subclass says which state it keeps an element (``slots``) and how one step changes an element and
its state (``rule``). The base gives it tables that are too large to touch: a sparse gradient is
merged first, each id once, and where a gradient of zero would change nothing, only the rows that
it names are read and written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

__all__ = ["Optimizer", "merged"]

Slots = dict[str, Any]


def merged(gradient: Any) -> Any:
    """A gradient in which each row occurs once, repeated rows added up; dense ones as they are."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, place = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, place, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def dense(gradient: Any, shape: Any) -> Any:
    """A merged gradient as one tensor."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    return tf.scatter_nd(gradient.indices[:, None], gradient.values, shape)


def _fill(value: float) -> Callable[..., Any]:
    """An initializer; Keras' own rounds doubles to single precision."""

    def fill(shape: Any, dtype: Any) -> Any:
        return tf.fill(shape, tf.constant(value, dtype))

    return fill


class Optimizer(keras.optimizers.Optimizer):
    """Base of the optimizers with Lua Torch's update rules.

    Args:
        learning_rate: a number or a Keras schedule. Numbers are kept in double precision.
        learning_rate_decay: d of rate / (1 + steps · d).
        l2: adds ``l2 * x`` to the gradient (Torch's ``weightDecay``); Keras' own ``weight_decay``
            is another thing, and refused.
        name: of the optimizer.
        kwargs: of ``keras.optimizers.Optimizer``, such as ``clipnorm``.

    Attributes:
        slots: names of the state that an element has, with the value it starts from.
        evaluations: gradients that one step of Torch takes of the same batch, one ``apply`` each.
    """

    slots: ClassVar[Mapping[str, float]] = {}
    evaluations: int = 1

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        learning_rate_decay: float = 0.0,
        l2: float = 0.0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("weight_decay", None) is not None:
            raise ValueError("weight_decay is not an option here; l2 is Torch's weightDecay")
        exact = isinstance(learning_rate, int | float)
        super().__init__(float(learning_rate) if exact else learning_rate, name=name, **kwargs)
        self.exact_rate = float(learning_rate) if exact else None
        self.learning_rate_decay, self.l2 = float(learning_rate_decay), float(l2)
        self.state: dict[str, list[Any]] = {}

    # --- for subclasses -------------------------------------------------------------------

    def rule(self, grad: Any, x: Any, slots: Slots, rate: Any) -> tuple[Any, Slots]:
        """One step.

        Args:
            grad: gradient, ``l2`` included.
            x: the elements, of any shape.
            slots: their state, each of the same shape.
            rate: learning rate after decay, a float64 scalar.

        Returns:
            (new elements, new state).
        """
        raise NotImplementedError

    @property
    def rests(self) -> bool:
        """Whether a gradient of zero changes neither an element nor its state."""
        return False

    def start(self, name: str) -> float:
        """What a slot is filled with at first."""
        return self.slots[name]

    def slot_names(self) -> tuple[str, ...]:
        """The slots that this optimizer needs with its options."""
        return tuple(self.slots)

    def fused(self, grad: Any, variable: Any, slots: Slots, rate: Any) -> bool:
        """Do all of a step at once where TensorFlow has a kernel for the rule, bit for bit.

        Args:
            grad: gradient without repeated rows.
            variable: to change, a ``tf.Variable``.
            slots: its state, ``tf.Variable`` each.
            rate: as in `rule`.

        Returns:
            Whether it was done; else `rule` does it.
        """
        return False

    def prepare(self, variables: Sequence[Any]) -> None:
        """What has to happen before the gradient is computed; for most, nothing."""

    # --- Keras ----------------------------------------------------------------------------

    def build(self, variables: Sequence[Any]) -> None:
        """Make the state."""
        if self.built:
            return
        super().build(variables)
        for name in self.slot_names():
            self.state[name] = self.add_optimizer_variables(
                variables, name, _fill(self.start(name))
            )

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """As in Keras; repeated rows of sparse gradients are added up first."""
        super().apply([merged(grad) for grad in grads], trainable_variables)

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        """As in Keras, with the rate after decay: computed once, not once a variable."""
        super()._backend_update_step(grads, trainable_variables, self._rate(learning_rate))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change a variable and its state, all of it or the rows of a sparse gradient."""
        index = self._get_variable_index(variable)
        slots = {name: keras_variables[index].value for name, keras_variables in self.state.items()}
        rate = learning_rate
        if not self.l2 and self.fused(gradient, variable, slots, rate):
            return
        if isinstance(gradient, tf.IndexedSlices) and self.rests and not self.l2:
            rows = gradient.indices
            read = {name: tf.gather(slot, rows) for name, slot in slots.items()}
            x, after = self.rule(gradient.values, tf.gather(variable, rows), read, rate)
            variable.scatter_update(tf.IndexedSlices(x, rows))
            for name, value in after.items():
                slots[name].scatter_update(tf.IndexedSlices(value, rows))
            return
        x = tf.convert_to_tensor(variable)
        grad = dense(gradient, tf.shape(x, tf.int64))
        if self.l2:
            grad = grad + self.l2 * x
        before = {name: tf.convert_to_tensor(slot) for name, slot in slots.items()}
        x, after = self.rule(grad, x, before, rate)
        variable.assign(x)
        for name, value in after.items():
            slots[name].assign(value)

    def _rate(self, learning_rate: Any) -> Any:
        """The rate after decay, float64; Keras keeps the number itself in single precision."""
        rate = tf.cast(learning_rate, tf.float64)
        if self.exact_rate is not None:
            kept = tf.convert_to_tensor(learning_rate)
            same = kept == tf.constant(self.exact_rate, kept.dtype)
            rate = tf.where(same, tf.constant(self.exact_rate, tf.float64), rate)
        return rate / (1.0 + self.steps() * self.learning_rate_decay)

    def steps(self) -> Any:
        """Number of steps before this one, a float64 scalar."""
        return tf.cast(self.iterations, tf.float64)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        config = super().get_config()
        config.pop("weight_decay", None)
        rate, exact = config["learning_rate"], self.exact_rate
        if exact is not None and keras.ops.cast(exact, keras.config.floatx()) == rate:
            config["learning_rate"] = exact
        return config | {"learning_rate_decay": self.learning_rate_decay, "l2": self.l2}
