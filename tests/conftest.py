"""No test asserts on absolute time, and so none that hypothesis draws has a deadline; golden files can be rewritten."""

import pytest
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden as the run is told now")
