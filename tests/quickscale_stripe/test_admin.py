"""What staff can see of Stripe's objects and do with them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from quickscale.formats import format_moment
from quickscale_stripe.client import get_client, using
from quickscale_stripe.models import (
    Charge,
    Dispute,
    Payment,
    Refund,
    StripeCustomer,
    StripeEvent,
    StripePrice,
    StripeProduct,
    Subscription,
)
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.recording import RecordingHTTPClient
from tests.owners import make_user
from tests.quickscale_stripe.conftest import Unreachable, UseClient
from tests.quickscale_stripe.proof.world import World
from tests.quickscale_stripe.shopping import balance, charge_of, open_checkout

pytestmark = pytest.mark.django_db

ADMIN = "/admin/quickscale_stripe"
PRODUCTS = f"{ADMIN}/stripeproduct/"
PRICES = f"{ADMIN}/stripeprice/"
PAYMENTS = f"{ADMIN}/payment/"
SUBSCRIPTIONS = f"{ADMIN}/subscription/"
EVENTS = f"{ADMIN}/stripeevent/"
MODELS = [
    "stripeproduct", "stripeprice", "stripecustomer", "subscription", "payment", "refund",
    "dispute", "stripeevent",
]  # fmt: skip


@pytest.fixture
def staff(admin_client: Client) -> Client:
    return admin_client


@pytest.fixture
def clerk(db: None) -> Client:
    """Somebody of the staff who may view everything and change nothing."""
    return client_with("view")


def client_with(*codenames: str) -> Client:
    user = make_user(f"{'-'.join(codenames)}@example.com")
    user.is_staff = True
    user.save()
    own = Permission.objects.filter(content_type__app_label="quickscale_stripe")
    for codename in codenames:
        user.user_permissions.add(*own.filter(codename__startswith=codename))
    client = Client()
    client.force_login(user)
    return client


def text(response: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def values(response: Any, **changes: Any) -> dict[str, Any]:
    """Return what the page's form would send, with some fields changed."""
    form = response.context["form"]
    sent = {}
    for bound in form:
        value = bound.value()
        if value is not None and value is not False:
            shown = bound.field.prepare_value(value)
            sent[bound.name] = "on" if shown is True else shown
    return {**sent, **changes}


def act(client: Client, url: str, action: str, *rows: Any) -> HttpResponse:
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(url, data, follow=True)


@pytest.fixture
def down(stripe_is_down: None) -> None:
    """Stripe can't be reached."""


@pytest.fixture
def paid(shop: Sandbox, owner: Any, package: StripePrice) -> Payment:
    """9.00 USD for 100 credits."""
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    return Payment.objects.get()


@pytest.fixture
def subscription(shop: Sandbox, owner: Any) -> Subscription:
    world = World(shop, owner)
    known = world.known(world.subscribe())
    shop.deliver()
    return known


# Lists and pages ---------------------------------------------------------------------------------


def fill(count: int) -> dict[str, Any]:
    """Make ``count`` rows of each model, and return one of each."""
    now = datetime(2026, 5, 1, tzinfo=UTC)
    product = StripeProduct.objects.create(stripe_id="prod_0", name="P", synced_at=now)
    for number in range(count):
        owner = make_user(f"many{number}@example.com")
        other = StripeProduct.objects.create(
            stripe_id=f"prod_many{number}", name=f"P{number}", synced_at=now
        )
        price = StripePrice.objects.create(
            stripe_id=f"price_many{number}", product=other, currency="usd", unit_amount=900,
            synced_at=now,
        )  # fmt: skip
        StripePrice.objects.create(
            stripe_id=f"price_one{number}", product=product, currency="usd", synced_at=now
        )
        customer = StripeCustomer.objects.create(owner=owner, stripe_id=f"cus_{number}")
        subscription = Subscription.objects.create(
            owner=owner, stripe_id=f"sub_{number}", price=price, pending_price=price,
            status="active", created_at=now, synced_at=now,
        )  # fmt: skip
        payment = Payment.objects.create(
            owner=owner, kind="one_time", price=price, subscription=subscription, total=900,
            amount=900, currency="usd", created_at=now, paid_at=now, status="succeeded",
            receipt_number=f"R{number}",
        )  # fmt: skip
        Charge.objects.create(payment=payment, payment_intent_id=f"pi_{number}", amount=900)
        refund = Refund.objects.create(
            stripe_id=f"re_{number}", payment=payment, amount=1, currency="usd",
            status="succeeded", created_at=now, synced_at=now,
        )  # fmt: skip
        dispute = Dispute.objects.create(
            stripe_id=f"du_{number}", payment=payment, amount=1, currency="usd", status="lost",
            created_at=now, synced_at=now,
        )  # fmt: skip
        event = StripeEvent.objects.create(
            stripe_id=f"evt_{number}", type="invoice.paid", livemode=False, payload={"a": "é"},
            status="dead", error="ValueError: x", traceback="Traceback: x", created_at=now,
        )  # fmt: skip
    return {
        "stripeproduct": product, "stripeprice": price, "stripecustomer": customer,
        "subscription": subscription, "payment": payment, "refund": refund, "dispute": dispute,
        "stripeevent": event,
    }  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_page_has_a_bounded_number_of_queries(
    staff: Client, clerk: Client, model: str, django_assert_max_num_queries: Any
) -> None:
    row = fill(25)[model]
    for client in (staff, clerk):
        with django_assert_max_num_queries(12):
            assert client.get(f"{ADMIN}/{model}/").status_code == 200
        with django_assert_max_num_queries(14):
            assert client.get(f"{ADMIN}/{model}/{row.pk}/change/").status_code == 200
        assert client.get(f"{ADMIN}/{model}/?q=many3").status_code == 200


def test_the_pages_of_its_own_have_a_bounded_number_of_queries(
    staff: Client, django_assert_max_num_queries: Any
) -> None:
    rows = fill(25)
    for path in (
        f"{PRODUCTS}{rows['stripeproduct'].pk}/change/",
        f"{PAYMENTS}{rows['payment'].pk}/refund/",
        f"{SUBSCRIPTIONS}{rows['subscription'].pk}/take/cancel/",
    ):  # fmt: skip
        with django_assert_max_num_queries(14):
            assert staff.get(path).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_deleted(staff: Client, model: str) -> None:
    row = fill(1)[model]
    assert staff.post(f"{ADMIN}/{model}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    page = act(staff, f"{ADMIN}/{model}/", "delete_selected", row)
    assert page.status_code == 200
    assert type(row).objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", MODELS)
def test_what_stripe_makes_is_neither_added_nor_edited(staff: Client, model: str) -> None:
    row = fill(1)[model]
    assert staff.get(f"{ADMIN}/{model}/add/").status_code == 403
    assert staff.post(f"{ADMIN}/{model}/{row.pk}/change/", {"status": "x"}).status_code == 403


def test_owners_are_found_by_address(staff: Client) -> None:
    fill(3)
    for model in ("stripecustomer", "subscription", "payment", "refund", "dispute"):
        page = staff.get(f"{ADMIN}/{model}/?q=many2@example.com")
        assert page.context["cl"].result_count == 1


def test_pages_lead_to_stripe_s_own(staff: Client, settings: Any) -> None:
    settings.QUICKSCALE_STRIPE_SECRET_KEY = "sk_test_x"
    rows = fill(1)
    customer = rows["stripecustomer"]
    page = staff.get(f"{ADMIN}/stripecustomer/{customer.pk}/change/").content.decode()
    assert 'href="https://dashboard.stripe.com/test/customers/cus_0"' in page
    StripeCustomer.objects.update(livemode=True)
    page = staff.get(f"{ADMIN}/stripecustomer/{customer.pk}/change/").content.decode()
    assert 'href="https://dashboard.stripe.com/customers/cus_0"' in page
    settings.QUICKSCALE_STRIPE_CLIENT = "quickscale_stripe_sandbox.http_client"
    page = staff.get(f"{ADMIN}/stripecustomer/{customer.pk}/change/").content.decode()
    assert "dashboard.stripe.com" not in page


# Products and prices -----------------------------------------------------------------------------


class TestCatalogueSteps:
    def test_archiving_asks_first_and_can_be_undone(
        self, shop: Sandbox, staff: Client, package: StripePrice
    ) -> None:
        url = f"{PRICES}{package.pk}/take/archive/"
        assert "no longer sold" in text(staff.get(url))
        package.refresh_from_db()
        assert package.active
        staff.post(url)
        package.refresh_from_db()
        assert not package.active
        staff.post(f"{PRICES}{package.pk}/take/restore/")
        package.refresh_from_db()
        assert package.active
        assert LogEntry.objects.count() == 2

    def test_a_few_are_synced_at_once(
        self, shop: Sandbox, staff: Client, package: StripePrice
    ) -> None:
        StripeProduct.objects.update(name="x")
        told = act(staff, PRODUCTS, "sync", package.product)
        assert StripeProduct.objects.exclude(name="x").count() == 1
        assert "Sync from Stripe: 1 row." in text(told)

    def test_all_are_synced_with_what_only_stripe_has(self, shop: Sandbox, staff: Client) -> None:
        StripePrice.objects.all().delete()
        StripeProduct.objects.all().delete()
        foreign = get_client().v1.products.create({"name": "T-shirt"})
        get_client().v1.prices.create(
            {"product": foreign.id, "currency": "usd", "unit_amount": 2500}
        )
        staff.post(f"{PRODUCTS}sync-all/", follow=True)
        assert (StripeProduct.objects.count(), StripePrice.objects.count()) == (5, 7)

    def test_invalid_metadata_is_reported(
        self, shop: Sandbox, staff: Client, package: StripePrice
    ) -> None:
        get_client().v1.prices.update(package.stripe_id, {"metadata": {"credits": "1,000"}})
        shop.deliver()
        page = staff.get(f"{PRICES}{package.pk}/change/")
        assert "Metadata credits is “1,000”. Type 1000." in text(page)

    def test_syncing_many_shows_progress_and_continues_after_a_failure(
        self, many_products: Sandbox, staff: Client
    ) -> None:
        gone = StripeProduct.objects.get(name="Studio pack")
        StripeProduct.objects.filter(pk=gone.pk).update(stripe_id="prod_gone")
        StripeProduct.objects.exclude(pk=gone.pk).update(name="x")
        page = act(staff, PRODUCTS, "sync", *StripeProduct.objects.all())
        run = page.request["PATH_INFO"]
        assert '<progress id="job-progress" max="12" value="0">' in page.content.decode()
        seen, told = [], ""
        while page.context["done"] < page.context["total"]:
            page = staff.post(run, {"done": page.context["done"]})
            seen.append(page.context["done"])
            told += text(page)
        assert seen == [5, 10, 12]
        assert "Studio pack: Stripe doesn&#x27;t have it" in told
        assert StripeProduct.objects.filter(name="x").count() == 0
        gone.refresh_from_db()
        assert not gone.active

    def test_a_job_stops_when_stripe_is_unreachable_and_continues_later(
        self, many_products: Sandbox, staff: Client
    ) -> None:
        StripeProduct.objects.update(name="x")
        run = act(staff, PRODUCTS, "sync", *StripeProduct.objects.all()).request["PATH_INFO"]
        with using(Unreachable()):
            page = staff.post(run, {"done": 0})
        assert "Stripe is unreachable: no route" in text(page)
        assert (page.context["done"], page.context["goes_on"]) == (0, False)
        assert b"continue.js" not in page.content
        page = staff.post(run, {"done": page.context["done"]})
        assert (page.context["done"], page.context["goes_on"]) == (5, True)
        assert b"continue.js" in page.content

    def test_a_job_of_another_session_is_not_known(self, staff: Client) -> None:
        url = f"{PRODUCTS}run/sync/00000000-0000-0000-0000-000000000000/"
        assert "Please select the rows again." in text(staff.get(url, follow=True))

    @pytest.mark.usefixtures("down")
    def test_the_whole_catalogue_when_stripe_is_down(self, staff: Client) -> None:
        told = staff.post(f"{PRODUCTS}sync-all/", follow=True)
        assert "Stripe is unreachable" in text(told)
        assert StripeProduct.objects.filter(active=True).count() == 5


# Customers and subscriptions ---------------------------------------------------------------------


def test_customers_are_synced_both_ways(shop: Sandbox, staff: Client, paid: Payment) -> None:
    customer = StripeCustomer.objects.get()
    get_client().v1.customers.update(customer.stripe_id or "", {"name": "Countess"})
    act(staff, f"{ADMIN}/stripecustomer/", "sync", customer)
    customer.refresh_from_db()
    assert customer.name == "Countess"
    get_client().v1.customers.delete(customer.stripe_id or "")
    told = act(staff, f"{ADMIN}/stripecustomer/", "sync", customer)
    assert "the next purchase makes a new one" in text(told)


class TestSubscriptions:
    def test_cancel_at_the_end_of_the_period_and_reactivate(
        self, shop: Sandbox, staff: Client, subscription: Subscription
    ) -> None:
        page = f"{SUBSCRIPTIONS}{subscription.pk}/"
        assert "Undo the cancellation" not in text(staff.get(f"{page}change/"))
        assert "isn&#x27;t renewed" in text(staff.get(f"{page}take/cancel/"))
        staff.post(f"{page}take/cancel/")
        subscription.refresh_from_db()
        assert subscription.cancel_at
        staff.post(f"{page}take/reactivate/")
        subscription.refresh_from_db()
        assert not subscription.cancel_at
        assert [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")] == [
            "Cancel at the end of the period",
            "Undo the cancellation",
        ]

    def test_cancel_many_at_once(
        self, shop: Sandbox, staff: Client, subscription: Subscription
    ) -> None:
        asked = act(staff, SUBSCRIPTIONS, "cancel-now", subscription)
        assert "It ends at once" in text(asked)
        assert b"continue.js" not in asked.content
        assert "progress" not in text(asked)
        subscription.refresh_from_db()
        assert subscription.is_live
        run = asked.request["PATH_INFO"]
        done = staff.post(run, {"done": 0})
        subscription.refresh_from_db()
        assert (subscription.status, done.context["done"]) == ("canceled", 1)
        again = staff.post(run, {"done": 0})
        assert "nothing to do" in text(again)

    def test_are_synced(self, shop: Sandbox, staff: Client, subscription: Subscription) -> None:
        Subscription.objects.update(status="past_due")
        act(staff, SUBSCRIPTIONS, "sync", subscription)
        subscription.refresh_from_db()
        assert subscription.status == "active"

    def test_need_the_permission(
        self, shop: Sandbox, clerk: Client, subscription: Subscription
    ) -> None:
        url = f"{SUBSCRIPTIONS}{subscription.pk}/"
        assert clerk.post(f"{url}take/cancel-now/").status_code == 403
        assert b"Cancel now" not in clerk.get(f"{url}change/").content
        assert b'value="cancel-now"' not in clerk.get(SUBSCRIPTIONS).content
        act(clerk, SUBSCRIPTIONS, "cancel-now", subscription)
        manager = client_with("change_subscription", "view")
        assert b"Cancel now" in manager.get(f"{url}change/").content
        assert manager.get(f"{url}take/cancel-now/").status_code == 200
        assert manager.get(f"{url}take/nothing/").status_code == 404
        subscription.refresh_from_db()
        assert subscription.is_live


# Refunds -----------------------------------------------------------------------------------------


class TestRefunds:
    def test_the_form_names_an_amount_by_its_plain_number(
        self, shop: Sandbox, staff: Client, paid: Payment, settings: Any
    ) -> None:
        settings.USE_THOUSAND_SEPARATOR = True
        Payment.objects.filter(pk=paid.pk).update(amount=900_000)
        url = f"{PAYMENTS}{paid.pk}/refund/"
        shown = staff.post(url, values(staff.get(url), amount="3000"))
        assert b'name="start" value="300000"' in shown.content

    def test_part_is_shown_first_then_made_once(
        self, shop: Sandbox, staff: Client, owner: Any, paid: Payment
    ) -> None:
        url = f"{PAYMENTS}{paid.pk}/refund/"
        assert url in staff.get(f"{PAYMENTS}{paid.pk}/change/").content.decode()
        page = staff.get(url)
        assert page.context["form"]["amount"].value() == Decimal("9.00")
        data = values(page, amount="3", reason="duplicate")
        shown = staff.post(url, data)
        assert "$3.00 goes back to the payer, which leaves $6.00. 33.3333 credits" in text(shown)
        assert "The owner has 100 credits now" in text(shown)
        assert not Refund.objects.exists()

        done = staff.post(url, {**values(shown), "start": "300"}, follow=True)
        assert "$3.00 goes back, and 33.3333 credits are taken back." in text(done)
        refund = Refund.objects.get()
        assert (refund.amount, refund.reason) == (300, "duplicate")
        assert balance(owner) == Decimal("66.6667")
        entry = LogEntry.objects.get()
        assert refund.stripe_id in entry.get_change_message()
        assert "duplicate" in entry.get_change_message()
        remote = get_client().v1.refunds.retrieve(refund.stripe_id)
        assert remote.metadata
        assert remote.metadata["actor"] == str(entry.user_id)

        again = staff.post(url, {**data, "start": "300"})
        assert "went back meanwhile" in text(again)
        shop.deliver()
        paid.refresh_from_db()
        assert (Refund.objects.count(), paid.amount_refunded) == (1, 300)
        assert balance(owner) == Decimal("66.6667")

    def test_whole(self, shop: Sandbox, staff: Client, owner: Any, paid: Payment) -> None:
        url = f"{PAYMENTS}{paid.pk}/refund/"
        staff.post(url, {**values(staff.get(url)), "start": "900"})
        paid.refresh_from_db()
        assert (paid.status, balance(owner)) == ("refunded", 0)
        assert url not in staff.get(f"{PAYMENTS}{paid.pk}/change/").content.decode()

    @pytest.mark.parametrize("amount", ["0", "9.01", "-1", "1.005", "", "x"])
    def test_invalid_amounts_are_reported(
        self, shop: Sandbox, staff: Client, paid: Payment, amount: str
    ) -> None:
        url = f"{PAYMENTS}{paid.pk}/refund/"
        told = staff.post(url, {**values(staff.get(url), amount=amount), "start": "1"})
        assert list(told.context["form"].errors) == ["amount"]
        assert not Refund.objects.exists()

    def test_a_refusal_by_stripe_is_reported(
        self, shop: Sandbox, staff: Client, paid: Payment
    ) -> None:
        get_client().v1.refunds.create(
            {"charge": charge_of(paid), "amount": 800}, {"idempotency_key": "elsewhere"}
        )
        url = f"{PAYMENTS}{paid.pk}/refund/"
        told = staff.post(url, {**values(staff.get(url)), "start": "900"})
        assert "greater than unrefunded amount" in text(told)
        assert not LogEntry.objects.exists()

    def test_needs_its_own_permission(self, shop: Sandbox, clerk: Client, paid: Payment) -> None:
        url = f"{PAYMENTS}{paid.pk}/"
        for client in (clerk, client_with("change_payment", "view")):
            assert client.get(f"{url}refund/").status_code == 403
            assert client.post(f"{url}refund/", {"start": "1"}).status_code == 403
            assert f"{url}refund/" not in client.get(f"{url}change/").content.decode()
        cashier = client_with("refund_payment", "view")
        assert cashier.get(f"{url}refund/").status_code == 200
        assert f"{url}refund/" in cashier.get(f"{url}change/").content.decode()
        assert cashier.get(f"{PAYMENTS}0/refund/").status_code == 404

    def test_payments_refunds_and_disputes_are_synced(
        self, shop: Sandbox, staff: Client, owner: Any, paid: Payment
    ) -> None:
        get_client().v1.refunds.create(
            {"charge": charge_of(paid), "amount": 300}, {"idempotency_key": "elsewhere"}
        )
        act(staff, PAYMENTS, "sync", paid)
        paid.refresh_from_db()
        assert (paid.amount_refunded, balance(owner)) == (300, Decimal("66.6667"))
        Refund.objects.update(status="pending")
        act(staff, f"{ADMIN}/refund/", "sync", Refund.objects.get())
        assert Refund.objects.get().status == "succeeded"
        shop.dispute(charge_of(paid))
        shop.deliver()
        Dispute.objects.update(status="lost")
        act(staff, f"{ADMIN}/dispute/", "sync", Dispute.objects.get())
        assert Dispute.objects.get().status == "needs_response"


# Events ------------------------------------------------------------------------------------------


class TestEvents:
    @pytest.fixture
    def dead(self, shop: Sandbox, paid: Payment) -> StripeEvent:
        event = StripeEvent.objects.filter(status="processed").latest("pk")
        StripeEvent.objects.filter(pk=event.pk).update(
            status="dead", attempts=8, error="ValueError: x", traceback="Traceback: <x>",
            processed_at=None,
        )  # fmt: skip
        event.refresh_from_db()
        return event

    def test_dead_ones_are_found_and_counted(self, staff: Client, dead: StripeEvent) -> None:
        found = staff.get(f"{EVENTS}?status__exact=dead")
        assert found.context["cl"].result_count == 1
        assert "ValueError: x" in text(found)
        page = staff.get(f"{EVENTS}{dead.pk}/change/").content.decode()
        assert '<pre class="qs-pre">Traceback: &lt;x&gt;</pre>' in page
        assert "&quot;object&quot;: &quot;event&quot;" in page

    def test_one_and_many_are_replayed(self, staff: Client, dead: StripeEvent) -> None:
        staff.post(f"{EVENTS}{dead.pk}/take/replay/")
        dead.refresh_from_db()
        assert (dead.status, dead.error) == ("processed", "")
        assert LogEntry.objects.count() == 1
        many = StripeEvent.objects.filter(status="processed")
        assert many.count() > 5
        page = act(staff, EVENTS, "replay", *many)
        while page.context["done"] < page.context["total"]:
            page = staff.post(page.request["PATH_INFO"], {"done": page.context["done"]})
        assert not StripeEvent.objects.exclude(status__in=["processed", "ignored"]).exists()

    def test_what_fails_again_is_reported(
        self, shop: Sandbox, staff: Client, dead: StripeEvent, use_client: UseClient
    ) -> None:
        class Broken(RecordingHTTPClient):
            def request(self, *args: Any, **kwargs: Any) -> Any:
                raise ValueError("still broken")

        use_client(Broken(shop))
        told = staff.post(f"{EVENTS}{dead.pk}/take/replay/", follow=True)
        assert "ValueError: still broken" in text(told)
        dead.refresh_from_db()
        assert (dead.status, dead.attempts) == ("failed", 1)
        assert not LogEntry.objects.exists()

    def test_need_the_permission(self, clerk: Client, dead: StripeEvent) -> None:
        assert clerk.post(f"{EVENTS}{dead.pk}/take/replay/").status_code == 403
        act(clerk, EVENTS, "replay", dead)
        dead.refresh_from_db()
        assert dead.status == "dead"


@pytest.mark.django_db(transaction=True)
def test_stripe_is_asked_outside_the_request_s_transaction(
    shop: Sandbox,
    staff: Client,
    owner: Any,
    package: StripePrice,
    monkeypatch: pytest.MonkeyPatch,
    use_client: UseClient,
) -> None:
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    paid = Payment.objects.get()
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    asked = []

    class Watcher(RecordingHTTPClient):
        def request(self, *args: Any, **kwargs: Any) -> Any:
            asked.append((args[:2], connection.in_atomic_block))
            return super().request(*args, **kwargs)

    use_client(Watcher(shop))
    url = f"{PAYMENTS}{paid.pk}/refund/"
    refunded = staff.post(url, values(staff.get(url), amount="9", start="900"))
    assert refunded.status_code == 302
    act(staff, PAYMENTS, "sync", paid)
    act(staff, PRODUCTS, "sync", package.product)
    assert len(asked) > 5
    assert [request for request, in_transaction in asked if in_transaction] == []


def test_pages_are_for_staff(shop: Sandbox, buyer: Client, paid: Payment) -> None:
    for path in (f"payment/{paid.pk}/refund/", "stripeproduct/"):
        assert buyer.get(f"{ADMIN}/{path}").status_code == 302


def test_rows_are_called_and_read_as_people_would(
    staff: Client, shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    """Rows have money, words and times with their zone, not Stripe's ids and codes."""
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    payment = Payment.objects.get()
    refund = Refund.objects.create(
        payment=payment, stripe_id="re_1", amount=450, currency="usd", status="succeeded",
        reason="requested_by_customer", created_at=payment.created_at,
        synced_at=payment.created_at,
    )  # fmt: skip
    dispute = Dispute.objects.create(
        payment=payment, stripe_id="dp_1", amount=900, currency="usd", status="needs_response",
        reason="product_not_received", created_at=payment.created_at,
        synced_at=payment.created_at,
    )  # fmt: skip

    assert str(payment) == f"{payment.description}, $9.00"
    assert (str(refund), str(dispute)) == ("Refund of $4.50", "Dispute over $9.00")
    for path in ("refund/", f"refund/{refund.pk}/change/", f"payment/{payment.pk}/change/"):
        page = text(staff.get(f"{ADMIN}/{path}"))
        assert "Requested by customer" in page
        assert "requested_by_customer" not in page
        assert format_moment(payment.created_at) in page
    for path in ("dispute/", f"dispute/{dispute.pk}/change/"):
        page = text(staff.get(f"{ADMIN}/{path}"))
        assert "needs_response" not in page
        assert "Needs response" in page
        assert "Product not received" in page


def test_a_subscription_is_called_by_its_plan_and_owner(
    owner: Any, shop: Sandbox, package: StripePrice
) -> None:
    now = timezone.now()
    row = Subscription(owner=owner, stripe_id="sub_1", price=package, created_at=now)

    assert str(row) == f"{package.product.name} of {owner}"
    row.price = None
    assert str(row) == f"Subscription of {owner}"
