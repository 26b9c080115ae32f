"""The fingerprint of a request is stored with its key, so an upgrade must not change it.

Otherwise a request that is sent before an upgrade and again after it would be a conflict.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from hashlib import sha256

import pytest

from quickscale_credits import ledger
from quickscale_credits.exceptions import IdempotencyConflictError
from quickscale_credits.metering import charge
from quickscale_credits.models import CreditAccount
from quickscale_credits.testing import ServiceFactory
from tests.owners import make_owner

DAY = timedelta(days=1)
KEY = "request 1"


def digest(*parts):
    return sha256("\x00".join(map(str, parts)).encode()).hexdigest()


@pytest.fixture
def lot(account, clock):
    return account.add_credits(100, "Bought").allocations.get().lot


@pytest.fixture
def service(db):
    return ServiceFactory(slug="ocr", cost=1)


def test_of_credits_that_come_in(account, clock):
    end, iso = clock.now + DAY, "2030-01-02T00:00:00+00:00"
    entry = account.add_credits(
        5, "Plan", credit_type="bonus", expires_at=end, effective_at=clock.now, priority=3,
        source=("order", "1"), cost=(900, "eur"), period=(clock.now, end), idempotency_key=KEY,
    )  # fmt: skip
    entry.refresh_from_db()
    begin = "2030-01-01T00:00:00+00:00"
    assert entry.fingerprint == digest(
        "add", "5.0000", "bonus", 3, begin, iso, "order", "1", 900, "eur", begin, iso
    )


def test_of_a_use_and_a_removal(account, lot, service):
    entries = [
        account.consume_credits(5, "Work", service=service, idempotency_key=KEY),
        ledger.consume_many(
            [{"account": account, "amount": 5, "description": "Work", "idempotency_key": "2"}]
        )[0],
        account.remove_credits(5, "Mistake", idempotency_key="3"),
    ]
    for entry in entries:
        entry.refresh_from_db()
    assert [entry.fingerprint for entry in entries] == [
        digest("consume", "5.0000", service.pk),
        digest("consume", "5.0000", None),
        digest("adjust", "5.0000", None),
    ]


def test_of_a_hold(account, lot, service):
    hold = account.hold_credits(5, "Work", ttl=DAY, service=service, idempotency_key=KEY)
    hold.refresh_from_db()
    assert hold.fingerprint == digest("hold", "5.0000", "1 day, 0:00:00", service.pk)


def test_of_a_settlement(account, lot, service):
    hold = account.hold_credits(5, "Work", ttl=DAY)
    entry = ledger.settle(
        account=account, amount=4, description="Work", hold=hold, service=service,
        idempotency_key=KEY,
    )  # fmt: skip
    entry.refresh_from_db()
    assert entry.fingerprint == digest("settle", "4.0000", hold.pk, service.pk)
    with pytest.raises(IdempotencyConflictError, match=KEY):
        ledger.settle(account=account, amount=3, description="Work", idempotency_key=KEY)


def test_of_a_charge(owner, lot, service):
    with charge(owner, "ocr", units=3, idempotency_key=KEY) as work:
        work.units = 2
    work.usage.refresh_from_db()
    assert work.usage.fingerprint == digest("charge", service.pk, "", [("units", "3")])


def test_of_what_goes_back(account, lot):
    used = account.consume_credits(5, "Work")
    reversal = ledger.reverse(transaction=used, amount=2, reason="It failed", idempotency_key=KEY)
    revocation = ledger.revoke(
        lot=lot, amount=3, reason="Refund", policy="write_off", idempotency_key="2"
    )
    other = CreditAccount.objects.for_owner(make_owner())
    transfer = ledger.transfer(
        lot=lot, to=other, amount=1, description="Merged", idempotency_key="3"
    )
    for entry in (reversal, revocation, transfer):
        entry.refresh_from_db()
    assert reversal.fingerprint == digest("reverse", used.pk, "2.0000")
    assert revocation.fingerprint == digest("revoke", lot.pk, "3.0000", "write_off")
    assert transfer.fingerprint == digest("transfer", lot.pk, other.pk, "1.0000")


def test_a_conflict_names_the_key(account, lot):
    other = CreditAccount.objects.for_owner(make_owner())
    used = account.consume_credits(5, "Work")
    operations = (
        lambda amount, **key: ledger.reverse(
            transaction=used, amount=amount, reason="It failed", **key
        ),
        lambda amount, **key: ledger.revoke(lot=lot, amount=amount, reason="Refund", **key),
        lambda amount, **key: ledger.transfer(
            lot=lot, to=other, amount=amount, description="Merged", **key
        ),
    )
    for key, operation in zip("abc", operations, strict=True):
        operation(2, idempotency_key=key)
        with pytest.raises(IdempotencyConflictError) as caught:
            operation(1, idempotency_key=key)
        assert caught.value.key == key


def test_a_request_without_a_key_has_none(account, lot):
    used = account.consume_credits(Decimal(5), "Work")
    entries = [used, ledger.reverse(transaction=used, reason="It failed")]
    for entry in entries:
        entry.refresh_from_db()
    assert [entry.fingerprint for entry in entries] == ["", ""]
