from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from quickscale.formats import format_day
from quickscale_credits.models import CreditAccount
from quickscale_stripe.billing.standing import Card
from quickscale_stripe.client import get_client
from quickscale_stripe.models import Payment, StripeCustomer, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.internal.http import respond
from quickscale_stripe_sandbox.internal.methods import find_method
from quickscale_stripe_sandbox.operations import portal
from tests.quickscale_stripe.conftest import Unreachable, UseClient
from tests.quickscale_stripe.shopping import balance, open_checkout, open_signup
from tests.quickscale_stripe.test_pages import text_of
from tests.quickscale_stripe.test_subscriptions import basic, pro, subscribed

__all__ = ["basic", "pro", "subscribed"]

pytestmark = pytest.mark.django_db

BILLING = "/dashboard/billing/"
METHOD = "/dashboard/billing/payment-method/"
TODAY = datetime.now(UTC)


def save_another(shop: Sandbox, buyer: Client, method: str = "card") -> Any:
    """Save a payment method on Stripe's page, as a person does; return the page after it."""
    path = buyer.post(f"{BILLING}add/")["Location"].removeprefix(shop.base_url)
    assert "Subscriptions" not in respond(shop, "GET", path, {}).body.decode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    saved = respond(shop, "POST", path, form, f"action=method&method={method}".encode())
    return buyer.get(saved.headers["Location"])


def default_of(subscription: Subscription) -> Any:
    return get_client().v1.subscriptions.retrieve(subscription.stripe_id).default_payment_method


def test_without_a_method_the_page_says_how_to_add_one(
    shop: Sandbox, buyer: Client, django_assert_max_num_queries: Any
) -> None:
    for path, queries in ((BILLING, 10), (METHOD, 9)):
        with django_assert_max_num_queries(queries):
            page = text_of(buyer.get(path))
        assert "No payment method is saved" in page
        assert "Add a payment method" in page
        assert Client().get(path).status_code == 302


def test_a_new_account_sees_what_each_part_is_for(shop: Sandbox, buyer: Client) -> None:
    page = text_of(buyer.get(BILLING))
    for words in (
        "You pay as you go",
        "See the plans",
        "No charge is planned",
        "You have not paid for anything yet",
        "after your first purchase",
    ):
        assert words in page


def test_one_page_shows_plan_charge_method_buyer_and_payments(
    shop: Sandbox, buyer: Client, owner: Any, subscribed: Subscription, package: StripePrice
) -> None:
    CreditAccount.objects.for_owner(owner).consume_credits(50, "Used")
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    renews = format_day(subscribed.current_period_end)
    page = text_of(buyer.get(BILLING))
    for words in (
        "Basic plan $19.00 a month",
        "Day 1 of",
        "250 of 300 credits left",
        f"Renews on {renews} for $19.00 with Visa •••• 4242.",
        f"Next charge $19.00 on {renews}",
        "Visa •••• ending in 4242",
        "Sam Buyer",
        "Starter pack",
        "All payments",
    ):
        assert words in page


def test_the_next_charge_is_that_of_the_plan_that_comes(
    shop: Sandbox, buyer: Client, subscribed: Subscription, pro: StripePrice
) -> None:
    ends = subscribed.current_period_end
    Subscription.objects.update(pending_price=pro, pending_at=ends, quantity=2)
    assert f"Next charge $98.00 on {format_day(ends)}" in text_of(buyer.get(BILLING))
    Subscription.objects.update(cancel_at=ends)
    page = text_of(buyer.get(BILLING))
    assert "Your plan is cancelled, so nothing will be charged." in page
    assert "Cancelled" in page


def test_the_latest_payments_are_five(owner: Any, shop: Sandbox, buyer: Client) -> None:
    for number in range(7):
        Payment.objects.create(
            owner=owner, kind="invoice", description=f"Number {number}", total=1, amount=1,
            currency="usd", created_at=TODAY + timedelta(seconds=number),
        )  # fmt: skip
    page = text_of(buyer.get(BILLING))
    assert "Number 2" in page
    assert "Number 1" not in page


def test_the_card_of_the_plan_is_shown_as_the_events_say(
    shop: Sandbox, buyer: Client, subscribed: Subscription
) -> None:
    for path in (BILLING, METHOD):
        page = text_of(buyer.get(path))
        assert "Visa •••• ending in 4242" in page
        assert "Expires December 2040" in page


def test_another_card_is_charged_from_then_on(
    shop: Sandbox, buyer: Client, subscribed: Subscription
) -> None:
    """The portal changes the customer's default, but Checkout set the subscription's own card."""
    before = default_of(subscribed)
    page = save_another(shop, buyer, "bank_success")
    assert "Test Bank •••• ending in 6789" in text_of(page)
    customer = StripeCustomer.objects.get()
    assert default_of(subscribed) == customer.payment_method_id != before
    shop.deliver()
    assert StripeCustomer.objects.get().payment_method["last4"] == "6789"


def test_an_event_alone_lets_the_subscription_follow(
    shop: Sandbox, buyer: Client, subscribed: Subscription
) -> None:
    """This is so even if the person closes the window on Stripe's page."""
    customer = StripeCustomer.objects.get()
    with shop.world() as world:
        portal.save_method(world, customer.stripe_id or "", find_method("bank_success"))
    shop.deliver()
    customer.refresh_from_db()
    assert customer.payment_method["last4"] == "6789"
    assert default_of(subscribed) == customer.payment_method_id
    assert customer.default_payment_method_id == customer.payment_method_id


def test_stripes_next_attempt_charges_an_overdue_invoice_to_the_new_card(
    shop: Sandbox, buyer: Client, owner: Any, basic: StripePrice
) -> None:
    shop.pay(open_signup(owner, basic), "renewal_declined")
    shop.advance(days=32)
    shop.deliver()
    subscription = Subscription.objects.get()
    assert subscription.status == "past_due"
    save_another(shop, buyer)
    shop.advance(days=4)
    shop.deliver()
    subscription.refresh_from_db()
    assert subscription.status == "active"
    assert balance(owner) == 2 * 300


def test_a_subscription_s_own_card_stays_while_the_default_does(
    shop: Sandbox, buyer: Client, owner: Any, basic: StripePrice
) -> None:
    """A default from before the sign-up doesn't replace the card that paid for it."""
    save_another(shop, buyer, "bank_success")
    shop.pay(open_signup(owner, basic))
    shop.deliver()
    own = default_of(Subscription.objects.get())
    get_client().v1.customers.update(
        StripeCustomer.objects.get().stripe_id or "", {"name": "Another name"}
    )
    shop.deliver()
    assert default_of(Subscription.objects.get()) == own
    assert StripeCustomer.objects.get().payment_method_id == own


def test_a_removed_method_disappears_here_too(
    shop: Sandbox, buyer: Client, owner: Any, package: StripePrice
) -> None:
    shop.pay(open_checkout(owner, package))
    save_another(shop, buyer)
    shop.deliver()
    method = StripeCustomer.objects.get().payment_method_id
    assert method
    get_client().v1.payment_methods.detach(method)
    shop.deliver()
    assert StripeCustomer.objects.get().payment_method_id == ""
    assert "No payment method is saved" in text_of(buyer.get(BILLING))


def test_a_change_in_the_portal_is_shown_on_return(
    shop: Sandbox, buyer: Client, subscribed: Subscription
) -> None:
    method = get_client().v1.payment_methods.attach(
        "pm_usBankAccount", {"customer": StripeCustomer.objects.get().stripe_id or ""}
    )
    get_client().v1.subscriptions.update(
        subscribed.stripe_id, {"default_payment_method": method.id}, {"idempotency_key": "test"}
    )
    assert "6789" not in text_of(buyer.get(BILLING))
    assert "6789" in text_of(buyer.get(BILLING, {"from": "portal"}))


def test_the_portal_leads_back_to_the_page(
    shop: Sandbox, buyer: Client, subscribed: Subscription
) -> None:
    response = buyer.post(f"{BILLING}portal/")
    assert response.status_code == 302
    assert response["Location"].startswith("http")


def test_others_cannot_see_it(shop: Sandbox, buyer: Client, subscribed: Subscription) -> None:
    save_another(shop, buyer, "bank_success")
    stranger = Client()
    stranger.force_login(get_user_model().objects.create_user(email="eve@example.com"))
    page = stranger.get(BILLING, {"from": "portal"})
    assert "No payment method is saved" in text_of(page)


@pytest.mark.parametrize(
    ("expires", "words"),
    [
        ([2020, 12], "Your card has expired"),
        ([TODAY.year, TODAY.month], "Your card expires soon"),
        ([2090, 1], "Expires January 2090"),
    ],
)
def test_a_warning_comes_before_a_card_expires(
    shop: Sandbox, buyer: Client, subscribed: Subscription, expires: list[int], words: str
) -> None:
    method = {"type": "card", "name": "visa", "last4": "4242", "expires": expires}
    StripeCustomer.objects.update(payment_method=method)
    assert words in text_of(buyer.get(BILLING))


def test_a_card_is_valid_until_the_last_day_of_its_month() -> None:
    assert Card({"expires": [2027, 2]}).ends == date(2027, 2, 28)
    assert Card({"expires": [2027, 12]}).ends == date(2027, 12, 31)


def test_while_stripe_is_down_the_page_shows_what_is_known(
    shop: Sandbox, buyer: Client, subscribed: Subscription, use_client: UseClient
) -> None:
    use_client(Unreachable())
    assert "4242" in text_of(buyer.get(BILLING, {"from": "portal"}))
    page = buyer.post(f"{BILLING}add/")
    assert page.status_code == 503
    assert f'href="{BILLING}"' in page.text


def test_where_payments_are_off_nothing_is_offered(
    shop: Sandbox, buyer: Client, subscribed: Subscription, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_ENABLED = False
    for path in (BILLING, METHOD):
        page = buyer.get(path)
        assert "4242" in text_of(page)
        assert f"{BILLING}portal/" not in page.text
        assert f"{BILLING}add/" not in page.text
