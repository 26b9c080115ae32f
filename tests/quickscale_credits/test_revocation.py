"""Money that goes back takes its credits with it, wherever they went."""

from __future__ import annotations

from datetime import timedelta

import pytest

from quickscale_credits import ledger
from quickscale_credits.exceptions import InvalidRequestError, ReversalError
from quickscale_credits.models import CreditAccount, CreditLot, CreditTransaction

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
        assert other.allocations.get().lot.owed == 0


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

    def test_expired_credits_are_not_a_shortfall(self, account, clock, plan):
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


class TestAFamily:
    """A claim is on a lot and the lots made of it: credits that come back to any of them pay it."""

    def test_credits_that_come_back_to_another_lot_of_it_pay(self, account, plan):
        ledger.convert(lot=plan, cap=50, description="Upgrade")
        of_plan = account.consume_credits(50, "Work")
        of_child = account.consume_credits(50, "Work")
        assert revoke(plan, 60) == (0, 60)
        of_child.reverse(reason="It failed")
        assert account.get_balance() == 0
        of_plan.reverse(30, reason="It failed")
        assert account.get_balance() == 20

    def test_each_claim_collects_its_own(self, account, clock, plan):
        child = ledger.convert(lot=plan, cap=50, description="Upgrade")
        child = CreditLot.objects.get(parent=plan)
        account.consume_credits(50, "Work")
        of_child = account.consume_credits(50, "Work")
        first = ledger.revoke(lot=child, amount=20, reason="Refund")
        assert revoke(plan) == (0, 80)
        assert revoke(plan) == revoke(child) == (0, 0)
        of_child.reverse(10, reason="It failed")
        plan.refresh_from_db()
        child.refresh_from_db()
        assert (plan.owed, child.owed) == (80, 10)
        first.reverse(reason="The refund failed")
        assert account.get_balance() == 0  # the other claim took what came back
        of_child.reverse(reason="It failed")
        assert account.get_balance() == 0
        plan.refresh_from_db()
        assert plan.owed == 30

    def test_a_read_counts_what_a_time_out_pays(self, account, clock, plan):
        ledger.convert(lot=plan, cap=50, description="Upgrade")
        account.hold_credits(50, "Work", ttl=2 * DAY)
        account.hold_credits(50, "Work", ttl=DAY)
        assert revoke(plan, 60) == (0, 60)
        clock.move(DAY)
        assert account.get_available_balance() == 0
        assert account.get_balance() == 50
        clock.move(DAY)
        assert account.get_available_balance() == account.get_balance() == 40
        ledger.expire_due()
        assert account.get_available_balance() == account.get_balance() == 40


class TestADisputeThatIsWon:
    @pytest.fixture
    def won(self):
        def reverse(revocation, amount=None):
            return revocation.reverse(amount, reason="The dispute was won")

        return reverse

    @pytest.mark.parametrize("by", ["release", "time out", "reversal"])
    def test_what_was_taken_on_its_way_back_is_restored(self, account, clock, bought, won, by):
        hold = account.hold_credits(60, "Work", ttl=DAY)
        used = account.consume_credits(30, "Work")
        dispute = ledger.revoke(lot=bought, amount=100, reason="Dispute")
        assert (dispute.amount, dispute.shortfall) == (-10, 90)
        if by == "release":
            hold.release()
        elif by == "time out":
            clock.move(DAY)
            ledger.expire_due()
        else:
            hold.capture()
            used.reverse(reason="It failed")
        assert account.get_balance() == 0
        won(dispute)
        kept = 40 if by == "reversal" else 70
        assert account.get_balance() == account.get_available_balance() == kept
        bought.refresh_from_db()
        assert (bought.lost, bought.owed) == (0, 0)
        assert revoke(bought)[0] == kept

    def test_a_revocation_that_only_has_a_shortfall_is_waived(self, account, bought, won):
        used = account.consume_credits(100, "Work")
        dispute = ledger.revoke(lot=bought, amount=100, reason="Dispute")
        back = won(dispute)
        assert (back.kind, back.amount, back.reverses_id) == ("reverse", 0, dispute.pk)
        used.reverse(reason="It failed")
        assert account.get_balance() == 100
        with pytest.raises(ReversalError):
            won(dispute)

    def test_a_revocation_of_nothing_can_not_be_reversed(self, account, bought, won):
        revoke(bought)
        with pytest.raises(ReversalError):
            won(ledger.revoke(lot=bought, amount=100, reason="Dispute"))

    def test_a_part_waives_what_is_owed_first(self, account, bought, won):
        used = account.consume_credits(50, "Work")
        dispute = ledger.revoke(lot=bought, amount=100, reason="Dispute")
        assert won(dispute, 40).amount == 0
        assert account.get_balance() == 0
        used.reverse(20, reason="It failed")
        assert account.get_balance() == 10
        assert won(dispute, 30).amount == 30
        assert account.get_balance() == 40
        with pytest.raises(ReversalError) as caught:
            won(dispute, 31)
        assert caught.value.available == 30
        assert won(dispute, 30).amount == 20  # of which 10 had been taken on their way back
        assert account.get_balance() == 70

    def test_another_open_dispute_takes_them(self, account, bought, won):
        used = account.consume_credits(100, "Work")
        first = ledger.revoke(lot=bought, amount=60, reason="Dispute")
        second = ledger.revoke(lot=bought, amount=40, reason="Dispute")
        used.reverse(70, reason="It failed")
        won(first)
        assert account.get_balance() == 30  # 60 came back, and the other took 30 more
        won(second)
        assert account.get_balance() == 70

    def test_what_it_took_later_comes_back_only_with_it(self, account, bought):
        used = account.consume_credits(100, "Work")
        revoke(bought)
        used.reverse(reason="It failed")
        late = CreditTransaction.objects.filter(kind="revoke").latest("pk")
        with pytest.raises(ReversalError):
            late.reverse(reason="Mistake")

    def test_the_key_makes_it_once(self, account, bought, won):
        account.hold_credits(100, "Work", ttl=DAY).release()
        hold = account.hold_credits(100, "Work", ttl=DAY)
        dispute = ledger.revoke(lot=bought, amount=100, reason="Dispute")
        hold.release()
        for _ in range(2):
            dispute.reverse(reason="The dispute was won", idempotency_key="won")
        assert account.get_balance() == 100


class TestAnAccountThatADisputeFroze:
    def freeze(self, bought, amount=100):
        return ledger.revoke(lot=bought, amount=amount, reason="Dispute", policy="freeze")

    def status(self, account):
        return CreditAccount.objects.get(pk=account.pk).status

    @pytest.fixture(autouse=True)
    def spent(self, account, bought):
        account.consume_credits(100, "Work")

    def test_is_unfrozen_when_it_is_won(self, account, bought):
        dispute = self.freeze(bought)
        dispute.reverse(40, reason="A part was won")
        assert self.status(account) == "frozen"
        dispute.reverse(reason="The dispute was won")
        assert self.status(account) == "active"

    def test_stays_frozen_for_another(self, account, bought):
        first, second = self.freeze(bought, 60), self.freeze(bought, 40)
        first.reverse(reason="The dispute was won")
        assert self.status(account) == "frozen"
        second.reverse(reason="The dispute was won")
        assert self.status(account) == "active"

    @pytest.mark.parametrize("before", [True, False])
    def test_stays_frozen_when_that_was_done_by_hand(self, account, bought, before):
        if before:
            ledger.freeze(account=account)
        dispute = self.freeze(bought)
        if not before:
            ledger.freeze(account=account)
        dispute.reverse(reason="The dispute was won")
        assert self.status(account) == "frozen"

    def test_is_not_frozen_again_after_it_was_unfrozen_by_hand(self, account, bought):
        dispute = self.freeze(bought)
        ledger.unfreeze(account=account)
        ledger.freeze(account=account)
        dispute.reverse(reason="The dispute was won")
        assert self.status(account) == "frozen"


class TestOverdraft:
    @pytest.fixture(autouse=True)
    def debt(self, account, bought):
        ledger.set_overdraft_limit(account=account, limit=1000)
        account.consume_credits(100, "Work")

    def debt_of(self, account):
        return -account.get_balance_by_type().get("overdraft", 0)

    def test_other_free_credits_pay_it_at_once(self, account, bought):
        account.add_credits(30, "Bought")
        assert revoke(bought, policy="overdraft") == (100, 0)
        assert (account.get_available_balance(), self.debt_of(account)) == (-70, 70)

    def test_won_after_it_was_paid_back_it_comes_as_credits(self, account, bought):
        dispute = ledger.revoke(lot=bought, amount=100, reason="Dispute", policy="overdraft")
        account.add_credits(70, "Bought")
        assert self.debt_of(account) == 30
        dispute.reverse(reason="The dispute was won")
        assert self.debt_of(account) == 0
        assert account.get_available_balance() == 70

    @pytest.mark.parametrize("swept", [True, False])
    def test_a_hold_that_times_out_pays_it_back(self, account, clock, swept):
        account.add_credits(50, "Bought")
        account.hold_credits(50, "Work", ttl=DAY)
        account.consume_credits(30, "Work")
        assert (self.debt_of(account), account.get_balance()) == (30, 20)
        clock.move(DAY)
        if swept:
            ledger.expire_due()
        assert (self.debt_of(account), account.get_available_balance()) == (0, 20)

    def test_a_release_pays_it_back(self, account):
        account.add_credits(50, "Bought")
        hold = account.hold_credits(50, "Work", ttl=DAY)
        account.consume_credits(30, "Work")
        hold.release()
        assert (self.debt_of(account), account.get_available_balance()) == (0, 20)

    @pytest.mark.parametrize("swept", [True, False])
    def test_a_lot_that_starts_pays_it_back(self, account, clock, swept):
        account.add_credits(
            50, "Month", credit_type="bonus", effective_at=clock.now + DAY,
            expires_at=clock.now + 2 * DAY,
        )  # fmt: skip
        account.consume_credits(30, "Work")
        assert (self.debt_of(account), account.get_balance()) == (30, -30)
        clock.move(DAY)
        if swept:
            assert ledger.expire_due() == 1
        assert (self.debt_of(account), account.get_available_balance()) == (0, 20)
        clock.move(DAY)
        assert account.get_balance() == self.debt_of(account) == 0

    @pytest.mark.parametrize("swept", [True, False])
    def test_it_does_not_matter_when_that_is_posted(self, account, clock, swept):
        """The lot that began first pays, even if it has ended and another has begun since."""
        for number in (1, 2):
            account.add_credits(
                50, "Month", credit_type="bonus", effective_at=clock.now + number * DAY,
                expires_at=clock.now + (5 - number) * DAY,
            )  # fmt: skip
        account.consume_credits(30, "Work")
        first = clock.now + DAY
        for balance in (20, 70, 20, 0):
            clock.move(DAY)
            if swept:
                ledger.expire_due()
            assert (account.get_balance(), self.debt_of(account)) == (balance, 0)
        ledger.expire_due()
        assert account.get_balance() == 0
        paid = CreditTransaction.objects.get(description="Overdraft paid back")
        assert paid.allocations.get(amount__lt=0).lot.effective_at == first

    def test_what_comes_back_to_a_lot_that_has_ended_expires_and_pays_nothing(self, account, clock):
        ends = clock.now + DAY
        gift = account.add_credits(9, "Gift", credit_type="bonus", expires_at=ends)
        dispute = ledger.revoke(lot=gift.allocations.get().lot, amount=9, reason="Dispute")
        account.consume_credits(5, "Work")
        clock.move(2 * DAY)
        dispute.reverse(4, reason="A part was won")
        assert account.get_balance() == -5
