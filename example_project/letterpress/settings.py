"""Letterpress's own settings and, below "QuickScale", those that it added."""

from __future__ import annotations

import os
from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF

from quickscale.postgres import embedded_url

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = True
SECRET_KEY = "this-site-is-an-example-and-never-leaves-a-development-machine"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]

ROOT_URLCONF = "letterpress.urls"
ASGI_APPLICATION = "letterpress.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "letters:list"
LOGOUT_REDIRECT_URL = "letters:list"
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
TIME_ZONE = "UTC"

INSTALLED_APPS = [
    "letters",
    # QuickScale: the ledger, payments and the dashboard; accounts stay Django's, with usernames.
    "quickscale",
    "quickscale_credits",
    "quickscale_stripe",
    "quickscale_dashboard",
    "django_htmx",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "quickscale.middleware.LoginRedirectMiddleware",
    "quickscale.middleware.MethodNotAllowedMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

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

# QuickScale

DATABASES = {
    "default": dj_database_url.parse(
        os.environ.get("DATABASE_URL") or embedded_url(BASE_DIR / ".quickscale" / "postgres")
    )
}

QUICKSCALE_BRAND = {"name": "Letterpress", "color": "#9b3f27"}
QUICKSCALE_CREDITS_STARTING_BALANCE = 5
QUICKSCALE_CREDITS_LOW_BALANCE = 3
QUICKSCALE_STRIPE_FULFILMENT = "letters.fulfilment.LettersFulfilment"
