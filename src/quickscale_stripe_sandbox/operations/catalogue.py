"""Products and prices."""

from __future__ import annotations

from typing import Any

from quickscale_stripe_sandbox.internal import amounts
from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import Object, World, included, merge_metadata

_PRODUCT_FIELDS = {
    "active", "description", "images", "marketing_features", "name", "package_dimensions",
    "shippable", "statement_descriptor", "tax_code", "unit_label", "url",
}  # fmt: skip
#: The value of a field after an empty text has unset it; others become null.
_EMPTY: dict[str, list[Any]] = {"images": [], "marketing_features": []}
_MAX_AMOUNT = 99_999_999


def new_product(world: World, **fields: Any) -> Object:
    product = world.new(
        "product",
        "prod",
        **{
            "active": True,
            "images": [],
            "marketing_features": [],
            "type": "service",
            "updated": world.now,
        }
        | fields,
    )
    world.emit("product.created", product)
    return product


@serves("products.create")
def create_product(world: World, params: Object) -> Object:
    fields = {key: params[key] for key in _PRODUCT_FIELDS & params.keys()}
    if "id" in params:
        if world.find(params["id"]):
            raise invalid("Product already exists.", "id", "resource_already_exists")
        fields["id"] = params["id"]
    product = new_product(world, metadata=params.get("metadata", {}), **fields)
    if price := params.get("default_price_data"):
        product["default_price"] = new_price(world, product["id"], price)["id"]
        world.save(product)
    return product


@serves("products.retrieve")
def retrieve_product(world: World, params: Object, product_id: str) -> Object:
    return world.get("product", product_id)


@serves("products.update")
def update_product(world: World, params: Object, product_id: str) -> Object:
    product = world.get("product", product_id)
    merge_metadata(product, params)
    if params.get("default_price") == "":
        product["default_price"] = None
    elif default_price := params.get("default_price"):
        if world.get("price", default_price, "default_price")["product"] != product_id:
            raise invalid("The default price must be a price of this product.", "default_price")
        product["default_price"] = default_price
    for key in _PRODUCT_FIELDS & params.keys():
        product[key] = _EMPTY.get(key) if params[key] == "" else params[key]
    if product != world.find(product_id):
        product["updated"] = world.now
    return world.save(product, "product.updated")


@serves("products.delete")
def delete_product(world: World, params: Object, product_id: str) -> Object:
    product = world.get("product", product_id)
    if world.all("price", product=product_id):
        raise invalid(
            "This product cannot be deleted because it has one or more user-created prices."
        )
    world.rows.remove(product_id)
    world.emit("product.deleted", product)
    return {"id": product_id, "object": "product", "deleted": True}


@serves("products.list")
def list_products(world: World, params: Object) -> Object:
    products = world.all("product", active=params.get("active"), url=params.get("url"))
    if "ids" in params:
        products = [product for product in products if product["id"] in params["ids"]]
    return world.page(products, params, "/v1/products")


def new_price(world: World, product_id: str, params: Object) -> Object:
    """Make a price from parameters in the shape of ``prices.create`` or ``price_data``."""
    amount = params.get("unit_amount")
    decimal = params.get("unit_amount_decimal")
    if amount is None and decimal is None and "custom_unit_amount" not in params:
        raise invalid(
            "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set.",
            "unit_amount",
        )
    if amount is not None and not 0 <= amount <= _MAX_AMOUNT:
        raise invalid("Invalid unit_amount", "unit_amount")
    if amount is None and decimal is not None and decimal == decimal.to_integral_value():
        amount = int(decimal)
    currency = params["currency"].lower()
    if len(currency) != 3:
        raise invalid(f"Invalid currency: {currency}", "currency")
    if amount is not None:
        amounts.check_step(amount, currency, "unit_amount")
    recurring = params.get("recurring")
    _free_lookup_key(world, params)
    price = world.new(
        "price",
        "price",
        active=params.get("active", True),
        billing_scheme=params.get("billing_scheme", "per_unit"),
        currency=currency,
        lookup_key=params.get("lookup_key"),
        metadata=params.get("metadata", {}),
        nickname=params.get("nickname"),
        product=product_id,
        recurring=recurring
        and {
            "interval": recurring["interval"],
            "interval_count": recurring.get("interval_count", 1),
            "meter": recurring.get("meter"),
            "trial_period_days": recurring.get("trial_period_days"),
            "usage_type": recurring.get("usage_type", "licensed"),
        },
        tax_behavior=params.get("tax_behavior", "unspecified"),
        type="recurring" if recurring else "one_time",
        unit_amount=amount,
        unit_amount_decimal=str(amount if decimal is None else decimal),
    )
    world.emit("price.created", price)
    return price


def _free_lookup_key(world: World, params: Object, price_id: str = "") -> None:
    """Take the key from the price that has it, if the request asks for that."""
    transfer, key = params.get("transfer_lookup_key"), params.get("lookup_key")
    for other in world.all("price", lookup_key=key) if key else []:
        if other["id"] == price_id:
            continue
        if not transfer:
            raise invalid(f"A price (`{other['id']}`) already uses that lookup key.", "lookup_key")
        world.save(other | {"lookup_key": None}, "price.updated")


def price_from(world: World, params: Object, name: str) -> Object:
    """Return the price that ``price`` names, or that ``price_data`` makes for one sale."""
    if "price" in params:
        price = world.get("price", params["price"], f"{name}[price]")
        if not price["active"]:
            raise invalid(
                "The price specified is inactive. This field only accepts active prices.",
                f"{name}[price]",
            )
        return price
    if "price_data" not in params:
        raise invalid("You must specify either `price` or `price_data`.", name)
    data = params["price_data"]
    if "product" in data:
        product = world.get("product", data["product"], f"{name}[price_data][product]")
    elif "product_data" in data:
        product = new_product(world, active=False, **data["product_data"])
    else:
        raise invalid("You must specify either `product` or `product_data`.", name)
    return new_price(world, product["id"], data | {"active": False})


@serves("prices.create")
def create_price(world: World, params: Object) -> Object:
    if ("product" in params) == ("product_data" in params):
        raise invalid("You must specify either `product` or `product_data`.", "product")
    if "product" in params:
        product = world.get("product", params["product"], "product")
    else:
        product = new_product(world, **params["product_data"])
    return new_price(world, product["id"], params)


@included("price", "currency_options")
def _currency_options(world: World, price: Object) -> Object:
    names = ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")
    return {price["currency"]: {name: price.get(name) for name in names}}


@serves("prices.retrieve")
def retrieve_price(world: World, params: Object, price_id: str) -> Object:
    return world.get("price", price_id)


@serves("prices.update")
def update_price(world: World, params: Object, price_id: str) -> Object:
    price = world.get("price", price_id)
    default = world.get("product", price["product"]).get("default_price")
    if params.get("active") is False and price["active"] and default == price_id:
        raise invalid(
            "This price cannot be archived because it is the default price of its product."
        )
    _free_lookup_key(world, params, price_id)
    merge_metadata(price, params)
    for key in {"active", "lookup_key", "nickname", "tax_behavior"} & params.keys():
        price[key] = None if params[key] == "" else params[key]
    return world.save(price, "price.updated")


@serves("prices.list")
def list_prices(world: World, params: Object) -> Object:
    prices = world.all(
        "price",
        active=params.get("active"),
        currency=params.get("currency"),
        product=params.get("product"),
        type=params.get("type"),
    )
    if "lookup_keys" in params:
        prices = [price for price in prices if price["lookup_key"] in params["lookup_keys"]]
    for key, value in params.get("recurring", {}).items():
        prices = [price for price in prices if (price["recurring"] or {}).get(key) == value]
    return world.page(prices, params, "/v1/prices")
