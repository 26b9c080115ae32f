from __future__ import annotations

from functools import partial

from quickscale_stripe.billing import customers
from quickscale_stripe.exceptions import NotOursError
from quickscale_stripe.internal.syncing import Write
from quickscale_stripe.models import StripeEvent


def updated(event: StripeEvent) -> Write[object]:
    return customers.prepare(event.object_id)


def deleted(event: StripeEvent) -> Write[object]:
    if customers.find(stripe_id=event.object_id) is None:
        raise NotOursError(f"The customer {event.object_id} is not this site's.")
    return partial(customers.detach, event.object_id)


def method(event: StripeEvent) -> Write[object]:
    return customers.prepare_of_method(event.object_id)


HANDLERS = {
    "customer.updated": updated,
    "customer.deleted": deleted,
    "payment_method.attached": method,
    "payment_method.automatically_updated": method,
    "payment_method.detached": method,
    "payment_method.updated": method,
}
