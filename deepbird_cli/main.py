"""``deepbird``: every command in one place."""

from __future__ import annotations

import sys

import typer

from deepbird_cli import (
    codegen,
    convert,
    diff,
    discretizer,
    inspect,
    predict,
    serve,
    train,
    verify,
    verify_training,
)
from deepbird_cli.failure import EXIT_INTERNAL_ERROR, EXIT_USAGE, explain

__all__ = ["app", "main"]

app = typer.Typer(
    name="deepbird",
    help="Moves ranking models from Lua Torch to TensorFlow 2, and proves that nothing changed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=(
        "Exit codes: 0 PASS or done, 1 FAIL, 2 wrong usage or input, 3 INCONCLUSIVE, "
        "4 NOT COMPARABLE, 70 internal error. DEEPBIRD_DEBUG=1 shows tracebacks."
    ),
)
app.command("inspect")(inspect.inspect)
app.command("convert")(convert.convert)
app.command("codegen")(codegen.codegen)
app.command("predict")(predict.predict)
app.command("serve")(serve.serve)
app.command("diff")(diff.diff)
app.add_typer(discretizer.app, name="discretizer")
app.command("train")(train.train)
verify.app.command("training")(verify_training.training)
verify.app.command("gradients")(verify_training.gradients)
app.add_typer(verify.app, name="verify")


@app.callback()
def common(
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks of errors."),
) -> None:
    """Options of every command."""
    if debug:
        explain.debug = True


def main() -> None:
    """Run the command line; errors become one message and an exit code, not a traceback."""
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    explain.debug = explain.debug or len(arguments) < len(sys.argv) - 1
    try:
        app(args=arguments)
    except Exception as error:  # noqa: BLE001 - the last place that can explain it
        expected = explain(error)
        sys.exit(EXIT_USAGE if expected else EXIT_INTERNAL_ERROR)
