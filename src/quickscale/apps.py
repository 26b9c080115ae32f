from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.autoreload import DJANGO_AUTORELOAD_ENV

from quickscale.postgres import ENGINE
from quickscale.postgres.server import address


class QuickScaleConfig(AppConfig):
    name = "quickscale"
    verbose_name = "QuickScale"

    def ready(self) -> None:
        from quickscale import checks  # noqa: F401

        post_migrate.connect(create_cache_tables, sender=self)
        if is_reloader():
            hold_embedded_servers()


def is_reloader() -> bool:
    """Return whether this process of ``runserver`` watches the files and starts the site."""
    return (
        sys.argv[1:2] == ["runserver"]
        and "--noreload" not in sys.argv
        and DJANGO_AUTORELOAD_ENV not in os.environ
    )


def hold_embedded_servers() -> None:
    """Count this process as a user of the embedded servers.

    When the reloader has to end, Django kills the site's process, so only the reloader can stop the
    server. Keeping the server up also makes each reload faster.
    """
    for alias in connections:
        database = connections[alias].settings_dict
        if database["ENGINE"] == ENGINE:
            with suppress(ImproperlyConfigured):  # the site's process reports it
                address(Path(database["HOST"]))


def create_cache_tables(*, using: str, verbosity: int = 1, **kwargs: Any) -> None:
    """Create the tables of the database caches in ``CACHES``, like ``createcachetable``."""
    call_command("createcachetable", database=using, verbosity=verbosity)
