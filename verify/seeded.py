"""A network from nothing but its config and seed: what v1 had before the first step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from migrate import t7
from migrate.fill import fill
from migrate.from_yaml import skeleton
from migrate.graph import GraphError, Module, build, parameters, walk, with_tensor
from migrate.t7.objects import Table, TorchObject
from verify.oracle.init import initialize
from verify.oracle.rng import Generator

if TYPE_CHECKING:
    from legacy_yaml.config import Config, Criterion

__all__ = ["calibration_of", "criterion_of", "seeded_network"]

DISCRETIZER, CALIBRATION = "modules.DiscretizerLayer", "modules.IsotonicLayer"
STATE = ("featureIds", "binVals", "binIds")
STATISTICS = ("running_mean", "running_var")


def seeded_network(
    config: Config,
    calibrated: Mapping[str, Any] | None = None,
    seed: int | None = None,
    weights: str | Path | None = None,
) -> Module:
    """The network as Torch constructs it after ``torch.manualSeed``, without final calibration.

    Args:
        config: the loaded config.
        calibrated: state of the discretizer, see :func:`calibration_of`; needed where the config
            has one.
        seed: in place of the config's.
        weights: a ``.t7`` file with parameters to take in place of random ones: the whole model,
            or its network without discretizer and calibration.

    Raises:
        GraphError: there is no seed, or no state for the discretizer.
    """
    seed = config.seed if seed is None else seed
    if seed is None:
        raise GraphError(f"{config.name}: the config has no seed; give one (--seed)")
    tree = skeleton(config)
    layers = tree["modules"].sequence()
    if layers[-1].class_name == CALIBRATION:  # fitted after training
        layers = layers[:-1]
        tree.fields["modules"] = Table(enumerate(layers, 1))
    network = build(tree)
    values = initialize(network, Generator(seed)) | _offsets(network)
    started = {_numbered(path): value for path, value in values.items()}
    for position, layer in enumerate(layers, 1):
        if layer.class_name == DISCRETIZER:
            if calibrated is None:
                raise GraphError(
                    f"{config.name}: the discretizer has no bins yet; give a model that was "
                    f"calibrated (--discretizer FILE.t7)"
                )
            started |= {f"{position}.{name}": calibrated[name] for name in STATE}
    if weights is not None:
        started |= _parameters(t7.load(weights), layers, started)
    fill(tree, started, "initial values" if weights is None else str(weights))
    return build(tree)


def criterion_of(section: Criterion) -> Module:
    """The criterion that a config names."""
    fields = Table({"sizeAverage": section.size_average})
    for name, value in section.args.items():
        if isinstance(value, bool | int | float | str):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            fields[name] = float(value) if is_number else value
    module = build(TorchObject(f"nn.{section.type}", 1, fields))
    if section.weights is None:
        return module
    return with_tensor(module, "weights", np.asarray(section.weights, np.float32))


def calibration_of(path: str | Path) -> dict[str, Any]:
    """The discretizer's state in a ``.t7`` model.

    Raises:
        GraphError: the file has no calibrated discretizer.
    """
    value = t7.load(path)
    found = _discretizer(value)
    if found is None or any(name not in found for name in STATE):
        raise GraphError(f"{path}: holds no calibrated {DISCRETIZER}")
    return {name: found[name].numpy() for name in STATE}


def _offsets(network: Module) -> dict[str, Any]:
    """Path → value of the biases that layer normalizations were given; no field keeps them."""
    return {
        f"{child.path}.bias": child.array("bias")
        for layer in walk(network)
        if layer.class_name == "nn.LayerNormalization"
        for child in layer.children
        if child.class_name == "nn.Add"
    }


def _discretizer(value: Any) -> TorchObject | None:
    if isinstance(value, TorchObject):
        if value.class_name == DISCRETIZER:
            return value
        value = value.get("modules")
    if not isinstance(value, Table):
        return None
    return next((found for child in value.values() if (found := _discretizer(child))), None)


def _parameters(
    model: TorchObject, layers: list[TorchObject], started: Mapping[str, Any]
) -> dict[str, Any]:
    """Parameters and statistics of a saved model for what is to be started, by index path."""
    offset = int(layers[0].class_name == DISCRETIZER and _discretizer(model) is None)
    network = build(model)
    values = {parameter.path: parameter.tensor.numpy() for parameter in parameters(network)}
    for module in walk(network):
        for name in STATISTICS:
            if name in module.tensors:
                values[f"{module.path}.{name}"] = module.array(name)
    found = {}
    for path, value in values.items():
        first, _, rest = _numbered(path).partition(".")
        found[f"{int(first) + offset}.{rest}"] = value
    missing = sorted(p for p in started if p not in found and not p.endswith(STATE))
    if missing:
        raise GraphError(f"the weights have no {missing[0]} (and {len(missing) - 1} more)")
    return found


def _numbered(path: str) -> str:
    """``1.2.weight`` for ``1.Sequential.2.Linear.weight``."""
    head, _, name = path.rpartition(".")
    return ".".join([*re.findall(r"(?:^|\.)(\d+|[a-z]\w*)(?=\.|$)", head), name]).lstrip(".")
