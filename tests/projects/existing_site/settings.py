"""A site whose users have usernames and UUIDs, and which added the ledger and payments later."""

from __future__ import annotations

from tests.projects.credits_only.settings import *  # noqa: F403
from tests.projects.credits_only.settings import INSTALLED_APPS

AUTH_USER_MODEL = "people.Person"
INSTALLED_APPS = ["tests.projects.existing_site.people", "quickscale_stripe", *INSTALLED_APPS]
ROOT_URLCONF = "tests.projects.urls"
