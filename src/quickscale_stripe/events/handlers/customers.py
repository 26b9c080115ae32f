from __future__ import annotations

from quickscale_stripe.billing import customers
from quickscale_stripe.internal.syncing import Write
from quickscale_stripe.models import StripeEvent


def customer(event: StripeEvent) -> Write[object]:
    return customers.prepare(event.object_id)


def method(event: StripeEvent) -> Write[object]:
    return customers.prepare_of_method(event.object_id)


HANDLERS = {
    "customer.updated": customer,
    "customer.deleted": customer,
    "payment_method.attached": method,
    "payment_method.automatically_updated": method,
    "payment_method.detached": method,
    "payment_method.updated": method,
}
