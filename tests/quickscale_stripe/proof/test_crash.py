"""A site that is killed between any two steps recovers, and grants once.

``QUICKSCALE_CRASH_STRIDE`` is the number of steps between two kills; CI tries every step.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from stripe import WebhookSignature

from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount, CreditLot
from quickscale_stripe.client import get_client, using
from quickscale_stripe.events.handlers import HANDLERS
from quickscale_stripe.events.reconcile import reconcile
from quickscale_stripe.models import Payment, StripeEvent, StripePrice
from quickscale_stripe_sandbox import Sandbox, SandboxHTTPClient
from tests.quickscale_stripe.proof import crash_child
from tests.quickscale_stripe.proof.world import World
from tests.quickscale_stripe.shopping import SECRET, open_checkout
from tests.quickscale_stripe.test_webhooks import post

pytestmark = pytest.mark.django_db(transaction=True)

Event = dict[str, Any]
STRIDE = int(os.environ.get("QUICKSCALE_CRASH_STRIDE", "5"))


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox that several processes share."""
    account = Sandbox(tmp_path / "stripe.sqlite3")
    with closing(account), using(SandboxHTTPClient(account), webhook_secret=SECRET):
        yield account


class Site:
    """The site in its own process, which serves each request in a child process."""

    def __init__(self, sandbox: Sandbox) -> None:
        known = connection.get_connection_params()
        names = {"dbname": "NAME", "host": "HOST", "port": "PORT", "user": "USER",
                 "password": "PASSWORD"}  # fmt: skip
        database = {names[key]: known[key] for key in names if known.get(key)}
        database["ENGINE"] = "django.db.backends.postgresql"
        site = {"database": database, "secret": SECRET, "sandbox": sandbox.store.path}
        self.process = subprocess.Popen(
            [sys.executable, "-m", crash_child.__name__],
            env=os.environ | {"PROOF_SITE": json.dumps(site)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send(self, kill_at: int, path: str, body: bytes = b"", **request: Any) -> bool:
        """Return whether the process was killed before the request was served."""
        line = {
            "kill_at": kill_at, "path": path, "body": body.decode(), "method": "POST",
            "content_type": "application/json", "headers": {}, "cookies": {},
        } | request  # fmt: skip
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{json.dumps(line)}\n")
        self.process.stdin.flush()
        ended = int(self.process.stdout.readline())
        assert ended in (0, signal.SIGKILL)
        return ended == signal.SIGKILL

    def send_event(self, kill_at: int, event: Event) -> bool:
        body = json.dumps(event)
        signature = WebhookSignature.generate_signature_header(body, SECRET)
        headers = {"Stripe-Signature": signature}
        return self.send(kill_at, "/stripe/webhook/", body.encode(), headers=headers)

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture
def site(sandbox: Sandbox) -> Iterator[Site]:
    site = Site(sandbox)
    yield site
    site.close()


@pytest.fixture
def make_buyer(django_user_model: Any) -> Callable[[], Any]:
    return lambda: django_user_model.objects.create_user(
        email=f"{uuid.uuid4().hex}@example.com", password="pass phrase"
    )


def send_until_done(event: Event) -> None:
    """Try again as Stripe does, since a killed process may hold its locks for a moment."""
    for _ in range(100):
        if post(event).status_code == 200:
            return
        time.sleep(0.05)
    raise AssertionError("The event is never done.")


def replay(event: Event) -> None:
    for _ in range(100):
        call_command("replay_events", "--due")
        if not StripeEvent.objects.due().exists():
            break
        time.sleep(0.05)
    # The process was killed before it stored the event, so Stripe got no answer.
    if not StripeEvent.objects.filter(stripe_id=event["id"]).exists():
        send_until_done(event)


def repair(event: Event) -> None:
    for difference in reconcile(since=timezone.now() - timedelta(minutes=5)):
        assert difference.error == ""


RECOVERIES = [send_until_done, replay, repair]


def handled(sandbox: Sandbox, told: int) -> list[Event]:
    return [event for event in sandbox.events()[told:] if event["type"] in HANDLERS]


def check_bought(buyer: Any) -> None:
    account = CreditAccount.objects.for_owner(buyer)
    payment = Payment.objects.get(owner=buyer)
    assert (payment.status, payment.credits) == ("succeeded", 100)
    assert payment.fulfilled_at
    assert CreditLot.objects.get(account=account).amount == 100
    assert account.get_balance() == 100
    assert ledger.verify(account) == []


def at_every_step(once: Callable[[int], bool], least: int) -> None:
    """Kill at one step after the other, until the request is served first."""
    step = 1
    while once(step):
        step += STRIDE
    assert step > least


def test_checkout(
    shop: Sandbox, site: Site, package: StripePrice, make_buyer: Callable[[], Any]
) -> None:
    """The buyer presses the button again and gets one customer, one session and one grant."""

    def once(step: int) -> bool:
        buyer = make_buyer()
        client = Client()
        client.force_login(buyer)
        form = {"price": package.pk, "reference": str(uuid.uuid4())}
        path = reverse("quickscale_stripe:checkout")
        killed = site.send(
            step,
            path,
            "&".join(f"{key}={value}" for key, value in form.items()).encode(),
            content_type="application/x-www-form-urlencoded",
            cookies={key: morsel.value for key, morsel in client.cookies.items()},
        )

        session_id = client.post(path, form).headers["Location"].rpartition("/")[2]

        stripe = get_client().v1
        found = stripe.customers.list({"email": buyer.email})
        assert [customer.id for customer in found.data] == [buyer.stripe_customer.stripe_id]
        sessions = stripe.checkout.sessions.list({"customer": found.data[0].id})
        assert [session.id for session in sessions.data] == [session_id]
        told = len(shop.events())
        shop.pay(session_id)
        for event in handled(shop, told):
            send_until_done(event)
        check_bought(buyer)
        return killed

    at_every_step(once, 6)


def test_the_webhook(
    shop: Sandbox, site: Site, package: StripePrice, make_buyer: Callable[[], Any]
) -> None:
    def once(step: int) -> bool:
        buyer = make_buyer()
        shop.pay(open_checkout(buyer, package))
        event = shop.events("checkout.session.completed")[-1]
        killed = site.send_event(step, event)
        RECOVERIES[step % 3](event)
        check_bought(buyer)
        send_until_done(event)
        check_bought(buyer)
        return killed

    at_every_step(once, 8)


def test_the_page_after_the_payment(
    shop: Sandbox, site: Site, package: StripePrice, make_buyer: Callable[[], Any]
) -> None:
    def once(step: int) -> bool:
        buyer = make_buyer()
        client = Client()
        client.force_login(buyer)
        session = open_checkout(buyer, package)
        shop.pay(session)
        killed = site.send(
            step,
            f"{reverse('quickscale_stripe:checkout_done')}?session_id={session}",
            method="GET",
            cookies={key: morsel.value for key, morsel in client.cookies.items()},
        )
        event = shop.events("checkout.session.completed")[-1]
        (repair if step % 2 else send_until_done)(event)
        check_bought(buyer)
        return killed

    at_every_step(once, 5)


def test_a_refund(
    shop: Sandbox, site: Site, package: StripePrice, make_buyer: Callable[[], Any]
) -> None:
    def once(step: int) -> bool:
        buyer = make_buyer()
        world = World(shop, buyer)
        intent = world.buy()
        send_until_done(shop.events("checkout.session.completed")[-1])
        shop.refund(world.charge(intent), amount=450)
        event = shop.events("charge.refunded")[-1]
        killed = site.send_event(step, event)
        RECOVERIES[step % 3](event)
        account = CreditAccount.objects.for_owner(buyer)
        assert account.get_balance() == 50
        assert ledger.verify(account) == []
        return killed

    at_every_step(once, 8)


def test_a_change_of_plan(shop: Sandbox, site: Site, make_buyer: Callable[[], Any]) -> None:
    """The rest of the old plan is converted once, and the difference is granted once."""

    def once(step: int) -> bool:
        buyer = make_buyer()
        world = World(shop, buyer)
        subscription = world.subscribe()
        send_until_done(shop.events("invoice.paid")[-1])
        world.change_in_portal(subscription, "Pro plan")
        event = shop.events("invoice.paid")[-1]
        killed = site.send_event(step, event)
        RECOVERIES[step % 3](event)
        account = CreditAccount.objects.for_owner(buyer)
        balance = account.get_balance_by_type()
        assert (round(balance["payg"]), round(balance["subscription"])) == (300, 700)
        assert ledger.verify(account) == []
        return killed

    at_every_step(once, 12)
