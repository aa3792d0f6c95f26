"""``deepbird verify``: is v2 the same as v1?"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from deepbird_cli.options import AsJson, Outputs, PolicyFile, ReportFolder, ResultsFile
from deepbird_cli.outcome import finish
from deepbird_cli.progress import Counter, step
from deepbird_cli.quiet import quiet_tensorflow
from deepbird_cli.verify_isotonic import isotonic
from deepbird_cli.verify_latency import latency
from deepbird_cli.verify_traffic import traffic

__all__ = ["app"]

app = typer.Typer(help="Is v2 the same as v1?", no_args_is_help=True, rich_markup_mode=None)
app.command()(latency)
app.command()(isotonic)
app.command()(traffic)


@app.callback()
def group() -> None:
    """Is v2 the same as v1?"""


@app.command()
def inference(
    v1: Annotated[Path, typer.Option(help="v1's responses: lzo, Parquet, csv, jsonl or npz.")],
    requests: Annotated[Path, typer.Option(help="The DataRecords v1 answered.")],
    v2: Annotated[Path, typer.Option(help="The model folder.")],
    report: ReportFolder = None,
    policy: PolicyFile = None,
    v1_model: Annotated[
        Path | None, typer.Option(help="The v1 model (.t7), to find the layer that differs.")
    ] = None,
    column: Outputs = None,
    as_json: AsJson = False,
) -> None:
    """Ask v2 what v1 was asked, compare the answers, and find the layer that differs."""
    quiet_tensorflow()
    with step("asking v2", as_json):
        from verify.inference import verify_inference
        from verify.policy import Policy

        result = verify_inference(
            v1,
            requests,
            v2,
            policy=Policy.load(policy),
            v1_model=v1_model,
            columns=column,
            command=shlex.join(["deepbird", *sys.argv[1:]]),
        )
    finish(result, report, as_json)


@app.command()
def golden(
    folder: Annotated[Path, typer.Argument(help="A golden folder, a suite, or one case.")],
    json_file: ResultsFile = None,
    junit: Annotated[Path | None, typer.Option(help="File for JUnit XML.")] = None,
    report: ReportFolder = None,
    policy: Annotated[Path | None, typer.Option(help="Golden policy (YAML).")] = None,
    only: Annotated[
        str, typer.Option(help="Make only checks whose name starts so, e.g. oracle.")
    ] = "",
    workers: Annotated[
        int | None, typer.Option("-n", "--workers", help="Processes; default: one a core.")
    ] = None,
) -> None:
    """Hold reader, oracle and converted models against what real Torch answered.

    Exit code 0: every check of every case passed; 1: a check failed or a class is unsupported.
    """
    from verify.golden_report import summary, to_report
    from verify.golden_run import run_golden
    from verify.report.to_junit import to_junit
    from verify.report.write import write_atomically, write_report

    run = run_golden(
        folder,
        policy=policy,
        only=only,
        workers=workers,
        initializer=quiet_tensorflow,
        progress=Counter("checking", sys.stderr.isatty()),
    )
    text = json.dumps(run.to_json(), indent=1, ensure_ascii=False) + "\n"
    if json_file is not None and str(json_file) != "-":
        write_atomically(json_file, text)
    typer.echo(text if str(json_file) == "-" else "\n".join(summary(run)))
    result = to_report(run, shlex.join(["deepbird", *sys.argv[1:]]))
    if junit is not None:
        write_atomically(junit, to_junit(result))
    if report is not None:
        write_report(result, report)
    raise typer.Exit(0 if run.passed else 1)


@app.command("self-test")
def self_test(
    folder: Annotated[Path, typer.Argument(help="A golden folder.")] = Path("golden"),
    json_file: ResultsFile = None,
    fault: Annotated[str, typer.Option(help="Plant only faults whose name has this in it.")] = "",
    places: Annotated[int, typer.Option(min=1, help="Plant each in at most so many models.")] = 3,
) -> None:
    """Plant known faults into converted models: is each found, and in the right module?

    Exit code 0: every fault was found in the module that has it, and no unharmed model gave an
    alarm; else 1.
    """
    quiet_tensorflow()
    from verify.faults import FAULTS
    from verify.report.write import write_atomically
    from verify.selftest import self_test as run

    chosen = [entry for entry in FAULTS if fault in entry.name]
    if not chosen:
        names = ", ".join(entry.name for entry in FAULTS)
        raise typer.BadParameter(f"no fault has {fault!r} in its name; the faults are: {names}")
    counter = Counter("planting", sys.stderr.isatty())
    result = run(folder, faults=chosen, places=places, progress=counter)
    text = json.dumps(result.to_json(), indent=1, ensure_ascii=False) + "\n"
    if json_file is not None and str(json_file) != "-":
        write_atomically(json_file, text)
    typer.echo(text if str(json_file) == "-" else "\n".join(result.lines()))
    raise typer.Exit(0 if result.passed else 1)


@app.command()
def coverage(
    output: Annotated[Path, typer.Option("-o", "--output", help="The page (Markdown).")] = Path(
        "docs/coverage.md"
    ),
    golden_folder: Annotated[Path, typer.Option("--golden", help="The golden folder.")] = Path(
        "golden"
    ),
    run: Annotated[
        Path | None,
        typer.Option("--from", help="JSON of `verify golden`; default: the extract of the last."),
    ] = None,
) -> None:
    """Write the coverage page, and beside it the extract of the golden run it was made from."""
    quiet_tensorflow()
    from verify import coverage as pages
    from verify.report.write import write_atomically

    kept = output.with_suffix(".json")
    results = pages.load(run or kept)
    old = pages.stale(golden_folder, results)
    if old:
        raise ValueError(
            f"{run or kept}: {old[0]}"
            + (f", and {len(old) - 1} more" if len(old) > 1 else "")
            + "; run: deepbird verify golden GOLDEN --json FILE, and give it with --from FILE"
        )
    text = pages.page(pages.rows(golden_folder), results)
    write_atomically(kept, pages.to_text(results))
    write_atomically(output, text)
    typer.echo(f"{output}: {len(results['cases'])} cases")


@app.command()
def discretizer(
    old: Annotated[Path, typer.Argument(help="The discretizer that counts: .t7, state file, ...")],
    new: Annotated[Path, typer.Argument(help="The one in question, from any source.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="DataRecords to count moved values in.")
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="features.json of the data; default: the one beside it.")
    ] = None,
    float32: Annotated[
        bool, typer.Option("--float32", help="Read NEW as a runtime without float64 would.")
    ] = False,
    report: ReportFolder = None,
    as_json: AsJson = False,
) -> None:
    """Does every value keep its id? Every boundary, its neighbours, special values, traffic."""
    if old.is_dir() or new.is_dir():
        quiet_tensorflow()
    from verify.discretizer import verify_discretizer

    with step("comparing bins", as_json):
        result = verify_discretizer(
            old,
            new,
            data or (),
            features=features,
            float32=float32,
            command=shlex.join(["deepbird", *sys.argv[1:]]),
        )
    finish(result, report, as_json)
