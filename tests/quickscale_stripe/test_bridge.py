"""The class that brings and takes credits, called as payments call it, without Stripe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from quickscale.formats import format_day
from quickscale_credits import ledger
from quickscale_credits.conf import app_settings as credits_settings
from quickscale_credits.internal.clock import ledger_clock
from quickscale_credits.models import CreditAccount, CreditLot, CreditTransaction
from quickscale_stripe.contrib.credits import CreditsFulfilment
from quickscale_stripe.models import Payment, StripePrice, StripeProduct, Subscription

pytestmark = pytest.mark.django_db

NOW = timezone.now()
DAY = timedelta(days=1)
MONTH = (NOW - 10 * DAY, NOW + 20 * DAY)
NOTHING = Decimal(0)

bridge = CreditsFulfilment()


@pytest.fixture
def account(owner: Any) -> CreditAccount:
    return CreditAccount.objects.for_owner(owner)


@pytest.fixture
def plan(db: None) -> StripePrice:
    product = StripeProduct.objects.create(stripe_id="prod_1", name="Basic", synced_at=NOW)
    return StripePrice.objects.create(
        stripe_id="price_1", product=product, currency="usd", unit_amount=1900, interval="month",
        credits=300, synced_at=NOW,
    )  # fmt: skip


@pytest.fixture
def subscription(owner: Any, plan: StripePrice) -> Subscription:
    return Subscription.objects.create(
        owner=owner, stripe_id="sub_1", price=plan, status="active", created_at=NOW, synced_at=NOW,
        current_period_start=MONTH[0], current_period_end=NOW + 50 * DAY,
    )  # fmt: skip


@pytest.fixture
def pay(owner: Any) -> Callable[..., Payment]:
    def make(number: int = 1, **fields: Any) -> Payment:
        facts: dict[str, Any] = {
            "owner": owner, "kind": "subscription", "status": "succeeded", "total": 1900,
            "amount": 1900, "currency": "usd", "credits": 300, "description": "Basic plan",
            "invoice_id": f"in_{number}", "receipt_number": f"R{number}",
            "paid_at": NOW, "created_at": NOW,
        }  # fmt: skip
        return Payment.objects.create(**facts | fields)

    return make


def bring(
    payment: Payment,
    amount: int | Decimal = 300,
    period: tuple[datetime, datetime] | None = MONTH,
    line: str = "line",
    price: StripePrice | None = None,
) -> None:
    number = payment.invoice_id
    source = ("invoice", f"{number}:{line}") if number else ("checkout", "cs_1")
    bridge.fulfil(
        owner=payment.owner, payment=payment, price=price, amount=Decimal(amount), source=source,
        period=period,
    )  # fmt: skip


def purchase(pay: Callable[..., Payment], **fields: Any) -> Payment:
    return pay(invoice_id=None, checkout_session_id="cs_1", kind="one_time", **fields)


def left() -> list[Decimal]:
    return list(CreditLot.objects.order_by("pk").values_list("remaining", flat=True))


def entries(kind: str) -> list[tuple[Decimal, Decimal, str, str]]:
    rows = CreditTransaction.objects.filter(kind=kind).order_by("pk")
    return list(rows.values_list("amount", "shortfall", "description", "idempotency_key"))


# What a payment brings ---------------------------------------------------------------------------


def test_a_purchase_brings_credits_without_an_end(pay: Callable[..., Payment]) -> None:
    bring(purchase(pay), 100, None)
    lot = CreditLot.objects.get()
    assert (lot.credit_type, lot.amount, lot.expires_at) == ("payg", 100, None)
    assert (lot.source_type, lot.source_id) == ("checkout", "cs_1")
    assert (lot.cost_amount, lot.cost_currency) == (1900, "usd")
    assert (lot.period_start, lot.period_end) == (None, None)
    entry = CreditTransaction.objects.get()
    assert (entry.description, entry.metadata) == ("Basic plan", {"receipt": "R1"})


def test_a_period_brings_credits_that_end_with_it(
    pay: Callable[..., Payment], plan: StripePrice
) -> None:
    bring(pay(), price=plan)
    lot = CreditLot.objects.get()
    assert (lot.credit_type, lot.amount) == ("subscription", 300)
    assert (lot.effective_at, lot.expires_at) == MONTH
    assert (lot.period_start, lot.period_end) == MONTH
    assert (lot.source_type, lot.source_id) == ("invoice", "in_1:line")
    assert (lot.cost_amount, lot.cost_currency) == (1900, "usd")
    entry = CreditTransaction.objects.get()
    begins, ends = (format_day(moment) for moment in MONTH)
    assert entry.description == f"Basic plan, {begins} \N{EN DASH} {ends}"
    assert entry.metadata == {"receipt": "R1"}


def test_a_period_that_is_paid_before_it_begins_can_be_used_at_once(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    coming = (NOW + DAY, NOW + 31 * DAY)
    bring(pay(), period=coming)
    lot = CreditLot.objects.get()
    assert NOW <= lot.effective_at <= timezone.now()
    assert (lot.period_start, lot.period_end, lot.expires_at) == (*coming, coming[1])
    assert account.get_available_balance() == 300


@pytest.mark.parametrize("monthly", [True, False])
@pytest.mark.parametrize("has_period", [True, False])
def test_without_a_description_it_has_its_kind_and_a_negative_total_costs_nothing(
    pay: Callable[..., Payment], plan: StripePrice, monthly: bool, has_period: bool
) -> None:
    """An invoice's total is negative where a change of plan gave more back than it charged."""
    plan.credits_interval = "month" if monthly else "period"
    payment = pay(description="", total=-5, amount=0)
    bring(payment, price=plan, period=MONTH if has_period else None)
    [description] = set(CreditTransaction.objects.values_list("description", flat=True))
    assert description.startswith("Subscription, " if has_period else "Subscription")
    assert CreditTransaction.objects.latest("pk").metadata == {"receipt": "R1"}
    assert {lot.cost_amount for lot in CreditLot.objects.all()} == {0}


def test_monthly_credits_are_shared_out_over_the_period(
    pay: Callable[..., Payment], plan: StripePrice
) -> None:
    plan.credits_interval = "month"
    begin = datetime.fromisoformat("2030-01-31T00:00Z")
    end = datetime.fromisoformat("2030-04-30T00:00Z")
    bring(pay(), period=(begin, end), price=plan)
    lots = CreditLot.objects.order_by("effective_at")
    assert [lot.amount for lot in lots] == [100, 100, 100]
    assert (lots[0].effective_at, lots[2].expires_at) == (begin, end)
    assert [lot.source_id for lot in lots] == ["in_1:line:1", "in_1:line:2", "in_1:line:3"]
    assert sum(lot.cost_amount or 0 for lot in lots) == 1900
    assert {lot.cost_currency for lot in lots} == {"usd"}
    [described] = set(CreditTransaction.objects.values_list("description", flat=True))
    assert described == "Basic plan, Jan. 31, 2030 \N{EN DASH} April 30, 2030"


def test_what_is_bought_of_a_monthly_price_once_comes_at_once(
    pay: Callable[..., Payment], plan: StripePrice
) -> None:
    plan.credits_interval = "month"
    bring(purchase(pay), 100, None, price=plan)
    assert [lot.amount for lot in CreditLot.objects.all()] == [100]


def test_no_credits_leave_no_trace(pay: Callable[..., Payment]) -> None:
    bring(pay(), 0)
    assert not CreditTransaction.objects.exists()


def test_the_same_source_brings_its_credits_once(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    payment = pay()
    bring(payment)
    bring(payment)
    bring(payment, line="another")
    assert account.get_available_balance() == 600


# A change of plan --------------------------------------------------------------------------------


def change(
    payment: Payment,
    before: list[Payment],
    *,
    excess: int | Decimal = 0,
    returned: int | Decimal = 0,
    paid_share: str = "1",
) -> Decimal:
    return bridge.change_plan(
        payment=payment, before=before, excess=Decimal(excess), returned=Decimal(returned),
        paid_share=Decimal(paid_share),
    )  # fmt: skip


def by_type(account: CreditAccount) -> dict[str, Decimal]:
    return {kind: amount for kind, amount in account.get_balance_by_type().items() if amount}


def test_the_paid_share_of_what_is_left_becomes_permanent(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    before = pay()
    bring(before)
    account.consume_credits(100, "Used")
    assert change(pay(2), [before], paid_share="0.5") == 0
    assert by_type(account) == {"payg": 100, "subscription": 100}
    [(_, _, description, _)] = entries("convert")
    assert description == "Kept after a plan change"


@pytest.mark.parametrize(
    ("total", "gain", "total_before"), [(0, 700, 1900), (3000, 0, 1900), (3000, 700, 0)]
)
def test_nothing_becomes_permanent_without_money_on_both_sides_and_new_credits(
    pay: Callable[..., Payment],
    account: CreditAccount,
    total: int,
    gain: int,
    total_before: int,
) -> None:
    """Otherwise a change that costs nothing would make a period's credits permanent."""
    before = pay(total=total_before)
    bring(before)
    assert change(pay(2, total=total, credits=gain), [before]) == 0
    assert by_type(account) == {"subscription": 300}
    assert CreditLot.objects.count() == 1


def test_a_change_that_costs_one_cent_and_brings_little_follows_the_policy(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    before = pay(total=1)
    bring(before)
    change(pay(2, total=1, credits=1), [before])
    assert by_type(account) == {"payg": 300}


def test_left_over_credits_that_are_kept_stay_as_they_are(
    pay: Callable[..., Payment], account: CreditAccount, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY = "keep"
    before = pay()
    bring(before)
    change(pay(2), [before])
    assert (by_type(account), CreditLot.objects.count()) == ({"subscription": 300}, 1)


@pytest.mark.parametrize(
    ("lot_ends", "period_ends", "ends"),
    [(20, 50, 50), (60, 50, 60), (20, None, 20)],
)
def test_left_over_credits_that_roll_over_live_until_the_later_end(
    pay: Callable[..., Payment],
    account: CreditAccount,
    subscription: Subscription,
    settings: Any,
    lot_ends: int,
    period_ends: int | None,
    ends: int,
) -> None:
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY = "rollover"
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_CAP = 120
    before = pay()
    bring(before, period=(MONTH[0], NOW + lot_ends * DAY))
    subscription.current_period_end = period_ends and NOW + period_ends * DAY
    subscription.save()
    change(pay(2, subscription=subscription), [before])
    rolled = CreditLot.objects.get(parent__isnull=False)
    assert (rolled.remaining, rolled.expires_at) == (120, NOW + ends * DAY)
    assert CreditTransaction.objects.latest("pk").description == "Kept after a plan change"


def test_left_over_credits_of_a_change_without_a_subscription_roll_over_to_their_own_end(
    pay: Callable[..., Payment], account: CreditAccount, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY = "rollover"
    before = pay()
    bring(before)
    change(pay(2), [before])
    assert CreditLot.objects.get(parent__isnull=False).expires_at == MONTH[1]


def test_left_over_credits_that_expire_go_once_and_what_is_held_stays(
    pay: Callable[..., Payment], account: CreditAccount, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY = "expire"
    settings.QUICKSCALE_CREDITS_SHORTFALL_POLICY = "freeze"
    before = pay()
    bring(before)
    lot = CreditLot.objects.get()
    hold = account.hold_credits(50, "Work", ttl=DAY)
    payment = pay(2)
    change(payment, [before])
    assert left() == [50]
    assert [entry[2:] for entry in entries("revoke")] == [
        ("Plan change", f"plan_change:in_2:{lot.pk}")
    ]
    account.refresh_from_db()
    assert account.status == "active"
    hold.capture()
    assert left() == [0]


def test_credits_that_have_not_begun_or_have_ended_are_not_left_over(
    pay: Callable[..., Payment], account: CreditAccount, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY = "expire"
    before = pay()
    with ledger_clock(NOW - 5 * DAY):
        bring(before, 1, (NOW - 9 * DAY, NOW - DAY), "ended")
    assert left() == [1]
    bring(before, 20, MONTH, "now")
    ledger.add_credits(
        account=account, amount=300, description="Coming", credit_type="subscription",
        effective_at=NOW + DAY, expires_at=NOW + 9 * DAY, source=("invoice", "in_1:coming"),
    )  # fmt: skip
    free = pay(3, total=0)
    bring(free, 4000, MONTH, "free")
    ended, now, coming, of_free = CreditLot.objects.order_by("pk")
    assert bridge.left_over(payments=[before, free]) == 20
    change(pay(2), [before])
    assert left() == [ended.remaining, 0, 300, 4000]
    assert bridge.left_over(payments=[before, free]) == 0
    assert bridge.left_over(payments=[]) == 0
    assert (now.remaining, coming.remaining, of_free.remaining) == (20, 300, 4000)


def test_credits_whose_expiry_is_not_posted_are_not_left_over(pay: Callable[..., Payment]) -> None:
    payment = pay()
    with ledger_clock(NOW - 5 * DAY):
        bring(payment, period=(NOW - 9 * DAY, NOW - DAY))
    assert (left(), bridge.left_over(payments=[payment])) == ([300], 0)


def test_part_of_a_credit_is_left_over_too(pay: Callable[..., Payment]) -> None:
    payment = pay()
    bring(payment, Decimal("0.5"))
    assert bridge.left_over(payments=[payment]) == Decimal("0.5")


def test_a_payment_of_one_cent_has_left_over_credits(pay: Callable[..., Payment]) -> None:
    payment = pay(total=1)
    bring(payment)
    assert bridge.left_over(payments=[payment]) == 300


# Taking back -------------------------------------------------------------------------------------


def bring_coming(account: CreditAccount, *amounts: int) -> None:
    for number, amount in enumerate(amounts, 1):
        ledger.add_credits(
            account=account, amount=amount, description="Coming", credit_type="subscription",
            effective_at=NOW + number * 30 * DAY, expires_at=NOW + (number + 1) * 30 * DAY,
            source=("invoice", f"in_1:coming{number}"),
        )  # fmt: skip


def test_the_last_future_month_goes_first_as_far_as_money_was_given_back(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    before = pay()
    bring(before, 300)
    bring_coming(account, 100, 100)
    assert change(pay(2), [before], excess=190, returned=150) == 190
    assert left() == [300, 10, 0]
    taken = entries("revoke")
    assert [entry[:3] for entry in taken] == [
        (-100, 0, "Plan change"), (-50, 0, "Plan change"), (-40, 0, "Plan change"),
    ]  # fmt: skip
    assert [entry[3] for entry in taken] == [f"plan_change:in_2:{number}" for number in range(3)]


def test_future_months_go_as_far_as_money_was_given_back_though_the_excess_is_smaller(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    before = pay()
    bring(before, 300)
    bring_coming(account, 100, 100)
    assert change(pay(2), [before], excess=50, returned=150) == 150
    assert left() == [300, 50, 0]


def test_what_begins_now_has_begun(
    pay: Callable[..., Payment], account: CreditAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pay()
    bring_coming(account, 100)
    now = CreditLot.objects.get().effective_at
    monkeypatch.setattr(timezone, "now", lambda: now)
    assert bridge.left_over(payments=[before]) == 100
    assert change(pay(2), [before], excess=10, returned=50) == 10


def test_held_credits_are_not_owed_while_others_are_free(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    before, later = pay(), pay(3)
    bring(later, 100, (NOW - 10 * DAY, NOW + 10 * DAY))
    account.hold_credits(100, "Work", ttl=DAY)
    bring(before, 300, (NOW - 20 * DAY, NOW + 20 * DAY))
    assert change(pay(2), [before, later], excess=150) == 150
    assert left() == [100, 150]
    assert sum(shortfall for _, shortfall, _, _ in entries("revoke")) == 0


def test_a_second_refund_takes_from_a_lot_only_what_the_first_left_of_it(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    payment = pay()
    bring(payment, 100, (NOW - DAY, NOW + 20 * DAY))
    bring(payment, 100, (NOW - DAY, NOW + 10 * DAY), "second")
    account.consume_credits(80, "Used")
    assert left() == [100, 20]
    bridge.revoke(payment=payment, amount=Decimal(50), key="refund:1", reason="Refund")
    assert left() == [100, 0]
    bridge.revoke(payment=payment, amount=Decimal(60), key="refund:2", reason="Refund")
    assert left() == [90, 0]


def test_a_dispute_that_took_nothing_gives_nothing_back(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    """The period had ended, but its expiry was not posted yet."""
    payment = pay()
    with ledger_clock(NOW - 5 * DAY):
        bring(payment, period=(NOW - 30 * DAY, NOW - DAY))
    bridge.revoke(payment=payment, amount=Decimal(300), key="dispute:1", reason="Dispute")
    assert [entry[:2] for entry in entries("revoke")] == [(0, 0)]
    bridge.restore(payment=payment, key="dispute:1", reason="Dispute won")
    assert entries("reverse") == []


def test_without_left_over_credits_nothing_expires(
    pay: Callable[..., Payment], account: CreditAccount, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY = "expire"
    before = pay()
    bring(before)
    account.consume_credits(300, "Used")
    change(pay(2), [before])
    assert entries("revoke") == []


def test_what_has_begun_goes_after_what_has_not_and_the_latest_of_it_first(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    before, later = pay(), pay(3)
    bring(before, 300, (NOW - 20 * DAY, NOW + 20 * DAY))
    bring(later, 200, (NOW - 10 * DAY, NOW + 10 * DAY))
    assert change(pay(2), [before, later], excess=250) == 250
    assert left() == [250, 0]


def test_what_was_spent_is_owed_once_all_that_is_free_was_taken(
    pay: Callable[..., Payment], account: CreditAccount, settings: Any
) -> None:
    settings.QUICKSCALE_CREDITS_SHORTFALL_POLICY = "write_off"
    before, later = pay(), pay(3)
    bring(before, 300, (NOW - 20 * DAY, NOW + 20 * DAY))
    bring(later, 200, (NOW - 10 * DAY, NOW + 30 * DAY))
    account.consume_credits(280, "Used")
    assert left() == [20, 200]
    assert change(pay(2), [before, later], excess=240) == 220
    assert left() == [0, 0]
    assert sum(shortfall for _, shortfall, _, _ in entries("revoke")) == 20


def test_a_change_without_an_excess_takes_nothing(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    before = pay()
    bring(before)
    assert change(pay(2, total=0), [before], excess=0, returned=300) == 0
    assert left() == [300]


def test_less_than_one_credit_is_taken_back_too(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    before = pay()
    bring(before)
    assert change(pay(2), [before], excess=Decimal("0.5")) == Decimal("0.5")
    bridge.revoke(payment=before, amount=Decimal("0.5"), key="key", reason="Refund")
    assert left() == [299]


def test_a_refund_takes_from_the_newest_lot_first_and_once(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    payment, other = pay(), pay(11)
    bring(payment, 100)
    bring(payment, 50, line="second")
    bring(other, 500)
    for _ in range(2):
        bridge.revoke(payment=payment, amount=Decimal(120), key="refund:1", reason="Refund")
    assert left() == [30, 0, 500]
    assert entries("revoke") == [
        (-50, 0, "Refund", "refund:1"), (-70, 0, "Refund", "refund:1:part-1"),
    ]  # fmt: skip


def test_a_refund_of_a_purchase_takes_its_own_credits_and_no_others(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    bought, period = purchase(pay), pay(2)
    bring(bought, 100, None)
    bring(period, 300)
    for source in (("checkout", "cs_2"), ("bonus", "cs_1"), ("bonus", "in_2:line")):
        ledger.add_credits(account=account, amount=500, description="Another", source=source)
    bridge.revoke(payment=bought, amount=Decimal(900), key="refund:1", reason="Refund")
    assert left() == [0, 300, 500, 500, 500]
    bridge.revoke(payment=period, amount=Decimal(900), key="refund:2", reason="Refund")
    assert left() == [0, 0, 500, 500, 500]


def test_a_refund_that_the_newest_lot_covers_touches_no_other(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    payment = pay()
    bring(payment, 100)
    bring(payment, 50, line="second")
    bridge.revoke(payment=payment, amount=Decimal(50), key="refund:1", reason="Refund")
    assert left() == [100, 0]
    assert len(entries("revoke")) == 1


def test_spent_credits_are_missing_and_are_taken_when_they_come_back(
    pay: Callable[..., Payment], account: CreditAccount, settings: Any
) -> None:
    payment = pay()
    bring(payment, 100)
    used = account.consume_credits(80, "Used")
    bridge.revoke(payment=payment, amount=Decimal(100), key="refund:1", reason="Refund")
    assert [entry[:2] for entry in entries("revoke")] == [(-20, 80)]
    used.reverse(reason="It failed")
    assert account.get_available_balance() == 0


def test_a_won_dispute_gives_back_exactly_what_it_took(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    payment = pay()
    bring(payment, 100)
    bring(payment, 50, line="second")
    bridge.revoke(payment=payment, amount=Decimal(10), key="refund:1", reason="Refund")
    bridge.revoke(payment=payment, amount=Decimal(90), key="dispute:1", reason="Dispute")
    assert left() == [50, 0]
    for _ in range(2):
        bridge.restore(payment=payment, key="dispute:1", reason="Dispute won")
    assert left() == [100, 40]
    assert sorted(entry[2:] for entry in entries("reverse")) == [
        ("Dispute won", "dispute:1:part-1:returned"), ("Dispute won", "dispute:1:returned"),
    ]  # fmt: skip


def test_a_won_dispute_waives_what_was_spent(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    payment = pay()
    bring(payment, 100)
    used = account.consume_credits(100, "Used")
    bridge.revoke(payment=payment, amount=Decimal(100), key="dispute:1", reason="Dispute")
    bridge.restore(payment=payment, key="dispute:1", reason="Dispute won")
    used.reverse(reason="It failed")
    assert account.get_available_balance() == 100


def test_keys_with_the_same_start_are_different(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    payment = pay()
    bring(payment, 100)
    bridge.revoke(payment=payment, amount=Decimal(10), key="refund:12", reason="Refund")
    bridge.revoke(payment=payment, amount=Decimal(10), key="refund:1", reason="Refund")
    assert left() == [80]


def test_the_same_key_in_another_account_is_another(
    pay: Callable[..., Payment], account: CreditAccount, make_owner: Any
) -> None:
    payment = pay()
    bring(payment, 100)
    other = CreditAccount.objects.for_owner(make_owner("bob@example.com"))
    ledger.add_credits(account=other, amount=5, description="Other")
    ledger.revoke(lot=other.lots.get(), amount=5, reason="Refund", idempotency_key="refund:1")
    bridge.revoke(payment=payment, amount=Decimal(10), key="refund:1", reason="Refund")
    assert left() == [90, 0]


def test_what_a_change_made_permanent_is_taken_with_the_lot_it_came_from(
    pay: Callable[..., Payment], account: CreditAccount
) -> None:
    before = pay()
    bring(before)
    change(pay(2), [before], paid_share="0.5")
    assert by_type(account) == {"payg": 150, "subscription": 150}
    assert change(pay(3), [before], excess=200) == 200
    assert account.get_available_balance() == 100
    bridge.revoke(payment=before, amount=Decimal(300), key="refund:1", reason="Refund")
    assert account.get_available_balance() == 0
    assert sum(shortfall for _, shortfall, _, _ in entries("revoke")) == 0


# The end of a subscription -----------------------------------------------------------------------


def test_the_end_takes_what_the_subscription_brought_and_a_change_rolled_over(
    pay: Callable[..., Payment],
    account: CreditAccount,
    subscription: Subscription,
    settings: Any,
) -> None:
    settings.QUICKSCALE_STRIPE_ENDED_POLICY = "expire"
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY = "rollover"
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_CAP = 120
    payment = pay(subscription=subscription)
    bring(payment)
    change(pay(2, subscription=subscription), [payment])
    bring(pay(3), 7, line="of no subscription")
    bring(pay(4, subscription=subscription, paid_at=None, status="failed"), 5)
    lot, rolled, _, _ = CreditLot.objects.order_by("pk")
    assert left() == [180, 120, 7, 5]
    bridge.end_subscription(subscription=subscription, key="end:sub_1")
    assert left() == [0, 0, 7, 5]
    assert entries("revoke") == [
        (-180, 0, "End of the subscription", f"end:sub_1:{lot.pk}"),
        (-120, 0, "End of the subscription", f"end:sub_1:{rolled.pk}"),
    ]


def test_the_end_takes_each_lot_once_so_that_a_use_given_back_later_stays(
    pay: Callable[..., Payment],
    account: CreditAccount,
    subscription: Subscription,
    settings: Any,
) -> None:
    settings.QUICKSCALE_STRIPE_ENDED_POLICY = "expire"
    bring(pay(subscription=subscription))
    used = account.consume_credits(50, "Used")
    bridge.end_subscription(subscription=subscription, key="end:sub_1")
    used.reverse(reason="It failed")
    bridge.end_subscription(subscription=subscription, key="end:sub_1")
    assert left() == [50]


def test_the_end_leaves_what_was_converted_and_keeps_all_by_default(
    pay: Callable[..., Payment],
    account: CreditAccount,
    subscription: Subscription,
    settings: Any,
) -> None:
    payment = pay(subscription=subscription)
    bring(payment)
    change(pay(2), [payment], paid_share="0.5")
    bridge.end_subscription(subscription=subscription, key="end:sub_1")
    assert by_type(account) == {"payg": 150, "subscription": 150}
    settings.QUICKSCALE_STRIPE_ENDED_POLICY = "expire"
    bridge.end_subscription(subscription=subscription, key="end:sub_1")
    assert by_type(account) == {"payg": 150}


def test_the_end_takes_nothing_of_what_was_spent(
    pay: Callable[..., Payment],
    account: CreditAccount,
    subscription: Subscription,
    settings: Any,
) -> None:
    settings.QUICKSCALE_STRIPE_ENDED_POLICY = "expire"
    bring(pay(subscription=subscription))
    account.consume_credits(300, "Used")
    bridge.end_subscription(subscription=subscription, key="end:sub_1")
    assert entries("revoke") == []
    bring(pay(2, subscription=subscription), 1)
    bridge.end_subscription(subscription=subscription, key="end:sub_1")
    assert left() == [0, 0]


def test_what_has_ended_by_itself_is_not_taken_at_the_end(
    pay: Callable[..., Payment],
    account: CreditAccount,
    subscription: Subscription,
    settings: Any,
) -> None:
    settings.QUICKSCALE_STRIPE_ENDED_POLICY = "expire"
    with ledger_clock(NOW - 5 * DAY):
        bring(pay(subscription=subscription), period=(NOW - 30 * DAY, NOW - DAY))
    assert left() == [300]
    bridge.end_subscription(subscription=subscription, key="end:sub_1")
    assert entries("revoke") == []


# What pages use ----------------------------------------------------------------------------------


def test_the_balance_is_what_can_be_used_now(
    pay: Callable[..., Payment], owner: Any, account: CreditAccount
) -> None:
    bring(pay())
    account.hold_credits(100, "Work", ttl=DAY)
    assert bridge.balance(owner=owner) == 200


def test_only_a_closed_account_is_sold_nothing(
    owner: Any, account: CreditAccount, make_owner: Any
) -> None:
    other = make_owner("bob@example.com")
    assert bridge.refusal(owner=owner) == ""
    ledger.close(account=account)
    assert bridge.refusal(owner=owner) == "This account is closed."
    assert bridge.refusal(owner=other) == ""


def test_credits_are_bought_at_the_page_while_payments_are_on(settings: Any) -> None:
    assert credits_settings.buy_url == ""
    settings.QUICKSCALE_STRIPE_SECRET_KEY = "sk_test_x"
    assert credits_settings.buy_url == "quickscale_stripe:buy_credits"
    settings.QUICKSCALE_CREDITS_BUY_URL = "/shop/"
    assert credits_settings.buy_url == "/shop/"
