"""``quickscale demo`` starts, keeps its data, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from quickscale_cli.demo import PACKAGE
from quickscale_cli.ports import HOST, free_port, listens
from quickscale_cli.project import create_project
from tests.folders import server_folder
from tests.journeys.site import Demo


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.create_server((HOST, 0)) as server:
        yield str(server.getsockname()[1])


def processes_of(folder: Path) -> list[str]:
    """Return the processes that run in the folder or have it as an argument, with PostgreSQL."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = " ".join(process.info["cmdline"] or [])
        if str(folder) in command or str(process.info["cwd"] or "").startswith(str(folder)):
            found.append(command)
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    with server_folder() as temporary:
        yield temporary / "demo"


def test_a_demo_starts_keeps_its_data_and_leaves_nothing_behind(folder, taken, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://nobody@192.0.2.1/somebodys-data")
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_live_never_used")

    first = Demo(folder, "--port", str(free_port(0)), "--sandbox-port", str(free_port(0)))
    try:
        first.wait_until_ready()
        with urllib.request.urlopen(f"{first.url}/healthz", timeout=10) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"{first.url}/readyz", timeout=10) as answer:
            assert answer.status == 200
        assert "user@test.com / userpasswd" in first.output
        assert "admin@test.com / adminpasswd" in first.output
        assert any("postgres" in command for command in processes_of(folder))
    finally:
        code = first.stop(signal.SIGINT)
    assert code == 0, first.output
    assert processes_of(folder) == []

    second = Demo(folder, "--port", taken, "--sandbox-port", taken)
    try:
        second.wait_until_ready()
        assert second.output.count(f"Port {taken} is taken.") == 2
        assert taken not in second.url
        assert "with its data" in second.output
        assert "Loading" not in second.output
    finally:
        code = second.stop(signal.SIGTERM)
    assert code == 0, second.output
    assert processes_of(folder) == []
    assert not listens(int(second.url.rpartition(":")[2]))


def test_a_step_that_fails_is_reported_and_leaves_nothing_behind(folder):
    create_project(PACKAGE, folder)
    (folder / "users" / "models.py").write_text("raise SystemExit('out of order')")

    broken = Demo(folder, "--port", str(free_port(0)), "--sandbox-port", str(free_port(0)))
    broken.process.wait(60)
    assert broken.stop() == 1
    assert "Error: manage.py migrate --no-input failed:" in broken.output
    assert "out of order" in broken.output
    assert processes_of(folder) == []


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    demo = Demo(tmp_path)
    demo.process.wait(60)
    assert demo.stop() == 1
    assert demo.output == f"Error: {tmp_path} already exists.\n"
    assert os.listdir(tmp_path) == ["mine.txt"]
