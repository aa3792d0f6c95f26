"""Whole latency checks, again and again, and how they came out: a row a v2."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator

from verify.latency.budget import Budget, parse_budgets
from verify.latency.design import Design
from verify.latency.experiment import Outcome
from verify.verdict import Verdict

__all__ = ["HEADER", "arguments", "laid_out", "limits", "row"]

HEADER = f"{'v2 / v1':>8}{'PASS':>6}{'FAIL':>6}{'INCONCLUSIVE':>14}{'restarts':>10}"


def arguments(description: str | None, runs: int) -> argparse.ArgumentParser:
    """Options of both benchmarks; the default design and limits unless told otherwise."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--slower", type=float, nargs="*", default=[1.0, 1.05, 1.2])
    parser.add_argument("--limit", action="append", help="for example 'cpu p50 <= 1.02 * v1'")
    parser.add_argument("--most-restarts", type=int, default=Design().most_restarts)
    return parser


def limits(options: argparse.Namespace) -> tuple[Budget, ...] | None:
    """What ``--limit`` says."""
    return parse_budgets("\n".join(options.limit)) if options.limit else None


def laid_out(options: argparse.Namespace) -> Design:
    """The default design, as long as ``--most-restarts`` lets it be."""
    return Design(most_restarts=options.most_restarts)


def row(factor: float, outcomes: Iterator[Outcome]) -> str:
    """Verdicts of runs, and their restarts on average."""
    verdicts: Counter[str] = Counter()
    restarts = 0
    for outcome in outcomes:
        verdicts[Verdict.combine(outcome.checks).status.value] += 1
        restarts += len(outcome.samples.restarts)
        print(f"\r{dict(verdicts)}", end="", file=sys.stderr, flush=True)
    print("\r", end="", file=sys.stderr)
    widths = (("PASS", 6), ("FAIL", 6), ("INCONCLUSIVE", 14))
    counts = "".join(f"{verdicts[status]:{width}}" for status, width in widths)
    return f"{factor:8}{counts}{restarts / verdicts.total():10.1f}"
