"""Money that goes back takes its credits with it, wherever they went."""

from __future__ import annotations

from datetime import timedelta

import pytest

from quickscale_credits import ledger
from quickscale_credits.exceptions import InvalidRequestError
from quickscale_credits.models import CreditLot

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def sound_ledger(account):
    yield
    assert ledger.verify() == []


@pytest.fixture
def plan(account, clock):
    entry = account.add_credits(
        100, "Plan", credit_type="subscription", expires_at=clock.now + 30 * DAY
    )
    return entry.allocations.get().lot


@pytest.fixture
def bought(account, clock):
    return account.add_credits(100, "Bought").allocations.get().lot


def revoke(lot, amount=100, **kwargs):
    entry = ledger.revoke(lot=lot, amount=amount, reason="Refund", **kwargs)
    return -entry.amount, entry.shortfall


class TestMovedCredits:
    def test_converted_credits_go_too(self, account, plan):
        account.consume_credits(30, "Work")
        ledger.convert(lot=plan, cap=50, description="Upgrade")
        assert revoke(plan) == (70, 30)
        assert account.get_balance() == 0

    def test_rolled_over_and_then_converted_credits_go_too(self, account, clock, plan):
        ledger.roll_over(lot=plan, expires_at=clock.now + 60 * DAY, description="Renewal")
        ledger.convert(lot=CreditLot.objects.get(parent=plan), description="Upgrade")
        assert revoke(plan, 60) == (60, 0)
        assert revoke(plan, 60) == (40, 0)
        assert account.get_balance() == 0

    def test_the_lot_itself_pays_first(self, account, plan):
        ledger.convert(lot=plan, cap=50, description="Upgrade")
        revoke(plan, 60)
        assert account.get_balance_by_type()["payg"] == 40

    def test_what_was_used_of_them_is_owed(self, account, plan):
        ledger.convert(lot=plan, description="Upgrade")
        used = account.consume_credits(100, "Work")
        assert revoke(plan) == (0, 100)
        used.reverse(reason="It failed")
        assert account.get_balance() == account.get_available_balance() == 0


class TestWhatComesBack:
    @pytest.mark.parametrize("captured", [None, 0, 40])
    def test_after_a_hold(self, account, bought, captured):
        hold = account.hold_credits(100, "Work", ttl=DAY)
        assert revoke(bought) == (0, 100)
        if captured is None:
            hold.release()
        else:
            hold.capture(captured)
        assert account.get_balance() == account.get_available_balance() == 0

    def test_after_a_hold_that_timed_out(self, account, clock, bought):
        account.hold_credits(100, "Work", ttl=DAY)
        revoke(bought, 60)
        clock.move(DAY)
        assert account.get_available_balance() == 40
        ledger.expire_due()
        assert account.get_available_balance() == account.get_balance() == 40

    def test_after_a_use(self, account, bought):
        used = account.consume_credits(100, "Work")
        revoke(bought, 60)
        used.reverse(30, reason="It failed")
        assert account.get_balance() == 0
        used.reverse(reason="It failed")
        assert account.get_balance() == 40

    def test_unless_the_revocation_was_taken_back(self, account, bought):
        used = account.consume_credits(60, "Work")
        revocation = ledger.revoke(lot=bought, amount=100, reason="Dispute")
        revocation.reverse(reason="The dispute was won")
        assert account.get_balance() == 40
        used.reverse(reason="It failed")
        assert account.get_balance() == 100

    def test_a_dispute_may_be_won_after_the_account_was_closed(self, account, bought):
        revocation = ledger.revoke(lot=bought, amount=100, reason="Dispute")
        ledger.close(account=account)
        revocation.reverse(reason="The dispute was won")
        assert account.get_balance() == 100

    def test_other_lots_keep_theirs(self, account, bought):
        revoke(bought)
        other = account.add_credits(10, "Bought")
        account.consume_credits(10, "Work").reverse(reason="It failed")
        assert account.get_balance() == 10
        assert other.allocations.get().lot.revoked_due == 0


class TestBounds:
    @pytest.fixture(autouse=True)
    def overdraft(self, account):
        ledger.set_overdraft_limit(account=account, limit=1000)

    def test_never_more_than_the_lot_had(self, account, bought):
        assert revoke(bought, 400, policy="overdraft") == (100, 0)
        assert revoke(bought, policy="overdraft") == (0, 0)
        assert account.get_balance() == 0

    def test_used_credits_are_taken_from_the_overdraft_once(self, account, bought):
        account.consume_credits(60, "Work")
        assert revoke(bought, policy="overdraft") == (100, 0)
        assert revoke(bought, policy="overdraft") == (0, 0)
        assert account.get_balance() == -60

    def test_what_expired_is_no_shortfall(self, account, clock, plan):
        account.consume_credits(30, "Work")
        clock.move(31 * DAY)
        assert revoke(plan, policy="overdraft") == (30, 0)
        assert account.get_balance() == -30

    def test_restored_it_can_be_revoked_again(self, account, bought):
        account.consume_credits(60, "Work")
        entry = ledger.revoke(lot=bought, amount=100, reason="Dispute", policy="overdraft")
        entry.reverse(reason="The dispute was won")
        assert account.get_balance() == 40
        assert revoke(bought) == (40, 60)

    def test_nobody_paid_for_an_overdraft(self, account):
        account.consume_credits(5, "Work")
        with pytest.raises(InvalidRequestError, match="lot"):
            revoke(account.lots.get(credit_type="overdraft"), 5)
