from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F, Sum
from django.utils import timezone

from quickscale_credits.internal.clock import ledger_clock
from quickscale_credits.models import CreditAccount, CreditLot
from quickscale_stripe.billing import customers, plan_changes, sessions, subscriptions
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import (
    AlreadySubscribedError,
    NotForSaleError,
    SubscriptionEndsError,
)
from quickscale_stripe.models import Payment, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.proof.world import World
from tests.quickscale_stripe.shopping import (
    balance,
    charge_of,
    intent_of,
    open_checkout,
    open_signup,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def basic(shop: Sandbox) -> StripePrice:
    """300 credits a month for 19.00 USD."""
    return StripePrice.objects.get(product__name="Basic plan", interval="month")


@pytest.fixture
def pro(shop: Sandbox) -> StripePrice:
    """1000 credits a month for 49.00 USD."""
    return StripePrice.objects.get(product__name="Pro plan", interval="month")


@pytest.fixture
def subscribed(shop: Sandbox, owner: Any, basic: StripePrice) -> Subscription:
    shop.pay(open_signup(owner, basic))
    shop.deliver()
    return Subscription.objects.get()


def by_type(owner: Any) -> dict[str, Decimal]:
    balances = CreditAccount.objects.for_owner(owner).get_balance_by_type()
    return {kind: amount for kind, amount in balances.items() if amount}


def test_a_signup_brings_the_first_period_once(
    shop: Sandbox, owner: Any, subscribed: Subscription, basic: StripePrice
) -> None:
    assert (subscribed.owner, subscribed.price, subscribed.status) == (owner, basic, "active")
    payment = Payment.objects.get()
    assert (payment.kind, payment.status, payment.amount) == ("subscription", "succeeded", 1900)
    assert (payment.subscription, payment.credits) == (subscribed, 300)
    assert charge_of(payment)
    assert payment.invoice_url
    lot = CreditLot.objects.get()
    assert (lot.credit_type, lot.amount) == ("subscription", 300)
    assert lot.source_type == "invoice"
    assert lot.source_id.startswith(f"{payment.invoice_id}:")
    assert lot.expires_at == subscribed.current_period_end


def test_a_payment_that_becomes_known_after_its_period_is_recorded(
    shop: Sandbox, owner: Any, basic: StripePrice
) -> None:
    shop.pay(open_signup(owner, basic))
    with ledger_clock(timezone.now() + timedelta(days=40)):
        shop.deliver()
        payment = Payment.objects.get()
        assert (payment.status, payment.credits) == ("succeeded", 300)
        assert by_type(owner) == {}
        assert CreditLot.objects.get().amount == 300


def test_the_page_after_the_signup_alone_is_enough(
    shop: Sandbox, owner: Any, basic: StripePrice
) -> None:
    session = open_signup(owner, basic)
    shop.pay(session)
    payment = sessions.sync(session)
    assert payment is not None
    assert payment.is_paid
    assert balance(owner) == 300
    shop.deliver()
    assert balance(owner) == 300


@pytest.mark.parametrize("backwards", [True, False])
def test_events_in_either_order_and_twice_end_the_same(
    shop: Sandbox, owner: Any, basic: StripePrice, backwards: bool
) -> None:
    shop.set_delivery("hold", copies=2)
    shop.pay(open_signup(owner, basic))
    shop.release(backwards=backwards)
    shop.deliver()
    assert {row["state"] for row in shop.deliveries()} == {"delivered"}
    assert Subscription.objects.get().status == "active"
    assert Payment.objects.get().credits == 300
    assert balance(owner) == 300


def test_a_renewal_brings_the_next_period(
    shop: Sandbox, owner: Any, subscribed: Subscription
) -> None:
    shop.advance(days=32)
    shop.deliver()
    subscribed_until = subscribed.current_period_end
    subscribed.refresh_from_db()
    assert subscribed_until
    assert subscribed.current_period_end
    assert subscribed.current_period_end > subscribed_until
    assert [payment.credits for payment in Payment.objects.all()] == [300, 300]
    ends = list(CreditLot.objects.order_by("pk").values_list("expires_at", flat=True))
    assert ends == [subscribed_until, subscribed.current_period_end]


def test_a_renewal_that_fails_and_recovers(shop: Sandbox, owner: Any, basic: StripePrice) -> None:
    shop.pay(open_signup(owner, basic), "renewal_declined")
    shop.advance(days=32)
    shop.deliver()
    assert Subscription.objects.get().status == "past_due"
    failed = Payment.objects.get(status="failed")
    assert failed.failure_message
    assert CreditLot.objects.count() == 1


def test_one_subscription_for_each_owner(
    shop: Sandbox, owner: Any, subscribed: Subscription, pro: StripePrice
) -> None:
    with pytest.raises(AlreadySubscribedError):
        open_signup(owner, pro, "second")


def test_of_two_open_signups_the_older_is_closed(
    shop: Sandbox, owner: Any, basic: StripePrice, pro: StripePrice
) -> None:
    older = open_signup(owner, basic)
    newer = open_signup(owner, pro)
    assert get_client().v1.checkout.sessions.retrieve(older).status == "expired"
    shop.pay(newer)
    shop.deliver()
    assert [row.price for row in Subscription.objects.all()] == [pro]


def test_a_package_is_not_a_plan(shop: Sandbox, owner: Any, package: StripePrice) -> None:
    with pytest.raises(NotForSaleError):
        open_signup(owner, package)


def test_cancel_and_reactivate(shop: Sandbox, subscribed: Subscription) -> None:
    canceled = subscriptions.cancel_at_period_end(subscribed)
    assert canceled is not None
    assert (canceled.status, canceled.cancel_at) == ("active", canceled.current_period_end)
    back = subscriptions.reactivate(canceled)
    assert back is not None
    assert back.cancel_at is None
    again = subscriptions.cancel_at_period_end(back)
    assert again is not None
    assert again.cancel_at
    shop.advance(days=32)
    shop.deliver()
    subscribed.refresh_from_db()
    assert subscribed.status == "canceled"
    assert subscribed.ended_at
    assert subscribed.end_reason == "cancellation_requested"
    assert Payment.objects.count() == 1


def test_a_cancellation_in_the_portal_is_seen_and_can_be_undone(
    shop: Sandbox, owner: Any, subscribed: Subscription
) -> None:
    World(shop, owner).cancel_in_portal(subscribed.stripe_id)
    shop.deliver()
    subscribed.refresh_from_db()
    assert subscribed.cancel_at == subscribed.current_period_end
    back = subscriptions.reactivate(subscribed)
    assert back is not None
    assert back.cancel_at is None
    shop.advance(days=32)
    shop.deliver()
    subscribed.refresh_from_db()
    assert subscribed.status == "active"


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("plan", ["Pro plan", "Basic plan"])
def test_the_plan_of_a_cancelled_subscription_is_not_changed(
    shop: Sandbox, owner: Any, plan: str, is_known: bool
) -> None:
    """An upgrade would cost money and still end; this holds before the event comes, too."""
    world = World(shop, owner)
    row = world.known(world.subscribe("Basic plan" if plan == "Pro plan" else "Pro plan"))
    price = world.price(plan)
    token = plan_changes.preview(subscription=row, price=price).token
    world.cancel_in_portal(row.stripe_id)
    if is_known:
        row = world.known(row.stripe_id)
    with pytest.raises(SubscriptionEndsError):
        plan_changes.change(subscription=row, price=price, token=token)
    shop.deliver()
    row.refresh_from_db()
    assert row.cancel_at
    assert (row.price and row.price != price, row.pending_price) == (True, None)
    assert Payment.objects.count() == 1


def test_cancel_at_once(shop: Sandbox, owner: Any, subscribed: Subscription) -> None:
    ended = subscriptions.cancel_now(subscribed)
    assert ended is not None
    assert ended.status == "canceled"
    assert balance(owner) == 300


def test_an_upgrade_costs_what_was_shown_and_brings_the_difference(
    shop: Sandbox, owner: Any, subscribed: Subscription, pro: StripePrice
) -> None:
    shown = plan_changes.preview(subscription=subscribed, price=pro)
    assert shown.is_upgrade
    plan_changes.change(subscription=subscribed, price=pro, token=shown.token)
    shop.deliver()

    subscribed.refresh_from_db()
    assert subscribed.price == pro
    payment = Payment.objects.get(kind="plan_change")
    assert (payment.status, payment.amount) == ("succeeded", shown.due_now)
    assert payment.credits == 700
    assert by_type(owner) == {"payg": 300, "subscription": payment.credits}


def change_items(subscription: Subscription, *items: Any) -> None:
    """Change the subscription as Stripe's dashboard does, at the sandbox's current time."""
    get_client().v1.subscriptions.update(
        subscription.stripe_id,
        {"items": list(items), "proration_behavior": "always_invoice"},
        {"idempotency_key": f"items:{len(items)}"},
    )


def test_the_share_paid_of_a_whole_period_becomes_permanent(
    shop: Sandbox, owner: Any, subscribed: Subscription, pro: StripePrice
) -> None:
    """A change in the last minutes costs cents, and must not keep 300 credits for good."""
    period = subscribed.current_period_end - subscribed.current_period_start  # type: ignore[operator]
    shop.advance(seconds=int(period.total_seconds()) - 3600)
    item = get_client().v1.subscriptions.retrieve(subscribed.stripe_id).items.data[0]
    change_items(subscribed, {"id": item.id, "price": pro.stripe_id})
    shop.deliver()

    payment = Payment.objects.get(kind="plan_change")
    assert 0 < payment.total < 10
    assert payment.credits == 1
    assert by_type(owner) == {"payg": 1, "subscription": 299 + 1}


def test_the_plan_is_the_item_that_is_this_sites(
    shop: Sandbox, owner: Any, subscribed: Subscription, basic: StripePrice, pro: StripePrice
) -> None:
    """Another tool's item may come first, but it isn't a plan that can be changed."""
    client = get_client().v1
    product = client.products.create({"name": "Support"})
    support = client.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 1000,
            "recurring": {"interval": "month"},
        }
    )
    [old] = client.subscriptions.retrieve(subscribed.stripe_id).items.data
    change_items(
        subscribed,
        {"id": old.id, "price": support.id},
        {"price": basic.stripe_id},
    )
    synced = subscriptions.sync(subscribed.stripe_id)
    assert synced is not None
    assert synced.price == basic

    upgrade(synced, pro)
    items = client.subscriptions.retrieve(subscribed.stripe_id).items.data
    assert [item.price.id for item in items] == [support.id, pro.stripe_id]
    synced.refresh_from_db()
    assert synced.price == pro


def test_a_subscriber_is_offered_one_currency(
    shop: Sandbox, owner: Any, subscribed: Subscription, pro: StripePrice, package: StripePrice
) -> None:
    """Stripe allows one currency at a time for each customer."""
    client = get_client().v1
    ids = [
        client.prices.create(
            {
                "product": price.product.stripe_id,
                "currency": "eur",
                "unit_amount": 4500,
                "metadata": {"credits": "1000"},
                **({"recurring": {"interval": "month"}} if price.is_subscription else {}),
            }
        ).id
        for price in (pro, package)
    ]
    plan, pack = [mirror.sync_price(price_id) for price_id in ids]
    assert plan is not None
    assert pack is not None
    assert {offer.price.currency for offer in mirror.plans()} == {"usd", "eur"}
    assert {offer.price.currency for offer in mirror.plans(owner=owner)} == {"usd"}
    assert {offer.price.currency for offer in mirror.packages(owner=owner)} == {"usd"}
    with pytest.raises(NotForSaleError):
        plan_changes.preview(subscription=subscribed, price=plan)
    with pytest.raises(NotForSaleError):
        open_checkout(owner, pack)

    subscriptions.cancel_now(subscribed)
    assert open_checkout(owner, pack)
    assert open_signup(owner, plan)


def test_left_over_credits_can_be_kept_until_their_end_or_expire(
    shop: Sandbox, owner: Any, subscribed: Subscription, pro: StripePrice, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY = "expire"
    shown = plan_changes.preview(subscription=subscribed, price=pro)
    plan_changes.change(subscription=subscribed, price=pro, token=shown.token)
    assert by_type(owner) == {"subscription": Payment.objects.get(kind="plan_change").credits}


def test_left_over_credits_can_roll_over_with_a_cap(
    shop: Sandbox, owner: Any, subscribed: Subscription, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY = "rollover"
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_CAP = 120
    upgrade(subscribed, StripePrice.objects.get(product__name="Pro plan", interval="year"))
    subscribed.refresh_from_db()
    rolled = CreditLot.objects.get(parent__isnull=False)
    assert (rolled.credit_type, rolled.remaining) == ("subscription", 120)
    assert rolled.expires_at == subscribed.current_period_end
    assert rolled.parent is not None
    assert rolled.parent.remaining == 180


@pytest.fixture
def basic_monthly(basic: StripePrice) -> StripePrice:
    """3600 credits a year, 300 of them each month."""
    return with_monthly_credits("Basic plan")


def with_monthly_credits(product: str) -> StripePrice:
    price = StripePrice.objects.get(product__name=product, interval="year")
    metadata = {"metadata": {"credits_interval": "month"}}
    get_client().v1.prices.update(price.stripe_id, metadata)
    synced = mirror.sync_price(price.stripe_id)
    assert synced is not None
    return synced


def monthly_lots(owner: Any) -> list[CreditLot]:
    lots = CreditLot.objects.filter(account__owner=owner, credit_type="subscription")
    return list(lots.order_by("effective_at", "pk"))


def test_a_yearly_plan_can_bring_its_credits_monthly(
    shop: Sandbox, owner: Any, basic_monthly: StripePrice
) -> None:
    shop.set_delivery("hold", copies=2)
    shop.pay(open_signup(owner, basic_monthly))
    shop.release(backwards=True)
    shop.deliver()
    subscription = Subscription.objects.get()
    lots = monthly_lots(owner)
    assert [lot.amount for lot in lots] == [300] * 12
    assert [lot.expires_at for lot in lots[:-1]] == [lot.effective_at for lot in lots[1:]]
    assert lots[0].effective_at == subscription.current_period_start
    assert lots[-1].expires_at == subscription.current_period_end
    payment = Payment.objects.get()
    assert payment.credits == 3600
    assert sum(lot.cost_amount or 0 for lot in lots) == payment.amount
    assert balance(owner) == 300

    with ledger_clock(lots[5].effective_at):
        assert balance(owner) == 300


def test_a_yearly_plan_that_is_cancelled_brings_what_was_paid_and_no_more(
    shop: Sandbox, owner: Any, basic_monthly: StripePrice
) -> None:
    shop.pay(open_signup(owner, basic_monthly))
    shop.deliver()
    subscriptions.cancel_at_period_end(Subscription.objects.get())
    shop.advance(days=367)
    shop.deliver()
    subscription = Subscription.objects.get()
    assert subscription.status == "canceled"
    lots = monthly_lots(owner)
    assert len(lots) == 12
    assert lots[-1].expires_at == subscription.current_period_end


@pytest.mark.parametrize(("policy", "left"), [("keep", [250] + [300] * 11), ("expire", [0] * 12)])
def test_what_is_left_when_a_subscription_ends_at_once_follows_the_policy(
    shop: Sandbox,
    owner: Any,
    basic_monthly: StripePrice,
    settings: Any,
    policy: str,
    left: list[int],
) -> None:
    settings.QUICKSCALE_STRIPE_ENDED_POLICY = policy
    shop.pay(open_signup(owner, basic_monthly))
    shop.deliver()
    account = CreditAccount.objects.for_owner(owner)
    account.consume_credits(50, "Used")
    account.add_credits(7, "Bought")

    shop.set_delivery(copies=2)
    subscriptions.cancel_now(Subscription.objects.get())
    shop.deliver()
    assert [lot.remaining for lot in monthly_lots(owner)] == left
    assert account.get_balance() == left[0] + 7


def test_a_use_that_is_given_back_after_the_end_stays(
    shop: Sandbox, owner: Any, subscribed: Subscription, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_ENDED_POLICY = "expire"
    used = CreditAccount.objects.for_owner(owner).consume_credits(50, "Used")
    subscriptions.cancel_now(subscribed)
    used.reverse(reason="Failed")
    subscriptions.sync(subscribed.stripe_id)
    assert balance(owner) == 50


def test_a_period_that_is_paid_after_the_end_follows_the_policy_too(
    shop: Sandbox, owner: Any, basic: StripePrice, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_ENDED_POLICY = "expire"
    shop.set_delivery("hold")
    shop.pay(open_signup(owner, basic))
    (found,) = get_client().v1.subscriptions.list().data
    get_client().v1.subscriptions.cancel(found.id)
    shop.release(backwards=True)
    shop.deliver()
    assert Payment.objects.get().credits == 300
    assert balance(owner) == 0


def test_a_refund_after_the_end_takes_nothing_twice(
    shop: Sandbox, owner: Any, subscribed: Subscription, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_ENDED_POLICY = "expire"
    CreditAccount.objects.for_owner(owner).add_credits(7, "Bought")
    subscriptions.cancel_now(subscribed)
    payment = Payment.objects.get()
    get_client().v1.refunds.create(
        {"payment_intent": intent_of(payment)}, {"idempotency_key": "all"}
    )
    shop.deliver()
    assert balance(owner) == 7


def test_a_refund_of_a_yearly_plan_takes_the_future_months_first(
    shop: Sandbox, owner: Any, basic_monthly: StripePrice
) -> None:
    shop.pay(open_signup(owner, basic_monthly))
    shop.deliver()
    payment = Payment.objects.get()
    get_client().v1.refunds.create(
        {"payment_intent": intent_of(payment), "amount": payment.amount // 2},
        {"idempotency_key": "half"},
    )
    shop.deliver()
    assert [lot.remaining for lot in monthly_lots(owner)] == [300] * 6 + [0] * 6


@pytest.mark.parametrize(
    ("policy", "now"),
    [("convert", 1000), ("rollover", 1000), ("keep", 1000), ("expire", 700)],
)
def test_an_upgrade_of_a_yearly_plan_raises_each_future_month(
    shop: Sandbox,
    owner: Any,
    basic_monthly: StripePrice,
    settings: Any,
    policy: str,
    now: int,
) -> None:
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY = policy
    shop.pay(open_signup(owner, basic_monthly))
    shop.deliver()
    upgrade(Subscription.objects.get(), with_monthly_credits("Pro plan"))
    assert balance(owner) == pytest.approx(now, abs=1)
    lots = monthly_lots(owner)
    coming = lots[-1].effective_at + timedelta(days=10)
    with ledger_clock(coming):
        kept = 300 if policy in ("convert", "rollover") else 0
        assert balance(owner) == pytest.approx(1000 + kept, abs=1)


def upgrade(subscription: Subscription, price: StripePrice) -> None:
    shown = plan_changes.preview(subscription=subscription, price=price)
    assert shown.is_upgrade
    plan_changes.change(subscription=subscription, price=price, token=shown.token)


def test_a_declined_upgrade_leaves_the_old_plan(
    shop: Sandbox, owner: Any, basic: StripePrice, pro: StripePrice
) -> None:
    shop.pay(open_signup(owner, basic), "renewal_declined")
    shop.deliver()
    subscription = Subscription.objects.get()
    shown = plan_changes.preview(subscription=subscription, price=pro)
    plan_changes.change(subscription=subscription, price=pro, token=shown.token)
    shop.deliver()
    subscription.refresh_from_db()
    assert subscription.price == basic
    assert balance(owner) == 300
    assert Payment.objects.get(kind="plan_change").status == "failed"


def test_a_downgrade_comes_with_the_next_period(
    shop: Sandbox, owner: Any, basic: StripePrice, pro: StripePrice
) -> None:
    shop.pay(open_signup(owner, pro))
    shop.deliver()
    subscription = Subscription.objects.get()
    shown = plan_changes.preview(subscription=subscription, price=basic)
    assert (shown.is_upgrade, shown.due_now) == (False, 0)
    plan_changes.change(subscription=subscription, price=basic, token=shown.token)
    subscription.refresh_from_db()
    assert (subscription.price, subscription.pending_price) == (pro, basic)
    assert subscription.pending_at == subscription.current_period_end

    shop.advance(days=32)
    shop.deliver()
    subscription.refresh_from_db()
    assert (subscription.price, subscription.pending_price) == (basic, None)
    assert [payment.credits for payment in Payment.objects.order_by("created_at")] == [1000, 300]


def test_changing_back_and_forth_brings_nothing_twice(
    shop: Sandbox, owner: Any, subscribed: Subscription, basic: StripePrice, pro: StripePrice
) -> None:
    """In Stripe's portal a downgrade may apply at once, and money goes back as a balance."""
    client = get_client()
    for number in range(6):
        item = client.v1.subscriptions.retrieve(subscribed.stripe_id).items.data[0]
        price = basic if number % 2 else pro
        client.v1.subscriptions.update(
            subscribed.stripe_id,
            {
                "items": [{"id": item.id, "price": price.stripe_id}],
                "proration_behavior": "always_invoice",
            },
            {"idempotency_key": f"fro-{number}"},
        )
        shop.deliver()
    brought = Payment.objects.aggregate(net=Sum(F("credits") - F("credits_taken")))["net"]
    assert brought == pytest.approx(300, abs=1)
    assert balance(owner) == brought


def test_what_was_spent_before_money_came_back_is_not_brought_again(
    shop: Sandbox, owner: Any, subscribed: Subscription, basic: StripePrice, pro: StripePrice
) -> None:
    world = World(shop, owner)
    for _ in range(3):
        world.change_in_portal_to(subscribed.stripe_id, pro.stripe_id)
        shop.deliver()
        account = CreditAccount.objects.for_owner(owner)
        if available := account.get_available_balance():
            account.consume_credits(available, "use")
        world.change_in_portal_to(subscribed.stripe_id, basic.stripe_id)
        shop.deliver()
    brought = Payment.objects.aggregate(all=Sum("credits"))["all"]
    assert brought == pytest.approx(1000, abs=1)
    assert balance(owner) == 0


def test_future_months_go_with_the_money_that_was_given_back(
    shop: Sandbox, owner: Any, basic_monthly: StripePrice, basic: StripePrice
) -> None:
    shop.pay(open_signup(owner, basic_monthly))
    shop.deliver()
    World(shop, owner).change_in_portal_to(Subscription.objects.get().stripe_id, basic.stripe_id)
    shop.deliver()
    lots = monthly_lots(owner)
    assert [lot.remaining for lot in lots if lot.effective_at > timezone.now()] == [0] * 11
    change = Payment.objects.get(kind="plan_change")
    assert (change.credits_taken, change.credits) == (3300, 0)
    assert balance(owner) == pytest.approx(300, abs=1)


def test_a_refund_in_two_parts_takes_all_months(
    shop: Sandbox, owner: Any, basic_monthly: StripePrice
) -> None:
    shop.pay(open_signup(owner, basic_monthly))
    shop.deliver()
    payment = Payment.objects.get()
    for number in range(2):
        get_client().v1.refunds.create(
            {"payment_intent": intent_of(payment), "amount": payment.amount // 2},
            {"idempotency_key": f"half-{number}"},
        )
        shop.deliver()
    assert [lot.remaining for lot in monthly_lots(owner)] == [0] * 12


def test_the_rest_of_a_free_plan_counts_against_the_plan_that_follows(
    shop: Sandbox, owner: Any, pro: StripePrice
) -> None:
    client = get_client()
    product = client.v1.products.create({"name": "Free plan"})
    client.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 0,
            "recurring": {"interval": "month"},
            "metadata": {"credits": "100"},
        }
    )
    list(mirror.sync_all())
    free = StripePrice.objects.get(product__name="Free plan")
    world = World(shop, owner)
    customers.ensure(owner)
    world.use_card()
    shop.pay(open_signup(owner, free))
    shop.deliver()
    assert balance(owner) == 100
    upgrade(Subscription.objects.get(), pro)
    change = Payment.objects.get(kind="plan_change")
    assert change.price == pro
    assert change.credits == pytest.approx(900, abs=1)


def test_a_slow_answer_does_not_bring_an_old_state_back(
    shop: Sandbox, subscribed: Subscription
) -> None:
    Subscription.objects.update(
        synced_at=subscribed.synced_at + timedelta(hours=1), status="paused"
    )
    subscriptions.sync(subscribed.stripe_id)
    subscribed.refresh_from_db()
    assert subscribed.status == "paused"
