"""A site with every app, as ``quickscale init`` would set it up."""

from __future__ import annotations

from csp.constants import NONE, SELF

from tests.projects.base import *  # noqa: F403
from tests.projects.base import DJANGO_APPS, MIDDLEWARE, ROOT, TEMPLATES

AUTH_USER_MODEL = "users.User"
ROOT_URLCONF = "tests.projects.everything.urls"

INSTALLED_APPS = [
    "tests.projects.everything.users",
    "quickscale_dashboard",
    "quickscale_accounts",
    "quickscale_credits",
    "quickscale_stripe",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    *DJANGO_APPS,
]

MIDDLEWARE = [
    *MIDDLEWARE,
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

TEMPLATES[0]["DIRS"] = [ROOT / "tests" / "projects" / "everything" / "templates"]

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
LOGIN_REDIRECT_URL = "/dashboard/"
LOGIN_URL = "account_login"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [SELF],
        "form-action": [SELF, "https://checkout.stripe.com", "https://billing.stripe.com"],
        "frame-ancestors": [NONE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
    }
}
