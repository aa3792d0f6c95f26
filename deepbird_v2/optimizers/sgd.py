"""Gradient descent with momentum, and Nesterov's variant that looks ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from deepbird_v2.optimizers.base import Optimizer, Slots

__all__ = ["NAG", "SGD"]


@keras.saving.register_keras_serializable("deepbird")
class SGD(Optimizer):
    """Gradient descent; the first step of the momentum is undamped.

    Args:
        learning_rate: see the base.
        momentum: share of the last direction that is kept.
        dampening: share of the gradient that the momentum leaves out; None: as the momentum.
        nesterov: step in the direction of gradient plus momentum; needs a dampening of 0.
        element_rates: every element has a factor of the rate, in the slot ``rates``.
        element_l2: every element has an ``l2`` of its own, in the slot ``decays``.
        kwargs: see the base.

    Raises:
        ValueError: nesterov without momentum or with dampening; two kinds of decay.
    """

    slots: ClassVar[Mapping[str, float]] = {"momentum": 0.0, "rates": 1.0, "decays": 0.0}

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        momentum: float = 0.0,
        dampening: float | None = None,
        nesterov: bool = False,
        element_rates: bool = False,
        element_l2: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.momentum = float(momentum)
        self.dampening = self.momentum if dampening is None else float(dampening)
        self.nesterov = nesterov
        self.element_rates, self.element_l2 = element_rates, element_l2
        if nesterov and (self.momentum <= 0 or self.dampening != 0):
            raise ValueError("nesterov needs a momentum, and a dampening of 0")
        if element_l2 and self.l2:
            raise ValueError("takes l2 or element_l2, not both")
        self.started = self.add_variable((), "zeros", "int32", name="momentum_started")

    def slot_names(self) -> tuple[str, ...]:
        """Only what the options need."""
        need = {
            "momentum": self.momentum != 0,
            "rates": self.element_rates,
            "decays": self.element_l2,
        }
        return tuple(name for name in self.slots if need[name])

    @property
    def rests(self) -> bool:
        """Without momentum and decay an element without gradient stays."""
        return not self.momentum and not self.element_l2

    def rule(self, grad: Any, x: Any, slots: Slots, rate: Any) -> tuple[Any, Slots]:
        """See the base."""
        after: Slots = {}
        if self.element_l2:
            grad = grad + slots["decays"] * x
        if self.momentum:
            going = slots["momentum"] * self.momentum + (1.0 - self.dampening) * grad
            going = tf.where(self.started.value > 0, going, grad)
            after["momentum"] = going
            grad = grad + self.momentum * going if self.nesterov else going
        if self.element_rates:
            grad = slots["rates"] * grad
        return x - tf.cast(rate, x.dtype) * grad, after

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """See the base."""
        super().apply(grads, trainable_variables)
        if self.momentum:
            self.started.assign(1)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return super().get_config() | {
            "momentum": self.momentum,
            "dampening": self.dampening,
            "nesterov": self.nesterov,
            "element_rates": self.element_rates,
            "element_l2": self.element_l2,
        }


@keras.saving.register_keras_serializable("deepbird")
class NAG(Optimizer):
    """Nesterov's accelerated gradient: the gradient is taken where the momentum leads.

    Call :meth:`prepare` before the forward pass; a step without it is an error, because its
    gradient would belong to another place. ``deepbird_v2.training`` does.

    Args:
        learning_rate: see the base.
        momentum: share of the last movement that is repeated; more than 0.
        element_rates: every element has a factor of the rate, in the slot ``rates``.
        kwargs: see the base.
    """

    slots: ClassVar[Mapping[str, float]] = {"movement": 0.0, "rates": 1.0}

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        momentum: float = 0.9,
        element_rates: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        if momentum <= 0:
            raise ValueError(f"momentum must be positive, got {momentum}")
        self.momentum, self.element_rates = float(momentum), element_rates
        self.ahead = self.add_variable((), "zeros", "int32", name="ahead")

    def slot_names(self) -> tuple[str, ...]:
        """Rates an element only on demand."""
        return ("movement", "rates") if self.element_rates else ("movement",)

    def prepare(self, variables: Sequence[Any]) -> None:
        """Move by the momentum."""
        variables = list(variables)
        if not self.built:
            self.build(variables)
        for variable in variables:
            index = self._get_variable_index(variable)
            variable.assign_add(self.momentum * self.state["movement"][index].value)
        self.ahead.assign(1)

    def rule(self, grad: Any, x: Any, slots: Slots, rate: Any) -> tuple[Any, Slots]:
        """See the base."""
        if self.element_rates:
            grad = slots["rates"] * grad
        move = -tf.cast(rate, x.dtype) * grad
        return x + move, {"movement": slots["movement"] * self.momentum + move}

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """See the base."""
        tf.debugging.Assert(
            self.ahead.value > 0,
            ["NAG: call optimizer.prepare(variables) before the forward pass of every step"],
        )
        super().apply(grads, trainable_variables)
        self.ahead.assign(0)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return super().get_config() | {
            "momentum": self.momentum,
            "element_rates": self.element_rates,
        }
