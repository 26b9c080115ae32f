"""Requests and responses are those that the installed SDK declares."""

from __future__ import annotations

import re
from typing import Any

import pytest

from quickscale_stripe_sandbox.internal import contract, routes, shapes
from quickscale_stripe_sandbox.internal.errors import ApiError


def check(operation: str, form: str) -> dict[str, Any]:
    return contract.check_params(contract.operation(operation).params, contract.parse_form(form))


def test_routes_are_the_sdks_own() -> None:
    created = contract.operation("checkout.sessions.create")
    assert (created.method, created.path) == ("POST", "/v1/checkout/sessions")
    items = contract.operation("checkout.sessions.line_items.list")
    assert items.pattern.fullmatch("/v1/checkout/sessions/cs_1/line_items")


@pytest.mark.parametrize("name", sorted(routes.operations()))
def test_every_served_operation_is_found_at_its_route(name: str) -> None:
    operation = contract.operation(name)
    found = routes.match(operation.method, re.sub(r"ID\d", "xx_1", operation.path))
    assert found is not None
    assert found[0].path == operation.path


def test_values_get_their_declared_types() -> None:
    form = (
        "mode=payment&line_items[0][price]=price_1&line_items[0][quantity]=2&expires_at=12"
        "&metadata[a]=b&allow_promotion_codes=true&expand[]=line_items"
    )
    assert check("checkout.sessions.create", form) == {
        "mode": "payment",
        "line_items": [{"price": "price_1", "quantity": 2}],
        "expires_at": 12,
        "metadata": {"a": "b"},
        "allow_promotion_codes": True,
        "expand": ["line_items"],
    }


def test_lists_keep_the_order_of_their_numbers() -> None:
    form = "&".join(f"expand[{number}]={number}" for number in (10, 9, 0))
    assert check("customers.create", form)["expand"] == ["0", "9", "10"]


@pytest.mark.parametrize(
    ("operation", "form", "param", "message"),
    [
        ("customers.create", "emial=x", "emial", "Received unknown parameter: emial"),
        ("prices.update", "unit_amount=1", "unit_amount", "Received unknown parameter"),
        ("checkout.sessions.create", "payment_method_types[0]=card", None, "unknown parameter"),
        ("checkout.sessions.create", "mode=pay", "mode", "must be one of payment, setup or"),
        ("checkout.sessions.create", "ui_mode=hosted", "ui_mode", "must be one of elements"),
        ("checkout.sessions.create", "line_items=3", "line_items", "Invalid array"),
        ("checkout.sessions.create", "mode[a]=3", "mode", "must be one of"),
        ("checkout.sessions.create", "metadata=x", "metadata", "Invalid"),
        ("checkout.sessions.create", "metadata[a][b]=x", "metadata", "Invalid object"),
        ("checkout.sessions.create", "line_items[0][quantity]=two", None, "Invalid integer: two"),
        ("checkout.sessions.create", "line_items[0][qty]=2", "line_items[0][qty]", "unknown"),
        ("checkout.sessions.create", "allow_promotion_codes=yes", None, "Invalid boolean: yes"),
        ("webhook_endpoints.create", "url=http://x", "enabled_events", "Missing required param"),
        ("webhook_endpoints.create", "url=http://x&enabled_events[0]=a.b", None, "must be one of"),
        ("prices.create", "unit_amount=5", "currency", "Missing required param: currency."),
        ("customers.create", "a[b=c", "a", "Received unknown parameter"),
    ],
)
def test_undeclared_parameters_are_refused(
    operation: str, form: str, param: str | None, message: str
) -> None:
    with pytest.raises(ApiError, match=re.escape(message)) as refused:
        check(operation, form)
    if param:
        assert refused.value.error["param"] == param


def test_metadata_has_stripes_limits() -> None:
    with pytest.raises(ApiError, match="40 characters"):
        check("customers.create", f"metadata[{'k' * 41}]=v")
    with pytest.raises(ApiError, match="at most 50"):
        check("customers.create", "&".join(f"metadata[k{number}]=v" for number in range(51)))


def test_an_object_lacks_no_field_that_stripe_always_sends() -> None:
    with pytest.raises(AssertionError, match=r"charge\.amount is always present"):
        shapes.complete({"object": "charge", "id": "ch_1"})


def test_undeclared_fields_are_found_at_any_depth() -> None:
    answer = {
        "object": "list",
        "data": [{"object": "charge", "id": "ch_1", "invoice": None, "outcome": {"odd": 1}}],
    }
    assert set(shapes.undeclared(answer)) == {"data[0].invoice", "data[0].outcome.odd"}
