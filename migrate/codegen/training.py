"""The parts of a script that train: criterion, optimizer, data."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migrate.codegen.literals import literal
from migrate.codegen.statements import CodegenError

if TYPE_CHECKING:
    from legacy_yaml.config import Criterion, Optimization

__all__ = ["Recipe", "loss", "optimizer"]

# Torch's criterion → module and function of deepbird_v2.losses, and its options.
LOSSES: dict[str, tuple[str, str, dict[str, str]]] = {
    "AbsCriterion": ("elementwise", "absolute_error", {}),
    "BCECriterion": ("elementwise", "binary_cross_entropy", {}),
    "BCEWithLogitsCriterion": ("elementwise", "sigmoid_cross_entropy", {}),
    "ClassNLLCriterion": ("classes", "negative_log_likelihood", {}),
    "CrossEntropyCriterion": ("classes", "cross_entropy", {}),
    "DistKLDivCriterion": ("elementwise", "kl_divergence", {}),
    "HingeEmbeddingCriterion": ("elementwise", "hinge_embedding", {"margin": "margin"}),
    "MSECriterion": ("elementwise", "squared_error", {}),
    "MarginCriterion": ("elementwise", "margin", {"margin": "margin"}),
    "MultiLabelMarginCriterion": ("classes", "multi_label_margin", {}),
    "SmoothL1Criterion": ("elementwise", "smooth_l1", {}),
    "SoftMarginCriterion": ("elementwise", "soft_margin", {}),
}


@dataclass
class Recipe:
    """Source text of one part, and what it imports.

    Attributes:
        code: an expression, or the body of a function.
        imports: module → names.
    """

    code: str
    imports: dict[str, set[str]] = field(default_factory=dict)


def loss(criterion: Criterion) -> Recipe:
    """The expression of the loss of ``output`` and ``target``.

    Raises:
        CodegenError: the criterion has no function.
    """
    if criterion.type not in LOSSES:
        raise CodegenError(
            f"criterion {criterion.type} cannot be written; there are: {', '.join(LOSSES)}"
        )
    module, name, options = LOSSES[criterion.type]
    given = {ours: criterion.args[theirs] for theirs, ours in options.items()}
    if criterion.weights:
        given["weights"] = criterion.weights
    if not criterion.size_average:
        given["average"] = False
    extra = "".join(f", {key}={literal(value)}" for key, value in given.items())
    imports = {f"deepbird_v2.losses.{module}": {name}}
    return Recipe(f"{name}(output, target{extra})", imports)


# --- optimizers ----------------------------------------------------------------------------------

# Torch's option → (Keras' argument, Torch's default); None: Keras has no such argument.
COMMON = {"learningRate": ("learning_rate", 1e-3), "learningRateDecay": (None, 0.0)}
RULES: dict[str, tuple[str, dict[str, tuple[str | None, Any]]]] = {
    "sgd": (
        "SGD",
        COMMON | {"momentum": ("momentum", 0.0), "nesterov": ("nesterov", False)},
    ),
    "adagrad": ("Adagrad", COMMON),
    "adam": (
        "Adam",
        COMMON | {
            "beta1": ("beta_1", 0.9), "beta2": ("beta_2", 0.999), "epsilon": ("epsilon", 1e-8),
        },
    ),
    "adamax": (
        "Adamax",
        COMMON | {
            "learningRate": ("learning_rate", 2e-3), "beta1": ("beta_1", 0.9),
            "beta2": ("beta_2", 0.999), "epsilon": ("epsilon", 1e-38),
        },
    ),
    "adadelta": (
        "Adadelta",
        {"rho": ("rho", 0.9), "eps": ("epsilon", 1e-6)},
    ),
    "rmsprop": (
        "RMSprop",
        COMMON | {
            "learningRate": ("learning_rate", 1e-2), "alpha": ("rho", 0.99),
            "epsilon": ("epsilon", 1e-8),
        },
    ),
}  # fmt: skip
CONSTANTS: dict[str, dict[str, Any]] = {
    "adagrad": {"initial_accumulator_value": 0.0, "epsilon": 1e-10},
    "adadelta": {"learning_rate": 1.0},
}


def optimizer(optimization: Optimization) -> Recipe:
    """The Keras optimizer of a Torch method.

    Raises:
        CodegenError: Keras has no such method, or an option of it has no counterpart.
    """
    import keras

    known = RULES.get(optimization.method)
    if known is None:
        raise CodegenError(
            f"optimization: keras.optimizers has no {optimization.method}; there are: "
            f"{', '.join(RULES)}"
        )
    name, options = known
    given = {
        key: value for key, value in optimization.options.items() if value not in (None, 0, False)
    }
    stray = [key for key in given if key not in options]
    if stray:
        raise CodegenError(
            f"optimization: keras.optimizers.{name} has no counterpart of {', '.join(stray)}"
        )
    arguments = {
        ours: given.get(theirs, default)
        for theirs, (ours, default) in options.items()
        if ours is not None
    } | CONSTANTS.get(optimization.method, {})
    rate = literal(arguments.pop("learning_rate"))
    if "learningRateDecay" in given:
        decay = literal(given["learningRateDecay"])
        rate = f"keras.optimizers.schedules.InverseTimeDecay({rate}, 1, {decay})"
    params = inspect.signature(getattr(keras.optimizers, name).__init__).parameters
    rest = "".join(
        f", {key}={literal(value)}"
        for key, value in arguments.items()
        if value != params[key].default
    )
    return Recipe(f"keras.optimizers.{name}({rate}{rest})", {"keras": {""}})
