from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client

from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount, CreditLot
from quickscale_stripe import signals
from quickscale_stripe.billing import invoices, sessions
from quickscale_stripe.client import get_client
from quickscale_stripe.events import inbox
from quickscale_stripe.exceptions import (
    FulfilmentFailedError,
    MayNotBuyError,
    StripeRefusedError,
)
from quickscale_stripe.models import (
    Payment,
    StripeCustomer,
    StripeEvent,
    StripePrice,
    Subscription,
)
from quickscale_stripe_sandbox import Sandbox
from tests.owners import make_owner, user_of
from tests.quickscale_stripe.hooks import use_hooks
from tests.quickscale_stripe.proof.world import World
from tests.quickscale_stripe.shopping import (
    alter,
    balance,
    charge_of,
    intent_of,
    open_checkout,
    open_signup,
)

pytestmark = pytest.mark.django_db


def test_a_paid_session_becomes_a_payment_and_credits(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)

    payment = sessions.sync(session)

    assert payment is not None
    assert (payment.owner, payment.status, payment.price) == (owner, "succeeded", package)
    assert (payment.amount, payment.currency, payment.credits) == (900, "usd", Decimal(100))
    assert (payment.kind, payment.description) == ("one_time", "Starter pack")
    assert (payment.total, payment.tax, payment.livemode) == (900, 0, False)
    assert payment.charges.get().amount == 900
    assert intent_of(payment)
    assert charge_of(payment)
    assert payment.receipt_number == f"R{payment.paid_at:%Y}-{payment.pk:08d}"
    lot = CreditLot.objects.get(source_id=session)
    assert (lot.credit_type, lot.amount, lot.expires_at) == ("payg", Decimal(100), None)
    assert balance(owner) == 100


def test_fulfilling_again_changes_nothing(shop: Sandbox, owner: Any, package: StripePrice) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)

    first, second = sessions.sync(session), sessions.sync(session)

    assert first == second
    assert Payment.objects.count() == 1
    assert balance(owner) == 100


def test_an_open_session_is_not_a_payment(shop: Sandbox, owner: Any, package: StripePrice) -> None:
    assert sessions.sync(open_checkout(owner, package)) is None
    assert not Payment.objects.exists()


def test_a_declined_card_leaves_the_session_open(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session, "declined")

    assert sessions.sync(session) is None
    assert balance(owner) == 0


def test_a_delayed_payment_is_pending_until_the_bank_says_yes(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session, "bank_success")
    pending = sessions.sync(session)
    assert pending is not None
    assert (pending.status, pending.receipt_number) == ("pending", None)
    assert pending.charges.get().amount == 0
    assert balance(owner) == 0

    shop.settle(intent_of(pending))
    paid = sessions.sync(session)

    assert paid is not None
    assert paid.status == "succeeded"
    assert balance(owner) == 100


def test_a_delayed_payment_that_fails_adds_nothing_and_says_why_once(
    shop: Sandbox,
    owner: Any,
    package: StripePrice,
    django_capture_on_commit_callbacks: Any,
) -> None:
    told = []
    signals.payment_failed.connect(
        lambda payment, **kwargs: told.append(payment), weak=False, dispatch_uid="test"
    )
    session = open_checkout(owner, package)
    shop.pay(session, "bank_failure")
    pending = sessions.sync(session)
    assert pending is not None
    assert pending.failure_message == ""
    shop.settle(intent_of(pending))

    with django_capture_on_commit_callbacks(execute=True):
        failed = sessions.sync(session)
    assert told == [failed]
    with django_capture_on_commit_callbacks(execute=True):
        assert sessions.sync(session) == failed

    signals.payment_failed.disconnect(dispatch_uid="test")
    assert failed is not None
    assert failed.status == "failed"
    assert failed.failure_message
    assert told == [failed]
    assert (failed.amount, failed.charges.get().amount, balance(owner)) == (900, 0, 0)


def test_the_credits_that_were_promised_are_given_when_the_price_changed_since(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    StripePrice.objects.update(credits=5)
    shop.pay(session)

    sessions.sync(session)

    assert balance(owner) == 100


def test_a_session_of_another_site_on_the_account_is_ignored(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)
    owner.stripe_customer.delete()

    assert sessions.sync(session) is None
    assert not Payment.objects.exists()


def test_the_session_of_an_owner_whose_customer_is_another_now_is_found_by_its_metadata(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)
    StripeCustomer.objects.update(stripe_id="cus_another")
    sessions.sync(session)
    assert (Payment.objects.get().owner, balance(owner)) == (owner, 100)


def pay(shop: Sandbox, owner: Any, package: StripePrice) -> tuple[str, dict[str, Any]]:
    """Pay a new session; return its id and the sandbox's object."""
    session = open_checkout(owner, package)
    shop.pay(session)
    with shop.world() as world:
        return session, world.get("checkout.session", session)


def test_a_session_without_metadata_is_found_by_its_customer_and_brings_what_its_prices_say(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    """It comes from a payment link of Stripe's dashboard, for several packages."""
    session, found = pay(shop, owner, package)
    [line] = found["_line_items"]
    alter(shop, "checkout.session", session, metadata={}, _line_items=[line | {"quantity": 3}])
    sessions.sync(session)
    assert (Payment.objects.get().owner, balance(owner)) == (owner, 300)


def test_a_line_without_a_quantity_is_one(shop: Sandbox, owner: Any, package: StripePrice) -> None:
    session, found = pay(shop, owner, package)
    [line] = found["_line_items"]
    alter(shop, "checkout.session", session, metadata={}, _line_items=[line | {"quantity": None}])
    sessions.sync(session)
    assert balance(owner) == 100


def test_the_price_counts_if_the_credits_in_the_metadata_are_not_a_number(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session, found = pay(shop, owner, package)
    alter(shop, "checkout.session", session, metadata=found["metadata"] | {"credits": "many"})
    sessions.sync(session)
    assert balance(owner) == 100


def test_a_session_may_lack_optional_fields(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    """Stripe's schema lets each be null; the payment is kept and brings no credits."""
    session, found = pay(shop, owner, package)
    metadata = {name: value for name, value in found["metadata"].items() if name != "credits"}
    [line] = found["_line_items"]
    alter(
        shop, "checkout.session", session,
        amount_total=None, currency=None, total_details=None, payment_intent=None,
        metadata=metadata, _line_items=[line | {"price": None}],
    )  # fmt: skip
    payment = sessions.sync(session)
    assert payment is not None
    assert (payment.total, payment.amount, payment.tax, payment.currency) == (0, 0, 0, "")
    assert (payment.price, payment.description, payment.credits) == (None, "", 0)
    assert (payment.status, payment.receipt_url) == ("succeeded", "")
    assert (payment.paid_at, payment.charges.count()) == (payment.created_at, 0)
    assert balance(owner) == 0


def test_a_session_that_only_saves_a_card_is_not_a_payment(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)
    alter(shop, "checkout.session", session, mode="setup")
    assert sessions.sync(session) is None
    assert not Payment.objects.exists()


def test_the_session_of_a_subscription_gives_its_first_payment(shop: Sandbox, owner: Any) -> None:
    plan = StripePrice.objects.get(product__name="Basic plan", interval="month")
    session = open_signup(owner, plan)
    shop.pay(session)
    payment = sessions.sync(session)
    assert payment is not None
    assert (payment.kind, payment.price, payment.amount) == ("subscription", plan, 1900)
    assert payment.subscription == Subscription.objects.get()
    assert balance(owner) == 300


def test_a_subscription_without_an_invoice_is_mirrored_all_the_same(
    shop: Sandbox, owner: Any
) -> None:
    plan = StripePrice.objects.get(product__name="Basic plan", interval="month")
    session = open_signup(owner, plan)
    shop.pay(session)
    alter(shop, "checkout.session", session, invoice=None)
    assert sessions.sync(session) is None
    subscription = Subscription.objects.get()
    assert (subscription.owner, subscription.price) == (owner, plan)
    assert not Payment.objects.exists()


def test_a_payment_has_the_time_and_the_receipt_of_its_charge(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.advance(days=0.5)
    shop.pay(session)
    payment = sessions.sync(session)
    assert payment is not None
    charge = get_client().v1.charges.retrieve(charge_of(payment))
    assert payment.paid_at == datetime.fromtimestamp(charge.created, UTC)
    assert payment.created_at < payment.paid_at
    assert payment.receipt_url == charge.receipt_url
    assert payment.receipt_details


def test_an_intent_that_is_given_up_or_wants_another_card_is_a_failure(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session, "bank_success")
    pending = sessions.sync(session)
    assert pending is not None
    error = {"type": "card_error", "message": "No funds."}
    for status, outcome, message in (
        ("requires_payment_method", "failed", "No funds."),
        ("processing", "pending", ""),
        ("canceled", "failed", "No funds."),
    ):
        alter(shop, "payment_intent", intent_of(pending), status=status, last_payment_error=error)
        again = sessions.sync(session)
        assert again is not None
        pending.refresh_from_db()
        for payment in (again, pending):
            assert (payment.status, payment.failure_message) == (outcome, message)


def test_a_charge_without_a_receipt_has_no_address_of_it(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)
    [charge] = get_client().v1.charges.list().data
    alter(shop, "charge", charge.id, receipt_url=None)
    payment = sessions.sync(session)
    assert payment is not None
    assert payment.receipt_url == ""


def test_the_hook_gets_what_was_bought(
    shop: Sandbox, owner: Any, package: StripePrice, settings: Any
) -> None:
    calls: list[dict[str, Any]] = []
    use_hooks(settings, fulfil=lambda **facts: calls.append(facts))
    session = open_checkout(owner, package)
    shop.pay(session)
    payment = sessions.sync(session)
    assert calls == [
        {
            "owner": owner, "payment": payment, "price": package, "amount": 100,
            "source": ("checkout", session), "period": None,
        }
    ]  # fmt: skip


def test_an_unknown_session_is_refused(shop: Sandbox) -> None:
    with pytest.raises(StripeRefusedError) as caught:
        sessions.sync("cs_test_unknown")
    assert caught.value.is_missing


def fail(**kwargs: Any) -> None:
    CreditAccount.objects.for_owner(kwargs["owner"]).add_credits(1, "half done")
    raise RuntimeError("no")


def test_a_failing_hook_keeps_the_payment_and_nothing_of_its_own(
    shop: Sandbox, owner: Any, buyer: Client, package: StripePrice, settings: Any
) -> None:
    use_hooks(settings, fulfil=fail)
    session = open_checkout(owner, package)
    shop.pay(session)

    with pytest.raises(FulfilmentFailedError, match="RuntimeError: no"):
        sessions.sync(session)

    payment = Payment.objects.get()
    assert (payment.status, payment.amount, payment.credits) == ("succeeded", 900, 100)
    assert (payment.fulfilled_at, payment.fulfilment_error) == (None, "RuntimeError: no")
    assert balance(owner) == 0
    assert "Credits are late" in buyer.get("/dashboard/payments/").text
    assert "Credits are late" in buyer.get(f"/dashboard/payments/{payment.pk}/").text

    del settings.QUICKSCALE_STRIPE_FULFILMENT
    again = sessions.sync(session)
    assert again is not None
    assert (again.fulfilment_error, again.is_late, balance(owner)) == ("", False, 100)


def test_the_page_after_a_payment_says_that_the_credits_are_late(
    shop: Sandbox, owner: Any, buyer: Client, package: StripePrice, settings: Any
) -> None:
    use_hooks(settings, fulfil=fail)
    session = open_checkout(owner, package)
    shop.pay(session)
    page = {"path": "/dashboard/buy-credits/done/", "data": {"session_id": session}}

    answer = buyer.get(**page)
    assert answer.status_code == 200
    assert "but your credits are late" in answer.text
    assert "need to pay again" in answer.text
    other = Client()
    other.force_login(user_of(make_owner("bob@example.com")))
    assert other.get(**page).status_code == 404

    del settings.QUICKSCALE_STRIPE_FULFILMENT
    assert "Thank you. Your payment is complete." in buyer.get(**page).text
    assert balance(owner) == 100


def test_staff_get_one_mail_about_a_payment_that_can_t_be_fulfilled(
    shop: Sandbox,
    owner: Any,
    package: StripePrice,
    settings: Any,
    django_capture_on_commit_callbacks: Any,
    mailoutbox: list[Any],
) -> None:
    settings.QUICKSCALE_STRIPE_STAFF_EMAILS = ["staff@example.com"]
    use_hooks(settings, fulfil=fail)
    session = open_checkout(owner, package)
    shop.pay(session)
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            shop.deliver()
            for event in StripeEvent.objects.filter(status="failed"):
                inbox.replay(event)
    event = StripeEvent.objects.get(type="checkout.session.completed")
    assert (event.status, "in fail" in event.traceback) == ("failed", True)
    [mail] = [mail for mail in mailoutbox if mail.to == ["staff@example.com"]]
    number = Payment.objects.get().receipt_number
    assert mail.subject == f"A payment could not be fulfilled: {number}"
    assert "RuntimeError: no" in mail.body


def test_the_end_of_a_subscription_is_kept_when_its_hook_fails(
    shop: Sandbox, owner: Any, settings: Any
) -> None:
    use_hooks(settings, end_subscription=fail_to_end)
    world = World(shop, owner)
    shop.set_delivery("hold")
    subscription = world.subscribe()
    get_client().v1.subscriptions.cancel(subscription)
    shop.release(backwards=True)
    shop.deliver()
    assert Subscription.objects.get().status == "canceled"
    assert (Payment.objects.get().status, balance(owner)) == ("succeeded", 300)
    dead_or_failed = StripeEvent.objects.filter(status="failed", error__contains="no end")
    assert dead_or_failed.exists()

    del settings.QUICKSCALE_STRIPE_FULFILMENT
    for event in dead_or_failed:
        assert inbox.replay(event) == inbox.Outcome.DONE


def fail_to_end(**facts: Any) -> None:
    raise RuntimeError("no end")


def told(answer: Any) -> str:
    """Return the messages of a response, which not every site's base template shows."""
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def test_an_upgrade_whose_hook_fails_is_announced_as_paid(
    shop: Sandbox, owner: Any, buyer: Client, settings: Any
) -> None:
    World(shop, owner).subscribe()
    shop.deliver()
    pro = StripePrice.objects.get(product__name="Pro plan", interval="month")
    page = buyer.get("/dashboard/subscription/change/", {"price": pro.pk}).text
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', page))
    use_hooks(settings, fulfil=fail)
    answer = buyer.post("/dashboard/subscription/change/", form)
    assert "You have paid and don't need to pay again." in told(answer)
    assert buyer.get(answer["Location"]).status_code == 200
    assert Payment.objects.get(kind="plan_change").is_late


def test_nothing_is_sold_for_a_closed_account(
    shop: Sandbox, owner: Any, buyer: Client, package: StripePrice
) -> None:
    ledger.close(account=CreditAccount.objects.for_owner(owner))
    plan = StripePrice.objects.get(product__name="Basic plan", interval="month")
    for open_one, price in ((open_checkout, package), (open_signup, plan)):
        with pytest.raises(MayNotBuyError, match="closed"):
            open_one(owner, price)
    for path, price in (("buy-credits/checkout/", package), ("plans/subscribe/", plan)):
        form = {"price": price.pk, "reference": uuid4()}
        assert "This account is closed." in told(buyer.post(f"/dashboard/{path}", form))
    assert not get_client().v1.checkout.sessions.list().data


def test_staff_get_a_mail_when_a_closed_account_is_renewed(
    shop: Sandbox,
    owner: Any,
    settings: Any,
    django_capture_on_commit_callbacks: Any,
    mailoutbox: list[Any],
) -> None:
    settings.QUICKSCALE_STRIPE_STAFF_EMAILS = ["staff@example.com"]
    World(shop, owner).subscribe()
    shop.deliver()
    ledger.close(account=CreditAccount.objects.for_owner(owner))
    shop.advance(days=32)
    with django_capture_on_commit_callbacks(execute=True):
        shop.deliver()
    renewal = Payment.objects.get(fulfilled_at=None)
    assert (renewal.status, renewal.amount, renewal.is_late) == ("succeeded", 1900, True)
    [mail] = [mail for mail in mailoutbox if mail.to == ["staff@example.com"]]
    assert "AccountClosedError" in mail.body


def test_the_invoice_of_a_checkout_does_not_count_as_its_delivery(
    shop: Sandbox, owner: Any, package: StripePrice, settings: Any
) -> None:
    """One-time Checkouts may have invoices, whose events find the Checkout's row."""
    use_hooks(settings, fulfil=fail)
    World(shop, owner).subscribe()
    shop.deliver()
    [invoice] = get_client().v1.invoices.list().data
    Payment.objects.update(checkout_session_id="cs_1", kind="one_time", credits=100)
    del settings.QUICKSCALE_STRIPE_FULFILMENT
    invoices.sync(invoice.id)
    assert (Payment.objects.get().fulfilled_at, balance(owner)) == (None, 0)


def test_a_session_of_the_other_mode_is_ignored(
    shop: Sandbox, owner: Any, package: StripePrice, settings: Any
) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)
    settings.QUICKSCALE_STRIPE_LIVE_MODE = True
    assert sessions.sync(session) is None
    assert not Payment.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_grant_once(shop: Sandbox, owner: Any, package: StripePrice) -> None:
    session = open_checkout(owner, package)
    shop.pay(session)

    def sync(_: int) -> None:
        try:
            sessions.sync(session)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(sync, range(8)))

    assert Payment.objects.count() == 1
    assert CreditLot.objects.count() == 1
    assert balance(owner) == 100
