from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.db.backends.postgresql import base, client

from quickscale.postgres.server import Address, address


class DatabaseClient(client.DatabaseClient):
    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        server = address(Path(settings_dict["HOST"]))
        resolved = {**settings_dict, "HOST": server.host, "PORT": server.port, "USER": server.user}
        args, env = super().settings_to_cmd_args_env(resolved, parameters)
        path = os.pathsep.join([str(server.programs), os.environ.get("PATH", "")])
        return args, {**(env or {}), "PATH": path}


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL whose ``HOST`` is the data folder of an embedded server."""

    client_class = DatabaseClient
    display_name = "PostgreSQL (embedded)"

    @property
    def _server(self) -> Address:
        return address(Path(self.settings_dict["HOST"]))

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        server = self._server
        params.update(host=server.host, port=server.port, user=server.user)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            return super().get_new_connection(conn_params)
        except self.Database.OperationalError:
            self._create_missing_database(conn_params)
            return super().get_new_connection(conn_params)

    def _create_missing_database(self, conn_params: dict[str, Any]) -> None:
        """Create the database on first use, as SQLite creates its file."""
        name = conn_params["dbname"]
        connection = self.Database.connect(**{**conn_params, "dbname": "postgres"})
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                # Two processes that create a database at the same time would find template1 in use.
                cursor.execute("SELECT pg_advisory_lock(hashtext('quickscale.postgres'))")
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
                if not cursor.fetchone():
                    cursor.execute(f"CREATE DATABASE {self.ops.quote_name(name)}")
        finally:
            connection.close()
