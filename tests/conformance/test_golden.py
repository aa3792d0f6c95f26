"""Every golden case passes every check: reader, oracle, converted model and its files."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import keras
import pytest

from verify.golden import CHECKS, Case, Check, GoldenPolicy, discover, run_check

GOLDEN = Path(__file__).parents[2] / "golden"
POLICY = GoldenPolicy.load()


def parameters() -> list[Any]:
    """(folder, check) pairs; those of a case follow each other, and run in one worker."""
    return [
        pytest.param(
            case.folder,
            check,
            id=f"{case.name}-{check.name}",
            marks=pytest.mark.xdist_group(case.name),
        )
        for case in discover(GOLDEN)
        for check in CHECKS
        if check.applies(case)
    ]


@functools.lru_cache(maxsize=1)
def loaded(folder: Path) -> Case:
    """The case at hand, with its converted model; the one before is let go."""
    keras.backend.clear_session()
    return Case(folder)


@pytest.mark.parametrize(("folder", "check"), parameters())
def test_same_as_torch(folder: Path, check: Check) -> None:
    result = run_check(loaded(folder), check, POLICY)
    if result.status == "excluded":
        pytest.skip(result.detail)
    assert result.status == "pass", result.detail
