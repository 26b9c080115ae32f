"""Owners and users can be deleted in any way, and the journal stays."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import IntegrityError, models, transaction
from django.test import override_settings
from django.urls import NoReverseMatch, reverse

from quickscale.owner import forget_owner, get_owner_model
from quickscale_credits import ledger
from quickscale_credits.exceptions import InvalidRequestError
from quickscale_credits.metering import charge
from quickscale_credits.models import CreditAccount, CreditTransaction, ServiceUsage
from quickscale_credits.pricing import quote
from tests.owners import make_owner, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def used(account, owner, services):
    account.add_credits(10, "Bought")
    with charge(owner, "shout", idempotency_key="k"):
        pass
    return account


class TestADeletedOwner:
    def test_leaves_the_journal_and_a_name(self, used, owner):
        name = str(owner)
        owner.delete()

        used = CreditAccount.objects.get()
        assert (used.owner, used.former_owner) == (None, name)
        assert str(used) == f"{name} (deleted)"
        assert [entry.amount for entry in used.transactions.all()] == [-2, 10]
        assert used.get_balance() == 8
        assert ledger.verify(used) == []

    def test_many_at_once(self, used, owner):
        other = make_owner()
        CreditAccount.objects.for_owner(other)

        get_owner_model().objects.filter(pk__in=[owner.pk, other.pk]).delete()

        assert CreditAccount.objects.get() == used

    def test_deletes_an_account_without_history(self, account, owner):
        owner.delete()

        assert not CreditAccount.objects.exists()

    def test_keeps_an_account_that_was_only_frozen(self, account, owner):
        ledger.freeze(account=account, reason="Chargeback")
        owner.delete()

        assert CreditAccount.objects.get().changes.count() == 1

    def test_leaves_an_account_that_still_works(self, used, owner):
        lot = used.lots.get()
        owner.delete()
        used = CreditAccount.objects.get()

        ledger.revoke(lot=lot, amount=8, reason="Refund")
        assert used.get_balance() == 0
        ledger.close(account=used)
        assert ledger.verify(used) == []

    def test_leaves_an_account_for_each_of_two(self, used, owner):
        other = make_owner()
        CreditAccount.objects.for_owner(other).add_credits(5, "Bought")
        owner.delete()
        other.delete()

        balances = [account.get_balance() for account in CreditAccount.objects.order_by("pk")]
        assert balances == [8, 5]

    def test_leaves_an_account_that_nobody_else_gets(self, used, owner):
        owner.delete()

        with pytest.raises(InvalidRequestError):
            CreditAccount.objects.for_owner(None)
        assert CreditAccount.objects.to_read(None).get_balance() == 0

    def test_cannot_be_replaced_by_another(self, used, owner):
        owner.delete()

        with pytest.raises(IntegrityError):
            CreditAccount.objects.update(owner=make_owner().pk)


class TestForgetting:
    def test_leaves_no_name(self, used, owner):
        forget_owner(owner)

        account = CreditAccount.objects.get()
        assert (account.owner, account.former_owner) == (None, f"#{account.pk}")

    def test_does_nothing_where_the_site_keeps_the_owner(self, used, owner, monkeypatch):
        if not isinstance(owner, get_user_model()):
            pytest.skip("The row that protects the owner here belongs to a user.")
        LogEntry.objects.create(user=owner, action_flag=ADDITION)
        log = LogEntry._meta.get_field("user")
        monkeypatch.setattr(log.remote_field, "on_delete", models.PROTECT)

        with pytest.raises(models.ProtectedError):
            forget_owner(owner)
        assert CreditAccount.objects.get().former_owner == ""


class TestAUserWhoActed:
    @pytest.fixture
    def actor(self, account):
        actor = make_user()
        account.add_credits(10, "Bought", actor=actor)
        account.hold_credits(1, "Work", ttl=timedelta(days=1), actor=actor)
        ledger.freeze(account=account, actor=actor, reason="Chargeback")
        return actor

    def test_can_be_deleted(self, account, actor):
        actor.delete()

        assert account.transactions.get().actor is None
        assert account.holds.get().actor is None
        assert account.changes.get().actor is None
        assert ledger.verify(account) == []

    def test_nothing_else_of_a_line_changes_with_it(self, account, actor):
        for change in ({"actor": None, "description": "Other"}, {"actor": make_user()}):
            for rows in (account.transactions, account.changes):
                known = {field.name for field in rows.model._meta.fields}
                fields = {name: value for name, value in change.items() if name in known}
                if fields != {"actor": None}:
                    with pytest.raises(IntegrityError), transaction.atomic():
                        rows.update(**fields)


class TestTheAdmin:
    @pytest.mark.parametrize("history", [True, False])
    def test_deletes_an_owner(self, admin_client, account, owner, history):
        if history:
            account.add_credits(10, "Bought")
        options = owner._meta
        try:
            url = reverse(f"admin:{options.app_label}_{options.model_name}_delete", args=[owner.pk])
        except NoReverseMatch:
            pytest.skip("this site's admin has no page for owners")

        shown = admin_client.get(url)
        admin_client.post(url, {"post": "yes"})

        assert b"would require deleting" not in shown.content
        assert not get_owner_model().objects.filter(pk=owner.pk).exists()
        assert CreditAccount.objects.exists() is history

    def test_shows_what_a_deleted_owner_left(self, admin_client, used, owner):
        owner.delete()

        for model in (CreditAccount, CreditTransaction, ServiceUsage):
            url = reverse(f"admin:quickscale_credits_{model._meta.model_name}_changelist")
            assert "(deleted)" in admin_client.get(url).text


class TestALook:
    """Looking at a page opens no account, so nothing of ours is in the way of a deletion."""

    @pytest.mark.parametrize(
        "url",
        ["balance", "history", "history_export"],
    )
    def test_at_a_page(self, browser, services, url):
        response = browser.get(reverse(f"quickscale_credits:{url}"))

        assert response.status_code == 200
        b"".join(response.streaming_content) if response.streaming else response.content
        assert not CreditAccount.objects.exists()

    def test_at_a_price(self, owner, services):
        quoted = quote(owner, "shout")

        assert (quoted.available, quoted.enough) == (0, False)
        assert not CreditAccount.objects.exists()

    def test_leaves_the_owner_to_open_one(self, owner):
        CreditAccount.objects.to_read(owner)

        assert not hasattr(owner, "credit_account")
        CreditAccount.objects.for_owner(owner).add_credits(1, "Gift")
        assert CreditAccount.objects.to_read(owner).get_balance() == 1

    def test_by_a_command(self, owner):
        call_command("check_credits", str(owner.pk))
        call_command("verify_ledger", str(owner.pk))

        assert not CreditAccount.objects.exists()

    @override_settings(QUICKSCALE_CREDITS_STARTING_BALANCE=5)
    def test_gives_the_starting_balance(self, browser, owner):
        assert b"5" in browser.get(reverse("quickscale_credits:balance")).content
        assert CreditAccount.objects.get(owner=owner).get_balance() == Decimal(5)


def test_the_user_model_has_no_row_of_ours_that_protects_it():
    """No app of ours may prevent a site from deleting its users."""
    for model in {get_user_model(), get_owner_model()}:
        for relation in model._meta.related_objects:
            if relation.related_model.__module__.startswith("quickscale"):
                assert relation.on_delete not in (models.PROTECT, models.RESTRICT), relation
