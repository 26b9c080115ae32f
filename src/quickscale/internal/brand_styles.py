"""The style sheets of the brand, which are pages because a strict policy allows no inline style."""

from __future__ import annotations

import hashlib

from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse

from quickscale.brand import get_brand


def style_sheet(name: str) -> tuple[str, str]:
    """Return the style sheet for ``pages`` or ``admin``, and a version that changes with it."""
    text = render_to_string(f"quickscale/brand/{name}.css", {"brand": get_brand()})
    return text, hashlib.sha256(text.encode()).hexdigest()[:12]


def style_sheet_url(name: str) -> str:
    """Return the address of a style sheet, or an empty string if the site needs or mounts none."""
    if not get_brand().has_styles:
        return ""
    try:
        url = reverse(f"quickscale:brand_{name}")
    except NoReverseMatch:
        return ""
    return f"{url}?v={style_sheet(name)[1]}"
