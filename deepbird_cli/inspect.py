"""``deepbird inspect``: what a v1 file holds."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from migrate.graph import Module

__all__ = ["inspect"]


class Mode(enum.StrEnum):
    """How a ``.t7`` file was written."""

    auto = "auto"
    binary = "binary"
    ascii = "ascii"


def inspect(
    file: Annotated[
        Path | None, typer.Argument(help="A .t7 file (or a YAML config).", show_default=False)
    ] = None,
    dump: Annotated[bool, typer.Option("--dump", help="Canonical JSON of every value.")] = False,
    mode: Annotated[Mode, typer.Option(help="How the file was written.")] = Mode.auto,
    every: Annotated[bool, typer.Option("--all", help="Every object, not only the first.")] = False,
    layouts: Annotated[
        Path | None, typer.Option(help="JSON with the layouts of classes with their own write.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
    classes: Annotated[
        bool, typer.Option("--classes", help="List the classes that have a converter.")
    ] = False,
) -> None:
    """Show the tree, the shapes, the sizes, and what has no converter."""
    if classes:
        from migrate.registry import declared

        typer.echo("\n".join(sorted(declared())))
        return
    if file is None:
        raise typer.BadParameter("name a file, or say --classes", param_hint="FILE")
    if file.suffix in (".yaml", ".yml"):
        _show_config(file, as_json)
    elif dump:
        _dump(file, mode.value, every, layouts)
    else:
        summary = summarize(file, mode.value, layouts)
        typer.echo(json.dumps(summary, indent=1) if as_json else _text(summary))


def _dump(file: Path, mode: Any, every: bool, layouts: Path | None) -> None:
    from migrate import t7

    document = t7.open_document(file, mode=mode, layouts=layouts, first_only=not every)
    values = document.objects
    typer.echo(t7.dump_json(t7.Table(enumerate(values, 1)) if every else values[0]))


def _show_config(file: Path, as_json: bool) -> None:
    import legacy_yaml

    config = legacy_yaml.load(file)
    typer.echo(json.dumps(config.to_dict(), indent=1) if as_json else config.dumps())


def summarize(file: Path, mode: Any = "auto", layouts: Path | None = None) -> dict[str, Any]:
    """Everything ``inspect`` says of a ``.t7`` file, as plain data."""
    from migrate import t7
    from migrate.graph import build, parameters, tensor_key, walk
    from migrate.registry import declared
    from migrate.t7 import tree

    document = t7.open_document(file, mode=mode, layouts=layouts)
    value = document.objects[0] if document.objects else None
    known = declared()
    roots = t7.find_modules(value)
    models = []
    for where, obj in roots:
        root = build(obj)
        missing: dict[str, list[str]] = {}
        for m in walk(root):
            if m.class_name not in known:
                missing.setdefault(m.class_name, []).append(m.path or "(root)")
        counted = {tensor_key(p.tensor): p for p in parameters(root)}
        models.append(
            {
                "where": where,
                "class": root.source_class,
                "parameters": sum(_count(p.tensor.size) for p in counted.values()),
                "without_converter": missing,
                "tree": [_row(m) for m in walk(root)],
            }
        )
    listed = tree.tensors(value)
    return {
        "file": str(file),
        "bytes": file.stat().st_size,
        "mode": document.mode,
        "long_size": document.long_size,
        "notes": [str(note) for note in document.notes],
        "classes": {name: len(paths) for name, paths in sorted(tree.classes(value).items())},
        "tensors": [
            {"path": t.path, "dtype": str(t.dtype), "shape": list(t.shape), "bytes": t.bytes}
            for t in listed
        ]
        if not roots
        else [],
        "models": models,
    }


def _row(m: Module) -> dict[str, Any]:
    from migrate.graph import SCRATCH

    return {
        "path": m.path,
        "class": m.source_class,
        "tensors": {
            name: list(t.size) for name, t in m.tensors.items() if name not in SCRATCH and t.size
        },
    }


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _text(summary: dict[str, Any]) -> str:
    lines = [
        "{file}: {bytes:,} bytes, {mode}, ".format(**summary)
        + f"{summary['long_size'] * 8}-bit longs"
    ]
    lines += [f"note: {note}" for note in summary["notes"]]
    for model in summary["models"]:
        where = f" at {model['where']}" if model["where"] else ""
        lines.append(f"\n{model['class']}{where}: {model['parameters']:,} parameters")
        for row in model["tree"]:
            depth = row["path"].count(".") // 2 + 1 if row["path"] else 0
            shapes = ", ".join(
                f"{name} {'×'.join(map(str, shape))}" for name, shape in row["tensors"].items()
            )
            lines.append(f"  {'  ' * depth}{row['path'] or '(root)'} [{row['class']}] {shapes}")
        if model["without_converter"]:
            lines.append("\nno converter for:")
            for name, paths in model["without_converter"].items():
                lines.append(f"  {name}: {len(paths)} at {', '.join(paths[:5])}")
        else:
            lines.append("every class has a converter")
    if not summary["models"]:
        lines.append("no module in it; classes: " + (_classes(summary) or "none"))
        lines += [
            f"  {t['path'] or '(value)'} {t['dtype']} {'×'.join(map(str, t['shape']))}"
            for t in summary["tensors"][:200]
        ]
    return "\n".join(lines)


def _classes(summary: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({n})" for name, n in summary["classes"].items())
