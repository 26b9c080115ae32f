"""A Wagtail site that sells for credits; it needs Wagtail (tox -e wagtail)."""

from __future__ import annotations

from tests.projects.base import *  # noqa: F403
from tests.projects.base import DJANGO_APPS, ROOT, TEMPLATES

ROOT_URLCONF = "tests.projects.wagtail_site.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "admin:login"
WAGTAIL_SITE_NAME = "Site"
WAGTAILADMIN_BASE_URL = "http://testserver"
TEMPLATES[0]["DIRS"].append(ROOT / "tests" / "projects" / "wagtail_site" / "templates")
INSTALLED_APPS = [
    "tests.projects.wagtail_site.pages",
    "quickscale",
    "quickscale_credits",
    "quickscale_stripe",
    "django_htmx",
    "wagtail.users",
    "wagtail.images",
    "wagtail.documents",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    *DJANGO_APPS,
]
