"""Classes whose constructor only remembers its arguments, and a few constants."""

from __future__ import annotations

from typing import Any

from migrate.construct.constructor import Call, builds, new
from migrate.construct.objects import empty

# Class: its fields as Call.fields reads them, then constants.
FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    # activations
    "nn.Abs": ("", {}),
    "nn.Clamp": ("min_val<min_value max_val<max_value inplace", {}),
    "nn.ELU": ("alpha inplace", {}),
    "nn.Exp": ("", {}),
    "nn.GatedLinearUnit": ("dim", {}),
    "nn.GradientReversal": ("lambda", {}),
    "nn.HardShrink": ("lambda", {}),
    "nn.HardTanh": ("min_val<min_value max_val<max_value inplace", {}),
    "nn.LeakyReLU": ("negval inplace", {}),
    "nn.Log": ("", {}),
    "nn.LogSigmoid": ("", {}),
    "nn.LogSoftMax": ("", {}),
    "nn.Power": ("pow", {}),
    "nn.RReLU": ("lower upper inplace", {}),
    "nn.ReLU": ("inplace", {"threshold": 0.0, "val": 0.0}),
    "nn.ReLU6": ("inplace", {}),
    "nn.Sigmoid": ("", {}),
    "nn.SoftMax": ("", {}),
    "nn.SoftMin": ("", {}),
    "nn.SoftPlus": ("beta", {"threshold": 20.0}),
    "nn.SoftShrink": ("lambda", {}),
    "nn.SoftSign": ("", {}),
    "nn.SpatialLogSoftMax": ("", {}),
    "nn.SpatialSoftMax": ("", {}),
    "nn.Sqrt": ("eps", {}),
    "nn.Square": ("", {}),
    "nn.Tanh": ("", {}),
    "nn.Threshold": ("threshold val<value inplace", {}),
    # arithmetic
    "nn.AddConstant": ("constant_scalar inplace", {}),
    "nn.MulConstant": ("constant_scalar inplace", {}),
    # noise
    "nn.L1Penalty": ("l1weight sizeAverage provideOutput", {}),
    "nn.SpatialDropout": ("p stochastic_inference<stochasticInference", {}),
    "nn.VolumetricDropout": ("p stochastic_inference<stochasticInference", {}),
    "nn.WhiteNoise": ("mean std", {}),
    # normalization
    "nn.Normalize": ("p eps", {}),
    "nn.SpatialCrossMapLRN": ("size alpha beta k", {}),
    # tables
    "nn.CAddTable": ("inplace?", {}),
    "nn.CAddTensorTable": ("", {}),
    "nn.CDivTable": ("", {}),
    "nn.CMaxTable": ("", {}),
    "nn.CMinTable": ("", {}),
    "nn.CMulTable": ("", {}),
    "nn.CSubTable": ("", {}),
    "nn.CosineDistance": ("", {}),
    "nn.DotProduct": ("", {}),
    "nn.FlattenTable": ("", {}),
    "nn.Index": ("dimension", {}),
    "nn.JoinTable": ("dimension nInputDims", {}),
    "nn.MM": ("transA transB", {}),
    "nn.MV": ("trans", {}),
    "nn.MaskedSelect": ("", {}),
    "nn.MixtureTable": ("dim", {}),
    "nn.NarrowTable": ("offset length", {}),
    "nn.PairwiseDistance": ("norm<p", {}),
    "nn.SelectTable": ("index", {}),
    "nn.SplitTable": ("dimension nInputDims", {}),
    "nn.ZipTable": ("", {}),
    "nn.ZipTableOneToMany": ("", {}),
    # shapes
    "nn.Collapse": ("nInputDim", {}),
    "nn.Contiguous": ("", {}),
    "nn.Identity": ("", {}),
    "nn.Max": ("dimension nInputDims", {}),
    "nn.Mean": ("dimension nInputDims squeeze", {"sizeAverage": True}),
    "nn.Min": ("dimension nInputDims", {}),
    "nn.Narrow": ("dimension index<offset length", {}),
    "nn.OneHot": ("outputSize", {}),
    "nn.Padding": ("dim pad nInputDim value index", {}),
    "nn.PrintSize": ("prefix", {}),
    "nn.Replicate": ("nfeatures<nFeature dim ndim", {}),
    "nn.Select": ("dimension index", {}),
    "nn.Squeeze": ("dim numInputDims", {}),
    "nn.Sum": ("dimension nInputDims sizeAverage squeeze", {}),
    "nn.Transpose": ("permutations", {}),
    "nn.Unsqueeze": ("pos numInputDims", {}),
    "nn.ZeroGrad": ("", {}),
    # resizing of images
    "nn.SpatialReflectionPadding": ("pad_l pad_r pad_t pad_b", {}),
    "nn.SpatialReplicationPadding": ("pad_l pad_r pad_t pad_b", {}),
    "nn.SpatialUpSamplingNearest": ("scale_factor<scale", {}),
    "nn.SpatialZeroPadding": ("pad_l pad_r pad_t pad_b", {}),
    "nn.VolumetricReplicationPadding": ("pleft pright ptop pbottom pfront pback", {}),
}


def _remembers(names: str, constants: dict[str, Any]) -> Any:
    return lambda call: call.fields(names) | constants


for _class_name, _row in FIELDS.items():
    builds(_class_name)(_remembers(*_row))


@builds("nn.Dropout")
def dropout(call: Call) -> dict[str, Any]:
    """Version 2 unless asked for the first."""
    kept = call.fields("p inplace? stochastic_inference<stochasticInference")
    return kept | {"v2": not call.get("v1", False)}


@builds("nn.TanhShrink")
def tanh_shrink(call: Call) -> dict[str, Any]:
    """Keeps the hyperbolic tangent as a module of its own."""
    return {"tanh": new("nn.Tanh")}


@builds("nn.PixelShuffle")
def pixel_shuffle(call: Call) -> dict[str, Any]:
    """Keeps the square of its factor, too."""
    factor = call["upscaleFactor"]
    return call.fields("upscaleFactor") | {"upscaleFactorSquared": float(factor**2)}


@builds("nn.Copy")
def copy(call: Call) -> dict[str, Any]:
    """Remembers the type of its output by the output itself."""
    return {"output": empty(call.get("outtype", "torch.FloatTensor"))}


@builds("nn.SpatialUpSamplingBilinear")
def up_sampling_bilinear(call: Call) -> dict[str, Any]:
    """A factor, or the size of the output."""
    return _scale(call["params"])


@builds("nn.UpSampling")
def up_sampling(call: Call) -> dict[str, Any]:
    """All linear modes are one."""
    mode = call["mode"]
    return _scale(call["params"]) | {"mode": mode if mode == "nearest" else "linear"}


def _scale(params: Any) -> dict[str, Any]:
    if isinstance(params, int):
        return {"scale_factor": float(params)}
    return {name: float(size) for name, size in params.items()}
