"""Find where credits are sold; the app that sells them registers itself here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Shop: TypeAlias = Callable[[], str]

_shops: list[Shop] = []


def register(shop: Shop) -> None:
    """Make pages link to a shop if ``QUICKSCALE_CREDITS_BUY_URL`` is not set.

    Call it from ``AppConfig.ready()``. Registering the same shop again changes nothing.

    Args:
        shop: returns a URL name or a path, or an empty string while it sells nothing.
    """
    if shop not in _shops:
        _shops.append(shop)


@contextmanager
def only(*shops: Shop) -> Iterator[None]:
    """Let these shops be the only ones inside the ``with`` block, for tests."""
    before = _shops[:]
    _shops[:] = shops
    try:
        yield
    finally:
        _shops[:] = before


def buy_url() -> str:
    """Return the address of the first open shop, or an empty string if there is none."""
    return next(filter(None, (shop() for shop in _shops)), "")
