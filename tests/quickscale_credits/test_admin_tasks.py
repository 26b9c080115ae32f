"""Support's tasks in the admin: each shows its effect first and keeps the reason."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission

from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount, CreditHold
from tests.quickscale_credits.surface import member_of

pytestmark = pytest.mark.django_db

ADMIN = "/admin/quickscale_credits"
DAY = timedelta(days=1)


@pytest.fixture
def staff(admin_client):
    return admin_client


@pytest.fixture
def other(make_owner):
    owner = make_owner("other@example.com")
    member_of(owner, "other@example.com")
    return CreditAccount.objects.for_owner(owner)


@pytest.fixture
def bought(account):
    return account.add_credits(100, "Bought", cost=(3000, "usd")).allocations.get().lot


def text(response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


class Page:
    """The page of one task for one row."""

    def __init__(self, client, row, task):
        self.client = client
        self.row = f"{ADMIN}/{row._meta.model_name}/{row.pk}"
        self.url = f"{self.row}/{task}/"
        page = client.get(self.url).content.decode()
        found = re.search(r'name="key" value="([^"]+)"', page)
        self.key = found[1] if found else ""

    def ask(self, **data):
        return self.client.post(self.url, {"reason": "Ticket 4711", "key": self.key, **data})

    def confirm(self, **data):
        return self.ask(**data, confirm="1")


def test_the_effect_is_shown_first_and_nothing_is_written(staff, account, bought):
    page = Page(staff, account, "freeze").ask()
    assert "Ticket 4711" in text(page)
    assert "Status Active Frozen" in text(page)
    assert not account.changes.exists()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("task", "data", "kind", "new"),
    [
        ("freeze", {}, "status", "frozen"),
        ("close", {}, "status", "closed"),
        ("overdraft-limit", {"limit": "50"}, "overdraft_limit", "50.0000"),
    ],
)
def test_an_account_is_changed(staff, admin_user, account, task, data, kind, new):
    response = Page(staff, account, task).confirm(**data)
    assert response.url == f"{ADMIN}/creditaccount/{account.pk}/change/"
    change = account.changes.get()
    assert (change.kind, change.new, change.actor, change.reason) == (
        kind,
        new,
        admin_user,
        "Ticket 4711",
    )
    assert "Ticket 4711" in LogEntry.objects.get().change_message
    assert "→" in text(staff.get(response.url))


def test_an_account_is_unfrozen(staff, account):
    ledger.freeze(account=account)
    Page(staff, account, "unfreeze").confirm()
    account.refresh_from_db()
    assert account.status == "active"


def test_a_use_is_given_back_once(staff, admin_user, account, bought):
    used = account.consume_credits(30, "Work")
    page = Page(staff, used, "reverse")
    assert "Available 70 80" in text(page.ask(amount="10"))
    assert account.get_balance() == 70
    for _ in range(2):
        page.confirm(amount="10")
    entry = account.transactions.first()
    assert (entry.kind, entry.amount, entry.description) == ("reverse", 10, "Ticket 4711")
    assert entry.actor == admin_user
    Page(staff, used, "reverse").confirm()
    assert account.get_balance() == 100
    assert "the transaction has 0.0000 left" in text(Page(staff, used, "reverse").ask())


def test_a_lot_is_revoked_by_a_policy(staff, account, bought):
    account.consume_credits(30, "Work")
    page = Page(staff, bought, "revoke").ask(amount="100", policy="freeze")
    for effect in ("Freeze the account", "Still to be revoked 0 30", "Status Active Frozen"):
        assert effect in text(page)
    Page(staff, bought, "revoke").confirm(amount="100", policy="freeze")
    account.refresh_from_db()
    assert (account.status, account.posted) == ("frozen", 0)


def test_a_lot_is_transferred(staff, account, other, bought):
    page = Page(staff, bought, "transfer")
    shown = text(page.ask(to="other@example.com", amount="40"))
    assert "Available 100 60" in shown
    assert "Available 0 40" in shown
    page.confirm(to="other@example.com", amount="40")
    assert (account.get_balance(), other.get_balance()) == (60, 40)
    assert "No user has" in text(page.ask(to="nobody@example.com"))


def test_a_hold_is_released(staff, account, bought):
    hold = account.hold_credits(30, "Work", ttl=DAY)
    assert "On hold 30 0" in text(Page(staff, hold, "release").ask())
    Page(staff, hold, "release").confirm()
    assert CreditHold.objects.get().status == "released"
    assert "Ticket 4711" in LogEntry.objects.get().change_message
    assert "it is released" in text(Page(staff, hold, "release").ask())


def test_a_reason_is_needed(staff, account):
    response = Page(staff, account, "freeze").confirm(reason=" ")
    assert "This field is required." in text(response)
    assert not account.changes.exists()


def test_only_what_can_be_done_is_offered(staff, account, bought):
    used = account.consume_credits(30, "Work")
    hold = account.hold_credits(70, "Work", ttl=DAY)
    ledger.freeze(account=account)
    offered = {
        row: re.findall(
            rf'{row.pk}/([\w-]+)/">',
            staff.get(f"{ADMIN}/{row._meta.model_name}/{row.pk}/change/").content.decode(),
        )
        for row in (account, used, bought, hold, account.transactions.last())
    }
    others = ("add-credits", "remove-credits", "history", "change")
    assert [[name for name in names if name not in others] for names in offered.values()] == [
        ["unfreeze", "overdraft-limit", "close"],
        ["reverse"],
        ["revoke"],
        ["release"],
        [],
    ]


def test_needs_the_permission_to_change_accounts(client, make_user, account, bought):
    used = account.consume_credits(30, "Work")
    viewer = make_user("view@example.com")
    viewer.is_staff = True
    viewer.save()
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_credit"))
    client.force_login(viewer)
    for row, task in ((account, "freeze"), (used, "reverse"), (bought, "revoke")):
        change = client.get(f"{ADMIN}/{row._meta.model_name}/{row.pk}/change/")
        assert change.status_code == 200
        assert f"/{task}/" not in change.content.decode()
        assert Page(client, row, task).confirm().status_code == 403
    viewer.user_permissions.set(Permission.objects.filter(codename="change_creditaccount"))
    assert Page(client, bought, "revoke").confirm().status_code == 403


class TestHowRowsRead:
    def test_numbers_times_and_money(self, staff, account, settings):
        settings.TIME_ZONE = "UTC"
        end = datetime(2099, 12, 28, 19, 19, 25, tzinfo=UTC)
        lot = (
            account.add_credits(
                "1187.9970", "Plan", credit_type="bonus", expires_at=end, cost=(3000, "usd")
            )
            .allocations.get()
            .lot
        )
        page = text(staff.get(f"{ADMIN}/creditlot/{lot.pk}/change/"))
        assert "Bonus: 1,187.997 of 1,187.997 left" in page
        assert "Ends: Dec. 28, 2099, 7:19 p.m. UTC" in page
        assert "Money paid: $30.00" in page
        assert "9970" not in page
        entry = account.transactions.get()
        page = text(staff.get(f"{ADMIN}/credittransaction/{entry.pk}/change/"))
        assert "Added: +1,187.997" in page
        assert "7:19 p.m. UTC" in page
        assert "00:00" not in page

    def test_holds_and_changes(self, staff, account, bought):
        hold = account.hold_credits(80, "Work", ttl=DAY)
        assert "80 credits: Open" in text(staff.get(f"{ADMIN}/credithold/{hold.pk}/change/"))
        ledger.set_overdraft_limit(account=account, limit=5, reason="A good customer")
        change = account.changes.get()
        page = text(staff.get(f"{ADMIN}/accountchange/{change.pk}/change/"))
        assert "Overdraft limit: 0 → 5" in page
        assert "A good customer" in text(staff.get(f"{ADMIN}/accountchange/"))
