"""``deepbird discretizer``: make, show, compare, import and merge discretizers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepbird_cli.options import (
    AnyDiscretizer,
    Bins,
    Method,
    OutputBits,
    OutputFile,
    Prior,
    Refine,
    Reserve,
)
from deepbird_cli.progress import step

if TYPE_CHECKING:
    from deepbird_v2.discretizers import Collection, Discretizer, DiscretizerCalibrator

__all__ = ["app"]

app = typer.Typer(
    help="Make, show, compare, import and merge discretizers.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_BATCH = 4096
_SHOWN_EDGES = 6


@app.callback()
def group() -> None:
    """Make, show, compare, import and merge discretizers."""


@app.command()
def fit(
    files: Annotated[list[Path], typer.Argument(help="DataRecords, block format.")],
    output: OutputFile,
    bins: Bins = 20,
    output_bits: OutputBits = 22,
    method: Method = "percentile",
    prior: Prior = None,
    refine: Refine = False,
    reserve: Reserve = None,
    capacity: Annotated[
        int, typer.Option(help="Distinct values a feature that are kept exactly.")
    ] = 1024,
    features: Annotated[
        Path | None, typer.Option(help="features.json; default: the one beside the first file.")
    ] = None,
    sparse: Annotated[
        bool,
        typer.Option("--sparse", help="Each key of a sparse continuous feature has bins, too."),
    ] = False,
    collect_only: Annotated[
        bool, typer.Option("--collect-only", help="Write what merge takes, not a discretizer.")
    ] = False,
) -> None:
    """Calibrate on the continuous features of records."""
    from deepbird_v2.data import FeatureKind

    kinds = [FeatureKind.CONTINUOUS, *([FeatureKind.SPARSE_CONTINUOUS] if sparse else [])]
    config = _features(files[0], features)
    calibrator = _calibrator(
        bins, output_bits, method, prior, refine, reserve, capacity, dict(config.name_of)
    )
    with step("reading records"):
        for batch in _batches(files, config):
            calibrator.accumulate_batch(batch, kinds)
    if collect_only:
        calibrator.collection.save(output)
        typer.echo(f"{output}: {len(calibrator.collection.sketches)} features collected")
    else:
        _finish(calibrator, output)


@app.command()
def merge(
    shards: Annotated[list[Path], typer.Argument(help="Files of fit --collect-only.")],
    output: OutputFile,
    bins: Bins = 20,
    output_bits: OutputBits = 22,
    method: Method = "percentile",
    prior: Prior = None,
    refine: Refine = False,
    reserve: Reserve = None,
    features: Annotated[
        Path | None, typer.Option(help="features.json, for the names of features.")
    ] = None,
) -> None:
    """Calibrate on what shards have collected, in any order."""
    from deepbird_v2.discretizers import Collection

    collections = [Collection.load(path) for path in shards]
    capacity = collections[0].capacity
    names = {} if features is None else dict(_features(shards[0], features).name_of)
    calibrator = _calibrator(bins, output_bits, method, prior, refine, reserve, capacity, names)
    for collection in collections:
        calibrator.collection.merge(collection)
    _finish(calibrator, output)


@app.command("import")
def import_(
    source: Annotated[
        Path, typer.Argument(help=".t7 file, TensorIO folder, model folder, or <name>_bin.json.")
    ],
    output: OutputFile,
    kind: Annotated[
        str,
        typer.Option(help="What a _bin.json is of: percentile, mdl, hashing, hashed-percentile."),
    ] = "percentile",
    hash_options: Annotated[
        int, typer.Option(help="Search and hash of kind hashing; the file does not say.")
    ] = 0,
    float32: Annotated[
        bool, typer.Option("--float32", help="Round edges, and values, to float32.")
    ] = False,
    normalize: Annotated[
        bool, typer.Option("--normalize", help="The same ids by the default rule, [a,b).")
    ] = False,
) -> None:
    """Write v1's discretizer as a state file: the same id for every value."""
    from deepbird_v2.discretizers import save

    state = _load(source, kind=kind, float32=float32, options=hash_options)
    state = state.normalized() if normalize else state
    save(state, output)
    typer.echo(_line(output, state))


@app.command()
def show(
    file: AnyDiscretizer,
    feature: Annotated[
        list[str] | None, typer.Option(help="Id or name; default: a line for each feature.")
    ] = None,
) -> None:
    """Say what a discretizer does."""
    state = _load(file)
    typer.echo(_line(file, state))
    typer.echo(
        f"rule {state.search.value}, compared in {'float32' if state.float32 else 'float64'}, "
        f"NaN {'in a bin of its own' if state.nan_bin else 'where the rule says'}; other keys by "
        f"{state.unknown.rule.value} into [{state.unknown.first}, {state.unknown.stop})"
    )
    for problem in state.collisions():
        typer.echo(f"collision: {problem}")
    wanted = set(feature or ())
    known = {str(b.feature) for b in state.features} | {b.name for b in state.features}
    if wanted - known:
        raise typer.BadParameter(f"no feature {min(wanted - known)!r} in it")
    for b in state.features:
        if not wanted:
            edges = _few(b.edges.tolist())
            gone = ", retired" if b.retired else ""
            typer.echo(f"{b.feature:>20}  {b.name or '-'}  {len(b.ids)} bins{gone}: {edges}")
        elif {str(b.feature), b.name} & wanted:
            typer.echo(f"\n{b}: ids {b.ids.tolist()}\nedges {[repr(e) for e in b.edges.tolist()]}")


@app.command("diff")
def diff_(
    old: AnyDiscretizer,
    new: Annotated[Path, typer.Argument(help="Another one.")],
) -> None:
    """Say what becomes of the rows of a trained model; exit code 1 if any value gets another id.

    ``deepbird verify discretizer`` gives the full report.
    """
    from deepbird_v2.discretizers.warm_start import map_rows

    before, after = _load(old), _load(new)
    typer.echo(f"old {_line(old, before)}\nnew {_line(new, after)}")
    if before.fingerprint in after.lineage:
        typer.echo("new was calibrated from old")
    rows = map_rows(before, after)
    typer.echo(", ".join(f"{count} rows {name}" for name, count in rows.counts.items()))
    moved = int((rows.new != rows.old).sum())
    lost = sorted({b.feature for b in before.active} - {b.feature for b in after.active})
    for feature in lost:
        typer.echo(f"{before.by_id[feature]}: no longer discretized")
    if not rows.others:
        typer.echo("other keys move")
    same = not (moved or lost or len(rows.dead) or rows.split.any()) and rows.others
    typer.echo("every known value keeps its id" if same else f"{moved} rows got another id")
    raise typer.Exit(0 if same else 1)


def _calibrator(
    bins: int,
    bits: int,
    method: str,
    prior: Path | None,
    refine: bool,
    reserve: int | None,
    capacity: int,
    names: dict[int, str],
) -> DiscretizerCalibrator:
    from deepbird_v2.discretizers import DiscretizerCalibrator, PreserveBinsDiscretizerCalibrator

    options: dict[str, Any] = {
        "method": method,
        "reserve": reserve,
        "capacity": capacity,
        "names": names,
    }
    if prior is None:
        if refine:
            raise typer.BadParameter("--refine splits the bins of a prior: give --prior")
        return DiscretizerCalibrator(bins, bits, **options)
    return PreserveBinsDiscretizerCalibrator(
        bins, bits, prior=_load(prior), refine=refine, **options
    )


def _finish(calibrator: DiscretizerCalibrator, output: Path) -> None:
    state = calibrator.calibrate()
    calibrator.save(output)
    typer.echo(_line(output, state))
    typer.echo(_exactness(calibrator.collection))


def _exactness(collection: Collection) -> str:
    errors = [s.error for s in collection.sketches.values() if s.level]
    if not errors:
        return "quantiles are exact"
    return (
        f"{len(errors)} features had more than {collection.capacity} distinct values: their ranks "
        f"are off by at most {max(errors):.2%} of the weight"
    )


def _load(path: Path, **options: Any) -> Discretizer:
    from deepbird_cli.quiet import quiet_tensorflow
    from migrate.discretizer import load_discretizer

    if path.is_dir():
        quiet_tensorflow()
    return load_discretizer(path, **options)


def _line(path: Path, state: Discretizer) -> str:
    return (
        f"{path}: {len(state.features)} features, {sum(len(b.ids) for b in state.features)} bins, "
        f"{state.output_bits} output bits, {state.method}, fingerprint {state.fingerprint[:16]}"
    )


def _few(edges: list[float]) -> str:
    shown = [f"{edge:g}" for edge in edges]
    if len(shown) > _SHOWN_EDGES:
        shown = [*shown[:3], "...", *shown[-2:]]
    return " ".join(shown) or "no edge"


def _features(data: Path, given: Path | None) -> Any:
    from migrate.records import find_features

    config = find_features(data, given)
    if config is None:
        raise typer.BadParameter(
            f"no features.json beside {data}: name the file with --features", param_hint="FEATURES"
        )
    return config


def _batches(files: list[Path], config: Any) -> Any:
    from deepbird_v2.data.sources import decode_group, ordered_groups

    for records in ordered_groups(files, _BATCH, strict=True):
        yield decode_group(records, config, strict=True, on_error="raise")
