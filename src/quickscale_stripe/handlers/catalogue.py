from __future__ import annotations

from quickscale_stripe import catalogue
from quickscale_stripe.models import StripeEvent


def product(event: StripeEvent) -> None:
    catalogue.sync_product(event.object_id)


def price(event: StripeEvent) -> None:
    catalogue.sync_price(event.object_id)


HANDLERS = {
    "product.created": product,
    "product.updated": product,
    "product.deleted": product,
    "price.created": price,
    "price.updated": price,
    "price.deleted": price,
}
