"""A site with every app, as ``quickscale init`` would set it up."""

from __future__ import annotations

from quickscale import project
from tests.projects.base import *  # noqa: F403
from tests.projects.base import ROOT, TEMPLATES

AUTH_USER_MODEL = "users.User"
ROOT_URLCONF = "tests.projects.everything.urls"

INSTALLED_APPS = project.installed_apps(
    "tests.projects.everything.users",
    "quickscale_stripe_sandbox",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.dummy",
    without=["whitenoise.runserver_nostatic"],
)
LANGUAGES = project.languages()
MIDDLEWARE = project.middleware(INSTALLED_APPS, languages=LANGUAGES)
AUTHENTICATION_BACKENDS = project.authentication_backends(INSTALLED_APPS)
AUTH_PASSWORD_VALIDATORS = project.auth_password_validators()
CONTENT_SECURITY_POLICY = project.content_security_policy()
vars().update(project.account_settings(INSTALLED_APPS))

TEMPLATES[0]["DIRS"] = [ROOT / "tests" / "projects" / "everything" / "templates"]
QUICKSCALE_STRIPE_SANDBOX_PATH = ":memory:"
