"""A running site with a customer who has everything: a plan, payments, credits and uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.contrib.auth.models import AbstractBaseUser
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from quickscale_accounts.testing import UserFactory
from quickscale_credits.models import CreditAccount, Service, ServiceUsage
from quickscale_credits.services import create_missing_rows, register_temporarily
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.models import Payment, StripePrice, StripeProduct
from tests.quickscale_credits.surface import Shout, Whisper
from tests.quickscale_stripe.shopping import open_checkout, open_signup, sandboxed

LONG_NAME = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk"


@dataclass(frozen=True)
class Site:
    server: LiveServer
    customer: AbstractBaseUser
    objects: dict[str, str]
    """What fills the placeholders of a path."""


@contextmanager
def running_site() -> Iterator[Site]:
    """Serve the site inside the ``with`` block; the caller empties the database."""
    with sandboxed() as shop, register_temporarily(Shout, Whisper):
        shop.seed()
        for _row in mirror.sync_all():
            pass
        create_missing_rows()
        customer = UserFactory(email="ada@example.com")
        package = mirror.packages()[0].price
        plans = {
            price.product.name: price for price in StripePrice.objects.filter(interval="month")
        }
        shop.pay(open_signup(customer, plans["Basic plan"]))
        shop.pay(open_checkout(customer, package, "paid"))
        shop.pay(open_checkout(customer, package, "pending"), "bank_success")
        shop.deliver()
        paid = Payment.objects.get(kind="one_time", status="succeeded")
        pending = Payment.objects.get(status="pending")
        Payment.objects.filter(pk=paid.pk).update(description=f"{LONG_NAME} " * 4)

        account = CreditAccount.objects.for_owner(customer)
        service = Service.objects.get(slug="shout")
        for number in range(30):
            account.consume_credits(1, f"Use {number} of {LONG_NAME}", service=service)
        entry = account.transactions.latest("sequence")
        usage = ServiceUsage.objects.create(
            service=service, account=account, transaction=entry, cost=1,
            metadata={"result": {"Words": 3, "Text": LONG_NAME}},
        )  # fmt: skip
        forgetful = UserFactory()
        StripeProduct.objects.filter(name="Pro plan").update(name=f"{LONG_NAME} " * 4)
        server = LiveServer("127.0.0.1")
        try:
            yield Site(
                server,
                customer,
                {
                    "entry": str(entry.sequence),
                    "usage": str(usage.pk),
                    "payment": str(paid.pk),
                    "paid": paid.checkout_session_id,
                    "pending": pending.checkout_session_id,
                    "reset": _reset_link(forgetful),
                    "user": user_pk_to_url_str(forgetful),
                    "plan": str(plans["Pro plan"].pk),
                },
            )
        finally:
            server.stop()


def _reset_link(user: AbstractBaseUser) -> str:
    key = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    return reverse("account_reset_password_from_key", kwargs=key)
