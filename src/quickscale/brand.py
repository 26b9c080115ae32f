"""The site's brand, which its pages, mails, receipts, admin and error pages show.

``QUICKSCALE_BRAND`` sets it, and :func:`get_brand` returns it::

    QUICKSCALE_BRAND = {"name": "Parrots", "logo": "parrot.svg", "color": "#0b3d91"}
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from django.conf import settings

from quickscale.conf import app_settings
from quickscale.internal.colors import contrast, hsl, readable, text_on

COLOR, ACCENT = "#176350", "#f7b32f"
LIGHT_PAGE, DARK_PAGE = "#f0f0f0", "#2b302f"
"""The light surface that is hardest to read on, and the dark one."""
VISIBLE = 3
"""The contrast that a shape needs with its ground by WCAG."""

PATTERNS = {
    **dict.fromkeys(("color", "color_dark", "accent"), re.compile(r"#[0-9a-fA-F]{6}")),
    "font": re.compile(r"[\w ,.'\"-]+"),
}


@dataclass(frozen=True)
class Palette:
    """A colour as a background, with the text on it, and the shade of it for links on a page."""

    color: str
    link: str

    @property
    def text(self) -> str:
        """White or black, whichever can be read on the colour."""
        return text_on(self.color)

    @property
    def hsl(self) -> tuple[float, float, float]:
        return hsl(self.color)

    @property
    def text_lightness(self) -> float:
        return hsl(self.text)[2]

    @property
    def link_lightness(self) -> float:
        return hsl(self.link)[2]


@dataclass(frozen=True)
class Brand:
    """The keys of ``QUICKSCALE_BRAND``; all but the name may be empty.

    ``name`` is the site's name as people read it. ``logo`` is the path below ``STATIC_URL`` of a
    square image, and ``icon`` that of the same image as a PNG of at least 180 pixels, for mails,
    receipts and the home screen of a phone, which show no SVG. ``color``, ``color_dark`` (in dark
    mode) and ``accent`` (small marks) have the form ``#rrggbb``. ``font`` is a list of fonts as in
    CSS, such as ``"Inter, sans-serif"``; the site loads them.

    In a template, ``{{ brand }}`` is the name.
    """

    name: str
    logo: str = ""
    icon: str = ""
    color: str = COLOR
    color_dark: str = ""
    accent: str = ""
    font: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def text_on_color(self) -> str:
        """The colour of text on ``color``: white or black, with a contrast of 4.5 or more."""
        return text_on(self.color)

    @property
    def mark_top(self) -> str:
        """The colour of the default logo's highest bar: the accent, if it is seen on ``color``."""
        accent = self.accent or ACCENT
        return accent if contrast(accent, self.color) >= VISIBLE else self.text_on_color

    @property
    def bitmap(self) -> str:
        """The path of the logo where no SVG is shown: the icon, else a logo that is not an SVG."""
        return self.icon or ("" if self.logo.endswith(".svg") else self.logo)

    @property
    def light(self) -> Palette:
        return Palette(self.color, readable(self.color, LIGHT_PAGE))

    @property
    def dark(self) -> Palette:
        """The colours in dark mode; without ``color_dark``, a lighter shade of ``color``."""
        link = readable(self.color_dark or self.color, DARK_PAGE)
        return Palette(self.color_dark or link, link)

    @property
    def has_styles(self) -> bool:
        """Whether pages need a style sheet for the brand."""
        return self.color != COLOR or any((self.color_dark, self.accent, self.font))


def get_brand() -> Brand:
    """Return the brand that the settings describe now.

    A value that a system check reports, such as a word for a colour, is left out.
    """
    given = {key: str(value) for key, value in app_settings.brand.items()}
    values = {key: value for key, value in given.items() if value and not problem(key, value)}
    logo = getattr(settings, "QUICKSCALE_DASHBOARD_LOGO", "")
    return Brand(**{"name": app_settings.brand_name, "logo": logo, **values})


def problem(key: str, value: str) -> str:
    """Return what is wrong with an entry of ``QUICKSCALE_BRAND``, or an empty string."""
    known = [field.name for field in fields(Brand)]
    if key not in known:
        return f"has an unknown key {key!r}; the keys are {', '.join(known)}"
    pattern = PATTERNS.get(key)
    if pattern and value and not pattern.fullmatch(value):
        form = "a list of fonts" if key == "font" else "a colour such as '#0b3d91'"
        return f"has {value!r} for {key!r}, which is not {form}"
    return ""
