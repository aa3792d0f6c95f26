"""What parameters a Torch module starts with: the draws of its constructor, from a seed.

Two tables say it all: :data:`RESET` has, by class, what ``reset(stdv)`` draws, and
:data:`CONSTRUCTED` the few classes whose constructor does something else. Sizes come from the
module's own tensors, so a tree read from a file, or laid out by a config, can be started anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from migrate.graph import Module
from verify.oracle.base import Array, OracleError
from verify.oracle.rng import Generator

__all__ = ["initialize", "reset"]

Shape: TypeAlias = tuple[int, ...]
Values: TypeAlias = dict[str, Array]
Reset: TypeAlias = Callable[[Module, Generator, float | None], Values]


def initialize(module: Module, generator: Generator) -> Values:
    """The parameters and running statistics of a new tree of modules.

    Args:
        module: root; only classes, sizes and fields count, not the values that it has.
        generator: Torch's stream; every constructor draws from it in turn.

    Returns:
        Path of each (``1.Linear.weight``) → values in the tensor's own type, in the order in
        which the constructors made them. What a constructor computes, such as the kernels of a
        local normalization, is not among them, but the draws below it are made.

    Raises:
        OracleError: a class with parameters has no rule.
    """
    values: Values = {}
    for node, kept in _as_constructed(module, set()):
        rule = CONSTRUCTED.get(node.class_name, RESET.get(node.class_name))
        if rule is None and not node.tensors.keys().isdisjoint(("weight", "bias")):
            raise OracleError(f"{node}: no rule says how {node.class_name} is initialized")
        if rule is not None:
            drawn = rule(node, generator, None)
            for name, value in drawn.items() if kept else ():
                values[f"{node.path}.{name}".lstrip(".")] = value
        _write_over(node, values)
    return values


def reset(module: Module, generator: Generator, stdv: float | None = None) -> Values:
    """Torch's ``reset(stdv)`` of one module: field → values, in the order of the draws.

    Args:
        module: a module with parameters.
        generator: Torch's stream.
        stdv: standard deviation of the weights; None: what the class computes from its size.

    Raises:
        OracleError: there is no rule for the class.
    """
    rule = RESET.get(module.class_name)
    if rule is None:
        raise OracleError(f"{module}: no rule says how {module.class_name} is reset")
    return rule(module, generator, stdv)


def _as_constructed(
    module: Module, seen: set[int], kept: bool = True
) -> Iterator[tuple[Module, bool]]:
    """Modules in the order in which Lua builds them: what a module holds comes before it.

    Beside each, whether what it draws stays.
    """
    if id(module) in seen:
        return
    seen.add(id(module))
    held: tuple[Module, ...] = (*module.children, *module.links.values())
    if module.class_name == "nn.LayerNormalization":  # makes its Add before its CMul
        held = tuple(sorted(held, key=lambda child: child.class_name != "nn.Add"))
    if module.class_name == "nn.WeightNorm" and "weight" not in held[0].tensors:
        held = ()  # a file leaves its weight out; `_weight_norm` makes its draws
    for child in held:
        own = kept and not any(child is module.links.get(name) for name in ESTIMATORS)
        yield from _as_constructed(child, seen, own)
    yield module, kept


# Networks of a local normalization: drawn as any, then filled with its kernel.
ESTIMATORS = ("meanestimator", "stdestimator")


# What a constructor puts over what its children drew. The bias that a layer normalization was
# given is in no field, so 0, the default, stands for it.
WRITTEN_OVER = {
    "nn.LayerNormalization": {"weight": 1.0, "bias": 0.0},
    "nn.WeightNorm": {"bias": 0.0},
}


def _write_over(module: Module, values: Values) -> None:
    for name, start in WRITTEN_OVER.get(module.class_name, {}).items():
        for child in module.children:
            path = f"{child.path}.{name}"
            if path in values:
                values[path][...] = start


# --- what one class draws ---------------------------------------------------------------------


def _fill(module: Module, name: str, draw: Callable[[Shape, Any], Array]) -> Values:
    """The tensor ``name`` as ``draw(size, dtype)`` fills it; nothing where the module has none."""
    tensor = module.tensors.get(name)
    return {} if tensor is None or not tensor.size else {name: draw(tensor.size, tensor.dtype)}


def _constant(value: float) -> Callable[[Shape, Any], Array]:
    return lambda size, dtype: np.full(size, value, dtype)


def _uniform(fan_in: Callable[[Module], float], *names: str, bias_times: float = 1.0) -> Reset:
    """U(±1/√fan_in), or of the given standard deviation, for each tensor in turn."""

    def rule(m: Module, g: Generator, stdv: float | None) -> Values:
        bound = stdv * math.sqrt(3) if stdv is not None else 1.0 / math.sqrt(fan_in(m))
        values: Values = {}
        for name in names or ("weight", "bias"):
            values |= _fill(m, name, lambda size, dtype: g.uniform(size, -bound, bound, dtype))
            if name == "bias" and name in values:
                values[name] *= bias_times
        return values

    return rule


def _size(m: Module) -> Shape:
    return m.tensors["weight"].size


def _per_connection(m: Module, g: Generator, stdv: float | None) -> Values:
    """A convolution map: every kernel by the number of inputs that its output plane has."""
    if stdv is not None:
        return _uniform(lambda _: 1.0)(m, g, stdv)
    to = m.array("connTable")[:, 1].astype(int) - 1
    inputs = np.bincount(to, minlength=m.tensors["bias"].size[0])
    kernel = math.prod(_size(m)[1:])

    def planes(counts: Array) -> Callable[[Shape, Any], Array]:
        bounds = [1.0 / math.sqrt(kernel * count) for count in counts]  # scalar draws, in double
        return lambda size, dtype: np.stack(
            [g.uniform(size[1:], -b, b).astype(dtype) for b in bounds]
        )

    return _fill(m, "weight", planes(inputs[to])) | _fill(m, "bias", planes(inputs))


def _lookup(m: Module, g: Generator, stdv: float | None) -> Values:
    spread = 1.0 if stdv is None else stdv
    return _fill(m, "weight", lambda size, dtype: g.normal(size, 0.0, spread, dtype))


def _batch_norm(m: Module, g: Generator, _stdv: float | None) -> Values:
    values = _fill(m, "weight", lambda size, dtype: g.uniform(size, dtype=dtype))
    for name, start in (("bias", 0), ("running_mean", 0), ("running_var", 1)):
        values |= _fill(m, name, _constant(start))
    return values


def _prelu(m: Module, _g: Generator, _stdv: float | None) -> Values:
    return _fill(m, "weight", _constant(0.25))


def _weighted_euclidean(m: Module, g: Generator, stdv: float | None) -> Values:
    return _uniform(lambda node: _size(node)[0], "weight")(m, g, stdv) | _fill(
        m, "diagCov", _constant(1)
    )


def _norm_of_rows(v: Array) -> Array:
    squares: Array = np.square(v, dtype=np.float64)
    return np.sqrt(squares.sum(axis=1, keepdims=True)).astype(v.dtype)


def _linear_weight_norm(m: Module, g: Generator, stdv: float | None) -> Values:
    def fan_in(node: Module) -> float:
        return node.tensors["v"].size[1]

    values = _uniform(fan_in, "v")(m, g, stdv)
    values["g"] = _norm_of_rows(values["v"])
    return values | _uniform(fan_in, "bias")(m, g, stdv)


def _weight_norm(m: Module, g: Generator, _stdv: float | None) -> Values:
    rows = m.tensors["v"].size[1]
    if m.children and "weight" not in m.children[0].tensors:  # as the wrapped module drew them
        g.raw(sum(math.prod(m.tensors[name].size) for name in ("v", "bias") if name in m.tensors))
    spread = math.sqrt(2.0 / rows)
    values = _fill(m, "v", lambda size, dtype: g.normal(size, 0.0, spread, dtype))
    values["g"] = _norm_of_rows(values["v"])
    return values | _fill(m, "bias", _constant(0))


def _kmeans(m: Module, g: Generator, stdv: float | None) -> Values:
    bound = 1.0 if stdv is None else stdv
    return _fill(m, "weight", lambda size, dtype: g.uniform(size, -bound, bound, dtype))


def _index_linear(m: Module, g: Generator, stdv: float | None) -> Values:
    values = _uniform(lambda node: _size(node)[1], bias_times=1e-6)(m, g, stdv)
    values["weight"][:, : m.integer("normalize", 0)] = 0
    return values


def _zeros(m: Module, _g: Generator, _stdv: float | None) -> Values:
    return _fill(m, "weight", _constant(0)) | _fill(m, "bias", _constant(0))


_plane = _uniform(lambda m: math.prod(_size(m)[1:]))
_transposed_plane = _uniform(lambda m: _size(m)[0] * math.prod(_size(m)[2:]))

RESET: dict[str, Reset] = {
    "nn.Add": _uniform(lambda m: math.prod(m.tensors["bias"].size)),
    "nn.BatchNormalization": _batch_norm,
    "nn.Bilinear": _uniform(lambda m: _size(m)[1]),
    "nn.CAdd": _uniform(lambda m: math.prod(m.tensors["bias"].size)),
    "nn.CMul": _uniform(lambda m: math.prod(_size(m))),
    "nn.Cosine": _uniform(lambda m: _size(m)[0]),
    "nn.Euclidean": _uniform(lambda m: _size(m)[0]),
    "nn.IndexLinear": _index_linear,
    "nn.Kmeans": _kmeans,
    "nn.Linear": _plane,
    "nn.LinearWeightNorm": _linear_weight_norm,
    "nn.LookupTable": _lookup,
    "nn.Mul": _uniform(lambda _: 1.0),
    "nn.PReLU": _prelu,
    "nn.SparseLinear": _uniform(lambda m: _size(m)[1], bias_times=1e-6),
    "nn.SpatialBatchNormalization": _batch_norm,
    "nn.SpatialConvolution": _plane,
    "nn.SpatialConvolutionLocal": _uniform(lambda m: math.prod(_size(m)[3:])),
    "nn.SpatialConvolutionMM": _plane,
    "nn.SpatialConvolutionMap": _per_connection,
    "nn.SpatialDepthWiseConvolution": _plane,
    "nn.SpatialDilatedConvolution": _plane,
    "nn.SpatialFullConvolution": _transposed_plane,
    "nn.SpatialFullConvolutionMap": _per_connection,
    "nn.SpatialSubSampling": _uniform(lambda m: m.integer("kW") * m.integer("kH")),
    "nn.TemporalConvolution": _plane,
    "nn.TemporalRowConvolution": _transposed_plane,
    "nn.TemporalSubSampling": _uniform(lambda m: m.integer("kW")),
    "nn.VolumetricBatchNormalization": _batch_norm,
    "nn.VolumetricConvolution": _plane,
    "nn.VolumetricDilatedConvolution": _plane,
    "nn.VolumetricFullConvolution": _transposed_plane,
    "nn.WeightNorm": _weight_norm,
    "nn.WeightedEuclidean": _weighted_euclidean,
}

# Classes whose constructor does not simply call reset.
CONSTRUCTED: dict[str, Reset] = {
    "nn.IndexLinear": _zeros,
    "nn.PartialLinear": lambda m, _g, _stdv: _fill(m, "bias", _constant(0)),
}
