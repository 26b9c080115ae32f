"""The environment of a generated project: typed, and all problems told at once."""

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


class Env(environs.Env):
    """Reads the environment and ``.env`` below ``base_dir``.

    Every problem is kept until :meth:`seal`, which tells them all; a value that has one is ``None``
    until then.
    """

    def __init__(self, base_dir: Path) -> None:
        super().__init__(eager=False)
        self.base_dir = base_dir
        self.read_env(str(base_dir / ".env"), recurse=False)

    def database(self, name: str = "DATABASE_URL", *, debug: bool | None) -> dict[str, Any]:
        """Django's ``DATABASES["default"]``, by the address in the variable.

        With ``debug`` it may be missing: then the embedded PostgreSQL keeps its data in
        ``.quickscale/postgres`` below the project. Otherwise it is required, for what a container
        keeps in its folder is gone with the next deployment.
        """
        if debug and not self.str(name, ""):
            own = embedded_url(self.base_dir / ".quickscale" / "postgres")
            return dict(dj_database_url.parse(own, conn_health_checks=True))
        return dict(self.dj_db_url(name, conn_health_checks=True) or {})

    def admins(self, name: str = "ADMINS") -> list[Any]:
        """Django's ``ADMINS``, from addresses with commas between them.

        Until Django 6.0 each is a pair of a name and an address.
        """
        addresses: list[str] = self.list(name, [])
        return addresses if django.VERSION >= (6, 0) else [("", each) for each in addresses]

    def email(self, *, debug: bool | None) -> dict[str, Any]:
        """Django's settings for sending mail: ``MAILERS`` from Django 6.1 on, ``EMAIL_*`` before.

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
        if django.VERSION >= (6, 1):
            mailer = {"BACKEND": backend, "OPTIONS": options if host else {}}
            return {**sender, "MAILERS": {"default": mailer}}
        names = {"username": "HOST_USER", "password": "HOST_PASSWORD"}
        return {
            **sender,
            "EMAIL_BACKEND": backend,
            **{f"EMAIL_{names.get(key, key.upper())}": value for key, value in options.items()},
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
