"""What is probably wrong with a layer whose output is not v1's.

Three ways of looking, in this order: its tensors beside v1's; v1's layer with one option changed,
which gives what v2 gives; and a simple relation between the two outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from migrate.graph import Module

__all__ = ["KINDS", "Evidence", "Hint", "explain", "explain_step"]

Array = np.ndarray[Any, Any]

KINDS = {
    "axis": "another dimension",
    "bias": "a constant a channel is missing or added",
    "bounds": "other bounds",
    "branches": "branches or entries in another order, or one missing",
    "changed": "some values of a tensor are others",
    "computation": "the tensors are v1's and the computation is not",
    "dropped": "a tensor is missing or all zero",
    "epsilon": "another epsilon",
    "identity": "the layer does nothing",
    "layout": "values read in another order of axes",
    "mode": "training mode where evaluation was asked for, or the reverse",
    "momentum": "another momentum of running statistics",
    "option": "another value of an option",
    "order": "a tensor's rows or columns in another order",
    "padding": "padding at another side, of another size or value",
    "rounding": "output sizes rounded another way",
    "scale": "a constant factor",
    "shape": "a tensor of another shape",
    "shared": "one value for all where v1 has one a channel",
    "shift": "off by one",
    "slope": "another slope or threshold",
    "stride": "another stride or dilation",
    "swapped": "two tensors in each other's place",
    "transposed": "a tensor transposed",
}


class Hint(NamedTuple):
    """A probable cause.

    Attributes:
        kind: one of :data:`KINDS`.
        text: for a person.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Evidence:
    """All that is known of a layer that is not v1's.

    Attributes:
        module: v1's.
        given: what v1's layer took.
        answer: what v1's layer gave.
        got: what v2's layer gives for the same; None where it cannot be run.
        tensors: name → v2's values.
        limit: |difference| up to which outputs count as the same.
        torch_layout: v2's tensors are in Torch's layout.
    """

    module: Module
    given: Any
    answer: Any
    got: Any
    tensors: Mapping[str, Array]
    limit: float
    torch_layout: bool = True


def explain(evidence: Evidence) -> Hint:
    """The most probable cause."""
    from verify.hint_options import option_hint
    from verify.hint_tensors import tensor_hint
    from verify.hint_values import value_hint

    for look in (tensor_hint, option_hint, value_hint):
        hint = look(evidence)
        if hint is not None:
            return hint
    return Hint("computation", "its tensors are v1's: the computation itself differs")


def explain_step(module: Module, ours: Mapping[str, Array], got: Mapping[str, Any]) -> Hint:
    """Why a training step leaves other running statistics, or gives another output.

    Args:
        module: a batch normalization.
        ours: output, ``running_mean`` and ``running_var`` after v1's step.
        got: the same of v2.
    """
    start = module.array("running_mean").astype(np.float64)
    moved = ours["running_mean"].astype(np.float64) - start
    theirs = np.asarray(got["running_mean"], np.float64) - start
    momentum = module.number("momentum", 0.1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = theirs / moved * momentum
    shares = shares[np.isfinite(shares)]
    share = float(np.median(shares)) if shares.size else momentum
    if shares.size and np.ptp(shares) < 1e-2 * max(abs(share), 1e-3):
        if abs(share - momentum) > 1e-3 * momentum:
            text = f"momentum: a step moves the running mean by {share:.4g}, v1's by {momentum:.4g}"
            if abs(share - (1 - momentum)) < 1e-2:
                text += " (Keras' momentum is the share that stays: 1 - v1's)"
            return Hint("momentum", text)
        return Hint("option", "the running variance moves in another way: biased, or of other axes")
    return Hint("computation", "a step of training leaves other running statistics")
