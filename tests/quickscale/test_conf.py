from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from quickscale.conf import AppSettings, load_hook


class ShopSettings(AppSettings):
    prefix = "QUICKSCALE_SHOP_"

    @property
    def limit(self) -> int:
        return self._get("LIMIT", 7)


def test_a_setting_has_its_default():
    assert ShopSettings().limit == 7


def test_a_setting_is_read_at_use(settings):
    app_settings = ShopSettings()
    settings.QUICKSCALE_SHOP_LIMIT = 8
    assert app_settings.limit == 8


def test_names_are_those_of_the_properties():
    assert ShopSettings.names() == ["QUICKSCALE_SHOP_LIMIT"]


def test_a_hook_defaults_to_the_importable_default():
    from quickscale.owner import request_user

    assert load_hook("QUICKSCALE_SHOP_HOOK", "quickscale.owner.request_user") is request_user


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere.at_all", "No module named 'nowhere'"),
        ("quickscale.owner.missing", "missing"),
        ("quickscale.postgres.SCHEME", "not callable"),
    ],
)
def test_a_wrong_hook_names_its_setting(settings, path, words):
    settings.QUICKSCALE_SHOP_HOOK = path
    with pytest.raises(ImproperlyConfigured, match="QUICKSCALE_SHOP_HOOK") as caught:
        load_hook("QUICKSCALE_SHOP_HOOK", "quickscale.owner.request_user")
    assert words in str(caught.value)
