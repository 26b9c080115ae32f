from __future__ import annotations

import os
import signal
import threading
import time

import psutil
import pytest

from quickscale_cli import processes
from quickscale_cli.errors import CommandError
from quickscale_cli.ports import HOST, free_port, listens
from quickscale_cli.processes import Processes

SERVER = """
import atexit, pathlib, socketserver, sys
atexit.register(pathlib.Path("cleaned-up").touch)
address = ("127.0.0.1", int(sys.argv[1]))
with socketserver.TCPServer(address, socketserver.BaseRequestHandler) as server:
    server.serve_forever(poll_interval=0.1)
"""
STUBBORN = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + SERVER


@pytest.fixture
def port():
    return free_port(0)


@pytest.fixture
def started(tmp_path):
    return Processes(tmp_path, dict(os.environ))


def left_over():
    return [
        process.pid
        for process in psutil.process_iter(["ppid", "cmdline"])
        if process.info["ppid"] == os.getpid() and (process.info["cmdline"] or [])[1:2] == ["-c"]
    ]


def interrupted(number, work, *arguments):
    """Run the block while the process gets a signal after half a second."""
    threading.Timer(0.5, os.kill, [os.getpid(), number]).start()
    work(*arguments)


def test_a_step_runs_in_the_folder(started, tmp_path):
    with started:
        started.run("-c", "import pathlib; pathlib.Path('here').touch()")
    assert (tmp_path / "here").exists()


def test_the_error_of_a_failed_step_has_its_output(started):
    with started, pytest.raises(CommandError, match=r"(?s)failed:.*the reason"):
        started.run("-c", "raise SystemExit('the reason')")


def test_a_server_has_the_time_to_clean_up(started, port, tmp_path):
    with started:
        started.serve("The server", "-c", SERVER, str(port), port=port)
        assert listens(port)
    assert not listens(port)
    assert (tmp_path / "cleaned-up").exists()


def test_a_server_that_ignores_the_signal_is_killed(started, port):
    with started:
        started.serve("The server", "-c", STUBBORN, str(port), port=port)
    assert left_over() == []


def test_a_server_that_cannot_start_is_named(started, port):
    with started, pytest.raises(CommandError, match="The server could not be started"):
        started.serve("The server", "-c", "raise SystemExit(3)", port=port)


def test_a_server_that_is_too_slow_is_ended(started, port, monkeypatch):
    monotonic = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: 300 * monotonic())
    with pytest.raises(CommandError, match="could not be started"), started:
        started.serve("The server", "-c", "import time; time.sleep(60)", port=port)
    assert left_over() == []


def test_the_end_of_a_server_is_noticed(started, port):
    once = f"import socket; socket.create_server(({HOST!r}, {port})).accept()"
    with started:
        started.serve("The server", "-c", once, port=port)
        with pytest.raises(CommandError, match="The server ended with exit code 0"):
            started.wait()


@pytest.mark.parametrize("number", processes.STOP_SIGNALS)
def test_a_signal_ends_everything(started, port, number):
    before = [signal.getsignal(each) for each in processes.STOP_SIGNALS]
    with started:
        started.serve("The server", "-c", SERVER, str(port), port=port)
        with pytest.raises(KeyboardInterrupt):
            interrupted(number, started.wait)
    assert left_over() == []
    assert [signal.getsignal(each) for each in processes.STOP_SIGNALS] == before


def test_ctrl_c_during_a_step_ends_the_step(started):
    with started, pytest.raises(KeyboardInterrupt):
        interrupted(signal.SIGINT, started.run, "-c", "import time; time.sleep(60)")
    assert left_over() == []
