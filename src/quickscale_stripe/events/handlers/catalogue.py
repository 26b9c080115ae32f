from __future__ import annotations

from quickscale_stripe.catalogue import mirror
from quickscale_stripe.internal.syncing import Write
from quickscale_stripe.models import StripeEvent


def product(event: StripeEvent) -> Write[object]:
    return mirror.prepare_product(event.object_id)


def price(event: StripeEvent) -> Write[object]:
    return mirror.prepare_price(event.object_id)


HANDLERS = {
    "product.created": product,
    "product.updated": product,
    "product.deleted": product,
    "price.created": price,
    "price.updated": price,
    "price.deleted": price,
}
