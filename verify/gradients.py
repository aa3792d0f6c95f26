"""``verify gradients``: is what v2 takes for the gradient the slope of its loss?

Everything runs in double precision. Each parameter is moved a little along random directions; the
change of a fixed weighted sum of the outputs, by how far it moved, is the slope that the gradient
should give, and that the oracle's gradient gives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import migrate
from migrate.graph import Module, walk
from migrate.records import attach_splits, find_features, takes_records
from migrate.source import load_module
from migrate.t7.objects import Storage, Tensor
from verify.oracle import Oracle
from verify.report.tree import Column, Report, Section, Table
from verify.verdict import Check, Stage, Status, Verdict

__all__ = ["Slope", "in_double", "measure", "verify_gradients"]

Array = np.ndarray[Any, Any]
DIRECTIONS, STEPS = 3, (1e-5, 1e-7)
SLOPES, ORACLE = 1e-5, 1e-9  # allowed relative differences
ROWS = 32

# Modules whose backward in Torch is not the slope of their forward, and is not meant to be.
NOT_SLOPES = frozenset(
    {"nn.GradientReversal", "nn.L1Penalty", "nn.LookupTable", "nn.IndexLinear", "nn.Kmeans"}
)
RANDOM = frozenset(
    {
        "nn.Dropout",
        "nn.RReLU",
        "nn.SpatialDropout",
        "nn.SpatialFractionalMaxPooling",
        "nn.VolumetricDropout",
        "nn.WhiteNoise",
    }
)


@dataclass(frozen=True)
class Slope:
    """One parameter along one direction.

    Attributes:
        path: of the parameter.
        gradient: what v2's gradient says.
        difference: what the finite difference says.
        oracle: what the oracle's gradient says.
        scale: below which a slope counts as zero.
    """

    path: str
    gradient: float
    difference: float
    oracle: float
    scale: float

    @property
    def off(self) -> float:
        """Gradient and finite difference, relative."""
        return abs(self.gradient - self.difference) / self._size(self.difference)

    @property
    def off_oracle(self) -> float:
        """Gradient and oracle, relative."""
        return abs(self.gradient - self.oracle) / self._size(self.oracle)

    def _size(self, other: float) -> float:
        return max(abs(self.gradient), abs(other), self.scale, 1e-12)


def in_double(root: Module) -> Module:
    """The same model with every single-precision tensor in double."""
    storages: dict[int, Storage] = {}
    modules: dict[int, Module] = {}

    def tensor(of: Tensor) -> Tensor:
        if of.dtype != np.float32 or of.storage is None:
            return of
        wide = storages.setdefault(
            id(of.storage), Storage("torch.DoubleStorage", of.storage.data.astype(np.float64))
        )
        return replace(
            of, class_name="torch.DoubleTensor", storage=wide, dtype=np.dtype(np.float64)
        )

    def copy(module: Module) -> Module:
        if id(module) not in modules:
            fields = dict(module.fields)
            if "_type" in fields:
                fields["_type"] = "torch.DoubleTensor"
            modules[id(module)] = replace(
                module,
                fields=fields,
                tensors={name: tensor(t) for name, t in module.tensors.items()},
                children=tuple(copy(child) for child in module.children),
                links={name: copy(link) for name, link in module.links.items()},
            )
        return modules[id(module)]

    return copy(root)


def measure(module: Module, inputs: Any, features: Any = None, seed: int = 0) -> Iterator[Slope]:
    """Slopes of every parameter.

    Args:
        module: the model, of any type.
        inputs: an example in Torch's form, or decoded records.
        features: of a DataRecord model.
        seed: of the directions.
    """
    import keras

    from migrate.converter import convert
    from migrate.trainable import Trainable

    module, inputs = in_double(module), _double(inputs)
    converted = convert(module, inputs if features is None else None, features=features)
    trainable = Trainable(converted)
    training = not any(m.class_name in RANDOM for m in walk(module))
    rng = np.random.default_rng(seed)
    buffers = [(v, v.numpy()) for v in converted.model.variables]

    def outputs() -> Any:
        result = converted(inputs, training=training)
        for variable, value in buffers:  # running statistics move in training
            if not any(variable is own for own in trainable.variables):
                variable.assign(value)
        return result

    weights = keras.tree.map_structure(lambda y: rng.normal(size=y.shape), outputs())
    grads = converted.gradients(inputs, weights, training)[1]
    for variable, value in buffers:
        variable.assign(value)
    oracle = Oracle(module, training)
    oracle.forward(inputs)
    oracle.zero_grad()
    oracle.backward(inputs, weights)
    theirs = [grad for _, grad in oracle.op.parameters()]
    x = trainable.flat()

    def value_at(flat: Array) -> float:
        for variable, array in zip(trainable.variables, trainable.to_keras(flat), strict=True):
            variable.assign(array)
        pairs = zip(keras.tree.flatten(weights), keras.tree.flatten(outputs()), strict=True)
        return float(sum((w * y).sum() for w, y in pairs))

    layout = trainable.layout
    # Below this a slope is rounding: of the other gradients, or of the outputs' sum.
    noise = 16 * np.finfo(np.float64).eps * abs(value_at(x)) / STEPS[0] / SLOPES
    least = max(1e-4 * max((float(np.linalg.norm(g)) for g in grads), default=0.0), noise)
    for i, (path, place) in enumerate(zip(layout.paths, layout.places, strict=True)):
        if grads[i].shape != layout.shapes[i] or theirs[i].shape != layout.shapes[i]:
            continue  # Torch has the gradient in another form than the parameter
        own, other = grads[i].reshape(-1), theirs[i].reshape(-1)
        for _ in range(DIRECTIONS):
            d = rng.normal(size=own.size)
            d /= np.linalg.norm(d)
            along = np.zeros_like(x)
            along[place] = d
            slope = float(own @ d)
            found = [(value_at(x + h * along) - value_at(x - h * along)) / (2 * h) for h in STEPS]
            nearest = min(found, key=lambda value: abs(value - slope))
            scale = max(float(np.linalg.norm(own)) / np.sqrt(own.size) * 1e-2, least)
            yield Slope(path, slope, nearest, float(other @ d), scale)
    value_at(x)


def verify_gradients(
    model: str | Path,
    example: str | Path | None = None,
    *,
    features: str | Path | None = None,
    command: str | None = None,
) -> Report:
    """Check every parameter's gradient of a v1 model as v2 computes it.

    Args:
        model: ``.t7`` file, or a model folder that was converted from one.
        example: an input: ``.t7``, or DataRecords; default: normal numbers where the model says
            its input's shape.
        features: which features a DataRecord model reads; default: as when converting.
        command: how to produce the report again.

    Raises:
        GraphError, ValueError: the model or the example cannot be used.
    """
    source, weights = _source(Path(model))
    config = find_features(source, features)
    module = load_module(source, weights)
    records = takes_records(module)
    if records:
        module = attach_splits(module, config)
    inputs = _example(module, example, config if records else None)
    slopes = list(measure(module, inputs, config if records else None))
    by_path: dict[str, list[Slope]] = {}
    for slope in slopes:
        by_path.setdefault(slope.path, []).append(slope)
    excused = sorted({m.class_name for m in walk(module)} & NOT_SLOPES)
    checks = [_check(path, found, excused) for path, found in by_path.items()]
    names = ("parameter", "gradient", "finite difference", "oracle64", "off", "off oracle64")
    rows = tuple((s.path, s.gradient, s.difference, s.oracle, s.off, s.off_oracle) for s in slopes)
    table = Table(tuple(map(Column, names)), rows, "Slopes along random directions")
    return Report(
        title=f"Gradients of {model}",
        verdict=Verdict.combine(checks),
        roles={"v2": "the converted model in float64", "oracle64": "v1's definitions in float64"},
        sections=(Section("Slopes", (table,)),),
        command=command,
    )


def _check(path: str, slopes: list[Slope], excused: list[str]) -> Check:
    """A kink near a direction may spoil it; most of them must agree."""
    agree = sum(slope.off <= SLOPES for slope in slopes)
    off, off_oracle = min(s.off for s in slopes), max(s.off_oracle for s in slopes)
    fits, as_v1 = 2 * agree > len(slopes), off_oracle <= ORACLE
    detail = (
        f"{agree} of {len(slopes)} directions agree with the finite difference (best off by "
        f"{off:.2g}); off by {off_oracle:.2g} from v1's definition"
    )
    if as_v1 and not fits and excused:
        detail += f"; Torch's own gradient of {', '.join(excused)} is not the slope"
        fits = True
    status = Status.PASS if fits and as_v1 else Status.FAIL
    numbers = {"off": off, "off_oracle64": off_oracle}
    return Check(path, Stage.GRADIENTS, status, detail, numbers, path)


def _source(model: Path) -> tuple[Path, Path | None]:
    conversion = model / "conversion.json"
    if not model.is_dir():
        return model, None
    if not conversion.is_file():
        raise ValueError(f"{model}: a folder without conversion.json; name the .t7 file")
    sources = json.loads(conversion.read_text(encoding="utf-8"))["sources"]
    weights = sources.get("weights")
    return Path(sources["source"]["path"]), Path(weights["path"]) if weights else None


def _example(module: Module, example: str | Path | None, features: Any) -> Any:
    if features is not None:
        from deepbird_v2.data.block_format import read_records
        from deepbird_v2.data.decode import decode_batch

        if example is None:
            raise ValueError("the model takes DataRecords; give some (--example FILE)")
        records = [record for record, _ in zip(read_records(example), range(ROWS), strict=False)]
        return decode_batch(records, features)
    if example is not None:
        return migrate.load_t7(example)
    from migrate.inputs import Dense, plan

    planned = plan(module)
    if not isinstance(planned, Dense) or planned.indices:
        raise ValueError("the model does not say what numbers it takes; give some (--example FILE)")
    shape = [8 if size is None else size for size in planned.shape]
    return np.random.default_rng(1).normal(size=shape)


def _double(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_double(entry) for entry in value]
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return value.astype(np.float64)
    return value
