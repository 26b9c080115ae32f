"""Payments without the other apps of the suite, where hooks deliver what was bought."""

from __future__ import annotations

from tests.projects.base import *  # noqa: F403
from tests.projects.base import DJANGO_APPS

ROOT_URLCONF = "tests.projects.stripe_only.urls"
INSTALLED_APPS = ["quickscale", "quickscale_stripe", *DJANGO_APPS]
LOGIN_URL = "admin:login"
