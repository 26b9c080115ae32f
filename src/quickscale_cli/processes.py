"""Start and end the processes of a command."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from quickscale_cli.errors import CommandError
from quickscale_cli.ports import listens

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS_TO_START = 60
SECONDS_TO_END = 10


class Processes:
    """Run Python in ``folder``; leaving the ``with`` block ends all processes that still run.

    Each process is in a session of its own. So Ctrl-C in a terminal reaches only this process,
    where it raises ``KeyboardInterrupt``, as do SIGTERM and SIGHUP. The other processes are then
    ended in order, and each has time to clean up.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self._running: dict[str, subprocess.Popen[str]] = {}
        self.at_end = ExitStack()
        """Further cleanup for after the processes have ended."""

    def __enter__(self) -> Processes:
        self._handlers = {
            number: signal.signal(number, signal.default_int_handler) for number in STOP_SIGNALS
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)
        for process in reversed(self._running.values()):
            _end(process)
        self.at_end.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def run(self, *arguments: str) -> None:
        """Run a process to its end.

        Raises:
            CommandError: it failed; the message has its output.
        """
        process = self._start("step", arguments, output=subprocess.PIPE, errors=subprocess.STDOUT)
        output, _ = process.communicate()
        if process.returncode:
            raise CommandError(f"{' '.join(arguments)} failed:\n{output}")

    def serve(self, name: str, *arguments: str, port: int, quiet: bool = False) -> None:
        """Start a server, and return once something accepts connections at the port.

        With ``quiet``, only its standard error is shown.

        Raises:
            CommandError: the server did not start.
        """
        process = self._start(name, arguments, output=subprocess.DEVNULL if quiet else None)
        deadline = time.monotonic() + SECONDS_TO_START
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise CommandError(f"{name} could not be started.")
            time.sleep(0.1)

    def wait(self) -> None:
        """Wait until a server ends, which is an error.

        Raises:
            CommandError: a server ended.
        """
        while True:
            for name, process in self._running.items():
                if name != "step" and process.poll() is not None:
                    raise CommandError(f"{name} ended with exit code {process.returncode}.")
            time.sleep(0.5)

    def _start(
        self,
        name: str,
        arguments: tuple[str, ...],
        *,
        output: int | None = None,
        errors: int | None = None,
    ) -> subprocess.Popen[str]:
        self._running[name] = subprocess.Popen(  # noqa: S603  our own arguments, no shell
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        return self._running[name]


def _end(process: subprocess.Popen[str]) -> None:
    """End a process like Ctrl-C, so that Python runs its exit handlers; kill it after a while."""
    with process:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()
