"""Django's own user model, and the ledger without the other apps of the suite."""

from __future__ import annotations

from tests.projects.base import *  # noqa: F403
from tests.projects.base import DJANGO_APPS

ROOT_URLCONF = "tests.projects.credits_only.urls"
INSTALLED_APPS = ["quickscale", "quickscale_credits", "django_htmx", *DJANGO_APPS]
LOGIN_URL = "admin:login"
