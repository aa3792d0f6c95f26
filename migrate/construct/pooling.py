"""Pooling, its inverse, and subsampling with a weight a plane."""

from __future__ import annotations

from typing import Any

from migrate.construct.constructor import Call, builds, new
from migrate.construct.objects import modules, tensor

WINDOW = "kW kH dW dH"
VOLUME = "kT kW kH dT dW dH"

# Class: its fields as Call.fields reads them, then constants.
FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "nn.FeatureLPPooling": ("width stride power batch_mode", {}),
    "nn.SpatialAdaptiveAveragePooling": ("W H", {}),
    "nn.SpatialAdaptiveMaxPooling": ("W H", {}),
    "nn.SpatialAveragePooling": (
        f"{WINDOW} padW padH",
        {"ceil_mode": False, "count_include_pad": True, "divide": True},
    ),
    "nn.SpatialDilatedMaxPooling": (
        f"{WINDOW} padW padH dilationW dilationH",
        {"ceil_mode": False},
    ),
    "nn.SpatialMaxPooling": (f"{WINDOW} padW padH", {"ceil_mode": False}),
    "nn.SpatialMaxUnpooling": ("pooling<poolingModule", {}),
    "nn.TemporalDynamicKMaxPooling": ("minK factor", {}),
    "nn.TemporalMaxPooling": ("kW dW", {}),
    "nn.VolumetricAveragePooling": (VOLUME, {}),
    "nn.VolumetricDilatedMaxPooling": (
        f"{VOLUME} padT padW padH dilationT dilationW dilationH",
        {"ceil_mode": False},
    ),
    "nn.VolumetricMaxPooling": (f"{VOLUME} padT padW padH", {"ceil_mode": False}),
    "nn.VolumetricMaxUnpooling": ("pooling<poolingModule", {}),
}


def _remembers(names: str, constants: dict[str, Any]) -> Any:
    return lambda call: call.fields(names) | constants


for _class_name, _row in FIELDS.items():
    builds(_class_name)(_remembers(*_row))


@builds("nn.SpatialFractionalMaxPooling")
def fractional(call: Call) -> dict[str, Any]:
    """The size of the output, or its ratio to the input's."""
    return _fractional(call, "WH")


@builds("nn.VolumetricFractionalMaxPooling")
def volumetric_fractional(call: Call) -> dict[str, Any]:
    """As in the plane."""
    return _fractional(call, "TWH")


def _fractional(call: Call, axes: str) -> dict[str, Any]:
    given = [float(call[f"arg{i}"]) for i in range(1, len(axes) + 1)]
    if all(value >= 1 for value in given):
        name = "out"
    elif all(value < 1 for value in given):
        name = "ratio"
    else:
        raise ValueError(f"{given} should be sizes of at least 1, or ratios below 1, not both")
    return {
        **call.fields(" ".join(f"poolSize{axis}" for axis in axes)),
        **{f"{name}{axis}": value for axis, value in zip(axes, given, strict=True)},
        "newRandomPool": False,
    }


@builds("nn.SpatialLPPooling")
def lp_pooling(call: Call) -> dict[str, Any]:
    """The mean of powers, times the size of the window, and the root."""
    power = float(call["pnorm"])
    square = power == 2
    return call.fields(WINDOW) | modules(
        new("nn.Square") if square else new("nn.Power", power),
        new("nn.SpatialAveragePooling", *call.ints(WINDOW)),
        new("nn.MulConstant", call["kW"] * call["kH"]),
        new("nn.Sqrt") if square else new("nn.Power", 1 / power),
    )


@builds("nn.SpatialSubSampling")
def sub_sampling(call: Call) -> dict[str, Any]:
    """One weight and one bias a plane."""
    planes = call.ints("nInputPlane")
    kept = call.fields(f"nInputPlane {WINDOW}")
    return kept | {"weight": tensor(planes), "bias": tensor(planes)}


@builds("nn.TemporalSubSampling")
def temporal_sub_sampling(call: Call) -> dict[str, Any]:
    """One weight and one bias a feature."""
    features = call.ints("inputFrameSize")
    kept = call.fields("inputFrameSize kW dW")
    return kept | {"weight": tensor(features), "bias": tensor(features)}
