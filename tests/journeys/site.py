"""``quickscale demo`` in its own process, as a person starts it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

START = 180
END = 30


def eventually(look: Callable[[], T | None], what: str, seconds: float = 15) -> T:
    """Wait until ``look`` finds something, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"There is no {what} after {seconds} seconds."
        time.sleep(0.1)
    return found


class Demo:
    """The running demo: its address, its output, and the control page of its Stripe sandbox."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._lines: list[str] = []
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "quickscale_cli",
                "demo",
                str(folder),
                "--no-browser",
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        self._lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def output(self) -> str:
        return "".join(self._lines)

    def wait_until_ready(self) -> None:
        eventually(lambda: "Ctrl-C stops" in self.output or self._over(), "demo", START)
        assert not self._over(), self.output

    def _over(self) -> bool:
        return self.process.poll() is not None

    @property
    def url(self) -> str:
        return self._address("The site is at (.*)/")

    @property
    def sandbox(self) -> str:
        return self._address("The Stripe sandbox is at (.*)/_sandbox/")

    def _address(self, pattern: str) -> str:
        found = re.search(pattern, self.output)
        assert found, self.output
        return found[1]

    def stop(self, number: int = signal.SIGINT) -> int:
        """Stop as Ctrl-C does, and return the exit code."""
        if not self._over():
            self.process.send_signal(number)
        code = self.process.wait(END)
        self._reader.join(END)
        assert self.process.stdout
        self.process.stdout.close()
        return code

    def code_in_mail_to(self, email: str) -> str:
        """Return the code in the newest mail to this address that the demo has printed."""

        def look() -> str | None:
            _, to, mail = self.output.rpartition(f"To: {email}\n")
            found = re.search(r"^\d{6}$", mail, re.MULTILINE) if to else None
            return found[0] if found else None

        return eventually(look, f"mail to {email}")

    def control(self, action: str, **form: Any) -> None:
        """Do an action of the sandbox's control page."""
        request = urllib.request.Request(
            f"{self.sandbox}/_sandbox/{action}",
            data=json.dumps(form).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):
            pass

    def deliveries(self) -> list[dict[str, Any]]:
        """Return the sandbox's log of webhooks, the newest first."""
        with urllib.request.urlopen(f"{self.sandbox}/_sandbox/deliveries", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def wait_for_deliveries(self) -> list[dict[str, Any]]:
        """Wait until no webhook is on its way, and return the log; none may have failed."""
        on_its_way = {"pending", "sending"}

        def look() -> list[dict[str, Any]] | None:
            log = self.deliveries()
            return None if any(row["state"] in on_its_way for row in log) else log

        log = eventually(look, "end of the deliveries")
        refused = [row for row in log if row["state"] == "failed"]
        assert refused == []
        return log
