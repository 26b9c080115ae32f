"""Another app says where credits are sold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from quickscale_credits import shop
from quickscale_credits.conf import app_settings


def closed() -> str:
    return ""


def market() -> str:
    return "/market/"


@pytest.fixture(autouse=True)
def no_shops() -> Iterator[None]:
    with shop.only():
        yield


def test_the_first_open_shop_counts(settings: Any) -> None:
    del settings.QUICKSCALE_CREDITS_BUY_URL
    assert app_settings.buy_url == ""
    for each in (closed, market, closed):
        shop.register(each)
    assert app_settings.buy_url == "/market/"


def test_the_site_s_setting_counts_first(settings: Any) -> None:
    shop.register(market)
    settings.QUICKSCALE_CREDITS_BUY_URL = ""
    assert app_settings.buy_url == ""
