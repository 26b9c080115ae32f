"""The sandbox in a Django site."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import stripe
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import RequestFactory

from quickscale_stripe_sandbox import Sandbox, get_sandbox
from quickscale_stripe_sandbox.checks import check_debug
from quickscale_stripe_sandbox.views import SandboxView

from .conftest import KEY, open_session

ROOT = Path(__file__).parents[2]


@pytest.fixture
def in_memory(settings: Any) -> Sandbox:
    settings.QUICKSCALE_STRIPE_SANDBOX_PATH = ":memory:"
    return get_sandbox()


def test_a_site_has_one_sandbox(in_memory: Sandbox) -> None:
    assert get_sandbox() is in_memory


def test_it_stays_out_of_production(settings: Any, tmp_path: Path) -> None:
    settings.QUICKSCALE_STRIPE_SANDBOX_PATH = str(tmp_path / "stripe.sqlite3")
    assert [message.id for message in check_debug(None)] == ["quickscale_stripe_sandbox.E001"]
    with pytest.raises(ImproperlyConfigured):
        get_sandbox()
    with pytest.raises(CommandError, match="DEBUG"):
        call_command("stripe_sandbox")
    settings.DEBUG = True
    assert check_debug(None) == []
    get_sandbox()
    assert (tmp_path / "stripe.sqlite3").exists()


def test_the_file_is_in_the_project(settings: Any, tmp_path: Path) -> None:
    settings.DEBUG = True
    settings.BASE_DIR = tmp_path
    settings.QUICKSCALE_STRIPE_SANDBOX_PATH = ""
    get_sandbox()
    assert (tmp_path / ".quickscale" / "stripe-sandbox.sqlite3").exists()
    assert (tmp_path / ".quickscale" / ".gitignore").read_text() == "*\n"


def test_the_view_passes_requests_on(
    in_memory: Sandbox, rf: RequestFactory, client: stripe.StripeClient
) -> None:
    def view(method: str, target: str, **extra: Any) -> Any:
        request = getattr(rf, method)(f"/stripe/sandbox/{target}", **extra)
        return SandboxView.as_view()(request, target=target.partition("?")[0])

    headers = {"authorization": f"Bearer {KEY}"}
    made = view("post", "v1/customers", data={"name": "Ada"}, headers=headers)
    assert made.status_code == 400  # Stripe doesn't accept multipart
    made = view(
        "post",
        "v1/customers",
        data="name=Ada",
        content_type="application/x-www-form-urlencoded",
        headers=headers,
    )
    assert made.status_code == 200
    listed = view("get", "v1/customers?limit=1", headers=headers)
    assert b'"name": "Ada"' in listed.content
    control = view("get", "_sandbox/")
    assert b"http://testserver/stripe/sandbox/_sandbox/style.css" in control.content


def test_the_server_answers_only_to_names_of_this_machine(
    served: stripe.StripeClient, sandbox: Sandbox
) -> None:
    request = urllib.request.Request(
        f"{sandbox.base_url}/_sandbox/", headers={"Host": "evil.example:80"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    with refused.value:
        assert refused.value.code == 421


def test_pages_are_linked_where_the_request_came_in(
    served: stripe.StripeClient, price: stripe.Price, sandbox: Sandbox
) -> None:
    session = open_session(served, price)
    with urllib.request.urlopen(session.url) as page:
        assert page.status == 200


def test_seeding_happens_once(settings: Any, tmp_path: Path) -> None:
    settings.DEBUG = True
    said = io.StringIO()
    path = str(tmp_path / "stripe.sqlite3")
    for _ in range(2):
        call_command("stripe_sandbox", "--seed-only", "--path", path, stdout=said)
    assert said.getvalue() == "Made three credit packages and two plans.\n"
    sandbox = Sandbox(path)
    with sandbox.world() as world:
        prices = world.all("price")
    assert sorted(price["type"] for price in prices) == ["one_time"] * 3 + ["recurring"] * 4
    sandbox.close()


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    code = (
        "import django; from django.conf import settings;"
        "settings.configure(DEBUG=True, INSTALLED_APPS=['quickscale_stripe_sandbox'],"
        "SECRET_KEY='x');"
        "django.setup(); from django.core.management import call_command;"
        f"call_command('stripe_sandbox', '--port', '0', '--seed', '--path', r'{tmp_path / 's.db'}',"
        "'--forward-to', 'http://127.0.0.1:1/stripe/webhook/', '--webhook-secret', 'whsec_known')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout
    lines = [process.stdout.readline().strip() for _ in range(4)]
    assert lines[0] == "Made three credit packages and two plans."
    assert lines[1] == "Webhooks go to http://127.0.0.1:1/stripe/webhook/"
    address = lines[2].removeprefix("Sandbox: ")
    with urllib.request.urlopen(f"{address}/_sandbox/state") as answer:
        assert b"whsec_known" in answer.read()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=10)
    assert rest.strip() == "Stopped."
    assert process.returncode == 0
