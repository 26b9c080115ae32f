"""A site that uses only the shell, the public pages and the customer's home."""

from __future__ import annotations

from csp.constants import NONE, SELF

from tests.projects.base import *  # noqa: F403
from tests.projects.base import DJANGO_APPS, MIDDLEWARE, ROOT, TEMPLATES

ROOT_URLCONF = "tests.projects.dashboard_only.urls"
LOGIN_URL = "login"

INSTALLED_APPS = ["quickscale", "quickscale_dashboard", "csp", "django_htmx", *DJANGO_APPS]

MIDDLEWARE = [
    *MIDDLEWARE,
    "quickscale.middleware.LoginRedirectMiddleware",
    "quickscale.middleware.MethodNotAllowedMiddleware",
    "csp.middleware.CSPMiddleware",
    "quickscale_dashboard.middleware.HtmxMessagesMiddleware",
]

TEMPLATES[0]["DIRS"] = [ROOT / "tests" / "projects" / "dashboard_only" / "templates"]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
