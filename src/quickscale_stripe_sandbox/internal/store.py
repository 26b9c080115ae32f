"""The sandbox's state: one SQLite file that several processes may share.

Like Stripe's database it is separate from the site's: when the site rolls back, Stripe remembers.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quickscale.internal.data_folder import make_data_folder

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS object_kind ON object (kind, seq);
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    request_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS due (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    task TEXT NOT NULL,
    object_id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS delivery (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL,
    at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    answer TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS delivery_state ON delivery (state, at);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Store:
    """A SQLite database at ``path``, or one in memory for this process only (``":memory:"``)."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._lock = threading.RLock()
        self._shared: sqlite3.Connection | None = None
        if self.path == ":memory:":
            self._shared = self._connect()
            # The site's sandbox lives until its settings change, and then nobody closes it.
            weakref.finalize(self, self._shared.close)
        else:
            make_data_folder(Path(self.path).parent)
            connection = self._connect()
            connection.execute("PRAGMA journal_mode = WAL")
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=30, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_SCHEMA)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[Rows]:
        """Open a transaction. Only one runs at a time, across all threads and processes."""
        with self._lock:
            connection = self._shared or self._connect()
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield Rows(connection)
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
            finally:
                if connection is not self._shared:
                    connection.close()

    def close(self) -> None:
        if self._shared:
            self._shared.close()


class Rows:
    """The tables within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.execute = connection.execute

    # objects

    def get(self, object_id: str) -> dict[str, Any] | None:
        row = self.execute("SELECT body FROM object WHERE id = ?", [object_id]).fetchone()
        return json.loads(row["body"]) if row else None

    def put(self, value: dict[str, Any]) -> None:
        self.execute(
            "INSERT INTO object (id, kind, body) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            [value["id"], value["object"], json.dumps(value)],
        )

    def remove(self, object_id: str) -> None:
        self.execute("DELETE FROM object WHERE id = ?", [object_id])

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Return all objects of a kind, newest first."""
        rows = self.execute("SELECT body FROM object WHERE kind = ? ORDER BY seq DESC", [kind])
        return [json.loads(row["body"]) for row in rows]

    # settings

    def setting(self, name: str, default: Any) -> Any:
        row = self.execute("SELECT value FROM setting WHERE name = ?", [name]).fetchone()
        return json.loads(row["value"]) if row else default

    def set(self, name: str, value: Any) -> None:
        self.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", [name, json.dumps(value)])

    # tasks for a time of the sandbox's clock

    def schedule(self, at: int, task: str, object_id: str) -> None:
        self.execute(
            "INSERT INTO due (at, task, object_id) VALUES (?, ?, ?)", [at, task, object_id]
        )

    def unschedule(self, object_id: str, task: str) -> None:
        self.execute("DELETE FROM due WHERE object_id = ? AND task = ?", [object_id, task])

    def next_due(self, until: float) -> sqlite3.Row | None:
        """Take the earliest task that is due, if any."""
        row: sqlite3.Row | None = self.execute(
            "SELECT * FROM due WHERE at <= ? ORDER BY at, seq LIMIT 1", [until]
        ).fetchone()
        if row:
            self.execute("DELETE FROM due WHERE seq = ?", [row["seq"]])
        return row

    # responses that idempotency keys remember

    def remembered(self, key: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.execute(
            "SELECT * FROM idempotency WHERE key = ?", [key]
        ).fetchone()
        return row

    def remember(
        self, key: str, request: str, request_id: str, status: int, body: str, now: float
    ) -> None:
        self.execute("DELETE FROM idempotency WHERE created < ?", [now - 30 * 86400])
        self.execute(
            "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?)",
            [key, request, request_id, status, body, now],
        )
