from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.test import Client, RequestFactory
from django.utils import timezone, translation

from quickscale_dashboard.registry import nav_items
from quickscale_stripe.client import get_client
from quickscale_stripe.models import Dispute, Payment, Refund, StripePrice
from quickscale_stripe_sandbox import Sandbox
from tests.markup import words
from tests.quickscale_stripe.shopping import balance, charge_of, intent_of, open_checkout

pytestmark = pytest.mark.django_db

BUY = "/dashboard/buy-credits/"
CHECKOUT = "/dashboard/buy-credits/checkout/"
DONE = "/dashboard/buy-credits/done/"
PAYMENTS = "/dashboard/payments/"


def text_of(response: Any) -> str:
    """Return the text of a page without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", words(response.text)).split())


@pytest.fixture
def paid(shop: Sandbox, owner: Any, package: StripePrice) -> Payment:
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    return Payment.objects.get()


@pytest.mark.parametrize("path", [BUY, DONE, PAYMENTS, "/dashboard/buy-credits/cancelled/"])
def test_pages_ask_for_a_login(sandbox: Sandbox, client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 302
    assert "login" in response["Location"]


def test_packages_show_price_credits_and_savings(
    shop: Sandbox, buyer: Client, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(6):
        page = text_of(buyer.get(BUY))

    for fact in (
        "Starter pack",
        "Starter pack $9 100 credits $0.09 a credit",
        "Buy 100 credits for $9.00",
    ):
        assert fact in page
    assert "$129 " in page
    assert "$0.0645 a credit" in page
    assert "Save 28%" in page


def test_amounts_are_in_the_reader_s_locale(shop: Sandbox, buyer: Client) -> None:
    with translation.override("de"):
        page = text_of(buyer.get(BUY, headers={"Accept-Language": "de"}))
    assert "9,00\xa0$" in page.replace("&nbsp;", "\xa0") or "9,00 $" in page


def test_buying_goes_to_the_hosted_page_and_back_to_the_result(
    shop: Sandbox, buyer: Client, owner: Any, package: StripePrice
) -> None:
    response = buyer.post(CHECKOUT, {"price": package.pk, "reference": uuid.uuid4()})
    assert response.status_code == 302
    session = re.search(r"cs_\w+", response["Location"])
    assert session

    back = shop.pay(session[0])
    page = buyer.get(back.url)

    assert "Your payment is complete" in text_of(page)
    assert "Credits added 100" in text_of(page)
    assert "Your balance 100" in text_of(page)
    assert "Starter pack is yours" in text_of(page)
    assert "Use your credits" in text_of(page)
    assert "Renews" not in text_of(page)
    assert balance(owner) == 100

    shop.deliver()
    assert balance(owner) == 100


def test_forms_name_a_price_by_its_plain_number(
    shop: Sandbox, buyer: Client, package: StripePrice, settings: Any
) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    StripePrice.objects.filter(pk=package.pk).update(id=4321)
    assert 'name="price" value="4321"' in buyer.get(BUY).text


def test_an_htmx_request_is_sent_there_by_a_header(
    shop: Sandbox, buyer: Client, package: StripePrice
) -> None:
    data = {"price": package.pk, "reference": uuid.uuid4()}
    response = buyer.post(CHECKOUT, data, headers={"HX-Request": "true"})
    assert response.status_code == 200
    assert "/c/pay/cs_test_" in response["HX-Redirect"]


@pytest.mark.parametrize("price", ["", "0", "999999", "x"])
def test_a_price_that_is_not_for_sale(shop: Sandbox, buyer: Client, price: str) -> None:
    response = buyer.post(CHECKOUT, {"price": price, "reference": uuid.uuid4()}, follow=True)
    assert "no longer for sale" in text_of(response)


def test_success_and_cancel_addresses_by_settings(
    shop: Sandbox, buyer: Client, package: StripePrice, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_SUCCESS_URL = "https://example.com/thanks?from=stripe"
    response = buyer.post(CHECKOUT, {"price": package.pk, "reference": uuid.uuid4()})
    session = re.search(r"cs_\w+", response["Location"])
    assert session
    back = shop.pay(session[0])
    assert back.url == f"https://example.com/thanks?from=stripe&session_id={session[0]}"


def test_a_pending_payment_checks_again_by_itself_and_by_link(
    shop: Sandbox, buyer: Client, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session, "bank_success")

    page = buyer.get(DONE, {"session_id": session})
    assert "being confirmed" in text_of(page)
    listed = text_of(buyer.get(PAYMENTS))
    assert "$9.00 Processing" in listed
    assert "100" not in listed
    assert f"session_id={session}&amp;check=1" in page.text
    last = buyer.get(DONE, {"session_id": session, "check": "10"}, headers={"HX-Request": "true"})
    assert "hx-get" not in last.text
    assert last["HX-Retarget"] == "#checkout-check"

    shop.settle(intent_of(Payment.objects.get()))
    later = buyer.get(DONE, {"session_id": session, "check": "1"}, headers={"HX-Request": "true"})
    assert "HX-Retarget" not in later
    assert "complete" in text_of(later)
    assert "complete" in text_of(buyer.get(DONE, {"session_id": session}))


def test_a_pending_payment_says_what_comes_next(
    shop: Sandbox, buyer: Client, owner: Any, package: StripePrice, settings: Any
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session, "bank_success")
    page = text_of(buyer.get(DONE, {"session_id": session}))
    for fact in ("Purchase Starter pack", "Amount $9.00", "Check again", "we send you a mail"):
        assert fact in page
    assert re.search(r"Payment method Test Bank \S+ ending in 6789", page)
    settings.QUICKSCALE_STRIPE_MAILS = []
    assert "send you a mail" not in text_of(buyer.get(DONE, {"session_id": session}))


def test_going_back_from_the_hosted_page_leads_to_the_choice(
    shop: Sandbox, buyer: Client, package: StripePrice
) -> None:
    plan = StripePrice.objects.filter(interval="month").first()
    for path, price, choice in (
        ("/dashboard/buy-credits/checkout/", package, "Back to the packages"),
        ("/dashboard/plans/subscribe/", plan, "Back to the plans"),
    ):
        assert price
        answer = buyer.post(path, {"price": price.pk, "reference": uuid.uuid4()})
        session = re.search(r"cs_\w+", answer["Location"])
        assert session
        url = get_client().v1.checkout.sessions.retrieve(session[0]).cancel_url
        page = text_of(buyer.get(url or ""))
        assert choice in page
        assert "You have not been charged" in page


def test_a_failed_payment_says_so(
    shop: Sandbox, buyer: Client, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session, "bank_failure")
    buyer.get(DONE, {"session_id": session})
    shop.settle(intent_of(Payment.objects.get()))

    page = text_of(buyer.get(DONE, {"session_id": session}))

    assert "Your payment failed" in page
    assert "not been charged" in page


@pytest.mark.parametrize("session", ["", "cs_test_unknown", "x", "cs_../../v1/customers"])
def test_an_unknown_session_is_not_found(shop: Sandbox, buyer: Client, session: str) -> None:
    assert buyer.get(DONE, {"session_id": session}).status_code == 404


def test_the_session_of_somebody_else_is_not_found(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)
    stranger = Client()
    stranger.force_login(get_user_model().objects.create_user(email="eve@example.com"))

    assert stranger.get(DONE, {"session_id": session}).status_code == 404


def test_without_keys_pages_say_that_payments_are_not_set_up(
    buyer: Client, package: StripePrice, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_ENABLED = False
    page = buyer.get(BUY)
    assert page.status_code == 200
    assert "Payments are not set up" in text_of(page)
    assert "QUICKSCALE" not in page.text
    assert "not set up" in text_of(buyer.post(CHECKOUT, {"price": package.pk}))
    assert f'href="{PAYMENTS}"' in page.text


def test_without_keys_no_page_offers_to_buy(buyer: Client, shop: Sandbox, settings: Any) -> None:
    for path in (PAYMENTS, "/dashboard/", "/dashboard/credits/"):
        assert BUY in buyer.get(path).text
    settings.QUICKSCALE_STRIPE_ENABLED = False
    for path in (PAYMENTS, "/dashboard/", "/dashboard/credits/", "/dashboard/subscription/"):
        page = buyer.get(path)
        assert page.status_code == 200
        assert BUY not in page.text
        assert "/dashboard/plans/" not in page.text


def test_while_stripe_is_down_nothing_breaks(
    shop: Sandbox, buyer: Client, owner: Any, package: StripePrice, stripe_is_down: None
) -> None:
    page = buyer.post(CHECKOUT, {"price": package.pk, "reference": uuid.uuid4()})
    assert page.status_code == 503
    assert "try again in a few minutes" in text_of(page)
    assert "being confirmed" in text_of(buyer.get(DONE, {"session_id": "cs_test_1"}))
    assert balance(owner) == 0


def test_a_payment_that_is_known_is_shown_while_stripe_is_down(
    paid: Payment, buyer: Client, stripe_is_down: None, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(8):
        page = buyer.get(DONE, {"session_id": paid.checkout_session_id})
    assert "complete" in text_of(page)


def test_payments_are_listed_with_their_receipts(paid: Payment, buyer: Client) -> None:
    page = text_of(buyer.get(PAYMENTS))
    for fact in ("Starter pack", "Paid", "$9.00", "100", paid.receipt_number):
        assert fact
        assert fact in page


def test_payments_of_others_are_hidden(paid: Payment) -> None:
    stranger = Client()
    stranger.force_login(get_user_model().objects.create_user(email="eve@example.com"))
    assert "You have not paid for anything yet" in text_of(stranger.get(PAYMENTS))
    assert stranger.get(f"{PAYMENTS}{paid.pk}/").status_code == 404
    assert stranger.get(f"{PAYMENTS}{paid.pk}/receipt/").status_code == 404


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"status": "succeeded"}, True),
        ({"status": "failed"}, False),
        ({"text": "starter"}, True),
        ({"text": "R20"}, True),
        ({"text": "nothing"}, False),
        ({"kind": "subscription"}, False),
        ({"since": "2000-01-01", "until": "2000-01-02"}, False),
        ({"since": "2000-01-01"}, True),
        ({"status": "nonsense", "since": "yesterday"}, True),
    ],
)
def test_payments_can_be_filtered(
    paid: Payment, buyer: Client, query: dict[str, str], shown: bool
) -> None:
    page = buyer.get(PAYMENTS, query)
    assert ("Starter pack" in text_of(page)) is shown
    assert ("No payments match. Show all" in text_of(page)) is not shown


def test_the_list_is_paged_with_a_bounded_number_of_queries(
    owner: Any, buyer: Client, settings: Any, django_assert_max_num_queries: Any
) -> None:
    settings.QUICKSCALE_STRIPE_PAGE_SIZE = 10
    Payment.objects.bulk_create(
        Payment(
            owner=owner, kind="invoice", description=f"Number {number}", total=number,
            amount=number, currency="jpy", created_at=timezone.now(),
        )
        for number in range(25)
    )  # fmt: skip
    with django_assert_max_num_queries(10):
        page = buyer.get(PAYMENTS, {"page": 2, "kind": "invoice"})
    assert "Page 2 of 3" in text_of(page)
    assert "?kind=invoice&amp;page=3" in page.text
    fragment = buyer.get(PAYMENTS, {"page": 3}, headers={"HX-Request": "true"})
    assert "<html" not in fragment.text
    assert "HX-Request" in fragment["Vary"]


def test_the_detail_and_the_receipt(paid: Payment, buyer: Client) -> None:
    detail = buyer.get(f"{PAYMENTS}{paid.pk}/")
    assert "$9.00" in text_of(detail)
    assert paid.receipt_url in detail.text
    assert f"{PAYMENTS}{paid.pk}/receipt.pdf" in detail.text


def test_the_story_of_a_payment_links_to_its_entries(
    shop: Sandbox,
    paid: Payment,
    owner: Any,
    buyer: Client,
    django_assert_max_num_queries: Any,
) -> None:
    refunds = get_client().v1.refunds
    refunds.create({"charge": charge_of(paid), "amount": 450}, {"idempotency_key": "half"})
    shop.deliver()
    with django_assert_max_num_queries(12):
        page = buyer.get(f"{PAYMENTS}{paid.pk}/")
    for told in (
        "$4.50 refunded, $4.50 left",
        "You paid $9.00.",
        "100 credits came in.",
        "$4.50 went back to you.",
        "50 credits were taken back.",
    ):
        assert told in text_of(page)
    assert "$9.00 $4.50 refunded" in text_of(buyer.get(PAYMENTS))

    found = re.findall(r'href="(/dashboard/credits/history/\d+/)"', page.text)
    entries = [buyer.get(url) for url in found]
    assert "Refund of Starter pack, $4.50" in text_of(entries[1])
    for entry in entries:
        assert "Payment Starter pack, $9.00" in text_of(entry)
        assert f'href="{PAYMENTS}{paid.pk}/"' in entry.text
    assert len(entries) == 2


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("needs_response", "Open"),
        ("warning_closed", "Inquiry by your bank, closed"),
        ("won", "Closed: the payment stands"),
        ("something_new", "something new"),
    ],
)
def test_refunds_and_disputes_are_described_in_words(
    paid: Payment, buyer: Client, status: str, words: str, django_assert_max_num_queries: Any
) -> None:
    facts = {
        "payment": paid, "currency": "usd", "created_at": timezone.now(),
        "synced_at": timezone.now(),
    }  # fmt: skip
    Refund.objects.create(stripe_id="re_1", amount=200, status="pending", **facts)
    Refund.objects.create(stripe_id="re_2", amount=100, status="failed", **facts)
    Dispute.objects.create(stripe_id="du_1", amount=600, status=status, **facts)
    with django_assert_max_num_queries(12):
        page = text_of(buyer.get(f"{PAYMENTS}{paid.pk}/"))
    assert "$2.00 went back to you. Pending" in page
    assert "A refund of $1.00 did not go through. Please contact us" in page
    assert f"Your bank disputed $6.00. {words}" in page


def test_the_documents_say_which_is_for_bookkeeping(paid: Payment, buyer: Client) -> None:
    page = text_of(buyer.get(f"{PAYMENTS}{paid.pk}/"))
    assert "For your bookkeeping, take the receipt." in page
    Payment.objects.update(invoice_pdf="https://pay.stripe.com/invoice/1/pdf")
    page = text_of(buyer.get(f"{PAYMENTS}{paid.pk}/"))
    assert "For your bookkeeping, take the invoice." in page
    assert "Invoice from Stripe (PDF)" in page


def test_a_payment_that_is_due_can_be_paid(owner: Any, buyer: Client) -> None:
    payment = Payment.objects.create(
        owner=owner, kind="subscription", status="failed", total=1900, amount=1900,
        currency="usd", created_at=timezone.now(), invoice_url="https://invoice.stripe.com/i/1",
        failure_message="Your card was declined.",
    )  # fmt: skip
    page = buyer.get(f"{PAYMENTS}{payment.pk}/")
    assert "Your card was declined. " in text_of(page)
    assert "Pay $19.00" in text_of(page)
    assert payment.invoice_url in page.text
    page = buyer.get(PAYMENTS)
    assert "Pay now" in text_of(page)
    assert payment.invoice_url in page.text


def test_a_failed_purchase_can_be_tried_again(shop: Sandbox, owner: Any, buyer: Client) -> None:
    payment = Payment.objects.create(
        owner=owner, kind="one_time", status="failed", total=900, amount=900, currency="usd",
        created_at=timezone.now(), failure_message="The bank refused.",
    )  # fmt: skip
    page = buyer.get(f"{PAYMENTS}{payment.pk}/")
    assert "The bank refused. You have not been charged. Try again" in text_of(page)
    assert f'href="{BUY}"' in page.text


def test_payments_of_the_other_mode_are_hidden(paid: Payment, buyer: Client) -> None:
    Payment.objects.update(livemode=True)
    assert "Starter pack" not in text_of(buyer.get(PAYMENTS))
    assert buyer.get(f"{PAYMENTS}{paid.pk}/").status_code == 404


def test_a_payment_that_is_not_paid_has_no_receipt(owner: Any, buyer: Client) -> None:
    payment = Payment.objects.create(
        owner=owner,
        kind="one_time",
        total=1,
        amount=1,
        currency="usd",
        created_at=timezone.now(),
    )
    assert buyer.get(f"{PAYMENTS}{payment.pk}/").status_code == 200
    assert buyer.get(f"{PAYMENTS}{payment.pk}/receipt/").status_code == 404


def test_the_dashboard_shows_recent_payments_and_a_way_to_buy(
    paid: Payment, buyer: Client, owner: Any, rf: RequestFactory, settings: Any
) -> None:
    home = text_of(buyer.get("/dashboard/"))
    if apps.is_installed("quickscale_credits"):
        assert "Starter pack" in home
        assert "All payments" not in home
    else:
        assert "$9.00 All payments" in home

    request = rf.get("/")
    request.user = owner
    labels = {"Buy credits", "Payments"}
    assert labels <= {str(item.label) for item in nav_items(request, "main")}
    settings.QUICKSCALE_STRIPE_ENABLED = False
    assert {str(item.label) for item in nav_items(request, "main")} & labels == {"Payments"}
