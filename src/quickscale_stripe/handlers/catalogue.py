from __future__ import annotations

from quickscale_stripe import catalogue
from quickscale_stripe.models import StripeEvent
from quickscale_stripe.syncing import Write


def product(event: StripeEvent) -> Write[object]:
    return catalogue.prepare_product(event.object_id)


def price(event: StripeEvent) -> Write[object]:
    return catalogue.prepare_price(event.object_id)


HANDLERS = {
    "product.created": product,
    "product.updated": product,
    "product.deleted": product,
    "price.created": price,
    "price.updated": price,
    "price.deleted": price,
}
