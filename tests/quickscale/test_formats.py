"""Numbers, money and times are written in one way everywhere."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.apps import apps
from django.conf import settings
from django.template import Context, Template, engines
from django.test import modify_settings
from django.utils import timezone, translation
from django.utils.formats import reset_format_cache

from quickscale import checks
from quickscale.errors import MissingExtraError
from quickscale.formats import (
    MINUS,
    format_credits,
    format_day,
    format_moment,
    format_money,
    format_number,
    in_credits,
)

EVENING = datetime(2026, 11, 28, 19, 19, tzinfo=UTC)
LEFT_TO_RIGHT, RIGHT_TO_LEFT, NBSP = "\u200e", "\u200f", "\xa0"


def render(source: str, **context: object) -> str:
    return Template("{% load quickscale %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (Decimal("100.0000"), "100"),
        (Decimal("0.0000"), "0"),
        (Decimal("0.5000"), "0.5"),
        (Decimal("1234567.8900"), "1,234,567.89"),
        (Decimal("-2.5000"), f"{MINUS}2.5"),
        (Decimal("1E+3"), "1,000"),
        (7, "7"),
    ],
)
def test_credits_have_no_trailing_zeros(amount, shown):
    assert format_credits(amount) == shown


@pytest.mark.parametrize(
    ("amount", "shown"), [(3, "+3"), (Decimal(-3), f"{MINUS}3"), (Decimal("0.0000"), "0")]
)
def test_a_change_has_its_sign(amount, shown):
    assert format_credits(amount, signed=True) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(Decimal("1.0000"), "1 credit"), (2, "2 credits"), (Decimal("1.5"), "1.5 credits")],
)
def test_credits_with_their_word(amount, shown):
    assert in_credits(amount) == shown


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1250, "usd", "$12.50"),
        (125000, "usd", "$1,250.00"),
        (-1900, "usd", f"{MINUS}$19.00"),
        (1250, "jpy", "¥1,250"),
        (1250, "kwd", f"KWD{NBSP}1.250"),
        (500, "ugx", f"UGX{NBSP}5"),
        (500, "isk", f"ISK{NBSP}5"),
        (0, "usd", "$0.00"),
        (Decimal("0.95"), "usd", "$0.0095"),
    ],
)
def test_money_has_the_decimals_of_its_currency(amount, currency, text):
    assert format_money(amount, currency) == text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", f"{MINUS}1.250,00{NBSP}$"),
        ("fr", f"{MINUS}1{NBSP}250,00{NBSP}$US"),
        ("nl", f"{MINUS}US${NBSP}1.250,00"),
        ("ar", f"{RIGHT_TO_LEFT}{LEFT_TO_RIGHT}{MINUS}1.250,00{NBSP}US${LEFT_TO_RIGHT}"),
        ("xx", f"{MINUS}$1,250.00"),
    ],
)
def test_money_is_written_in_the_readers_locale(language, text):
    with translation.override(language):
        assert format_money(-125000, "usd") == text


def test_credits_and_money_have_the_same_number_in_every_language():
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            number = format_credits(Decimal("1234567.5"))
            assert f"{number}0" in format_money(123456750, "usd"), language


@pytest.mark.parametrize("language", settings.LANGUAGES_BIDI)
def test_a_sign_stays_to_the_left_of_its_number_in_a_text_from_right_to_left(language):
    with translation.override(language):
        assert format_credits(-10).startswith(f"{LEFT_TO_RIGHT}{MINUS}1")
        assert f"{LEFT_TO_RIGHT}{MINUS}10" in format_money(-1000, "usd")


def test_a_number_is_shown_in_full():
    assert format_number(Decimal("0.0000000001")) == "0.0000000001"
    assert format_number(5, min_places=2) == "5.00"


@pytest.fixture
def fresh_formats():
    reset_format_cache()
    yield
    reset_format_cache()


def test_a_site_overrides_the_separators_of_both(settings, tmp_path, monkeypatch, fresh_formats):
    for folder in (tmp_path / "own_formats", tmp_path / "own_formats" / "en"):
        folder.mkdir()
        (folder / "__init__.py").touch()
    (tmp_path / "own_formats" / "en" / "formats.py").write_text('THOUSAND_SEPARATOR = "\'"\n')
    monkeypatch.syspath_prepend(tmp_path)
    settings.FORMAT_MODULE_PATH = "own_formats"
    with translation.override("en"):
        assert format_credits(1234) == "1'234"
        assert format_money(123400, "usd") == "$1'234.00"


def test_money_without_babel_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "babel.numbers", None)
    with pytest.raises(MissingExtraError, match=r"quickscale\[stripe\]"):
        format_money(1, "usd")


def test_a_moment_names_its_time_zone():
    assert format_moment(EVENING) == "Nov. 28, 2026, 7:19 p.m. UTC"
    with timezone.override("Europe/Berlin"):
        assert format_moment(EVENING) == "Nov. 28, 2026, 8:19 p.m. CET"
    with timezone.override("America/Sao_Paulo"):  # This zone has no abbreviation.
        assert format_moment(EVENING) == f"Nov. 28, 2026, 4:19 p.m. UTC{MINUS}03"
    with timezone.override("Pacific/Auckland"):
        assert format_day(EVENING) == "Nov. 29, 2026"


def test_html_isolates_what_a_text_from_right_to_left_would_reorder():
    assert render("{{ 10|signed_credits }}") == "<bdi>+10</bdi>"
    assert render("{{ 1250|money:'usd' }}") == "<bdi>$12.50</bdi>"
    assert render("{{ 1|in_credits }} {{ 2|credits }}") == "<bdi>1 credit</bdi> <bdi>2</bdi>"
    assert render("{{ at|day }}", at=EVENING) == (
        '<time datetime="2026-11-28">Nov. 28, 2026</time>'
    )
    assert render("{{ at|moment }}{{ never|day }}", at=EVENING, never=None) == (
        '<time datetime="2026-11-28T19:19:00Z">Nov. 28, 2026, 7:19 p.m. UTC</time>'
    )


def test_a_text_without_html_is_plain():
    source = "{{ 10|signed_credits }} {{ 1250|money:'usd' }} {{ at|day }} {{ at|moment }}"
    text = render("{% autoescape off %}" + source + "{% endautoescape %}", at=EVENING)
    assert text == "+10 $12.50 Nov. 28, 2026 Nov. 28, 2026, 7:19 p.m. UTC"


def test_no_other_app_has_a_formatter_of_its_own():
    shared = engines["django"].engine.template_libraries["quickscale"].filters
    for name, library in engines["django"].engine.template_libraries.items():
        if name.startswith("quickscale_"):
            assert set(shared) & set(library.filters) == set(), name


def test_a_site_that_forgets_the_foundation_is_reported():
    assert checks.check_installed(None) == []
    with modify_settings(INSTALLED_APPS={"remove": ["quickscale"]}):
        assert not apps.is_installed("quickscale")
        (message,) = checks.check_installed(None)
    assert message.id == "quickscale.E002"
