"""What every test may use."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def golden() -> Path:
    """The golden folder: what real Torch and the published v2 runtime produced."""
    return Path(__file__).parents[1] / "golden"
