from __future__ import annotations

import random
import re

import pytest
from django.template import engines
from django.template.loader import render_to_string

from quickscale.brand import DARK_PAGE, LIGHT_PAGE, Brand, get_brand
from quickscale.checks import check_brand
from quickscale.internal.brand_styles import style_sheet_url
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


def test_the_highest_bar_of_the_mark_is_seen_on_any_color():
    for color in some_colors():
        for accent in ("", YELLOW, NAVY):
            brand = Brand("Parrots", color=color, accent=accent)
            assert contrast(brand.mark_top, color) >= 3
    assert Brand("Parrots", color=NAVY, accent=YELLOW).mark_top == YELLOW


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


BRAND = {"name": "Parrots", "color": YELLOW, "accent": "#aa0000", "font": '"Open Sans", sans-serif'}
SHEET = re.compile(r'<link rel="stylesheet" href="(/quickscale/brand[^"]+)">')


@pytest.fixture
def sheet(client, settings):
    """Return a function that gets the style sheet which a page links."""
    settings.ROOT_URLCONF = "tests.projects.everything.urls"
    settings.QUICKSCALE_BRAND = BRAND

    def get(url="/quickscale/brand.css", **headers):
        return client.get(url, headers=headers)

    return get


def test_the_version_that_pages_name_is_kept_for_a_year(sheet):
    url = style_sheet_url("pages")
    assert url.startswith("/quickscale/brand.css?v=")
    response = sheet(url)
    assert response["Content-Type"] == "text/css; charset=utf-8"
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Cookie" not in response.get("Vary", "")
    assert not response.cookies


@pytest.mark.parametrize("query", ["", "?v=0123456789ab"])
def test_another_version_is_asked_for_each_time(sheet, query):
    response = sheet(f"/quickscale/brand.css{query}")
    assert response["Cache-Control"] == "no-cache"
    again = sheet(f"/quickscale/brand.css{query}", if_none_match=response["ETag"])
    assert (again.status_code, again.content) == (304, b"")


def test_a_change_of_the_brand_is_a_new_version(sheet, settings):
    before = style_sheet_url("pages")
    settings.QUICKSCALE_BRAND = {**BRAND, "color": NAVY}
    assert style_sheet_url("pages") != before
    assert sheet(before)["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_style_sheet_has_the_brand_in_any_language(sheet, settings, language):
    settings.LANGUAGE_CODE = language
    text = sheet().text
    assert "--quickscale-brand-h: 49.9;" in text
    assert "--quickscale-brand-text-l: 0.0%;" in text
    assert "--quickscale-accent: #aa0000;" in text
    assert '--quickscale-font: "Open Sans", sans-serif;' in text
    assert "&quot;" not in text


def test_a_brand_without_colour_and_font_needs_no_style_sheet(sheet, settings):
    settings.QUICKSCALE_BRAND = {"name": "Parrots"}
    assert style_sheet_url("pages") == ""


def test_a_style_sheet_that_is_not_mounted_is_reported(sheet, settings):
    assert check_brand(None) == []
    settings.ROOT_URLCONF = "tests.projects.stripe_only.urls"
    assert style_sheet_url("pages") == ""
    [message] = check_brand(None)
    assert message.id == "quickscale.W007"


@pytest.mark.parametrize("look", ["bulma", "bootstrap5", "plain"])
def test_every_look_links_the_style_sheet_after_its_own(sheet, settings, look):
    settings.QUICKSCALE_ELEMENTS = look
    page = engines["django"].from_string(
        "{% load quickscale_elements %}{% quickscale_styles %}{% quickscale_styles %}"
    )
    [url] = SHEET.findall(page.render())
    assert sheet(url).status_code == 200
    assert re.findall(r'rel="stylesheet" href="([^"]+)"', page.render())[-1] == url


@pytest.mark.parametrize("number", ["400", "500"])
def test_an_error_page_that_stands_alone_has_the_brand(sheet, settings, number):
    settings.QUICKSCALE_BRAND = {**BRAND, "logo": "parrot.svg"}
    text = render_to_string(f"quickscale_dashboard/errors/{number}.html")
    assert SHEET.search(text)
    assert 'href="/static/parrot.svg"' in text
