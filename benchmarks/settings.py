"""A site with the ledger alone, at PostgreSQL's own durability.

Only databases made for the run are written to: ``quickscale_benchmark`` and
``quickscale_benchmark_grown``, on the server of ``DATABASE_URL`` or on the embedded one.
"""

from __future__ import annotations

import os
from pathlib import Path

import dj_database_url

from quickscale.postgres import embedded_url

ROOT = Path(__file__).resolve().parents[1]
SERVER = dj_database_url.parse(
    os.environ.get("DATABASE_URL") or embedded_url(ROOT / ".quickscale" / "benchmark-postgres")
)

SECRET_KEY = "only-for-benchmarks"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "quickscale",
    "quickscale_credits",
    "benchmarks.peer",
]
DATABASES = {
    "default": {**SERVER, "TEST": {"NAME": "quickscale_benchmark"}},
    "grown": {**SERVER, "TEST": {"NAME": "quickscale_benchmark_grown"}},
}
