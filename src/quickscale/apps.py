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
    """Whether this is the process of ``runserver`` that watches the files and starts the site."""
    return (
        sys.argv[1:2] == ["runserver"]
        and "--noreload" not in sys.argv
        and DJANGO_AUTORELOAD_ENV not in os.environ
    )


def hold_embedded_servers() -> None:
    """Count this process among the users of embedded servers.

    Django kills the site's process when the reloader is told to end, so only the reloader can stop
    the server. And a server that stays while the site starts again makes that quicker.
    """
    for alias in connections:
        database = connections[alias].settings_dict
        if database["ENGINE"] == ENGINE:
            with suppress(ImproperlyConfigured):  # the site's process tells that
                address(Path(database["HOST"]))


def create_cache_tables(*, using: str, verbosity: int = 1, **kwargs: Any) -> None:
    """Make the tables of database caches that ``CACHES`` names, as ``createcachetable`` does."""
    call_command("createcachetable", database=using, verbosity=verbosity)
