from __future__ import annotations

import random

import pytest

from quickscale.brand import DARK_PAGE, LIGHT_PAGE, Brand, get_brand
from quickscale.checks import check_brand
from quickscale.internal.colors import contrast

YELLOW, NAVY = "#ffd400", "#0b1f4b"


def test_without_settings_the_brand_is_quickscale():
    brand = get_brand()
    assert str(brand) == brand.name == "QuickScale"
    assert not brand.has_styles


def test_the_older_settings_still_work_where_the_brand_has_no_value(settings):
    settings.QUICKSCALE_BRAND_NAME = "Old name"
    settings.QUICKSCALE_DASHBOARD_LOGO = "old.png"
    assert (get_brand().name, get_brand().logo) == ("Old name", "old.png")
    settings.QUICKSCALE_BRAND = {"name": "Parrots", "logo": "parrot.svg"}
    assert (get_brand().name, get_brand().logo) == ("Parrots", "parrot.svg")


@pytest.mark.parametrize(
    ("values", "bitmap"),
    [
        ({}, ""),
        ({"logo": "a.svg"}, ""),
        ({"logo": "a.png"}, "a.png"),
        ({"logo": "a.svg", "icon": "b.png"}, "b.png"),
    ],
)
def test_mails_and_receipts_show_no_svg(values, bitmap):
    assert Brand("Parrots", **values).bitmap == bitmap


def some_colors():
    mixed = random.Random(7)
    fixed = [YELLOW, NAVY, "#ffffff", "#000000", "#777777", "#767676", "#ff0000", "#00ff00"]
    return [*fixed, *(f"#{mixed.randrange(0x1000000):06x}" for _ in range(500))]


@pytest.mark.parametrize("dark", ["", YELLOW, NAVY])
def test_any_color_can_be_read(dark):
    for color in some_colors():
        brand = Brand("Parrots", color=color, color_dark=dark)
        assert contrast(brand.color, brand.text_on_color) >= 4.5
        for palette, page in ((brand.light, LIGHT_PAGE), (brand.dark, DARK_PAGE)):
            assert contrast(palette.color, palette.text) >= 4.5
            assert contrast(palette.link, page) >= 4.5


def test_a_color_that_can_be_read_stays_as_it_is():
    brand = Brand("Parrots", color=NAVY, color_dark=YELLOW)
    assert (brand.light.color, brand.light.link) == (NAVY, NAVY)
    assert (brand.dark.color, brand.dark.link) == (YELLOW, YELLOW)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"color": "yellow"}, "has 'yellow' for 'color', which is not a colour"),
        ({"accent": "#fff"}, "has '#fff' for 'accent', which is not a colour"),
        ({"font": "Arial; } body { display: none"}, "for 'font', which is not a list of fonts"),
        ({"colour": "#ffffff"}, "has an unknown key 'colour'; the keys are name, logo,"),
    ],
)
def test_a_wrong_value_is_reported_and_left_out(settings, values, words):
    settings.QUICKSCALE_BRAND = values
    [message] = check_brand(None)
    assert message.id == "quickscale.E007"
    assert words in message.msg
    assert get_brand() == Brand("QuickScale")


def test_a_brand_that_is_not_a_dictionary_is_reported(settings):
    settings.QUICKSCALE_BRAND = "Parrots"
    [message] = check_brand(None)
    assert message.id == "quickscale.E007"


def test_a_missing_image_is_reported(settings):
    mark = "quickscale_dashboard/mark.svg"
    settings.QUICKSCALE_BRAND = {"logo": mark, "icon": "no-such.png", "color": YELLOW}
    [message] = check_brand(None)
    assert message.id == "quickscale.W006"
    assert "'no-such.png'" in message.msg
    settings.QUICKSCALE_BRAND = {"logo": mark}
    assert check_brand(None) == []
