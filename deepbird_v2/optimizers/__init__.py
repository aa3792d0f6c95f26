"""Optimizers with Lua Torch's update rules, for Keras; and two minimizers of a whole loss.

The optimizers are Keras optimizers: they serialize, run in a ``tf.function``, and take sparse
gradients. The minimizers, ``LBFGS`` and ``CG``, ask a closure for loss and gradient.
"""

from __future__ import annotations

from deepbird_v2.optimizers.adam import Adam, Adamax
from deepbird_v2.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from deepbird_v2.optimizers.asgd import ASGD
from deepbird_v2.optimizers.base import Optimizer
from deepbird_v2.optimizers.cg import CG
from deepbird_v2.optimizers.closure import minimize
from deepbird_v2.optimizers.lbfgs import LBFGS
from deepbird_v2.optimizers.line_search import StrongWolfe
from deepbird_v2.optimizers.rprop import Rprop
from deepbird_v2.optimizers.sgd import NAG, SGD

__all__ = [
    "ASGD",
    "CG",
    "LBFGS",
    "NAG",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "Adamax",
    "Optimizer",
    "RMSprop",
    "Rprop",
    "StrongWolfe",
    "minimize",
]
