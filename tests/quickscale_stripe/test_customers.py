from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from quickscale.owner import owner_email
from quickscale_stripe import customers
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import StripeUnavailableError
from quickscale_stripe.models import StripeCustomer
from quickscale_stripe.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def remote_customers() -> int:
    return len(get_client().v1.customers.list({"limit": 100}).data)


def test_made_at_first_need_and_used_again(sandbox: Sandbox, owner: Any) -> None:
    customer = customers.ensure(owner)
    assert customers.ensure(owner) == customer
    remote = get_client().v1.customers.retrieve(customer.stripe_id or "")
    assert (remote.email or "") == owner_email(owner)
    assert remote.metadata is not None
    assert remote.metadata["quickscale_customer"] == str(customer.reference)
    assert remote_customers() == 1


@pytest.mark.django_db(transaction=True)
def test_eight_requests_at_once_make_one(sandbox: Sandbox, owner: Any) -> None:
    def ensure(_: int) -> str | None:
        try:
            return customers.ensure(owner).stripe_id
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ensure, range(8)))) == 1
    assert remote_customers() == 1


def test_a_request_that_died_after_stripe_s_answer_makes_no_second_one(
    sandbox: Sandbox, owner: Any
) -> None:
    first = customers.ensure(owner).stripe_id
    StripeCustomer.objects.update(stripe_id=None, sent_email="", synced_at=None)
    assert customers.ensure(owner).stripe_id == first


def test_a_new_address_of_the_owner_goes_to_stripe(sandbox: Sandbox, owner: Any) -> None:
    customer = customers.ensure(owner)
    owner.email = "ada@lovelace.example"
    owner.save()
    customers.ensure(owner)
    assert get_client().v1.customers.retrieve(customer.stripe_id or "").email == owner.email
    assert remote_customers() == 1


def test_an_address_that_the_customer_changed_at_stripe_stays(sandbox: Sandbox, owner: Any) -> None:
    customer = customers.ensure(owner)
    get_client().v1.customers.update(customer.stripe_id or "", {"email": "bills@example.com"})
    sandbox.deliver()
    customer.refresh_from_db()
    assert customer.email == "bills@example.com"

    customers.ensure(owner)

    remote = get_client().v1.customers.retrieve(customer.stripe_id or "")
    assert remote.email == "bills@example.com"


def test_deleted_at_stripe_is_made_anew_at_need(sandbox: Sandbox, owner: Any) -> None:
    customer = customers.ensure(owner)
    old = customer.stripe_id
    get_client().v1.customers.delete(old or "")
    sandbox.deliver()
    customer.refresh_from_db()
    assert customer.deleted_at

    new = customers.ensure(owner)

    assert new.stripe_id != old
    assert new.deleted_at is None
    assert customers.find(metadata=customers.metadata_for(new)) == new


def test_test_and_live_customers_are_apart(sandbox: Sandbox, owner: Any) -> None:
    first = customers.ensure(owner).stripe_id
    StripeCustomer.objects.update(livemode=True)
    assert customers.ensure(owner).stripe_id != first


def test_a_stripe_that_is_down_leaves_no_half_customer(
    sandbox: Sandbox, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise StripeUnavailableError("down")

    monkeypatch.setattr("quickscale_stripe.customers.get_client", refuse)
    with pytest.raises(StripeUnavailableError):
        customers.ensure(owner)
    assert not StripeCustomer.objects.filter(stripe_id__isnull=False).exists()


def test_references_of_elsewhere_find_nobody(sandbox: Sandbox, owner: Any) -> None:
    customers.ensure(owner)
    assert customers.find(metadata={"quickscale_customer": "no-uuid"}) is None
    assert customers.find(stripe_id="cus_unknown") is None
    assert customers.find() is None
