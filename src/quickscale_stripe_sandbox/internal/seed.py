"""A small catalogue to start with."""

from __future__ import annotations

from quickscale_stripe_sandbox.internal.world import World
from quickscale_stripe_sandbox.operations.catalogue import new_price, new_product
from quickscale_stripe_sandbox.operations.discounts import create_code, create_coupon
from quickscale_stripe_sandbox.operations.portal import save_default_configuration

_PACKS = [
    ("Starter pack", "To try things out.", 100, 900),
    ("Studio pack", "For regular work.", 500, 3900),
    ("Workshop pack", "The best price per credit.", 2000, 12900),
]
_PLANS = [
    ("Basic plan", "Credits every month for one person.", 300, 1900, ["All services"]),
    (
        "Pro plan",
        "More credits at a lower price per credit.",
        1000,
        4900,
        ["All services", "Priority support"],
    ),
]
_MOST_CHOSEN = "Pro plan"
_MONTHS_PAID_A_YEAR = 10


def seed(world: World) -> bool:
    """Make three credit packages, two plans and a promotion code, unless there are products.

    This also saves the customer portal's settings, and returns whether it made products. The code
    is ``WELCOME``, for 10 % off one payment. The metadata is what ``quickscale_stripe`` reads:
    ``credits``, ``credits_interval``, ``display_order`` and ``most_chosen``.
    """
    save_default_configuration(world)
    if world.all("product"):
        return False
    for order, (name, description, credits, amount) in enumerate(_PACKS, 1):  # noqa: A001
        metadata = {"credits": str(credits), "display_order": str(order)}
        product = new_product(world, name=name, description=description, metadata=metadata)
        price = new_price(
            world,
            product["id"],
            {"currency": "usd", "unit_amount": amount, "metadata": metadata},
        )
        world.save(product | {"default_price": price["id"]})
    for order, (name, description, credits, amount, features) in enumerate(_PLANS, 1):  # noqa: A001
        product = new_product(
            world,
            name=name,
            description=description,
            marketing_features=[{"name": feature} for feature in features],
            metadata={
                "credits": str(credits),
                "display_order": str(10 + order),
                **({"most_chosen": "true"} if name == _MOST_CHOSEN else {}),
            },
        )
        for interval, times in (("month", 1), ("year", _MONTHS_PAID_A_YEAR)):
            metadata = {"credits": str(credits)}
            if interval == "year":
                metadata = {"credits": str(12 * credits), "credits_interval": "month"}
            price = new_price(
                world,
                product["id"],
                {
                    "currency": "usd",
                    "unit_amount": amount * times,
                    "recurring": {"interval": interval},
                    "metadata": metadata,
                },
            )
            if interval == "month":
                world.save(product | {"default_price": price["id"]})
    coupon = create_coupon(world, {"percent_off": 10.0, "duration": "once", "name": "Welcome"})
    create_code(world, {"code": "WELCOME", "promotion": {"type": "coupon", "coupon": coupon["id"]}})
    return True
