"""The coverage page: which Torch classes are read, converted, computed, and checked against Torch.

Converters and oracles are those that are registered, golden cases those of the folder. The errors
come from a run of ``deepbird verify golden --json``; an extract of it is kept beside the page.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrate.registry import load_families
from verify import oracle
from verify.golden_case import discover
from verify.golden_run import SCHEMA
from verify.oracle.base import Op

__all__ = ["CoverageError", "Row", "extract", "load", "page", "rows", "stale", "to_text"]

GROUPS = {
    "reader": ("reader",),
    "oracle forward": (
        "oracle_eval", "oracle_train", "oracle_intermediates", "oracle_params",
        "oracle_statistics", "oracle_loss",
    ),
    "oracle backward": ("oracle_backward", "oracle_eval_backward"),
    "model forward": (
        "model_eval", "model_train", "model_intermediates", "model_params", "model_statistics",
        "model_loss", "keras_file", "saved_model", "batch_of_1", "batch_of_7",
    ),
    "model backward": ("model_backward", "model_eval_backward"),
    "compiled forward": ("compiled",),
    "litert forward": ("litert",),
}  # fmt: skip


HEAD = """# Coverage

Made by `deepbird verify coverage`; a test keeps it current. Errors are from a run of `deepbird
verify golden`: the largest difference to what real Torch gave, forward / backward, and in brackets
the share of what the policy allows that the nearest value reached.

""".splitlines()
CLASSES = """
## Classes

Reader: golden files with the class are read as Torch wrote them, and the same from ascii.

Compiled and LiteRT: the backends of the predictor, where they have kernels for the whole model; a
model that they do not cover is served by TensorFlow.

| class | reader | converter | oracle | cases | oracle | model | compiled | LiteRT | restrictions |
| --- | --- | --- | --- | ---: | --- | --- | --- | --- | --- |""".splitlines()
NOT_MADE = """
## Checks that are not made

| check | cases | reason |
| --- | ---: | --- |""".splitlines()


class CoverageError(ValueError):
    """The results are not those of a golden run."""


@dataclass(frozen=True)
class Row:
    """One Torch class.

    Attributes:
        name: ``nn.Linear``.
        converter: file of its converter; empty without one.
        restrictions: what of the class the converter does not cover.
        forward: the oracle computes it.
        backward: the oracle computes its gradients.
        cases: golden cases that have it.
    """

    name: str
    converter: str
    restrictions: str
    forward: bool
    backward: bool
    cases: tuple[str, ...]


def rows(golden: Path) -> list[Row]:
    """Every class that has a converter, an oracle or a golden case, sorted.

    Args:
        golden: the golden folder.

    Raises:
        GoldenError: there is no case in it.
    """
    converters = load_families()
    ops = oracle.registered()
    cases: dict[str, list[str]] = {}
    for name, classes in _golden(golden).items():
        for cls in classes:
            cases.setdefault(cls, []).append(name)
    return [
        Row(
            name,
            converter=_file(converters[name].function) if name in converters else "",
            restrictions=converters[name].restrictions if name in converters else "",
            forward=name in ops and ops[name].forward is not Op.forward,
            backward=name in ops and ops[name].backward is not Op.backward,
            cases=tuple(cases.get(name, ())),
        )
        for name in sorted({*converters, *ops, *cases})
    ]


def _file(function: Callable[..., Any]) -> str:
    return function.__module__.rpartition(".")[2]


def _golden(folder: Path) -> dict[str, tuple[str, ...]]:
    """Case → classes, of the cases that compute something."""
    cases = (case for case in discover(folder) if case.kind in ("module", "criterion"))
    return {case.name: case.classes for case in cases}


def extract(run: Mapping[str, Any]) -> dict[str, Any]:
    """What the page needs of a golden run.

    Args:
        run: the JSON of ``deepbird verify golden --json``, of all checks.

    Raises:
        CoverageError: it is something else.
    """
    if run.get("schema") != SCHEMA or run.get("only"):
        raise CoverageError(
            "the results are not those of a whole golden run; "
            "make them with: deepbird verify golden golden --json FILE"
        )
    results = [result for result in run["results"] if result["classes"]]
    excluded = Counter(
        (check["check"], check["detail"])
        for result in results
        for check in result["checks"]
        if check["status"] == "excluded"
    )
    return {
        "policy": run["policy"],
        "cases": {result["case"]: _case(result) for result in results},
        "excluded": [[name, n, reason] for (name, reason), n in sorted(excluded.items())],
    }


def _case(result: Mapping[str, Any]) -> dict[str, Any]:
    """Status, number of checks, and per group [largest error, worst ratio]."""
    groups = {}
    for group, names in GROUPS.items():
        checks = [c for c in result["checks"] if c["check"] in names and c["ratio"] is not None]
        if checks:
            worst = [max(float(c[key]) for c in checks) for key in ("error", "ratio")]
            groups[group] = [float(f"{value:.2e}") for value in worst]
    return {"status": result["status"], "checks": len(result["checks"]), "worst": groups}


def stale(golden: Path, results: Mapping[str, Any]) -> list[str]:
    """What the results lack, or have too much, beside the golden folder."""
    known, there = set(results["cases"]), set(_golden(golden))
    missing = [f"{name}: not in the results" for name in sorted(there - known)]
    return missing + [
        f"{name}: in the results, not in the folder" for name in sorted(known - there)
    ]


def page(table: list[Row], results: Mapping[str, Any]) -> str:
    """The page as Markdown.

    Args:
        table: from :func:`rows`.
        results: from :func:`extract`.
    """
    cases = results["cases"]
    checks = sum(case["checks"] for case in cases.values())
    bad = [name for name, case in cases.items() if case["status"] in ("fail", "unsupported")]
    known = [
        f"{len(table)} classes",
        f"{sum(bool(row.converter) for row in table)} with a converter",
        f"{sum(row.forward for row in table)} with an oracle",
        f"{sum(bool(row.cases) for row in table)} with a golden case",
    ]
    lines = [
        *HEAD,
        f"* {', '.join(known)}",
        f"* {len(cases)} golden cases, {checks} checks by the {results['policy']}",
        f"* cases that do not pass: {', '.join(sorted(bad)) or 'none'}",
        *CLASSES,
        *(_line(row, cases) for row in table),
        *NOT_MADE,
        *(f"| `{name}` | {n} | {_cell(reason)} |" for name, n, reason in results["excluded"]),
    ]
    return "\n".join(lines) + "\n"


def _line(row: Row, cases: Mapping[str, Any]) -> str:
    of = [cases[name] for name in row.cases if name in cases]
    computes = {"forward": row.forward, "backward": row.backward}
    cells = (
        f"`{row.name}`",
        _reader(of),
        f"`{row.converter}`" if row.converter else "–",
        ", ".join(name for name, there in computes.items() if there) or "–",
        str(len(row.cases)) if row.cases else "–",
        _worst(of, "oracle"),
        _worst(of, "model"),
        _worst(of, "compiled"),
        _worst(of, "litert"),
        _cell(row.restrictions),
    )
    return f"| {' | '.join(cells)} |"


def _reader(cases: list[Any]) -> str:
    if not cases:
        return "–"
    same = all(case["worst"].get("reader", [1.0])[0] == 0 for case in cases)
    return "binary, ascii" if same else "differs"


def _worst(cases: list[Any], side: str) -> str:
    """Forward and backward, the worst of all cases."""
    texts = []
    for way in ("forward", "backward"):
        pairs = [w for c in cases if (w := c["worst"].get(f"{side} {way}")) is not None]
        if pairs:
            error, ratio = max(p[0] for p in pairs), max(p[1] for p in pairs)
            texts.append(f"{error:.1e} ({ratio:.0%})" if error else "0")
    return " / ".join(texts) or "–"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def to_text(results: Mapping[str, Any]) -> str:
    """The extract as JSON, a line a case."""
    cases = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(results["cases"].items())]
    excluded = [f"  {json.dumps(entry, ensure_ascii=False)}" for entry in results["excluded"]]
    return (
        f'{{\n "policy": {json.dumps(results["policy"])},\n "cases": {{\n'
        + ",\n".join(cases)
        + '\n },\n "excluded": [\n'
        + ",\n".join(excluded)
        + "\n ]\n}\n"
    )


def load(path: Path) -> dict[str, Any]:
    """Results that were kept, or those of a run.

    Raises:
        CoverageError: the file holds neither.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CoverageError(f"{path}: {error}") from None
    if isinstance(data, dict) and "schema" in data:
        return extract(data)
    if not isinstance(data, dict) or not {"policy", "cases", "excluded"} <= set(data):
        raise CoverageError(f"{path}: neither results of a golden run nor an extract of them")
    return data
