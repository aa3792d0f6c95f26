from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepbird_v2.data import DecodeMode, Feature, FeatureConfig, backend

GOLDEN = Path(__file__).parents[3] / "golden"


@pytest.fixture(scope="session")
def runtime() -> Path:
    """What the published v2 runtime produced."""
    return GOLDEN / "v2_runtime"


@pytest.fixture(scope="session")
def flights() -> Path:
    return GOLDEN / "flights"


@pytest.fixture(params=["native", "python"])
def either_core(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs the test on the compiled core and on its Python twin."""
    monkeypatch.setenv("DEEPBIRD_NATIVE", "0" if request.param == "python" else "1")
    if backend() != request.param:
        pytest.skip("the compiled core is not built")
    return str(request.param)


def vector_config(config: dict[str, Any], mode: int) -> FeatureConfig:
    """The config that made the vectors."""

    def features(name: str) -> tuple[Feature, ...]:
        return tuple(Feature(id_) for id_ in config[name])

    return FeatureConfig(
        features=features("keep_features"),
        labels=features("label_features"),
        weights=features("weight_features"),
        decode_mode=DecodeMode(mode),
    )


def load(path: Path) -> Any:
    return json.loads(path.read_text())
