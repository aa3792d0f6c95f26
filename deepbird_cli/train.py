"""``deepbird train``: a model from its v1 config and data."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepbird_cli.progress import step
from deepbird_cli.quiet import quiet_tensorflow

if TYPE_CHECKING:
    from legacy_yaml.config import Config

__all__ = ["train"]

# v1's training script seeded the stream of its noise with this.
STREAM_SEED = 777


def train(
    config: Annotated[Path, typer.Option(help="The v1 config (YAML).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The model folder to make.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="DataRecords; default: data.train of the config.")
    ] = None,
    parity: Annotated[
        str, typer.Option(help="v1: noise and order from Torch's stream; none: TensorFlow's.")
    ] = "none",
    steps: Annotated[int | None, typer.Option(min=1, help="Default: what the config says.")] = None,
    discretizer: Annotated[
        Path | None, typer.Option(help="Calibrated v1 model (.t7); default: NAME.t7 beside it.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Start from these (.t7), not from the config's seed.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="v1's optim state (.t7) to continue from.")
    ] = None,
    stream_seed: Annotated[
        int, typer.Option(help="With --parity v1: seed of order and noise.")
    ] = STREAM_SEED,
    in_order_of: Annotated[
        int, typer.Option(help="With --parity v1: the data are in v1's order of so many records.")
    ] = 0,
    features: Annotated[
        Path | None, typer.Option(help="features.json, where there is none beside the config.")
    ] = None,
    losses: Annotated[Path | None, typer.Option(help="File for the loss of every step.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the output folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Train a model from its v1 config.

    Initial weights are what Torch draws from the config's seed. With --parity v1 dropout masks and
    the order of the records come from Torch's random stream as well, so that the run repeats v1's.
    """
    if parity not in ("none", "v1"):
        raise typer.BadParameter(f"--parity is none or v1, not {parity!r}")
    if output.exists() and not overwrite:
        raise ValueError(f"{output} exists; choose another place, or say --overwrite")
    quiet_tensorflow()
    import legacy_yaml

    loaded = legacy_yaml.load(config)
    job = _Job(config, loaded, list(data or _globbed(config, loaded)), features)
    with step("constructing the model", as_json):
        made = job.make(discretizer, weights, state)
        stream = (stream_seed, in_order_of) if parity == "v1" else None
        run = job.losses(made, steps, stream)
    with step("training", as_json):
        seen = list(run)
    with step(f"writing {output}", as_json):
        from migrate.export import export
        from migrate.records import prediction_names

        sources = {"config": config, "weights": weights, "state": state}
        export(
            made.converted,
            output,
            sources={role: path for role, path in sources.items() if path is not None},
            predictions=prediction_names(config),
            overwrite=overwrite,
        )
        if losses is not None:
            from verify.report.write import write_atomically

            write_atomically(losses, "".join(f"{loss!r}\n" for loss in seen))
    summary = {"output": str(output), "steps": len(seen), "first": seen[0], "last": seen[-1]}
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        typer.echo(f"{output}: {len(seen)} steps, loss {seen[0]:.6g} -> {seen[-1]:.6g}")


@dataclass
class _Made:
    converted: Any
    criterion: Any
    trainable: Any
    optimizer: Any


@dataclass
class _Job:
    """What the command line asked for."""

    path: Path
    config: Config
    data: list[Path]
    features: Path | None

    def make(self, discretizer: Path | None, weights: Path | None, state: Path | None) -> _Made:
        """The model, its loss and its optimizer, before the first step."""
        import numpy as np

        from migrate import load_t7
        from migrate.converter import convert
        from migrate.optim import load_state, make_optimizer
        from migrate.records import find_features, takes_records
        from migrate.trainable import Trainable
        from verify.seeded import calibration_of, criterion_of, seeded_network

        optimization, criterion = self.config.optimization, self.config.criterion
        if optimization is None or criterion is None:
            raise ValueError(f"{self.path}: needs the sections criterion and optimization")
        names = find_features(self.path, self.features)
        if names is None:
            raise ValueError(
                f"{self.path}: only models of DataRecords can be trained from a config"
            )
        beside = discretizer or self.path.with_suffix(".t7")
        calibrated = calibration_of(beside) if beside.is_file() else None
        module = seeded_network(self.config, calibrated, weights=weights)
        if not takes_records(module):
            raise ValueError(f"{self.path}: the model does not begin with a discretizer")
        converted = convert(module, features=names, name=self.config.name)
        trainable = Trainable(converted)
        optimizer = make_optimizer(optimization.method, optimization.options, trainable)
        if state is not None:
            load_state(optimization.method, optimizer, load_t7(state), trainable)
        width = converted.model.output.shape[-1]
        example = np.zeros((2, width), "float32"), np.zeros((2, len(names.labels)), "float32")
        loss = convert(criterion_of(criterion), list(example))
        return _Made(converted, loss, trainable, optimizer)

    def losses(
        self, made: _Made, steps: int | None, stream: tuple[int, int] | None
    ) -> Iterator[float]:
        """Train; the loss of every step."""
        from deepbird_v2.training import Replay, TorchStream, Trainer
        from migrate.trainable import noise_uses

        torch = TorchStream(stream[0]) if stream else None
        replay = Replay(made.converted.model, noise_uses(made.converted)) if torch else None
        trainer = Trainer(
            made.converted.model,
            lambda outputs, targets: made.criterion.model([outputs, targets], training=True),
            made.optimizer,
            variables=made.trainable.variables,
            replay=replay,
            stream=torch,
            ties=made.trainable.ties,
        )
        return trainer.run(self._batches(made, steps, torch, stream[1] if stream else 0))

    def _batches(self, made: _Made, steps: int | None, stream: Any, in_order_of: int) -> Any:
        """As many batches as there are steps."""
        from deepbird_v2.data.block_format import read_records
        from deepbird_v2.data.dataset import block_format_dataset
        from deepbird_v2.training.records import v1_batches

        optimization = self.config.optimization
        assert optimization is not None  # noqa: S101 - make() has refused such a config
        size, shuffle = optimization.batch_size or 1, bool(optimization.shuffle)
        names = made.converted.features
        records = sum(1 for file in self.data for _ in read_records(file))
        wanted = self._steps(steps, epoch=-(-records // size))
        if stream is not None:
            batches = v1_batches(
                self.data, names, size, stream, shuffle=shuffle, in_order_of=in_order_of
            )
            return itertools.islice(batches, wanted)
        seed = self.config.seed
        endless = block_format_dataset(
            self.data, names, size, shuffle=shuffle, seed=seed, repeat=True
        )
        return endless.take(wanted)

    def _steps(self, asked: int | None, epoch: int) -> int:
        optimization = self.config.optimization
        assert optimization is not None  # noqa: S101 - make() has refused such a config
        limits = [asked, optimization.max_iterations]
        limits += [optimization.epochs * epoch] if optimization.epochs else []
        known = [limit for limit in limits if limit is not None]
        if not known:
            raise ValueError(f"{self.path}: says neither epochs nor maxIterations; give --steps")
        return asked if asked is not None else min(known)


def _globbed(path: Path, config: Config) -> list[Path]:
    patterns = config.data.train if config.data is not None else ()
    found = sorted({file for pattern in patterns for file in path.parent.glob(pattern)})
    if not found:
        raise ValueError(f"{path}: data.train names no files; give some (--data FILE)")
    return found
