"""Colours as ``#rrggbb``: their contrast by WCAG 2, and the shade of one that can be read."""

from __future__ import annotations

import colorsys
from functools import cache

WHITE, BLACK = "#ffffff", "#000000"
READABLE = 4.6
"""A little more than the 4.5 that WCAG asks for, because style sheets get rounded values."""


def contrast(color: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    dark, light = sorted((_luminance(color), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def text_on(color: str) -> str:
    """Return the colour of text on this background: white if it can be read, else black."""
    return WHITE if contrast(color, WHITE) >= READABLE else BLACK


@cache
def readable(color: str, background: str) -> str:
    """Return the colour, made so much darker or lighter that it can be read as text."""
    hue, saturation, lightness = hsl(color)
    step = -1 if text_on(background) == BLACK else 1
    while contrast(color, background) < READABLE:
        lightness = min(100, max(0, lightness + step))
        color = _from_hsl(hue, saturation, lightness)
    return color


def hsl(color: str) -> tuple[float, float, float]:
    """Return the hue in degrees, and saturation and lightness in percent, as CSS has them."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(color))
    return round(hue * 360, 1), round(saturation * 100, 1), round(lightness * 100, 1)


def _from_hsl(hue: float, saturation: float, lightness: float) -> str:
    channels = colorsys.hls_to_rgb(hue / 360, lightness / 100, saturation / 100)
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)


def _channels(color: str) -> tuple[float, float, float]:
    red, green, blue = bytes.fromhex(color[1:])
    return red / 255, green / 255, blue / 255


def _luminance(color: str) -> float:
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in _channels(color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
