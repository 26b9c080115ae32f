"""Read the environment of a generated project, with types, and report all problems at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import django

from quickscale.errors import MissingExtraError
from quickscale.postgres import embedded_url

try:
    import dj_database_url
    import environs
except ImportError as error:
    raise MissingExtraError("quickscale.env", "project") from error


YEAR = 365 * 24 * 60 * 60


class Env(environs.Env):
    """Read the environment and ``.env`` in ``base_dir``.

    Problems are collected until :meth:`seal` reports all of them; until then, a value with a
    problem is ``None``.
    """

    def __init__(self, base_dir: Path) -> None:
        super().__init__(eager=False)
        self.base_dir = base_dir
        self.read_env(str(base_dir / ".env"), recurse=False)

    def database(self, name: str = "DATABASE_URL", *, debug: bool | None) -> dict[str, Any]:
        """Return Django's ``DATABASES["default"]`` from the URL in the variable.

        With ``debug`` the variable is optional: the default is an embedded PostgreSQL with its data
        in ``.quickscale/postgres`` in the project. Without ``debug`` it is required, because data
        in a container's folder is lost at the next deployment.
        """
        if debug and not self.str(name, ""):
            own = embedded_url(self.base_dir / ".quickscale" / "postgres")
            return dict(dj_database_url.parse(own, conn_health_checks=True))
        return dict(self.dj_db_url(name, conn_health_checks=True) or {})

    def admins(self, name: str = "ADMINS") -> list[Any]:
        """Return Django's ``ADMINS`` from a comma-separated list of addresses.

        Before Django 6.0, each entry is a pair of a name and an address.
        """
        addresses: list[str] = self.list(name, [])
        return addresses if django.VERSION >= (6, 0) else [("", each) for each in addresses]

    def email(self, *, debug: bool | None) -> dict[str, Any]:
        """Return Django's mail settings: ``MAILERS`` from Django 6.1 on, ``EMAIL_*`` before.

        With ``debug``, mails are printed unless ``EMAIL_HOST`` names a server.
        """
        host = self.str("EMAIL_HOST", "" if debug else "localhost")
        options = {
            "host": host,
            "port": self.int("EMAIL_PORT", 25),
            "username": self.str("EMAIL_HOST_USER", ""),
            "password": self.str("EMAIL_HOST_PASSWORD", ""),
            "use_tls": self.bool("EMAIL_USE_TLS", False),
            "use_ssl": self.bool("EMAIL_USE_SSL", False),
        }
        backend = f"django.core.mail.backends.{'smtp' if host else 'console'}.EmailBackend"
        address = self.str("DEFAULT_FROM_EMAIL", "webmaster@localhost")
        sender = {"DEFAULT_FROM_EMAIL": address, "SERVER_EMAIL": address}
        if site_url := self.str("SITE_URL", ""):
            sender["QUICKSCALE_SITE_URL"] = site_url
        if django.VERSION >= (6, 1):
            mailer = {"BACKEND": backend, "OPTIONS": options if host else {}}
            return {**sender, "MAILERS": {"default": mailer}}
        names = {"username": "HOST_USER", "password": "HOST_PASSWORD"}
        return {
            **sender,
            "EMAIL_BACKEND": backend,
            **{f"EMAIL_{names.get(key, key.upper())}": value for key, value in options.items()},
        }

    def security(self, *, debug: bool | None) -> dict[str, Any]:
        """Return Django's settings for HTTPS, cookies and proxies.

        Without ``debug``, HTTPS is required, cookies are sent over HTTPS only, and browsers are
        told to use only HTTPS for this host.
        """
        proxy = self.bool("BEHIND_PROXY", False)
        return {
            "CSRF_TRUSTED_ORIGINS": self.list("CSRF_TRUSTED_ORIGINS", []),
            "CSRF_COOKIE_SECURE": not debug,
            "SESSION_COOKIE_SECURE": not debug,
            "LANGUAGE_COOKIE_SECURE": not debug,
            "LANGUAGE_COOKIE_SAMESITE": "Lax",
            "LANGUAGE_COOKIE_AGE": YEAR,
            "SECURE_SSL_REDIRECT": not debug,
            # Machines inside the network request these URLs.
            "SECURE_REDIRECT_EXEMPT": ["^healthz$", "^readyz$"],
            "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https") if proxy else None,
            "SECURE_HSTS_SECONDS": self.int("SECURE_HSTS_SECONDS", 0 if debug else 3600),
            "SECURE_HSTS_INCLUDE_SUBDOMAINS": self.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", False),
            "SECURE_HSTS_PRELOAD": self.bool("SECURE_HSTS_PRELOAD", False),
            "QUICKSCALE_TRUSTED_PROXY_COUNT": self.int("TRUSTED_PROXY_COUNT", int(bool(proxy))),
        }

    def stripe(self) -> dict[str, Any]:
        """Return the settings of ``quickscale_stripe`` that differ between machines."""
        return {
            "QUICKSCALE_STRIPE_ENABLED": self.bool("STRIPE_ENABLED", True),
            "QUICKSCALE_STRIPE_LIVE_MODE": self.bool("STRIPE_LIVE_MODE", False),
            "QUICKSCALE_STRIPE_PUBLIC_KEY": self.str("STRIPE_PUBLIC_KEY", ""),
            "QUICKSCALE_STRIPE_SECRET_KEY": self.str("STRIPE_SECRET_KEY", ""),
            "QUICKSCALE_STRIPE_WEBHOOK_SECRET": self.list("STRIPE_WEBHOOK_SECRET", []),
            "QUICKSCALE_STRIPE_SUCCESS_URL": self.str("STRIPE_SUCCESS_URL", ""),
            "QUICKSCALE_STRIPE_CANCEL_URL": self.str("STRIPE_CANCEL_URL", ""),
        }

    def seal(self) -> None:
        """Accept no further variables.

        Raises:
            environs.EnvValidationError: something is missing or wrong; one line for each problem.
        """
        try:
            super().seal()
        except environs.EnvValidationError as error:
            problems = [
                f"  {name}: {problem}"
                for name, found in cast("Mapping[str, list[str]]", error.error_messages).items()
                for problem in found
            ]
            raise environs.EnvValidationError(
                "\n".join(["The environment (or .env) has problems:", *problems]),
                error.error_messages,
            ) from None
