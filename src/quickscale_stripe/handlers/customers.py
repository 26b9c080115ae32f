from __future__ import annotations

from quickscale_stripe import customers
from quickscale_stripe.models import StripeEvent


def updated(event: StripeEvent) -> None:
    customers.sync(event.object_id)


def deleted(event: StripeEvent) -> None:
    customers.detach(event.object_id)


HANDLERS = {"customer.updated": updated, "customer.deleted": deleted}
