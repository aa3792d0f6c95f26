"""``deepbird convert``: a v1 model becomes a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deepbird_cli.options import Example, Extensions, Features, InputShape, Source
from deepbird_cli.progress import step
from deepbird_cli.quiet import quiet_tensorflow
from deepbird_cli.source import example_inputs, load_extensions

__all__ = ["convert"]


def convert(
    source: Source,
    output: Annotated[Path, typer.Option("-o", "--output", help="The model folder to make.")],
    weights: Annotated[
        Path | None, typer.Option(help="Weights of a YAML config: .t7 or TensorIO folder.")
    ] = None,
    features: Features = None,
    example: Example = None,
    input_shape: InputShape = None,
    name: Annotated[str | None, typer.Option(help="Name of the model.")] = None,
    extension: Extensions = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the output folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Convert a v1 model to TensorFlow 2.

    The folder holds model.keras, saved_model/ and conversion.json, and appears only when complete.
    """
    import json

    with step("reading the source", as_json):
        quiet_tensorflow()
        from migrate.records import find_features, prediction_names, takes_records

        load_extensions(extension)
        config = find_features(source, features)
    with step("converting", as_json):
        from migrate.converter import convert as run

        converted = run(
            source,
            example_inputs(example, input_shape),
            weights=weights,
            features=config,
            name=name or source.stem,
        )
    with step(f"writing {output}", as_json):
        from migrate.export import export

        given = {"source": source, "weights": weights, "features": features}
        sources = {role: path for role, path in given.items() if path is not None}
        export(
            converted,
            output,
            sources=sources,
            predictions=prediction_names(source),
            overwrite=overwrite,
        )
    rows = converted.report.modules
    summary: dict[str, Any] = {
        "output": str(output),
        "modules": len(rows),
        "tensors": len(converted.report.bindings),
        "parameters": converted.model.count_params(),
        "static_batch": converted.report.static_batch,
        "restrictions": sorted({f"{cls}: {r}" for _, cls, _, r in rows if r}),
    }
    if as_json:
        typer.echo(json.dumps(summary))
        return
    typer.echo(
        f"{output}: {summary['modules']} modules, {summary['tensors']} tensors, every one used once"
    )
    if converted.features is None and takes_records(converted.module):
        typer.echo(
            "note: no features.json or config says which features the model reads, so the folder "
            "takes decoded columns, not DataRecords; give --features"
        )
    if converted.report.static_batch:
        typer.echo("note: the model computes with its batch size and takes only the example's")
