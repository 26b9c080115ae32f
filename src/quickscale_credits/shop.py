"""Where credits are sold, as the app that sells them says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Shop: TypeAlias = Callable[[], str]

_shops: list[Shop] = []


def register(shop: Shop) -> None:
    """Let pages lead to a shop where ``QUICKSCALE_CREDITS_BUY_URL`` is not set.

    Call it from ``AppConfig.ready()``; the same shop again changes nothing.

    Args:
        shop: returns the name of a URL, or a path; empty while it sells nothing.
    """
    if shop not in _shops:
        _shops.append(shop)


def buy_url() -> str:
    """The address of the first shop that is open; empty when none is."""
    return next(filter(None, (shop() for shop in _shops)), "")
