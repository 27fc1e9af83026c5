"""The labeler's tests label in their own process, but for those that kill it."""

import pytest


@pytest.fixture(autouse=True)
def _at_home(at_home: None) -> None:
    pass
