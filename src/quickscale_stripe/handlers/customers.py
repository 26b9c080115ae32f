from __future__ import annotations

from quickscale_stripe import customers, payment_methods
from quickscale_stripe.models import StripeEvent


def updated(event: StripeEvent) -> None:
    if customer := customers.sync(event.object_id):
        payment_methods.sync(customer)


def deleted(event: StripeEvent) -> None:
    customers.detach(event.object_id)


def method(event: StripeEvent) -> None:
    payment_methods.sync_method(event.object_id)


HANDLERS = {
    "customer.updated": updated,
    "customer.deleted": deleted,
    "payment_method.attached": method,
    "payment_method.automatically_updated": method,
    "payment_method.detached": method,
    "payment_method.updated": method,
}
