"""Health checks for a supervisor: is the process alive, and can it handle requests?"""

from __future__ import annotations

import logging

from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor

logger = logging.getLogger(__name__)


def readiness() -> dict[str, str]:
    """Return the state of what every request needs, by name: ``"ok"``, or what is wrong."""
    connection = connections["default"]
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        logger.warning("The database does not answer.", exc_info=True)
        return {"database": "unavailable", "migrations": "unknown"}
    return {"database": "ok", "migrations": "pending" if pending else "ok"}
