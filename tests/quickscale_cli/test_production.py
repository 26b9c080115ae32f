"""A generated project in production: several processes behind a proxy, and failures."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from quickscale.postgres import embedded_url
from quickscale_accounts.checks import check_allauth_version
from tests.plain_browser import UnixBrowser
from tests.quickscale_cli.test_generated_project import environment, new_project

BROKEN = """
def broken(request):
    raise RuntimeError("broken on purpose")

urlpatterns.insert(0, path("broken/", broken))
"""
WORKERS = 2
SECONDS = 90


@pytest.fixture(scope="module")
def site():
    """The folder of a site that two processes serve, with its socket and its log."""
    with new_project() as folder:
        (folder / ".env").unlink()
        with (folder / "my_site" / "urls.py").open("a") as urls:
            urls.write(BROKEN)
        variables = environment(
            DEBUG="false",
            SECRET_KEY="0123456789" * 6,
            ALLOWED_HOSTS="example.com",
            CONTACT_EMAIL="desk@example.com",
            # The embedded database is for development, which a check would report.
            DATABASE_URL=embedded_url(folder / "postgres"),
            BEHIND_PROXY="true",
            EMAIL_HOST="127.0.0.1",
            EMAIL_PORT="9",  # nothing listens there
        )
        for command in ("migrate --no-input -v 0", "collectstatic --no-input -v 0"):
            subprocess.run(
                [sys.executable, "manage.py", *command.split()],
                cwd=folder, env=variables, check=True, timeout=300,
            )  # fmt: skip
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "my_site.asgi:application",
                 "--uds", "site.sock", "--workers", str(WORKERS)],
                cwd=folder, env=variables, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            deadline = time.monotonic() + SECONDS
            while (folder / "log").read_text().count("startup complete") < WORKERS:
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield folder
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)


def visitor(site, address):
    return UnixBrowser(
        site / "site.sock",
        Host="example.com",
        Origin="https://example.com",
        X_Forwarded_Proto="https",
        X_Forwarded_For=address,
    )


def test_an_error_is_in_the_log_and_the_page_makes_no_promises(site):
    status, page = visitor(site, "203.0.113.1").request("GET", "/broken/")
    assert status == 500
    assert "Something broke on our side" in page
    assert "told about it" not in page
    log = (site / "log").read_text()
    assert re.search(r"ERROR django\.request: Internal Server Error: /broken/", log)
    assert "RuntimeError: broken on purpose" in log


def test_a_sign_up_without_a_mail_server_is_reported_and_logged(site):
    person = visitor(site, "203.0.113.2")
    fields = {"email": "ann@example.com", "password1": "a good one 9"}
    assert person.post("/accounts/signup/", **fields) == (302, "/accounts/login/")
    assert "We could not send you an email." in person.request("GET", "/accounts/login/")[1]
    log = (site / "log").read_text()
    assert "email_confirmation_signup could not be sent" in log
    assert "ConnectionRefusedError" in log


def test_limits_apply_across_all_processes(site):
    """The limit is five wrong passwords for one address, whichever process handles each."""
    if check_allauth_version(None):
        pytest.skip("the installed allauth lets guesses at the same moment through")

    def guess(number):
        guesser = visitor(site, f"198.51.100.{number}")
        login = {"login": "victim@example.com", "password": f"guess {number}"}
        return guesser.post("/accounts/login/", **login)[0]

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(guess, range(16)))
    assert sorted(statuses) == [200] * 5 + [429] * 11


def test_a_visitors_limit_does_not_affect_others(site):
    message = {"name": "Grace", "email": "grace@example.com", "message": "Is there an API?"}
    for _ in range(5):
        assert visitor(site, "192.0.2.1").post("/contact/", **message)[0] == 503
    assert visitor(site, "192.0.2.1").post("/contact/", **message)[0] == 429
    assert visitor(site, "192.0.2.2").post("/contact/", **message)[0] == 503
