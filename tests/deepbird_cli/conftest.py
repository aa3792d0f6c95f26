"""What the tests of the commands share."""

import pytest


@pytest.fixture(scope="session")
def flights(golden):
    """The folder of the production model."""
    return golden / "flights"
