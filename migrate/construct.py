"""Torch objects from constructor arguments: what ``nn.Linear(7, 5)`` makes, before training.

Tensors have the right shape and no values yet; :mod:`migrate.fill` puts weights into them, and
``verify.oracle.init`` Torch's own initial values. Fields bear the names Torch gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from migrate.t7.objects import Storage, Table, Tensor, TorchObject

if TYPE_CHECKING:
    from legacy_yaml.config import Layer

__all__ = ["ConstructError", "construct", "constructible", "tensor"]

Args = Mapping[str, Any]
Build = Callable[[Args], dict[str, Any]]
_BUILDERS: dict[str, Build] = {}


class ConstructError(ValueError):
    """A layer of the config cannot be built; says which, where and why."""


def builds(*classes: str) -> Callable[[Build], Build]:
    """Register what the constructor of Torch classes puts into a new object's fields."""

    def register(build: Build) -> Build:
        for name in classes:
            if name in _BUILDERS:
                raise ConstructError(f"two constructors for {name}")
            _BUILDERS[name] = build
        return build

    return register


def constructible() -> frozenset[str]:
    """Classes that can be built from a config."""
    return frozenset(_BUILDERS) | frozenset(_LAYERS)


def tensor(shape: tuple[int, ...], dtype: str = "float32", fill: float = 0.0) -> Tensor:
    """A contiguous Torch tensor with storage of its own."""
    kind = {"float32": "Float", "float64": "Double", "int64": "Long"}[dtype]
    data = np.full(int(np.prod(shape)), fill, dtype)
    stride = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    storage = Storage(f"torch.{kind}Storage", data)
    return Tensor(f"torch.{kind}Tensor", shape, stride, 0, storage, data.dtype)


def make(class_name: str, fields: Mapping[str, Any] | None = None, *children: Any) -> TorchObject:
    """A Torch object with fields, and children in its ``modules``."""
    table = Table({"_type": "torch.FloatTensor", "train": True})
    table.update(fields or {})
    if children:
        table["modules"] = Table(enumerate(children, 1))
    return TorchObject(class_name, 1, table)


def construct(layer: Layer) -> TorchObject:
    """The Torch object of one layer of a config, children included.

    Raises:
        ConstructError: there is no constructor for its class.
    """
    whole = _LAYERS.get(layer.class_name)
    if whole is not None:
        return whole(layer)
    build = _BUILDERS.get(layer.class_name)
    if build is None:
        mark = layer.mark
        raise ConstructError(
            f"{mark.file}:{mark.line}:{mark.column}: {layer.path}: {layer.class_name} cannot be "
            f"built from a config; convert from its .t7 file"
        )
    children = [construct(child) for child in layer.layers]
    return make(layer.class_name, build(layer.args), *children)


# --- nn ---------------------------------------------------------------------------------------


@builds("nn.Linear")
def _linear(a: Args) -> dict[str, Any]:
    fields = {"weight": tensor((a["outputSize"], a["inputSize"]))}
    return fields | ({"bias": tensor((a["outputSize"],))} if a.get("bias", True) else {})


@builds("nn.SparseLinear")
def _sparse_linear(a: Args) -> dict[str, Any]:
    return {
        "weight": tensor((a["outputSize"], a["inputSize"])),
        "bias": tensor((a["outputSize"],)),
        "doGradInput": bool(a.get("doGradInput", False)),
        "weightDecay": 0.0,
        "sparseUpdate": 0.0,
    }


@builds("nn.PReLU")
def _prelu(a: Args) -> dict[str, Any]:
    planes = int(a.get("nOutputPlane") or 0)
    return {"nOutputPlane": float(planes), "weight": tensor((planes or 1,), fill=0.25)}


@builds("nn.Dropout")
def _dropout(a: Args) -> dict[str, Any]:
    return {
        "p": float(a.get("p", 0.5)),
        "v2": not a.get("v1", False),
        "inplace": bool(a.get("inplace", False)),
        "stochastic_inference": bool(a.get("stochasticInference", False)),
    }


@builds("nn.BatchNormalization")
def _batch_normalization(a: Args) -> dict[str, Any]:
    n, affine = int(a["nOutput"]), a.get("affine", True)
    fields: dict[str, Any] = {
        "eps": float(a.get("eps", 1e-5)),
        "momentum": float(a.get("momentum", 0.1)),
        "affine": affine,
        "running_mean": tensor((n,)),
        "running_var": tensor((n,), fill=1.0),
    }
    return fields | ({"weight": tensor((n,)), "bias": tensor((n,))} if affine else {})


@builds("nn.JoinTable")
def _join_table(a: Args) -> dict[str, Any]:
    fields = {"dimension": float(a["dimension"])}
    inner = a.get("nInputDims")
    return fields | ({"nInputDims": float(inner)} if inner is not None else {})


@builds(
    "nn.Abs", "nn.CAddTable", "nn.CMulTable", "nn.CSubTable", "nn.CDivTable", "nn.ConcatTable",
    "nn.Exp", "nn.FlattenTable", "nn.Identity", "nn.Log", "nn.LogSigmoid", "nn.LogSoftMax",
    "nn.ParallelTable", "nn.Sequential", "nn.Sigmoid", "nn.SoftMax", "nn.SoftMin", "nn.SoftSign",
    "nn.Square", "nn.Tanh", "nn.TanhShrink",
)  # fmt: skip
def _plain(a: Args) -> dict[str, Any]:
    return {}


@builds("nn.ReLU", "nn.ReLU6")
def _relu(a: Args) -> dict[str, Any]:
    return {"threshold": 0.0, "val": 0.0, "inplace": bool(a.get("inplace", a.get("p", False)))}


@builds("nn.ELU")
def _elu(a: Args) -> dict[str, Any]:
    return {"alpha": float(a.get("alpha", 1.0)), "inplace": bool(a.get("inplace", False))}


@builds("nn.LeakyReLU")
def _leaky_relu(a: Args) -> dict[str, Any]:
    return {"negval": float(a.get("negval", 0.01)), "inplace": bool(a.get("inplace", False))}


@builds("nn.SoftPlus")
def _softplus(a: Args) -> dict[str, Any]:
    return {"beta": float(a.get("beta", 1.0)), "threshold": 20.0}


@builds("nn.HardTanh")
def _hard_tanh(a: Args) -> dict[str, Any]:
    return {
        "min_val": float(a.get("min_value", -1.0)),
        "max_val": float(a.get("max_value", 1.0)),
        "inplace": bool(a.get("inplace", False)),
    }


# --- modules.* : layers that are networks of nn modules -----------------------------------------


def _activations(layer: Layer) -> list[TorchObject]:
    names = layer.args.get("activations") or ()
    listed = (names,) if isinstance(names, str) else tuple(names)  # type: ignore[arg-type]  # checked by the schema
    made = []
    for name in listed:
        build = _BUILDERS.get(f"nn.{name}")
        if build is None:
            raise ConstructError(
                f"{layer.mark.file}:{layer.mark.line}:{layer.mark.column}: {layer.path}: "
                f"activation {name} cannot be built from a config"
            )
        made.append(make(f"nn.{name}", build({})))
    return made


def _config(layer: Layer) -> dict[str, Any]:
    given = sorted(layer.given & layer.args.keys())
    return {"config": Table({name: layer.args[name] for name in given})}


def _dropout_of(layer: Layer) -> list[TorchObject]:
    p = float(layer.args.get("dropout") or 0)  # type: ignore[arg-type]  # a number by the schema
    return [make("nn.Dropout", _dropout({"p": p}))] if p > 0 else []


def _full_dense(layer: Layer) -> TorchObject:
    args = layer.args
    sizes = {"inputSize": args["inputFeatures"], "outputSize": args["outputFeatures"]}
    linear = make("nn.Linear", _linear({**sizes, "bias": args.get("bias", True)}))
    norm = _batch_normalization({"nOutput": args["outputFeatures"]})
    return make(
        layer.class_name,
        _config(layer),
        linear,
        *([make("nn.BatchNormalization", norm)] if args.get("batchNorm") else []),
        *_activations(layer),
        *_dropout_of(layer),
    )


def _full_sparse(layer: Layer) -> TorchObject:
    args = layer.args
    bits = args.get("inputBits")
    width = args["inputFeatures"] if not isinstance(bits, int) else 1 << bits
    sizes = {"inputSize": width, "outputSize": args["outputFeatures"]}
    if args.get("normalize"):
        first = make("nn.IndexLinear", _index_linear({**sizes, "normalize": True}))
    else:
        first = make("nn.SparseLinear", _sparse_linear(sizes))
    return make(layer.class_name, _config(layer), first, *_activations(layer), *_dropout_of(layer))


@builds("nn.IndexLinear")
def _index_linear(a: Args) -> dict[str, Any]:
    extra = 4 if a.get("normalize") else 0
    return {
        "weight": tensor((a["inputSize"], a["outputSize"] + extra)),
        "bias": tensor((a["outputSize"],)),
        "doGradInput": bool(a.get("doGradInput", False)),
        "offset": float(a["keysOffset"]) - 1 if a.get("keysOffset") is not None else -1.0,
        "normalize": float(extra) if extra else False,
    }


def _calibrated(layer: Layer) -> TorchObject:
    return make(layer.class_name, _config(layer))


def _split(layer: Layer) -> TorchObject:
    towers = [
        make("nn.Sequential", {}, *(construct(child) for child in split.layers))
        for split in layer.splits
    ]
    return make(
        layer.class_name,
        _config(layer),
        make("nn.ParallelTable", {}, *towers),
        make("nn.JoinTable", _join_table({"dimension": 2})),
    )


def _residual(layer: Layer) -> TorchObject:
    inner = make("nn.Sequential", {}, *(construct(child) for child in layer.layers))
    both = make("nn.ConcatTable", {}, inner, make("nn.Identity"))
    return make(layer.class_name, _config(layer), both, make("nn.CAddTable"))


_LAYERS: dict[str, Callable[[Layer], TorchObject]] = {
    "modules.FullDenseLayer": _full_dense,
    "modules.FullSparseLayer": _full_sparse,
    "modules.DiscretizerLayer": _calibrated,
    "modules.IsotonicLayer": _calibrated,
    "modules.SplitLayer": _split,
    "modules.ResidualLayer": _residual,
}
