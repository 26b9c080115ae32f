from __future__ import annotations

import re
import time
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from quickscale.formats import format_day
from quickscale.mail import make_mail
from quickscale_credits.models import CreditAccount
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import get_client
from quickscale_stripe.internal import mails
from quickscale_stripe.models import Payment, StripePrice, StripeProduct, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.conftest import Unreachable, UseClient
from tests.quickscale_stripe.hooks import use_hooks
from tests.quickscale_stripe.proof.world import World
from tests.quickscale_stripe.shopping import balance
from tests.quickscale_stripe.test_pages import text_of
from tests.quickscale_stripe.test_subscriptions import basic, open_signup, pro, subscribed

__all__ = ["basic", "pro", "subscribed"]

pytestmark = pytest.mark.django_db

PLANS = "/dashboard/plans/"
SUBSCRIPTION = "/dashboard/subscription/"
BILLING = "/dashboard/billing/"
CHANGE = "/dashboard/subscription/change/"


def token_on(page: Any) -> str:
    """Return the token in the form of the page that previews a change."""
    found = re.search(r'name="token" value="([^"]+)"', page.text)
    assert found
    return found[1]


def test_plans_monthly_and_yearly(shop: Sandbox, buyer: Client) -> None:
    monthly = text_of(buyer.get(PLANS))
    for fact in ("Basic plan", "$19.00 each month", "300 credits", "$49.00 each month"):
        assert fact in monthly
    assert "save up to 16%" in monthly

    yearly = text_of(buyer.get(PLANS, {"interval": "year"}))
    assert "$190.00 each year" in yearly
    assert "Save 16%" in yearly
    assert "300 credits each month, billed yearly" in yearly
    assert "$19.00 each month" not in yearly

    fragment = buyer.get(PLANS, {"interval": "year"}, headers={"HX-Request": "true"})
    assert "<html" not in fragment.text
    assert "$190.00 each year" in text_of(fragment)
    assert "HX-Request" in fragment["Vary"]


def test_the_plans_need_few_queries(
    shop: Sandbox, buyer: Client, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(8):
        buyer.get(PLANS, {"interval": "year"})


def test_the_plans_are_compared_by_what_they_have(shop: Sandbox, buyer: Client) -> None:
    for name, features in (("Basic plan", ["Shared"]), ("Pro plan", ["Shared", "Support"])):
        StripeProduct.objects.filter(name=name).update(features=features)
    table = buyer.get(PLANS).text.partition("<table")[2].partition("</table>")[0]
    rows = [
        [strip_tags(cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in table.split("</tr>")
    ]
    assert rows[0] == ["", "Basic plan", "Pro plan"]
    assert ["Price", "$19.00 each month", "$49.00 each month"] in rows
    assert ["Support", "\N{EN DASH}", "Yes"] in rows
    assert ["Shared", "Yes", "Yes"] in rows


def test_one_plan_is_not_compared(shop: Sandbox, buyer: Client, basic: StripePrice) -> None:
    StripePrice.objects.exclude(product=basic.product).update(active=False)
    assert "<table" not in buyer.get(PLANS).text


def test_only_prices_that_bring_the_same_are_compared(
    shop: Sandbox, buyer: Client, basic: StripePrice
) -> None:
    yearly = StripePrice.objects.filter(product=basic.product, interval="year")
    yearly.update(credits=1000)
    offers = {offer.price.pk: offer for offer in mirror.plans()}
    assert offers[yearly.get().pk].savings == 0


def test_subscribing_from_the_page(
    shop: Sandbox, buyer: Client, owner: Any, basic: StripePrice
) -> None:
    response = buyer.post(
        "/dashboard/plans/subscribe/", {"price": basic.pk, "reference": uuid.uuid4()}
    )
    session = re.search(r"cs_\w+", response["Location"])
    assert session
    back = shop.pay(session[0])
    assert "Credits added 300" in text_of(buyer.get(back.url))
    assert balance(owner) == 300

    page = text_of(buyer.get(SUBSCRIPTION))
    for fact in ("Basic plan", "Active", "Next billing date"):
        assert fact in page
    assert "Your plan" in text_of(buyer.get(PLANS))


def test_without_a_subscription(sandbox: Sandbox, buyer: Client) -> None:
    assert "You have no subscription" in text_of(buyer.get(SUBSCRIPTION))


def test_a_subscriber_is_sent_to_the_subscription(
    shop: Sandbox, buyer: Client, subscribed: Subscription, pro: StripePrice
) -> None:
    response = buyer.post(
        "/dashboard/plans/subscribe/", {"price": pro.pk, "reference": uuid.uuid4()}, follow=True
    )
    assert "Change its plan here" in text_of(response)
    assert Subscription.objects.count() == 1


def test_an_upgrade_is_shown_and_then_made(
    shop: Sandbox, buyer: Client, subscribed: Subscription, pro: StripePrice
) -> None:
    page = buyer.get(CHANGE, {"price": pro.pk})
    assert "To pay now $30.00" in text_of(page)
    assert "At once" in text_of(page)

    done = buyer.post(CHANGE, {"price": pro.pk, "token": token_on(page)}, follow=True)

    assert "Your plan has been changed" in text_of(done)
    assert "Pro plan" in text_of(done)
    assert Payment.objects.get(kind="plan_change").amount == 3000


@pytest.mark.parametrize("is_subscribed", [False, True])
def test_forms_name_a_price_by_its_plain_number(
    shop: Sandbox, buyer: Client, pro: StripePrice, request: Any, settings: Any, is_subscribed: bool
) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    StripePrice.objects.filter(pk=pro.pk).update(id=4321)
    if is_subscribed:
        request.getfixturevalue("subscribed")
        assert 'name="price" value="4321"' in buyer.get(CHANGE, {"price": "4321"}).text
    assert 'name="price" value="4321"' in buyer.get(PLANS).text


def test_only_the_change_that_was_shown_is_made(
    shop: Sandbox,
    buyer: Client,
    subscribed: Subscription,
    basic: StripePrice,
    pro: StripePrice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise a visitor could pay the difference for the last second of the period."""
    end = int((subscribed.current_period_end or timezone.now()).timestamp())
    mine = [subscribed.stripe_id, pro.stripe_id, end - 1]
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3700)
    old = token_on(buyer.get(CHANGE, {"price": pro.pk}))
    monkeypatch.setattr(time, "time", real)
    shop.advance(days=32)
    shop.deliver()
    renewed = buyer.get(CHANGE, {"price": pro.pk})
    for token in (
        str(end - 1),
        signing.dumps(mine),
        signing.dumps(mine, key="guessed", salt="quickscale_stripe.billing.plan_changes"),
        signing.dumps(
            [subscribed.stripe_id, basic.stripe_id, end - 1],
            salt="quickscale_stripe.billing.plan_changes",
        ),
        old,
    ):
        answer = buyer.post(CHANGE, {"price": pro.pk, "token": token}, follow=True)
        assert answer.redirect_chain == [(f"{CHANGE}?price={pro.pk}", 302)]
        assert "check the change again" in text_of(answer)
    assert Subscription.objects.get().price == basic
    assert not Payment.objects.filter(kind="plan_change").exists()

    buyer.post(CHANGE, {"price": pro.pk, "token": token_on(renewed)})
    assert Subscription.objects.get().price == pro


def test_a_preview_is_not_valid_in_the_next_period(
    shop: Sandbox, buyer: Client, subscribed: Subscription, pro: StripePrice
) -> None:
    token = token_on(buyer.get(CHANGE, {"price": pro.pk}))
    shop.advance(days=32)
    shop.deliver()
    answer = buyer.post(CHANGE, {"price": pro.pk, "token": token}, follow=True)
    assert "check the change again" in text_of(answer)
    assert not Payment.objects.filter(kind="plan_change").exists()


def test_a_declined_upgrade_says_that_the_plan_stays(
    shop: Sandbox, buyer: Client, owner: Any, basic: StripePrice, pro: StripePrice
) -> None:
    shop.pay(open_signup(owner, basic), "renewal_declined")
    shop.deliver()
    page = buyer.get(CHANGE, {"price": pro.pk})
    done = buyer.post(CHANGE, {"price": pro.pk, "token": token_on(page)}, follow=True)
    assert "you keep your plan" in text_of(done)


@pytest.mark.parametrize("data", [{}, {"price": "0"}, {"price": "x", "token": "y"}])
def test_a_change_to_nothing_leads_to_the_plans(
    shop: Sandbox, buyer: Client, subscribed: Subscription, data: dict[str, str]
) -> None:
    assert buyer.get(CHANGE, data).url == PLANS
    assert buyer.post(CHANGE, data).url == PLANS


def test_cancel_and_keep(shop: Sandbox, buyer: Client, subscribed: Subscription) -> None:
    page = text_of(buyer.post(f"{SUBSCRIPTION}cancel/", follow=True))
    assert "ends with the current period" in page
    assert "Ends on" in page
    assert "Keep the subscription" in page

    page = text_of(buyer.post(f"{SUBSCRIPTION}reactivate/", follow=True))
    assert "Your subscription continues" in page
    assert "Next billing date" in page


def test_a_cancellation_in_the_portal_is_shown_and_can_be_undone(
    shop: Sandbox, buyer: Client, owner: Any, subscribed: Subscription, pro: StripePrice
) -> None:
    token = token_on(buyer.get(CHANGE, {"price": pro.pk}))
    World(shop, owner).cancel_in_portal(subscribed.stripe_id)
    page = text_of(buyer.post(CHANGE, {"price": pro.pk, "token": token}, follow=True))
    assert "Keep it first" in page
    assert "Your subscription ends on" in page
    assert "Keep the subscription" in page
    assert "Change plan" not in page
    assert "Cancel at the end" not in page
    assert "Keep it first" in text_of(buyer.get(CHANGE, {"price": pro.pk}, follow=True))

    page = text_of(buyer.post(f"{SUBSCRIPTION}reactivate/", follow=True))
    assert "Next billing date" in page
    assert get_client().v1.subscriptions.retrieve(subscribed.stripe_id).cancel_at is None


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("payment_failed", "has ended because its payment failed"),
        ("payment_disputed", "has ended because a payment was disputed"),
        ("cancellation_requested", "was cancelled and has ended"),
        ("", "This subscription has ended"),
    ],
)
def test_an_ended_subscription_says_why_and_can_start_again(
    shop: Sandbox, buyer: Client, subscribed: Subscription, reason: str, words: str
) -> None:
    Subscription.objects.update(status="canceled", end_reason=reason)
    page = text_of(buyer.get(SUBSCRIPTION))
    assert words in page
    assert "Start again" in page


@pytest.mark.parametrize("status", Subscription.Status.values)
def test_every_status_is_described_in_words(
    shop: Sandbox, buyer: Client, subscribed: Subscription, status: str
) -> None:
    Subscription.objects.update(status=status, trial_end=subscribed.current_period_end)
    subscribed.refresh_from_db()
    page = text_of(buyer.get(SUBSCRIPTION))
    assert f"Status {subscribed.get_status_display()}" in page
    words = {
        "active": "Next billing date",
        "canceled": "has ended",
        "incomplete": "first payment is not complete",
        "incomplete_expired": "did not start",
        "past_due": "last payment failed",
        "paused": "is paused",
        "trialing": "trial lasts until",
        "unpaid": "last payment failed",
    }
    assert words[status] in page
    assert ("See the plans" in page) is (status == "incomplete_expired")
    assert ("Cancel at the end" in page) is subscribed.is_live


def test_a_payment_that_is_due_has_to_be_paid_first(
    shop: Sandbox, buyer: Client, owner: Any, basic: StripePrice
) -> None:
    shop.pay(open_signup(owner, basic), "renewal_declined")
    shop.deliver()
    shop.advance(days=32)
    shop.deliver()
    assert Subscription.objects.get().status == "past_due"
    due = Payment.objects.get(paid_at=None)
    page = buyer.get(SUBSCRIPTION)
    assert "Pay now" in text_of(page)
    assert due.invoice_url
    assert due.invoice_url in page.text
    assert due.failure_message in text_of(page)


def test_a_waiting_change_is_shown_and_can_be_dropped(
    shop: Sandbox, buyer: Client, owner: Any, basic: StripePrice, pro: StripePrice
) -> None:
    shop.pay(open_signup(owner, pro))
    shop.deliver()
    page = buyer.get(CHANGE, {"price": basic.pk})
    assert "To pay now $0.00" in text_of(page)
    assert "nothing is charged today" in text_of(page)
    data = {"price": basic.pk, "token": token_on(page)}
    page = text_of(buyer.post(CHANGE, data, follow=True))
    assert "Your plan has been changed" not in page
    ends = format_day(Subscription.objects.get().pending_at)
    assert f"Pro plan stays until {ends}. Then Basic plan, $19.00 each month." in page
    assert "Your plan changes to Basic plan on" in page
    assert "$19.00 each month 300 credits each month" in page
    assert "Keep the current plan" in page
    assert "Yours from" in text_of(buyer.get(PLANS))

    page = text_of(buyer.post(f"{SUBSCRIPTION}keep-plan/", follow=True))
    assert "You keep your plan" in page
    assert "Basic plan" not in page
    assert Subscription.objects.get().pending_price is None


def test_the_pages_of_a_payment_say_which_credits_come_monthly(
    shop: Sandbox, buyer: Client, owner: Any, basic: StripePrice
) -> None:
    yearly = StripePrice.objects.get(product=basic.product, interval="year")
    session = open_signup(owner, yearly)
    shop.pay(session)
    shop.deliver()
    payment = Payment.objects.get()
    done = f"/dashboard/buy-credits/done/?session_id={session}"

    told = "3,600 credits in total: 300 credits each month, billed yearly"
    assert f"Credits added {told}" in text_of(buyer.get(done))
    assert told in text_of(buyer.get(f"/dashboard/payments/{payment.pk}/"))
    context = {"payment": payment, "settled": []}
    mail = make_mail(f"{mails.PREFIX}purchase", ["ann@example.com"], context)
    assert f"Credits: {told}" in mail.body
    assert told in mail.alternatives[0][0]

    Payment.objects.update(credits=7200)
    page = text_of(buyer.get(f"/dashboard/payments/{payment.pk}/"))
    assert "7,200 credits, in monthly parts" in page


@pytest.mark.parametrize(
    ("policy", "cap", "words"),
    [
        ("convert", None, "250 credits, yours for good"),
        ("convert", 100, "250 credits; up to 100 credits become yours for good"),
        ("rollover", None, "250 credits, usable until the new period ends"),
        ("rollover", 1, "250 credits; up to 1 credit stay until the new period ends"),
        ("keep", None, "250 credits, usable until they end"),
        ("expire", None, "250 credits, which are lost"),
    ],
)
def test_the_preview_shows_the_credits_that_will_come(
    shop: Sandbox,
    buyer: Client,
    owner: Any,
    subscribed: Subscription,
    pro: StripePrice,
    settings: Any,
    policy: str,
    cap: int | None,
    words: str,
) -> None:
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY = policy
    settings.QUICKSCALE_STRIPE_PLAN_CHANGE_CAP = cap
    CreditAccount.objects.for_owner(owner).consume_credits(50, "Used")
    page = buyer.get(CHANGE, {"price": pro.pk})
    told = re.search(r"Credits you get now ([\d,.]+)", text_of(page))
    assert told
    assert f"Credits left from your current plan {words}" in text_of(page)

    buyer.post(CHANGE, {"price": pro.pk, "token": token_on(page)})
    brought = Payment.objects.get(kind="plan_change").credits
    assert Decimal(told[1].replace(",", "")) == brought


def test_a_site_that_decides_otherwise_says_nothing_of_the_policy(
    shop: Sandbox, buyer: Client, subscribed: Subscription, pro: StripePrice, settings: Any
) -> None:
    use_hooks(settings, left_over=lambda **facts: None)
    page = text_of(buyer.get(CHANGE, {"price": pro.pk}))
    assert "Credits you get now" in page
    assert "Credits left" not in page


def test_the_subscription_pages_have_few_queries(
    shop: Sandbox,
    buyer: Client,
    subscribed: Subscription,
    pro: StripePrice,
    django_assert_max_num_queries: Any,
) -> None:
    with django_assert_max_num_queries(8):
        buyer.get(SUBSCRIPTION)
    with django_assert_max_num_queries(9):
        buyer.get(PLANS)
    with django_assert_max_num_queries(19):
        buyer.get(CHANGE, {"price": pro.pk})


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("get", CHANGE, "You have not been charged"),
        ("post", CHANGE, "do not know yet whether your request arrived"),
        ("post", f"{SUBSCRIPTION}cancel/", "do not know yet whether your request arrived"),
        ("post", f"{SUBSCRIPTION}reactivate/", "do not know yet whether your request arrived"),
        ("post", f"{SUBSCRIPTION}keep-plan/", "do not know yet whether your request arrived"),
        ("post", "/dashboard/billing/portal/", "You have not been charged"),
        ("post", "/dashboard/plans/subscribe/", "You have not been charged"),
    ],
)
def test_while_stripe_is_down_each_page_says_so_and_leads_on(
    shop: Sandbox,
    buyer: Client,
    subscribed: Subscription,
    pro: StripePrice,
    use_client: UseClient,
    method: str,
    path: str,
    words: str,
) -> None:
    token = token_on(buyer.get(CHANGE, {"price": pro.pk}))
    Subscription.objects.update(schedule_id="sub_sched_1")
    use_client(Unreachable())
    data = {"price": pro.pk, "token": token, "reference": str(uuid.uuid4())}
    page = getattr(buyer, method)(path, data)
    assert page.status_code == 503
    assert words in text_of(page)
    assert f'href="{SUBSCRIPTION}"' in page.text or f'href="{BILLING}"' in page.text
    assert ("Try again" in text_of(page)) is (method == "get")
    assert buyer.get(SUBSCRIPTION).status_code == 200
    assert buyer.get(PLANS).status_code == 200
