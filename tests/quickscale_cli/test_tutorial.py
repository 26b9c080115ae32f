"""Follow the tutorial line by line in an empty folder, up to the purchase."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from quickscale_cli.ports import free_port, listens
from tests.folders import server_folder
from tests.plain_browser import Browser
from tests.quickscale_cli.test_generated_project import environment

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "charge-for-a-view.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?:# |{# )(\S+\.\w+)(, at the end)?(?: #})?\n")
SECONDS = 90


class Reader:
    """Does what the page says."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.servers: dict[str, subprocess.Popen[bytes]] = {}
        self.ports = {"runserver": free_port(0), "stripe_sandbox": free_port(0)}

    def follow(self, text: str) -> None:
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{self.ports['runserver']}")
        text = text.replace("127.0.0.1:12111", f"127.0.0.1:{self.ports['stripe_sandbox']}")
        for language, block in FENCE.findall(text):
            if language == "sh":
                for line in block.splitlines():
                    self.type(shlex.split(line))
            elif language == "text":
                self.write(".env", block, "a")
            else:
                name, at_the_end = FILE.match(block).groups()
                self.write(name, block, "a" if at_the_end else "w")

    def write(self, name: str, text: str, mode: str) -> None:
        with (self.folder / name).open(mode) as file:
            file.write(text)

    def type(self, words: list[str]) -> None:
        match words:
            case ["quickscale", *arguments]:
                self.run("-m", "quickscale_cli", *arguments)
            case ["cd", name]:
                self.folder /= name
            case ["python", "manage.py", ("runserver" | "stripe_sandbox") as server, *arguments]:
                self.serve(server, arguments)
            case ["python", "manage.py", *arguments]:
                self.run("manage.py", *arguments)
            case ["pip", *_] | [".", *_] | ["python", "-m", "venv", _]:
                pass  # the test runs in an environment that has the package
            case _:
                raise AssertionError(f"The tutorial says {words}, which this test doesn't know.")

    def run(self, *arguments: str) -> None:
        result = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert result.returncode == 0, result.stdout + result.stderr

    def serve(self, server: str, arguments: list[str]) -> None:
        self.stop(server)
        port = self.ports[server]
        where = [f"127.0.0.1:{port}", "--noreload"] if server == "runserver" else [f"--port={port}"]
        log = self.folder / f"{server}.log"
        with log.open("wb") as output:
            self.servers[server] = subprocess.Popen(
                [sys.executable, "manage.py", server, *where, *arguments],
                cwd=self.folder,
                env=environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.stack.callback(self.stop, server)
        wait_until(lambda: listens(port), log)

    def stop(self, server: str) -> None:
        if process := self.servers.pop(server, None):
            process.terminate()
            process.wait(60)


def wait_until(is_so, log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def pay(sandbox: int, session: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{sandbox}/_sandbox/pay",
        json.dumps({"session": session, "method": "card"}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        assert answer.status == 200


def wallet(customer: Browser) -> str:
    page = re.sub("<.*?>", "", customer.request("GET", "/wallet/")[1])
    return re.search(r"You have (.+)\.", page)[1]


def test_a_reader_of_the_tutorial_sells_haikus_and_credits():
    with server_folder() as folder, ExitStack() as stack:
        reader = Reader(folder, stack)
        reader.follow(PAGE.read_text())

        customer = Browser(reader.ports["runserver"])
        login = {"login": "user@test.com", "password": "userpasswd"}
        assert customer.post("/accounts/login/?next=/haiku/", **login) == (302, "/haiku/")
        answers = [customer.request("GET", "/haiku/") for _ in range(3)]
        assert [status for status, _ in answers] == [200, 200, 402]
        assert "splash" in answers[0][1]
        assert wallet(customer) == "1 credit"

        shop = "/dashboard/buy-credits/"
        status, payment_page = customer.post(shop, target=f"{shop}checkout/")
        assert (status, f":{reader.ports['stripe_sandbox']}/" in payment_page) == (302, True)
        pay(reader.ports["stripe_sandbox"], re.search(r"cs_\w+", payment_page)[0])
        log = reader.folder / "runserver.log"
        wait_until(lambda: wallet(customer) == "101 credits", log)
