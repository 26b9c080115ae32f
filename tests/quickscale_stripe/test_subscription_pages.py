from __future__ import annotations

import json
import re
import time
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from quickscale.formats import format_day
from quickscale.mail import make_mail
from quickscale_credits.models import CreditAccount
from quickscale_stripe.billing import subscriptions
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import get_client
from quickscale_stripe.internal import mails
from quickscale_stripe.internal.mail_facts import about_purchase
from quickscale_stripe.models import Payment, StripePrice, StripeProduct, Subscription
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.recording import Recorded, RecordingHTTPClient
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
    for fact in (
        "Basic plan",
        "$19 /month",
        "300 credits each month",
        "Subscribe for $19.00 a month",
        "$0.049 a credit",
    ):
        assert fact in monthly
    assert "save up to 16%" in monthly

    yearly = text_of(buyer.get(PLANS, {"interval": "year"}))
    for fact in (
        "$40.83 /month",
        "Billed $490 yearly, 2 months free",
        "1,000 credits each month",
        "Subscribe for $490.00 a year",
    ):
        assert fact in yearly
    assert "$49.00 a month" not in yearly

    fragment = buyer.get(PLANS, {"interval": "year"}, headers={"HX-Request": "true"})
    assert "<html" not in fragment.text
    assert "Billed $190 yearly" in text_of(fragment)
    assert "HX-Request" in fragment["Vary"]


def test_the_plans_need_few_queries(
    shop: Sandbox, buyer: Client, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(8):
        buyer.get(PLANS, {"interval": "year"})


def add_plan(name: str, amount: int, **facts: Any) -> StripePrice:
    """Put one more plan on sale, here and not at Stripe."""
    about = {"display_order": 13, "synced_at": timezone.now(), **facts}
    product = StripeProduct.objects.create(stripe_id=f"prod_{name}", name=name, **about)
    return StripePrice.objects.create(
        stripe_id=f"price_{name}", product=product, currency="usd", unit_amount=amount,
        interval="month", credits=5000, for_sale=True, synced_at=timezone.now(),
    )  # fmt: skip


def test_two_plans_are_not_compared(shop: Sandbox, buyer: Client) -> None:
    assert "<table" not in buyer.get(PLANS).text


def test_three_plans_are_compared_by_what_they_have(shop: Sandbox, buyer: Client) -> None:
    add_plan("Team plan", 9900, features=["Shared", "Support"])
    for name, features in (("Basic plan", ["Shared"]), ("Pro plan", ["Shared", "Support"])):
        StripeProduct.objects.filter(name=name).update(features=features)
    table = buyer.get(PLANS).text.partition("<table")[2].partition("</table>")[0]
    rows = [
        [strip_tags(cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in table.split("</tr>")
    ]
    assert rows[:3] == [
        ["", "Basic plan", "Pro plan", "Team plan"],
        ["Shared", "Yes", "Yes", "Yes"],
        ["Support", "\N{EN DASH}No", "Yes", "Yes"],
    ]


def test_plans_with_the_same_features_are_not_compared(shop: Sandbox, buyer: Client) -> None:
    add_plan("Team plan", 9900, features=["Shared"])
    StripeProduct.objects.update(features=["Shared"])
    assert "<table" not in buyer.get(PLANS).text


def test_one_card_is_the_most_chosen(shop: Sandbox, buyer: Client) -> None:
    add_plan("Team plan", 9900, metadata={"most_chosen": "true"})
    page = buyer.get(PLANS).text
    assert page.count("Most chosen") == 1
    assert page.index("Pro plan") < page.index("Most chosen") < page.index("Team plan")
    StripeProduct.objects.update(metadata={})
    assert "Most chosen" not in buyer.get(PLANS).text


def test_the_buttons_of_a_subscriber_say_what_they_do(
    shop: Sandbox, buyer: Client, owner: Any, pro: StripePrice
) -> None:
    add_plan("Team plan", 9900)
    shop.pay(open_signup(owner, pro))
    shop.deliver()
    ends = format_day(Subscription.objects.get().current_period_end)
    page = text_of(buyer.get(PLANS))
    basic, _, rest = page.partition("Most chosen")
    assert f"Switch on {ends}" in basic
    own, _, team = rest.partition("Team plan")
    assert own.endswith("Your plan ")
    assert "Upgrade" in team
    assert "Subscribe" not in page

    Subscription.objects.update(cancel_at=timezone.now())
    page = text_of(buyer.get(PLANS))
    assert "Keep it first" in page
    assert "Upgrade" not in page
    assert "Switch on" not in page


def test_the_plan_that_a_visitor_picked_is_marked(shop: Sandbox, buyer: Client) -> None:
    yearly = StripePrice.objects.get(product__name="Basic plan", interval="year")
    page = buyer.get(PLANS, {"price": yearly.pk})
    assert "Basic plan Your choice" in text_of(page)
    assert "Subscribe for $190.00 a year" in text_of(page)
    assert "Your choice" not in text_of(buyer.get(PLANS, {"price": "x"}))


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
    done = text_of(buyer.get(back.url))
    renews = format_day(Subscription.objects.get().current_period_end)
    for fact in ("Credits added 300", "Basic plan is yours", f"Renews {renews}, at $19.00 a month"):
        assert fact in done
    assert "Next credits" not in done
    assert balance(owner) == 300

    page = text_of(buyer.get(SUBSCRIPTION))
    for fact in ("Basic plan", "Active", "Next billing date"):
        assert fact in page
    assert "Your plan" in text_of(buyer.get(PLANS))


def test_without_a_subscription(sandbox: Sandbox, buyer: Client) -> None:
    assert "You pay as you go" in text_of(buyer.get(SUBSCRIPTION))


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
    renews = format_day(subscribed.current_period_end)
    for fact in (
        "Now Basic plan $19.00 a month 300 credits each month",
        f"New Pro plan $49.00 a month 1,000 credits each month Starts today and renews on {renews}",
        "Unused time of Basic plan \N{MINUS SIGN}$19.00",
        f"Pro plan until {renews} $49.00",
        "Total due today $30.00",
        "4242",
        "Pay $30.00 and upgrade",
    ):
        assert fact in text_of(page)

    done = buyer.post(CHANGE, {"price": pro.pk, "token": token_on(page)}, follow=True)

    assert "Your plan has been changed" in text_of(done)
    assert "Pro plan" in text_of(done)
    assert Payment.objects.get(kind="plan_change").amount == 3000


@pytest.mark.parametrize(
    ("behavior", "words"),
    [
        (
            "exclusive",
            "Tax $1.00 Paid from your balance \N{MINUS SIGN}$4.00 Total due today $22.00",
        ),
        (
            "inclusive",
            "from your balance \N{MINUS SIGN}$4.00 Total due today $22.00 Tax included $1.00",
        ),
    ],
)
def test_the_bill_of_an_upgrade_leaves_nothing_out(
    shop: Sandbox,
    buyer: Client,
    subscribed: Subscription,
    pro: StripePrice,
    use_client: UseClient,
    behavior: str,
    words: str,
) -> None:
    class Generous(RecordingHTTPClient):
        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            text, status, headers = super().request(method, url, *args, **kwargs)
            if url.endswith("/v1/invoices/create_preview"):
                invoice = json.loads(text)
                invoice["total_discount_amounts"] = [{"amount": 500, "discount": "di_1"}]
                invoice["total_taxes"] = [{"amount": 100, "tax_behavior": behavior}]
                invoice |= {"total": 2600, "amount_due": 2200}
                text = json.dumps(invoice)
            return text, status, headers

    use_client(Generous(shop))
    page = text_of(buyer.get(CHANGE, {"price": pro.pk}))
    assert "Discount \N{MINUS SIGN}$5.00" in page
    assert words in page
    assert "Pay $22.00 and upgrade" in page


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
    assert (done.status_code, done.redirect_chain) == (402, [])
    page = text_of(done)
    due = Payment.objects.get(paid_at=None)
    assert due.failure_message in page
    assert "Nothing was charged. You keep Basic plan, and Pro plan has not started." in page
    for target in (due.invoice_url, reverse("quickscale_stripe:payment_method"), SUBSCRIPTION):
        assert f'href="{target}"' in done.text


@pytest.mark.parametrize("data", [{}, {"price": "0"}, {"price": "x", "token": "y"}])
def test_a_change_to_nothing_leads_to_the_plans(
    shop: Sandbox, buyer: Client, subscribed: Subscription, data: dict[str, str]
) -> None:
    assert buyer.get(CHANGE, data).url == PLANS
    assert buyer.post(CHANGE, data).url == PLANS


def test_cancel_and_keep(shop: Sandbox, buyer: Client, subscribed: Subscription) -> None:
    ends = format_day(subscribed.current_period_end)
    page = text_of(buyer.get(f"{SUBSCRIPTION}cancel/"))
    for words in (
        "Cancel Basic plan?",
        f"You keep it until {ends}, and you are not charged for it again.",
        f"You have 300 credits left. What you do not use by {ends} ends on that day.",
        "They stay yours",
        "with your history, payments and receipts",
        "Keep my plan",
    ):
        assert words in page
    assert Subscription.objects.get().cancel_at is None

    reason = {"feedback": "too_expensive", "comment": "My budget is small."}
    page = text_of(buyer.post(f"{SUBSCRIPTION}cancel/", reason, follow=True))
    assert f"It stays until {ends}, and you can keep it here." in page
    assert f"Basic plan ends on {ends}." in page
    assert "Keep my plan" in page
    assert buyer.get(f"{SUBSCRIPTION}cancel/").url == SUBSCRIPTION
    told = get_client().v1.subscriptions.retrieve(subscribed.stripe_id).cancellation_details
    assert told
    assert (told.feedback, told.comment) == ("too_expensive", "My budget is small.")

    page = text_of(buyer.post(f"{SUBSCRIPTION}reactivate/", follow=True))
    assert "Your subscription continues" in page
    assert "Next billing date" in page


def test_an_unknown_reason_cancels_nothing(
    shop: Sandbox, buyer: Client, subscribed: Subscription
) -> None:
    page = buyer.post(f"{SUBSCRIPTION}cancel/", {"feedback": "bored"})
    assert "Cancel Basic plan?" in text_of(page)
    assert Subscription.objects.get().cancel_at is None


def test_without_a_plan_there_is_nothing_to_cancel(shop: Sandbox, buyer: Client) -> None:
    assert buyer.get(f"{SUBSCRIPTION}cancel/").url == SUBSCRIPTION
    assert buyer.post(f"{SUBSCRIPTION}cancel/").url == SUBSCRIPTION


def test_before_a_cancellation_a_cheaper_plan_is_offered(
    shop: Sandbox, buyer: Client, owner: Any, basic: StripePrice, pro: StripePrice
) -> None:
    shop.pay(open_signup(owner, pro))
    shop.deliver()
    page = buyer.get(f"{SUBSCRIPTION}cancel/")
    assert "Basic plan costs $19.00 a month. Switch to Basic plan" in text_of(page)
    assert f'href="{CHANGE}?price={basic.pk}"' in page.text

    Subscription.objects.update(pending_price=basic)
    assert "Switch to" not in text_of(buyer.get(f"{SUBSCRIPTION}cancel/"))


def test_the_cheapest_plan_has_no_cheaper_one(
    shop: Sandbox, buyer: Client, subscribed: Subscription
) -> None:
    assert "Switch to" not in text_of(buyer.get(f"{SUBSCRIPTION}cancel/"))


def test_a_yearly_plan_says_that_its_credits_still_come(
    shop: Sandbox, buyer: Client, owner: Any, basic: StripePrice
) -> None:
    yearly = StripePrice.objects.get(product=basic.product, interval="year")
    shop.pay(open_signup(owner, yearly))
    shop.deliver()
    page = text_of(buyer.get(f"{SUBSCRIPTION}cancel/"))
    assert "You have 300 credits left" in page
    assert "new ones come each month as before" in page
    assert "300 of 300 credits left" in text_of(buyer.get(SUBSCRIPTION))


def test_a_cancellation_in_the_portal_is_shown_and_can_be_undone(
    shop: Sandbox, buyer: Client, owner: Any, subscribed: Subscription, pro: StripePrice
) -> None:
    token = token_on(buyer.get(CHANGE, {"price": pro.pk}))
    World(shop, owner).cancel_in_portal(subscribed.stripe_id)
    page = text_of(buyer.post(CHANGE, {"price": pro.pk, "token": token}, follow=True))
    assert "Keep it first" in page
    assert "Your plan ends on" in page
    assert "Keep my plan" in page
    assert "Change plan" not in page
    assert "Cancel plan" not in page
    assert "Keep it first" in text_of(buyer.get(CHANGE, {"price": pro.pk}, follow=True))

    page = text_of(buyer.post(f"{SUBSCRIPTION}reactivate/", follow=True))
    assert "Next billing date" in page
    assert get_client().v1.subscriptions.retrieve(subscribed.stripe_id).cancel_at is None


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("payment_failed", "because its payment failed"),
        ("payment_disputed", "because a payment was disputed"),
        ("cancellation_requested", "You cancelled this plan, and it ended on"),
        ("", "This plan ended on"),
    ],
)
def test_an_ended_subscription_says_why_and_can_start_again(
    shop: Sandbox, buyer: Client, subscribed: Subscription, reason: str, words: str
) -> None:
    ended_at = subscribed.current_period_end
    Subscription.objects.update(status="canceled", end_reason=reason, ended_at=ended_at)
    for path in (SUBSCRIPTION, BILLING):
        page = text_of(buyer.get(path))
        assert words in page
        assert format_day(ended_at) in page
        assert "Start again" in page


def test_a_plan_that_staff_ended_at_once_says_so(
    shop: Sandbox, buyer: Client, subscribed: Subscription
) -> None:
    subscriptions.cancel_now(subscribed)
    page = text_of(buyer.get(SUBSCRIPTION))
    assert "This plan was ended on" in page
    assert "before its period was over" in page
    assert "You cancelled" not in page


@pytest.mark.parametrize("status", Subscription.Status.values)
def test_every_status_is_described_in_words(
    shop: Sandbox, buyer: Client, subscribed: Subscription, status: str
) -> None:
    ends = subscribed.current_period_end
    Subscription.objects.update(status=status, trial_end=ends, ended_at=ends)
    subscribed.refresh_from_db()
    page = text_of(buyer.get(SUBSCRIPTION))
    assert f"Status {subscribed.get_status_display()}" in page
    words = {
        "active": "Next billing date",
        "canceled": "This plan ended on",
        "incomplete": "first payment is not complete",
        "incomplete_expired": "did not start",
        "past_due": "last payment failed",
        "paused": "is paused",
        "trialing": "trial lasts until",
        "unpaid": "last payment failed",
    }
    assert words[status] in page
    assert ("See the plans" in page) is (status == "incomplete_expired")
    assert ("Cancel plan" in page) is subscribed.is_live


def test_a_payment_that_is_due_has_to_be_paid_first(
    shop: Sandbox, buyer: Client, owner: Any, basic: StripePrice
) -> None:
    shop.pay(open_signup(owner, basic), "renewal_declined")
    shop.deliver()
    shop.advance(days=32)
    shop.deliver()
    assert Subscription.objects.get().status == "past_due"
    due = Payment.objects.get(paid_at=None)
    assert due.next_attempt_at
    again = f"We try again on {format_day(due.next_attempt_at)}."
    for path in (SUBSCRIPTION, BILLING, f"/dashboard/payments/{due.pk}/"):
        page = buyer.get(path)
        assert "Pay $19.00" in text_of(page)
        assert due.invoice_url
        assert due.invoice_url in page.text
        assert again in text_of(page)
    assert due.failure_message in text_of(buyer.get(SUBSCRIPTION))
    assert "Pay now" in text_of(buyer.get("/dashboard/payments/"))

    World(shop, owner).pay_rest(due.invoice_id or "")
    shop.deliver()
    due.refresh_from_db()
    assert (due.status, due.next_attempt_at) == ("succeeded", None)
    assert "Pay $19.00" not in text_of(buyer.get(BILLING))


def test_a_waiting_change_is_shown_and_can_be_dropped(
    shop: Sandbox, buyer: Client, owner: Any, basic: StripePrice, pro: StripePrice
) -> None:
    shop.pay(open_signup(owner, pro))
    shop.deliver()
    page = buyer.get(CHANGE, {"price": basic.pk})
    ends = format_day(Subscription.objects.get().current_period_end)
    assert "due today" not in text_of(page)
    assert f"Starts on {ends}" in text_of(page)
    assert f"Nothing is charged today. Switch on {ends}" in text_of(page)
    data = {"price": basic.pk, "token": token_on(page)}
    page = text_of(buyer.post(CHANGE, data, follow=True))
    assert "Your plan has been changed" not in page
    assert f"Pro plan stays until {ends}. Then Basic plan, $19.00 a month." in page
    assert f"Your plan changes to Basic plan on {ends}, for $19.00 a month." in page
    assert "$19.00 a month 300 credits each month" in page
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
    assert "Next credits 300 credits on" in text_of(buyer.get(done))
    assert told in text_of(buyer.get(f"/dashboard/payments/{payment.pk}/"))
    mail = make_mail(f"{mails.PREFIX}purchase", ["ann@example.com"], about_purchase(payment))
    assert f"Credits: {told}" in mail.body
    assert told in mail.alternatives[0][0]

    Payment.objects.update(credits=7200)
    page = text_of(buyer.get(f"/dashboard/payments/{payment.pk}/"))
    assert "7,200 credits, in monthly parts" in page


@pytest.mark.parametrize(
    ("policy", "cap", "words"),
    [
        ("convert", None, "You keep 250 credits from your current plan, without an end date."),
        ("convert", 100, "You keep 100 credits of 250 credits from your current plan without"),
        ("rollover", None, "You keep 250 credits from your current plan until the new period"),
        ("rollover", 1, "You keep 1 credit of 250 credits from your current plan until the new"),
        ("keep", None, "You keep 250 credits from your current plan until they end as planned."),
        ("expire", None, "You lose 250 credits that are left from your current plan."),
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
    told = re.search(r"You get ([\d,.]+) credits today", text_of(page))
    assert told
    assert words in text_of(page)

    buyer.post(CHANGE, {"price": pro.pk, "token": token_on(page)})
    brought = Payment.objects.get(kind="plan_change").credits
    assert Decimal(told[1].replace(",", "")) == brought


def test_a_site_that_decides_otherwise_says_nothing_of_the_policy(
    shop: Sandbox, buyer: Client, subscribed: Subscription, pro: StripePrice, settings: Any
) -> None:
    use_hooks(settings, left_over=lambda **facts: None)
    page = text_of(buyer.get(CHANGE, {"price": pro.pk}))
    assert "credits today" in page
    assert "from your current plan" not in page


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


AMOUNT = f"{CHANGE}amount/"


def test_the_amount_of_an_upgrade_is_loaded_after_the_plans(
    shop: Sandbox,
    buyer: Client,
    subscribed: Subscription,
    basic: StripePrice,
    pro: StripePrice,
    recorded: list[Recorded],
) -> None:
    page = buyer.get(PLANS)
    assert recorded == []
    assert page.text.count(f'hx-get="{AMOUNT}?price={pro.pk}"') == 1
    assert text_of(buyer.get(AMOUNT, {"price": pro.pk})) == "Upgrade for $30.00 today"
    assert len(recorded) == 2
    for data in ({"price": basic.pk}, {"price": "x"}, {}):
        answer = buyer.get(AMOUNT, data)
        assert (answer.status_code, answer.content) == (204, b"")


def test_without_an_amount_the_button_stays(
    shop: Sandbox,
    buyer: Client,
    subscribed: Subscription,
    pro: StripePrice,
    use_client: UseClient,
) -> None:
    use_client(Unreachable())
    assert buyer.get(AMOUNT, {"price": pro.pk}).status_code == 204
