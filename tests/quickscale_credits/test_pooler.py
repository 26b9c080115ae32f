"""The ledger's concurrency tests once more, through PgBouncer in transaction mode.

The connections here have ``DISABLE_SERVER_SIDE_CURSORS``, as Django asks for behind such a pooler.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from threading import Barrier

import pytest
from django.db import connection, connections

from tests.quickscale_credits.test_concurrency import (
    THREADS,
    at_once,
    test_a_hold_of_a_dead_process_times_out,
    test_a_hot_account_is_never_overspent,
    test_a_key_makes_one_transaction,
    test_a_source_makes_one_lot,
    test_a_transaction_is_reversed_once,
    test_batches_over_the_same_accounts_do_not_deadlock,
    test_capture_release_and_sweep_of_one_hold,
    test_random_work_on_many_accounts_and_a_hot_one,
    test_the_sweep_passes_over_locked_accounts,
    test_two_calls_make_one_account,
)

__all__ = [
    "test_a_hold_of_a_dead_process_times_out",
    "test_a_hot_account_is_never_overspent",
    "test_a_key_makes_one_transaction",
    "test_a_source_makes_one_lot",
    "test_a_transaction_is_reversed_once",
    "test_batches_over_the_same_accounts_do_not_deadlock",
    "test_capture_release_and_sweep_of_one_hold",
    "test_random_work_on_many_accounts_and_a_hot_one",
    "test_the_sweep_passes_over_locked_accounts",
    "test_two_calls_make_one_account",
]

PGBOUNCER = shutil.which("pgbouncer", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
HOST = "127.0.0.1"
SERVER_CONNECTIONS = 3

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("through_pooler"),
    pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer (Debian: pgbouncer) isn't installed"),
]


def free_port():
    with socket.create_server((HOST, 0)) as server:
        return server.getsockname()[1]


def owner_of_socket(host):
    """Return the owner of the server's socket, since root may not run PgBouncer."""
    return pwd.getpwuid(os.stat(host).st_uid if host.startswith("/") else 65534).pw_name


@pytest.fixture(scope="module")
def pooler(tmp_path_factory, django_db_setup, django_db_blocker):
    """The port of a PgBouncer in front of the test database's server."""
    with django_db_blocker.unblock():
        server = connection.get_connection_params()
    keys = ("host", "port", "user", "password")
    target = " ".join(f"{key}={server[key]}" for key in keys if server.get(key))
    port = free_port()
    lines = [
        "[databases]",
        f"* = {target}",
        "[pgbouncer]",
        f"listen_addr = {HOST}",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = any",
        "pool_mode = transaction",
        f"default_pool_size = {SERVER_CONNECTIONS}",
    ]
    if os.getuid() == 0:
        lines.append(f"user = {owner_of_socket(server.get('host', ''))}")
    config = tmp_path_factory.mktemp("pgbouncer") / "pgbouncer.ini"
    config.write_text("\n".join(lines))
    with subprocess.Popen([PGBOUNCER, "--quiet", config], stderr=subprocess.PIPE) as process:
        try:
            wait_for(port, process)
            yield port
        finally:
            process.terminate()


def wait_for(port, process):
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection((HOST, port)).close()
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.terminate()
                pytest.fail(f"PgBouncer did not start: {process.stderr.read().decode()}")
            time.sleep(0.05)


@pytest.fixture
def through_pooler(transactional_db, pooler):
    """Every new connection of Django's, in any thread, goes to the pooler."""
    direct = connections["default"]
    direct.close()
    settings = connections.settings["default"]
    before = dict(settings)
    settings.update(
        ENGINE="django.db.backends.postgresql",
        HOST=HOST,
        PORT=pooler,
        OPTIONS={},
        DISABLE_SERVER_SIDE_CURSORS=True,
    )
    connections["default"] = connections.create_connection("default")
    yield
    connections["default"].close()
    settings.update(before)
    connections["default"] = direct


def test_more_clients_than_server_connections_work_at_once():
    all_answered = Barrier(THREADS, timeout=10)

    def process_id(_number):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            [pid] = cursor.fetchone()
        all_answered.wait()
        return pid

    assert len(set(at_once(process_id))) <= SERVER_CONNECTIONS < THREADS
