from __future__ import annotations

import pytest
from django.utils import translation

from tests import owners
from tests.browser import browser_page, chromium
from tests.looks import look

__all__ = ["browser_page", "chromium", "look"]

#: Files that take minutes. They run first, so that no worker waits for another's last file.
LONG = (
    "journeys/",
    "quickscale_cli/",
    "quickscale_credits/test_concurrency.py",
    "quickscale_stripe/proof/",
    "quickscale_stripe/test_browser.py",
    "test_pins.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.nodeid.removeprefix("tests/").startswith(LONG))


@pytest.fixture(autouse=True)
def end_language():
    """End the language that the last request of a test chose, which the thread would keep."""
    yield
    translation.deactivate()


@pytest.fixture
def make_owner():
    """A function that makes a new owner of credits, of the model in the settings."""
    return owners.make_owner


@pytest.fixture
def make_user():
    """A function that makes a new user, of the model in the settings."""
    return owners.make_user
