from __future__ import annotations

from datetime import UTC, datetime
from itertools import count

import pytest

from quickscale_credits.internal import outbox
from quickscale_credits.internal.clock import ledger_clock
from quickscale_credits.models import CreditAccount, Service
from quickscale_credits.services import create_missing_rows, register_temporarily
from tests.quickscale_credits.surface import Shout, Whisper, member_of


@pytest.fixture(autouse=True)
def first_write(monkeypatch):
    """Count writes from one again, since each 100th finishes events without a receiver."""
    monkeypatch.setattr(outbox, "_writes", count(1))


@pytest.fixture
def owner(db, make_owner):
    return make_owner("owner@example.com")


@pytest.fixture
def member(owner):
    """A user who acts for the owner."""
    return member_of(owner, "owner@example.com")


@pytest.fixture
def account(owner):
    return CreditAccount.objects.for_owner(owner)


@pytest.fixture
def clock(db):
    """The ledger's clock, which stands still until the test moves it."""
    with ledger_clock(datetime(2030, 1, 1, tzinfo=UTC)) as clock:
        yield clock


@pytest.fixture
def browser(client, member):
    """A test client that is logged in and acts for the owner."""
    client.force_login(member)
    return client


@pytest.fixture
def services(db):
    """``shout`` (2 credits for each letter) and ``whisper`` (free), by their codes."""
    with register_temporarily(Shout, Whisper):
        create_missing_rows()
        yield {service.slug: service for service in Service.objects.all()}
