"""Customers that existed at Stripe before this site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import stripe
from django.core.management import CommandError, call_command
from django.test import Client

from quickscale_stripe.billing import adoption, buyers, checkout, customers, portal
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import AlreadySubscribedError, NotAdoptableError
from quickscale_stripe.models import StripeCustomer, StripePrice, Subscription
from quickscale_stripe_sandbox import Sandbox
from tests.owners import make_owner
from tests.quickscale_stripe.shopping import balance, open_signup
from tests.quickscale_stripe.test_subscriptions import basic

__all__ = ["basic"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def remote(shop: Sandbox, basic: StripePrice) -> stripe.Customer:
    """A customer with a card and a plan that somebody made in Stripe's dashboard."""
    return make_customer(basic, "ada@example.com")


def make_customer(plan: StripePrice, email: str) -> stripe.Customer:
    client = get_client().v1
    customer = client.customers.create({"email": email, "name": "Ada by hand"})
    method = client.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    client.customers.update(
        customer.id, {"invoice_settings": {"default_payment_method": method.id}}
    )
    client.subscriptions.create(
        {"customer": customer.id, "items": [{"price": plan.stripe_id}]},
        {"idempotency_key": f"by hand for {customer.id}"},
    )
    return customer


def test_an_adopted_customer_brings_its_subscription(
    shop: Sandbox, owner: Any, remote: stripe.Customer, basic: StripePrice
) -> None:
    customer = adoption.adopt(owner=owner, stripe_id=remote.id)

    assert (customer.stripe_id, customer.name) == (remote.id, "Ada by hand")
    assert customer.payment_method["last4"] == "4242"
    assert Subscription.objects.get().owner == owner
    there = get_client().v1.customers.retrieve(remote.id)
    assert there.metadata
    assert there.metadata["quickscale_customer"] == str(customer.reference)
    assert customers.ensure(owner) == customer
    assert get_client().v1.customers.retrieve(remote.id).name == "Ada by hand"
    with pytest.raises(AlreadySubscribedError):
        open_signup(owner, basic)
    assert adoption.adopt(owner=owner, stripe_id=remote.id) == customer


def test_credits_come_with_the_next_invoice(
    shop: Sandbox, owner: Any, remote: stripe.Customer
) -> None:
    shop.deliver()
    adoption.adopt(owner=owner, stripe_id=remote.id)
    shop.deliver()
    assert balance(owner) == 0
    shop.advance(days=32)
    shop.deliver()
    assert balance(owner) == 300


class TestIncomplete:
    """A subscription whose first payment was never made."""

    @pytest.fixture
    def declined(self, shop: Sandbox, owner: Any) -> str:
        """The owner's customer, whose card is declined."""
        stripe_id = customers.ensure(owner).stripe_id or ""
        client = get_client().v1
        method = client.payment_methods.attach("pm_card_chargeDeclined", {"customer": stripe_id})
        client.customers.update(
            stripe_id, {"invoice_settings": {"default_payment_method": method.id}}
        )
        return stripe_id

    def subscribe(self, customer: str, plan: StripePrice, metadata: dict[str, str]) -> None:
        get_client().v1.subscriptions.create(
            {
                "customer": customer,
                "items": [{"price": plan.stripe_id}],
                "metadata": metadata,
                "payment_behavior": "allow_incomplete",
            },
            {"idempotency_key": "incomplete"},
        )

    def test_of_another_tool_does_not_block_a_sign_up(
        self, shop: Sandbox, owner: Any, buyer: Client, basic: StripePrice, declined: str
    ) -> None:
        self.subscribe(declined, basic, {})
        shop.deliver()
        assert not Subscription.objects.exists()
        assert "Subscribe" in buyer.get("/dashboard/plans/").text
        assert open_signup(owner, basic)

    def test_of_this_site_is_paid_and_not_doubled(
        self, shop: Sandbox, owner: Any, buyer: Client, basic: StripePrice, declined: str
    ) -> None:
        self.subscribe(declined, basic, customers.metadata_for(StripeCustomer.objects.get()))
        shop.deliver()
        with pytest.raises(AlreadySubscribedError):
            open_signup(owner, basic)
        page = buyer.get("/dashboard/subscription/").text
        [invoice] = get_client().v1.invoices.list({"customer": declined}).data
        assert f'href="{invoice.hosted_invoice_url}"' in page


class TestRefused:
    def test_an_owner_who_has_another(self, owner: Any, remote: stripe.Customer) -> None:
        own = customers.ensure(owner)
        with pytest.raises(NotAdoptableError, match=f"already has the customer {own.stripe_id}"):
            adoption.adopt(owner=owner, stripe_id=remote.id)

    def test_a_customer_of_somebody_else(self, owner: Any, remote: stripe.Customer) -> None:
        other = make_owner("bob@example.com")
        adoption.adopt(owner=other, stripe_id=remote.id)
        with pytest.raises(NotAdoptableError, match="belongs to"):
            adoption.adopt(owner=owner, stripe_id=remote.id)

    def test_a_customer_of_another_site(self, owner: Any, remote: stripe.Customer) -> None:
        get_client().v1.customers.update(
            remote.id, {"metadata": {"quickscale_customer": "another site's"}}
        )
        with pytest.raises(NotAdoptableError, match="adopt it with --take-over"):
            adoption.adopt(owner=owner, stripe_id=remote.id)

    @pytest.mark.parametrize("delete", [True, False])
    def test_one_that_was_deleted(self, owner: Any, remote: stripe.Customer, delete: bool) -> None:
        stripe_id = "cus_none"
        if delete:
            stripe_id = remote.id
            get_client().v1.customers.delete(remote.id)
        with pytest.raises(NotAdoptableError, match="Stripe has no customer"):
            adoption.adopt(owner=owner, stripe_id=stripe_id)
        assert not StripeCustomer.objects.exists()


class TestByEmail:
    @pytest.fixture(autouse=True)
    def _owners_with_an_address(self, owner: Any) -> None:
        if not hasattr(owner, "email"):
            pytest.skip("These owners have no address of their own.")

    def test_is_off_by_default(self, owner: Any, remote: stripe.Customer) -> None:
        assert buyers.ensure(owner).stripe_id != remote.id

    def test_the_first_purchase_takes_the_only_one(
        self, owner: Any, remote: stripe.Customer, settings: Any, basic: StripePrice
    ) -> None:
        settings.QUICKSCALE_STRIPE_ADOPT_BY_EMAIL = True
        with pytest.raises(AlreadySubscribedError):
            open_signup(owner, basic)
        assert StripeCustomer.objects.get().stripe_id == remote.id
        assert Subscription.objects.get().owner == owner

    def test_none_of_several_is_taken(
        self, owner: Any, remote: stripe.Customer, settings: Any, basic: StripePrice
    ) -> None:
        settings.QUICKSCALE_STRIPE_ADOPT_BY_EMAIL = True
        other = make_customer(basic, "ada@example.com")
        assert buyers.ensure(owner).stripe_id not in (remote.id, other.id)

    def test_one_of_another_site_is_left_to_it(
        self, owner: Any, remote: stripe.Customer, settings: Any
    ) -> None:
        settings.QUICKSCALE_STRIPE_ADOPT_BY_EMAIL = True
        get_client().v1.customers.update(
            remote.id, {"metadata": {"quickscale_customer": "another site's"}}
        )
        assert buyers.ensure(owner).stripe_id != remote.id

    def test_the_portal_takes_it_as_well(
        self, owner: Any, remote: stripe.Customer, settings: Any
    ) -> None:
        settings.QUICKSCALE_STRIPE_ADOPT_BY_EMAIL = True
        portal.open_portal(owner=owner, return_url="https://a.example/")
        assert StripeCustomer.objects.get().stripe_id == remote.id

    def test_by_command(
        self, owner: Any, remote: stripe.Customer, basic: StripePrice, capsys: Any
    ) -> None:
        twins = [make_customer(basic, "Bob@example.com") for _ in range(2)]
        bob, new = make_owner("bob@example.com"), make_owner("new@example.com")
        with pytest.raises(CommandError, match="Not possible: 1"):
            call_command("adopt_customers", "--by-email", "--dry-run")
        told = capsys.readouterr()
        assert told.out == f"{owner}: {remote.id}\nWould be adopted: 1.\n"
        assert all(twin.id in told.err for twin in twins)
        assert not StripeCustomer.objects.exists()
        assert "quickscale_customer" not in get_client().v1.customers.retrieve(remote.id).metadata

        with pytest.raises(CommandError, match="Not possible: 1"):
            call_command("adopt_customers", "--by-email")
        assert StripeCustomer.objects.get().owner == owner
        assert not StripeCustomer.objects.filter(owner__in=[bob, new]).exists()


class TestFile:
    def adopt(self, folder: Path, *rows: str, **options: Any) -> None:
        path = folder / "customers.csv"
        path.write_text("\n".join(rows), encoding="utf-8-sig")
        call_command("adopt_customers", str(path), **options)

    def test_errors_are_reported_and_the_rest_continues(
        self, owner: Any, remote: stripe.Customer, tmp_path: Path, capsys: Any
    ) -> None:
        rows = ["customer,owner,note", "cus_none,999999,x", f"{remote.id},{owner.pk},y"]
        for dry_run in (True, False):
            with pytest.raises(CommandError, match="Not possible: 1"):
                self.adopt(tmp_path, *rows, dry_run=dry_run)
            told = capsys.readouterr()
            assert f"{owner}: {remote.id}" in told.out
            assert "Line 2: " in told.err
            assert StripeCustomer.objects.exists() == (not dry_run)
        assert Subscription.objects.get().owner == owner

    def test_a_file_without_its_columns_is_refused(self, sandbox: Sandbox, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="must name owner and customer"):
            self.adopt(tmp_path, "a,b", "1,2")
        with pytest.raises(CommandError, match="No such file"):
            call_command("adopt_customers", str(tmp_path / "none.csv"))
        with pytest.raises(CommandError, match="Give a CSV file, or --by-email"):
            call_command("adopt_customers")


def test_customers_of_a_database_that_no_longer_exists_are_taken_over(
    shop: Sandbox, owner: Any, basic: StripePrice, tmp_path: Path
) -> None:
    shop.pay(open_signup(owner, basic))
    shop.deliver()
    customer = StripeCustomer.objects.get()
    file = tmp_path / "customers.csv"
    heir = make_owner("heir@example.com")
    file.write_text(f"owner,customer\n{heir.pk},{customer.stripe_id}\n")
    call_command("migrate", "quickscale_stripe", "zero", verbosity=0)
    call_command("migrate", "quickscale_stripe", verbosity=0)
    call_command("sync_products", verbosity=0)

    with pytest.raises(CommandError, match="Not possible: 1"):
        call_command("adopt_customers", str(file))
    call_command("adopt_customers", str(file), "--take-over")

    assert Subscription.objects.get().owner == heir
    shop.advance(days=32)
    shop.deliver()
    assert balance(heir) == 300


def test_in_the_admin(owner: Any, remote: stripe.Customer, admin_client: Client) -> None:
    page = admin_client.get("/admin/quickscale_stripe/stripecustomer/")
    url = "/admin/quickscale_stripe/stripecustomer/adopt/"
    assert url in page.text
    for sent, told in (
        ({"owner": "nobody@example.com", "customer": remote.id}, "No user has the email address"),
        ({"owner": owner.pk, "customer": "cus_none"}, "Stripe has no customer cus_none"),
    ):
        assert told in admin_client.post(url, sent).text
    done = admin_client.post(url, {"owner": owner.pk, "customer": remote.id}, follow=True)
    assert f"Adopted {remote.id} for" in done.text
    assert StripeCustomer.objects.get().owner == owner
    assert Client().get(url).status_code == 302


def test_a_second_plan_beside_an_adopted_one_is_refused(
    owner: Any, remote: stripe.Customer, basic: StripePrice
) -> None:
    adoption.adopt(owner=owner, stripe_id=remote.id)
    with pytest.raises(AlreadySubscribedError):
        checkout.subscribe(
            owner=owner, price=basic, success_url="https://a.example/",
            cancel_url="https://a.example/", reference="second",
        )  # fmt: skip
