from __future__ import annotations

import pytest

from tests import owners
from tests.browser import browser_page, chromium

__all__ = ["browser_page", "chromium"]


@pytest.fixture
def make_owner():
    """Makes a new owner of credits, of the model that the site's settings name."""
    return owners.make_owner


@pytest.fixture
def make_user():
    """Makes a new user, of the model that the site's settings name."""
    return owners.make_user
