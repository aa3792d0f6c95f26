"""Criteria: models that take [input, target] and give the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepbird_v2.layers.loss import Loss
from migrate.context import ConversionError
from migrate.registry import converts

if TYPE_CHECKING:
    from collections.abc import Callable

    from migrate.context import Context
    from migrate.graph import Module


def average(m: Module) -> dict[str, Any]:
    """Whether to take the mean."""
    return {"average": m.flag("sizeAverage", True)}


def weights(m: Module) -> dict[str, Any]:
    """Weights of the classes or features, if any."""
    known = m.tensors.get("weights")
    return {"weights": m.array("weights").tolist()} if known is not None and known.size else {}


def margin(default: float) -> Callable[[Module], dict[str, Any]]:
    """The margin."""
    return lambda m: {"margin": m.number("margin", default)}


def ignored(m: Module) -> dict[str, Any]:
    """The class that does not count."""
    return {"ignored": m.integer("ignoreIndex", -100)}


# Torch's class -> the loss, and where its options come from.
SIMPLE: dict[str, tuple[str, tuple[Callable[[Module], dict[str, Any]], ...]]] = {
    "nn.AbsCriterion": ("absolute_error", (average,)),
    "nn.BCECriterion": ("binary_cross_entropy", (average, weights)),
    "nn.ClassNLLCriterion": ("negative_log_likelihood", (average, weights, ignored)),
    "nn.CosineEmbeddingCriterion": ("cosine_embedding", (average, margin(0.0))),
    "nn.DistKLDivCriterion": ("kl_divergence", (average,)),
    "nn.HingeEmbeddingCriterion": ("hinge_embedding", (average, margin(1.0))),
    "nn.L1HingeEmbeddingCriterion": ("l1_hinge_embedding", (margin(1.0),)),
    "nn.MarginCriterion": ("margin", (average, margin(1.0))),
    "nn.MarginRankingCriterion": ("margin_ranking", (average, margin(1.0))),
    "nn.MSECriterion": ("squared_error", (average,)),
    "nn.MultiLabelMarginCriterion": ("multi_label_margin", (average,)),
    "nn.MultiMarginCriterion": (
        "multi_margin",
        (average, weights, margin(1.0), lambda m: {"p": m.integer("p", 1)}),
    ),
    "nn.SmoothL1Criterion": ("smooth_l1", (average,)),
    "nn.SoftMarginCriterion": ("soft_margin", (average,)),
    "nn.SpatialAutoCropMSECriterion": ("cropped_squared_error", (average,)),
    "nn.SpatialClassNLLCriterion": ("pixel_negative_log_likelihood", (average, weights, ignored)),
    "nn.ClassSimplexCriterion": (
        "simplex_squared_error",
        (average, lambda m: {"corners": m.array("simplex").tolist()}),
    ),
    "nn.WeightedMSECriterion": (
        "weighted_squared_error",
        (average, lambda m: {"weights": m.array("weight").tolist()}),
    ),
}


@converts(
    "nn.AbsCriterion",
    "nn.BCECriterion",
    "nn.ClassNLLCriterion",
    "nn.ClassSimplexCriterion",
    "nn.CosineEmbeddingCriterion",
    "nn.DistKLDivCriterion",
    "nn.HingeEmbeddingCriterion",
    "nn.L1HingeEmbeddingCriterion",
    "nn.MarginCriterion",
    "nn.MarginRankingCriterion",
    "nn.MSECriterion",
    "nn.MultiLabelMarginCriterion",
    "nn.MultiMarginCriterion",
    "nn.SmoothL1Criterion",
    "nn.SoftMarginCriterion",
    "nn.SpatialAutoCropMSECriterion",
    "nn.SpatialClassNLLCriterion",
    "nn.WeightedMSECriterion",
)
def simple(ctx: Context, m: Module, x: Any) -> Any:
    """A loss of input and target."""
    loss, sources = SIMPLE[m.class_name]
    options: dict[str, Any] = {}
    for source in sources:
        options |= source(m)
    return ctx.layer(m, Loss, loss, options)(_with_target(m, x))


@converts("nn.L1Cost")
def l1_cost(ctx: Context, m: Module, x: Any) -> Any:
    """The sum of absolute values, without target."""
    return ctx.layer(m, Loss, "absolute_sum")(x[:1])


@converts("nn.DistanceRatioCriterion")
def distance_ratio(ctx: Context, m: Module, x: Any) -> Any:
    """Of the distances of a like and an unlike pair, without target."""
    return ctx.layer(m, Loss, "distance_ratio", average(m))(x[:1])


@converts("nn.CrossEntropyCriterion")
def cross_entropy(ctx: Context, m: Module, x: Any) -> Any:
    """The inner criterion has the weights; the mean is the outer one's to say."""
    nll = m.links["nll"]
    options = average(m) | weights(nll) | ignored(nll)
    return ctx.layer(m, Loss, "cross_entropy", options)(_with_target(m, x))


@converts("nn.SpatialCrossEntropyCriterion", "nn.VolumetricCrossEntropyCriterion")
def pixel_cross_entropy(ctx: Context, m: Module, x: Any) -> Any:
    """Of images; of volumes a criterion for images, which it holds, does the work."""
    spatial = m.links.get("scec", m)
    nll = spatial.links["nll"]
    options = average(spatial) | weights(nll) | ignored(nll)
    return ctx.layer(m, Loss, "pixel_cross_entropy", options)(_with_target(m, x))


@converts("nn.MultiLabelSoftMarginCriterion")
def multi_label_soft_margin(ctx: Context, m: Module, x: Any) -> Any:
    """Older files hold a sigmoid and a BCE, which has the options."""
    inner = m.links.get("nll", m)
    options = average(inner) | weights(inner)
    return ctx.layer(m, Loss, "sigmoid_cross_entropy", options)(_with_target(m, x))


@converts("nn.MultiCriterion")
def multi_criterion(ctx: Context, m: Module, x: Any) -> Any:
    """The weighted sum of criteria of one input and target."""
    return _sum(m, [ctx.convert(child, x) for child in m.children])


@converts("nn.ParallelCriterion")
def parallel_criterion(ctx: Context, m: Module, x: Any) -> Any:
    """Criterion i of entry i of the input, and of the target unless that is for all."""
    given, target = _with_target(m, x)
    whole = m.flag("repeatTarget")
    return _sum(
        m,
        [
            ctx.convert(child, [given[i], target if whole else target[i]])
            for i, child in enumerate(m.children)
        ],
    )


def _sum(m: Module, losses: list[Any]) -> Any:
    known = m.get("weights")
    listed = getattr(known, "data", None)
    factors = listed if listed is not None else known.sequence()
    total = losses[0] * float(factors[0])
    for loss, factor in zip(losses[1:], factors[1:], strict=False):
        total = total + loss * float(factor)
    return total


@converts("nn.CriterionTable")
def criterion_table(ctx: Context, m: Module, x: Any) -> Any:
    """A criterion whose input and target come as one table."""
    return ctx.convert(m.links["criterion"], x[0])


@converts("nn.ModuleCriterion")
def module_criterion(ctx: Context, m: Module, x: Any) -> Any:
    """A criterion of what modules make of the input and of the target."""
    names = ("inputModule", "targetModule")
    made = [
        ctx.torch_layout(ctx.convert(m.links[name], value)) if name in m.links else value
        for name, value in zip(names, x, strict=False)
    ]
    return ctx.convert(m.links["criterion"], made)


def _with_target(m: Module, x: Any) -> list[Any]:
    if not isinstance(x, list) or len(x) != 2:
        raise ConversionError(f"{m}: a criterion takes [input, target]; the target is missing")
    return x
