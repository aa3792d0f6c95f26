"""``deepbird codegen``: a v1 model becomes a Python script."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepbird_cli.options import Example, Extensions, Features, InputShape, Source
from deepbird_cli.progress import step
from deepbird_cli.quiet import quiet_tensorflow
from deepbird_cli.source import example_inputs, load_extensions

__all__ = ["codegen"]


def codegen(
    source: Source,
    output: Annotated[Path, typer.Option("-o", "--output", help="The script to write.")],
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights of a YAML config: they tell the sizes of calibrated state."),
    ] = None,
    features: Features = None,
    example: Example = None,
    input_shape: InputShape = None,
    extension: Extensions = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the script.")] = False,
) -> None:
    """Write a v1 model as a Keras script, with loops where it repeats itself.

    A config that says how to train gives a training script. The script takes its weights from the
    folder that `deepbird convert` makes of the same model.
    """
    if output.exists() and not overwrite:
        raise ValueError(f"{output} exists; choose another name, or say --overwrite")
    quiet_tensorflow()
    with step("reading the source"):
        from migrate.codegen import generate

        load_extensions(extension)
    with step("writing the script"):
        text = generate(
            source,
            weights,
            features=features,
            example_inputs=example_inputs(example, input_shape),
        )
        scratch = output.with_name(f".{output.name}.building")
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(output)
    typer.echo(f"{output}: {len(text.splitlines())} lines")
