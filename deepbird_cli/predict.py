"""``deepbird predict``: what a model answers, v1 or v2."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deepbird_cli.progress import step
from deepbird_cli.quiet import quiet_tensorflow

__all__ = ["predict"]

V1_SUFFIXES = (".t7", ".yaml", ".yml")


def predict(
    model: Annotated[
        Path, typer.Argument(help="A model folder, a .keras file, or a v1 source (.t7, YAML).")
    ],
    inputs: Annotated[
        Path, typer.Argument(metavar="INPUT", help="DataRecords (.lzo, ...), a .t7 or a .npz.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the predictions go.")],
    weights: Annotated[Path | None, typer.Option(help="Weights of a YAML config.")] = None,
    features: Annotated[Path | None, typer.Option(help="features.json of a v1 source.")] = None,
) -> None:
    """Write what a model answers.

    A v1 source is run by the oracle, which needs no TensorFlow. DataRecords give one column an
    output (.parquet, .csv, .jsonl, .npz, .lzo); tensors in a .t7 or .npz give a .npz.
    """
    if model.suffix not in V1_SUFFIXES:
        quiet_tensorflow()
    with step("loading the model"):
        engine = _engine(model, weights, features)
    with step("predicting"):
        columns = _tensors(engine, inputs) if _is_tensors(inputs) else _records(engine, inputs)
    from verify.save_predictions import save_predictions

    save_predictions(output, columns)
    rows = len(next(iter(columns.values()), ()))
    typer.echo(f"{output}: {rows:,} rows of {', '.join(columns)}")


def _engine(model: Path, weights: Path | None, features: Path | None) -> Any:
    if model.suffix in V1_SUFFIXES:
        from verify.engines.oracle import OracleEngine

        return OracleEngine.load(model, weights, features)
    if model.suffix == ".keras":
        from verify.engines.keras_file import KerasFileEngine

        return KerasFileEngine(model, features)
    from verify.engines.tensorflow import TensorFlowEngine

    return TensorFlowEngine(model)


def _is_tensors(path: Path) -> bool:
    return path.suffix in (".t7", ".npz")


def _records(engine: Any, path: Path) -> Any:
    from deepbird_v2.data.block_format import read_records
    from deepbird_v2.data.decode import decode_batch

    if engine.features is None:
        raise ValueError(
            f"{path}: the model has no list of features to read from DataRecords; name one with "
            f"--features features.json"
        )
    return engine.predict(decode_batch(read_records(path), engine.features))


def _tensors(engine: Any, path: Path) -> Any:
    import numpy as np

    if path.suffix == ".t7":
        import migrate

        value = migrate.load_t7(path)
    else:
        with np.load(path) as data:
            arrays = [data[name] for name in data.files]
        value = arrays[0] if len(arrays) == 1 else arrays
    outputs = engine.forward(value)
    flat = _flat(outputs)
    return {f"output_{n}": array for n, array in enumerate(flat, 1)}


def _flat(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [array for entry in value for array in _flat(entry)]
    return [value]
