"""Find where credits are sold; the app that sells them registers itself here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeAlias

from django.http import HttpRequest


@dataclass(frozen=True)
class Purchase:
    """Something to buy that brings ``credits`` at once.

    ``name`` and ``price`` describe it, such as "Starter pack" and "$9.00". ``label`` is the text of
    a button that sends ``fields`` to ``url`` as a form, which buys it.
    """

    name: str
    credits: Decimal
    price: str
    label: str
    url: str
    fields: Mapping[str, str]


class FindPurchase(Protocol):
    """Find the cheapest purchase that brings at least ``needed`` credits, or nothing."""

    def __call__(
        self, *, request: HttpRequest, owner: object, needed: Decimal
    ) -> Purchase | None: ...


Shop: TypeAlias = Callable[[], str]

_shops: dict[Shop, FindPurchase | None] = {}


def register(shop: Shop, *, find_purchase: FindPurchase | None = None) -> None:
    """Make pages link to a shop if ``QUICKSCALE_CREDITS_BUY_URL`` is not set.

    Call it from ``AppConfig.ready()``. Registering the same shop again changes nothing.

    Args:
        shop: returns a URL name or a path, or an empty string while it sells nothing.
        find_purchase: finds what is offered to an owner who has too few credits.
    """
    _shops.setdefault(shop, find_purchase)


@contextmanager
def only(*shops: Shop) -> Iterator[None]:
    """Let these shops be the only ones inside the ``with`` block, for tests."""
    before = _shops.copy()
    _shops.clear()
    _shops.update(dict.fromkeys(shops))
    try:
        yield
    finally:
        _shops.clear()
        _shops.update(before)


def buy_url() -> str:
    """Return the address of the first open shop, or an empty string if there is none."""
    return next(filter(None, (shop() for shop in _shops)), "")


def cheapest_purchase(*, request: HttpRequest, owner: object, needed: Decimal) -> Purchase | None:
    """Return the cheapest purchase of the first open shop that brings as many credits."""
    find = next((find for shop, find in _shops.items() if shop()), None)
    return find(request=request, owner=owner, needed=needed) if find else None
