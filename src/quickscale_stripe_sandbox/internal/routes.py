"""The functions that serve the API's operations."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, TypeAlias

from quickscale_stripe_sandbox.internal import contract

#: Gets the world, the checked parameters and the ids in the address; returns the object to send.
Handler: TypeAlias = Callable[..., dict[str, Any]]

_MODULES = (
    "catalogue", "checkout", "customers", "discounts", "invoices", "payment_methods", "payments",
    "portal", "previews", "refunds", "schedules", "setups", "signups", "subscriptions", "webhooks",
)  # fmt: skip
_handlers: dict[str, Handler] = {}


def serves(*names: str) -> Callable[[Handler], Handler]:
    """Register a function for service methods of the SDK, such as ``customers.create``."""

    def register(function: Handler) -> Handler:
        for name in names:
            _handlers[name] = function
        return function

    return register


def operations() -> dict[str, Handler]:
    for module in _MODULES:
        import_module(f"quickscale_stripe_sandbox.operations.{module}")
    return _handlers


@cache
def _table() -> list[tuple[contract.Operation, Handler]]:
    table = [(contract.operation(name), handler) for name, handler in operations().items()]
    # A fixed word in an address has priority over an id in the same place.
    return sorted(table, key=lambda entry: entry[0].placeholders)


def match(method: str, path: str) -> tuple[contract.Operation, Handler, tuple[str, ...]] | None:
    """Return the operation at an address, its handler and the ids in the address."""
    for operation, handler in _table():
        if operation.method == method and (found := operation.pattern.fullmatch(path)):
            return operation, handler, found.groups()
    return None
