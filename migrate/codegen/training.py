"""The parts of a script that train: criterion, optimizer, data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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

# Torch's option → our argument; what is not given is left to the class, whose defaults are Torch's.
COMMON = {
    "learningRate": "learning_rate",
    "learningRateDecay": "learning_rate_decay",
    "weightDecay": "l2",
}
MOMENTS = COMMON | {"beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}
RULES: dict[str, tuple[str, dict[str, str]]] = {
    "adadelta": ("Adadelta", {"rho": "rho", "eps": "epsilon", "weightDecay": "l2"}),
    "adagrad": ("Adagrad", COMMON),
    "adam": ("Adam", MOMENTS),
    "adamax": ("Adamax", MOMENTS),
    "asgd": (
        "ASGD",
        {"eta0": "learning_rate", "lambda": "decay", "alpha": "power", "t0": "start_averaging"},
    ),
    "rmsprop": (
        "RMSprop",
        COMMON | {"alpha": "rho", "epsilon": "epsilon", "initialMean": "initial_mean"},
    ),
    "rprop": (
        "Rprop",
        {
            "stepsize": "step_size",
            "etaplus": "grow",
            "etaminus": "shrink",
            "stepsizemax": "largest",
            "stepsizemin": "smallest",
        },
    ),
    "sgd": (
        "SGD",
        COMMON | {"momentum": "momentum", "dampening": "dampening", "nesterov": "nesterov"},
    ),
}


def optimizer(optimization: Optimization) -> Recipe:
    """The optimizer of a Torch method, as an expression.

    Raises:
        CodegenError: the method is no Keras optimizer, or an option of it cannot be written.
    """
    known = RULES.get(optimization.method)
    if known is None:
        raise CodegenError(
            f"optimization: {optimization.method} is no step that keras.Model.fit can take; there "
            f"are: {', '.join(RULES)}"
        )
    name, options = known
    given = {key: value for key, value in optimization.options.items() if value is not None}
    stray = [key for key in given if key not in options]
    if stray:
        raise CodegenError(
            f"optimization: {', '.join(stray)} of {optimization.method} cannot be written; it "
            f"takes: {', '.join(options)}"
        )
    arguments = {ours: literal(given[key]) for key, ours in options.items() if key in given}
    first = [arguments.pop("learning_rate")] if "learning_rate" in arguments else []
    rest = [f"{key}={code}" for key, code in arguments.items()]
    return Recipe(f"{name}({', '.join([*first, *rest])})", {"deepbird_v2.optimizers": {name}})
