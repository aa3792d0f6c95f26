"""Recorded v1 training: where it started, what it was fed, and what came of it, step by step.

Two layouts are read. A folder with ``case.json`` says the loop there. A folder of a production
model has ``training_trace.t7`` (or ``NAME_training_trace.t7``) beside the config, the model, its
initial network and the DataRecords of the first batches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import migrate
from migrate import t7
from migrate.flat import FlatLayout
from migrate.graph import Module, build, parameters
from migrate.t7.objects import Table, TorchObject
from verify.oracle.optim import METHODS
from verify.seeded import criterion_of

__all__ = ["Trace", "TraceError", "load_traces"]

Array = np.ndarray[Any, Any]
UPDATE = "updateParameters"


class TraceError(ValueError):
    """A folder holds no trace, or one that cannot be replayed; says what is wrong."""


@dataclass(frozen=True)
class Trace:
    """One recorded run.

    Attributes:
        name: of the run.
        module: the model before the first step.
        criterion: the loss.
        batches: (input, target) in Torch's form; step t takes the one at (t - 1) modulo their
            number.
        steps: how many.
        method: of ``optim``, or ``updateParameters``.
        config: the method's options.
        losses: of every step, before its update.
        params: step → flat vector after it; 0 is the start.
        averages: step → what asgd averaged.
        state: the method's state after the last step; None if it was not recorded.
        final: the model after the last step; None if it was not recorded.
        seed: of the random stream right before the first step; None: nothing draws.
        permuted: length of a permutation that v1 drew before the first step; 0: none.
        features: for DataRecords, which features the model reads.
    """

    name: str
    module: Module
    criterion: Module
    batches: Sequence[tuple[Any, Any]]
    steps: int
    method: str
    config: Mapping[str, Any]
    losses: Array
    params: Mapping[int, Array]
    averages: Mapping[int, Array] = field(default_factory=dict)
    state: Mapping[str, Any] | None = None
    final: Module | None = None
    seed: int | None = None
    permuted: int = 0
    features: Any = None

    @property
    def layout(self) -> FlatLayout:
        """Of the flat vectors."""
        make = FlatLayout.end_to_end if self.method == UPDATE else FlatLayout.of
        return make(parameters(self.module))

    def batch(self, step: int) -> tuple[Any, Any]:
        """Input and target of a step, from 1."""
        return self.batches[(step - 1) % len(self.batches)]

    def starting_from(self, module: Module) -> Trace:
        """The same run of another initial model."""
        return replace(self, module=module)


def load_traces(folder: str | Path) -> list[Trace]:
    """The traces of a folder.

    Raises:
        TraceError: there are none, or a file is missing or does not fit.
    """
    root = Path(folder)
    if (root / "case.json").is_file():
        return [_golden_case(root)]
    found = sorted(root.glob("*training_trace.t7"))
    if not found:
        raise TraceError(f"{root}: neither case.json nor a *training_trace.t7 is there")
    return [_production(root, path.name.removesuffix("training_trace.t7")) for path in found]


def _golden_case(root: Path) -> Trace:
    info = _case(root / "case.json")

    def load(name: str) -> Any:
        path = root / f"{name}.t7"
        if not path.is_file():
            raise TraceError(f"{root}: {path.name} is missing")
        return migrate.load_t7(path)

    def optional(name: str) -> Any:
        return load(name) if (root / f"{name}.t7").is_file() else None

    config: dict[str, Any] = dict(info.get("optim_config") or {})
    for vector in ("learningRates", "weightDecays"):
        if (root / f"{vector}.t7").is_file():
            config[vector] = load(vector)
    method = info.get("optim_method")
    if method is None:
        method, config = UPDATE, {"learningRate": info["learning_rate"]}
    recorded, final = _steps(load("params")), optional("model_final")
    return _checked(
        Trace(
            name=info.get("case", root.name),
            module=build(load("model_init")),
            criterion=build(load("criterion")),
            batches=_batches(load("batches"), root / "batches.t7"),
            steps=int(info["steps"]),
            method=method,
            config=config,
            losses=np.asarray(load("losses"), np.float64),
            params={k: v for k, v in recorded.items() if isinstance(k, int)},
            averages={int(k[1:]): v for k, v in recorded.items() if isinstance(k, str)},
            state=optional("optim_state_final"),
            final=build(final) if final is not None else None,
            seed=info.get("noise_seed"),
        ),
        root,
    )


def _case(path: Path) -> dict[str, Any]:
    """What ``case.json`` says, as far as a run can be repeated from it."""
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TraceError(f"{path}: not JSON: {error}") from None
    if not isinstance(info, dict):
        raise TraceError(f"{path}: not an object with the fields of a case")
    method = info.get("optim_method")
    for key in ("steps", "optim_config" if method else "learning_rate"):
        if key not in info:
            raise TraceError(f"{path}: has no {key!r}")
    if method is not None and method not in METHODS:
        raise TraceError(
            f"{path}: optim_method is {method!r}; can repeat {', '.join(sorted(METHODS))}"
        )
    called = f"optim.{method}" if method else UPDATE
    if called not in (loop := str(info.get("loop", called))):
        raise TraceError(f"{path}: the loop has no {called}: {loop}")
    return info


def _batches(value: Any, path: Path) -> list[tuple[Any, Any]]:
    missing = [key for key in "xy" if not isinstance(value, Mapping) or key not in value]
    if missing:
        raise TraceError(f"{path}: has no {missing[0]!r}; it should be a table of x and y")
    inputs, targets = _listed(value["x"]), _listed(value["y"])
    if len(inputs) != len(targets) or not inputs:
        raise TraceError(f"{path}: {len(inputs)} inputs, {len(targets)} targets")
    return list(zip(inputs, targets, strict=True))


def _checked(trace: Trace, root: Path) -> Trace:
    if trace.steps != len(trace.losses):
        raise TraceError(f"{root}: {trace.steps} steps, but {len(trace.losses)} losses")
    if not trace.params:
        raise TraceError(f"{root}: no parameters are recorded, of no step")
    if max(trace.params) > trace.steps:
        raise TraceError(f"{root}: parameters of step {max(trace.params)}, but {trace.steps} steps")
    if trace.averages and trace.method != "asgd":
        raise TraceError(f"{root}: averages are recorded, but optim.{trace.method} keeps none")
    size = trace.layout.size
    for step, vector in (*trace.params.items(), *trace.averages.items()):
        if vector.size != size:
            raise TraceError(
                f"{root}: the model has {size} parameters, the record of step {step} {vector.size}"
            )
    return trace


def _listed(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, Mapping) else list(value)


def _steps(value: Any) -> dict[int | str, Array]:
    if isinstance(value, list):
        value = dict(enumerate(value, 1))
    return {
        int(k) if isinstance(k, int | float) else str(k): np.asarray(v).reshape(-1)
        for k, v in value.items()
    }


# --- a production model -------------------------------------------------------------------------


def _production(root: Path, prefix: str) -> Trace:
    import legacy_yaml
    from migrate.records import attach_splits, find_features

    yaml = _config_of(root, prefix.rstrip("_"))
    config = legacy_yaml.load(yaml)
    if config.optimization is None or config.criterion is None:
        raise TraceError(f"{yaml}: says no optimization or no criterion")
    features = find_features(yaml)
    recorded = migrate.load_t7(root / f"{prefix}training_trace.t7")
    losses = np.asarray(recorded["loss"], np.float64)
    size = config.optimization.batch_size or 1
    data = _only(root, f"{prefix}train_first_*_batches.lzo")
    discretizer = t7.load(root / f"{yaml.stem}.t7")["modules"][1]
    network = t7.load(root / f"{yaml.stem}_initial.t7")
    module = build(_joined(discretizer, network))
    return _checked(
        Trace(
            name=yaml.stem,
            module=attach_splits(module, features),
            criterion=criterion_of(config.criterion),
            batches=_record_batches(data, features, size, len(losses)),
            steps=len(losses),
            method=config.optimization.method,
            config=config.optimization.options,
            losses=losses,
            params={k: v for k, v in _steps(recorded["params"]).items() if isinstance(k, int)},
            seed=int(recorded.get("seed", STREAM_SEED)),
            permuted=PERMUTED,
            features=features,
        ),
        root,
    )


# What v1's training script did before the first step: torch.manualSeed, then torch.randperm of
# its records.
STREAM_SEED = 777
PERMUTED = 40000


def _config_of(root: Path, ending: str) -> Path:
    """The config whose name ends like the trace's begins."""
    configs = sorted(root.glob("*.yaml"))
    chosen = [c for c in configs if c.stem.endswith(f"_{ending}")] if ending else configs
    chosen = sorted(chosen, key=lambda c: len(c.stem))[:1]
    if not chosen:
        raise TraceError(f"{root}: no config for the trace {ending or 'training_trace.t7'}")
    return chosen[0]


def _only(root: Path, pattern: str) -> Path:
    found = sorted(root.glob(pattern))
    if len(found) != 1:
        raise TraceError(f"{root}: expected one {pattern}, found {len(found)}")
    return found[0]


def _joined(discretizer: TorchObject, network: TorchObject) -> TorchObject:
    layers = [discretizer, *network["modules"].sequence()]
    return TorchObject("nn.Sequential", 1, Table({"modules": Table(enumerate(layers, 1))}))


def _record_batches(data: Path, features: Any, size: int, count: int) -> list[tuple[Any, Array]]:
    from deepbird_v2.data.block_format import read_records
    from deepbird_v2.data.decode import decode_batch

    records = list(read_records(data))
    if len(records) < size * count:
        raise TraceError(f"{data}: {len(records)} records, {count} steps take {size} each")
    batches = [
        decode_batch(records[start : start + size], features)
        for start in range(0, size * count, size)
    ]
    return [(batch, batch.labels) for batch in batches]
