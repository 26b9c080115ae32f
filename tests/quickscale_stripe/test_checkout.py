from __future__ import annotations

from typing import Any

import pytest

from quickscale_stripe.billing import checkout
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import NotForSaleError, PaymentsOffError
from quickscale_stripe.models import StripePrice
from quickscale_stripe_sandbox import Sandbox
from tests.quickscale_stripe.shopping import open_checkout

pytestmark = pytest.mark.django_db


def test_the_session_names_the_price_the_owner_and_what_was_promised(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    session = get_client().v1.checkout.sessions.retrieve(
        open_checkout(owner, package), {"expand": ["line_items"]}
    )

    assert (session.mode, session.ui_mode, session.status) == ("payment", "hosted_page", "open")
    assert session.client_reference_id == str(owner.pk)
    assert session.customer == owner.stripe_customer.stripe_id
    assert session.metadata is not None
    assert session.metadata["credits"] == "100"
    assert session.metadata["quickscale_customer"] == str(owner.stripe_customer.reference)
    assert session.line_items is not None
    assert [line.price and line.price.id for line in session.line_items] == [package.stripe_id]


def test_a_double_click_opens_one_session(shop: Sandbox, owner: Any, package: StripePrice) -> None:
    assert open_checkout(owner, package) == open_checkout(owner, package)


def test_another_reference_is_another_purchase(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    assert open_checkout(owner, package, "one") != open_checkout(owner, package, "two")


def test_buying_again_from_the_same_page_after_paying_is_a_new_purchase(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    first = open_checkout(owner, package)
    shop.pay(first)
    shop.deliver()

    assert open_checkout(owner, package) != first


def test_a_customer_who_was_deleted_at_stripe_can_buy_again(
    shop: Sandbox, owner: Any, package: StripePrice
) -> None:
    open_checkout(owner, package, "one")
    owner.stripe_customer.refresh_from_db()
    deleted = owner.stripe_customer.stripe_id
    get_client().v1.customers.delete(deleted)

    open_checkout(owner, package, "two")

    owner.stripe_customer.refresh_from_db()
    assert owner.stripe_customer.stripe_id != deleted


@pytest.mark.parametrize(
    "change", [{"active": False}, {"livemode": True}, {"unit_amount": None}, {"interval": "month"}]
)
def test_what_is_not_offered_is_not_sold(
    shop: Sandbox, owner: Any, package: StripePrice, change: dict[str, Any]
) -> None:
    StripePrice.objects.filter(pk=package.pk).update(**change)

    with pytest.raises(NotForSaleError):
        open_checkout(owner, package)


def test_the_smallest_and_the_largest_purchase_limit_what_is_offered(
    shop: Sandbox, settings: Any
) -> None:
    amounts = [offer.price.unit_amount for offer in mirror.packages()]
    assert amounts == [900, 3900, 12900]

    settings.QUICKSCALE_STRIPE_MIN_PURCHASE = 3900
    settings.QUICKSCALE_STRIPE_MAX_PURCHASE = 3900

    assert [offer.price.unit_amount for offer in mirror.packages()] == [3900]


def test_options_for_tax_and_promotion_codes_reach_stripe(
    shop: Sandbox, owner: Any, package: StripePrice, settings: Any
) -> None:
    settings.QUICKSCALE_STRIPE_ALLOW_PROMOTION_CODES = True
    settings.QUICKSCALE_STRIPE_TAX_ID_COLLECTION = True

    session = get_client().v1.checkout.sessions.retrieve(open_checkout(owner, package))

    assert session.allow_promotion_codes is True


def test_payments_that_are_off_say_so(owner: Any, settings: Any) -> None:
    settings.QUICKSCALE_STRIPE_SECRET_KEY = ""
    product = StripePrice(stripe_id="price_1")
    with pytest.raises(NotForSaleError):
        checkout.buy(
            owner=owner, price=product, success_url="", cancel_url="", reference="reference"
        )
    with pytest.raises(PaymentsOffError):
        get_client()
