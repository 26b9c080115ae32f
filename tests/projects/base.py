"""Settings that every test project shares."""

from __future__ import annotations

import os
from pathlib import Path

import dj_database_url

from quickscale.postgres import embedded_url

ROOT = Path(__file__).resolve().parents[2]

SECRET_KEY = "only-for-tests-" + "0123456789" * 5
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
STATIC_URL = "/static/"
DEFAULT_FROM_EMAIL = "site@example.com"
# Django 6.1 and later need it; tests keep mails in memory.
MAILERS: dict[str, dict[str, str]] = {"default": {}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DATABASES = {
    "default": dj_database_url.parse(
        os.environ.get("DATABASE_URL") or embedded_url(ROOT / ".quickscale" / "test-postgres")
    )
}
# Commits need not survive a power failure. That makes the suite faster and changes no rule.
DATABASES["default"].setdefault("OPTIONS", {})["options"] = "-c synchronous_commit=off"

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "tests" / "projects" / "templates"],
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

ADMIN = "django.contrib.admin"
DJANGO_APPS = [
    ADMIN,
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
