"""Charts that the server draws as SVG, without a script and without inline styles.

Make a chart in a view, and show it with the element of the same name::

    chart = bars("usage", _("Credits used each day"), labels, [Series(_("Credits"), values)])

    {% load quickscale_elements %}{% element "bars" chart=chart %}{% endelement %}

The element also has the chart's numbers as a table. Each series has a colour and a pattern, and a
legend names them. The texts are in the language that is active when the chart is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from math import ceil
from typing import TypeAlias

from django.utils.html import format_html
from django.utils.translation import get_language_bidi
from django.utils.translation import gettext as _

from quickscale.formats import format_number

Number: TypeAlias = Decimal | int

MAX_SERIES = 5
_STEPS = 4
_LABELS = 4
_BAR = 72  # percent of the space that a bar has
_WIDEST_BAR = 12  # percent of the chart
_GAP = Decimal("0.4")
_ANGLES = (45, 135, 90, 0)


@dataclass(frozen=True)
class Series:
    """Numbers that belong together, one for each label of the chart; none is below zero."""

    name: str
    values: Sequence[Number]


@dataclass(frozen=True)
class Part:
    """A part of a stack; one that is below zero has a line in the legend, but no box.

    ``note`` is a short text below its name, such as when it ends.
    """

    name: str
    value: Number
    note: str = ""


@dataclass(frozen=True)
class Box:
    """A rectangle, as SVG writes it: percentages of the chart, and how it is painted."""

    x: str
    width: str
    y: str = "0"
    height: str = "100%"
    paint: str = ""


@dataclass(frozen=True)
class Column:
    """The bar of one label: a box for each series, and the space in which it stands."""

    title: str
    space: Box
    boxes: list[Box]


@dataclass(frozen=True)
class AxisLabel:
    text: str
    x: str
    anchor: str


@dataclass(frozen=True)
class Key:
    """A line of a legend. ``angle`` is that of the stripes; without one the paint is plain."""

    number: int
    name: str
    paint: str
    angle: int | None
    text: str
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """What all charts have: the start of their ids, and their title and summary."""

    prefix: str
    title: str
    description: str


@dataclass(frozen=True)
class Bars(Chart):
    """``rows`` are the numbers as text, with the label first, and ``head`` names their columns.

    ``scale`` are the numbers beside the lines, from the largest to 0.
    """

    head: list[str]
    rows: list[list[str]]
    columns: list[Column]
    lines: list[str]
    scale: list[str]
    labels: list[AxisLabel]
    legend: list[Key]


@dataclass(frozen=True)
class Stack(Chart):
    boxes: list[Box]
    legend: list[Key]


@dataclass(frozen=True)
class Spark(Chart):
    """``points`` are those of a line in a box of 100 by 24; the rest is as in :class:`Bars`."""

    head: list[str]
    rows: list[list[str]]
    points: str


def bars(
    prefix: str,
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    label: str = "",
    text: Callable[[Number], str] = format_number,
) -> Bars:
    """Draw a bar for each label; several series stand on one another.

    Args:
        prefix: starts every id in the chart, so it must be unique on the page.
        label: the name of what the labels are, such as "Day", for the table.
        text: formats a number in the table and in titles, such as
            :func:`~quickscale.formats.in_credits`.

    Raises:
        ValueError: a number is below zero, a series doesn't have one number for each label, or
            there are more than 5 series.
    """
    _check(labels, series)
    text = cache(text)  # Most numbers are shown twice, and many are zero.
    totals = _totals(labels, series)
    steps = _scale(max(totals, default=0))
    top = steps[-1] or 1
    space = Decimal(100) / max(len(labels), 1)
    width = min(space * _BAR / 100, Decimal(_WIDEST_BAR))
    columns = []
    for index, name in enumerate(labels):
        start = index * space
        boxes, below = [], Decimal(0)
        for number, each in enumerate(series, start=1):
            height = Decimal(100) * each.values[index] / top
            below += height
            if height:
                x = _from_start(start + (space - width) / 2, width)
                y = _percent(100 - below)
                boxes.append(Box(x, _percent(width), y, _percent(height), _paint(prefix, number)))
        lines = [f"{name}: {text(totals[index])}"]
        if len(series) > 1:
            lines += [f"{each.name}: {text(each.values[index])}" for each in series]
        box = Box(_from_start(start, space), _percent(space))
        columns.append(Column("\n".join(lines), box, boxes))
    legend = [_key(prefix, number, each.name) for number, each in enumerate(series, start=1)]
    return Bars(
        prefix,
        title,
        _describe(labels, totals, text),
        [label, *(each.name for each in series)],
        _rows(labels, series, text),
        columns=columns,
        lines=[_percent(100 - each * 100 / top) for each in steps],
        scale=[format_number(each) for each in reversed(steps)],
        labels=_axis(labels, space),
        legend=legend if len(series) > 1 else [],
    )


def stack(
    prefix: str,
    title: str,
    parts: Sequence[Part],
    *,
    text: Callable[[Number], str] = format_number,
) -> Stack:
    """Draw one bar that the parts divide among them, each with its name and its number.

    The other arguments and the errors are those of :func:`bars`.
    """
    drawn = [part for part in parts if part.value >= 0]
    _check_count(len(drawn))
    total = sum(part.value for part in drawn) or 1
    # A part that is too small to be seen is drawn with one percent.
    shares = [max(Decimal(100) * part.value / total, Decimal(bool(part.value))) for part in drawn]
    boxes, start = [], Decimal(0)
    for number, share in enumerate(shares, start=1):
        width = share * 100 / (sum(shares) or 1)
        if width:
            gap = _GAP if any(shares[number:]) else Decimal(0)
            x = _from_start(start, width - gap)
            boxes.append(Box(x, _percent(width - gap), paint=_paint(prefix, number)))
        start += width
    legend = [
        _key(prefix, number, part.name, text(part.value), part.note)
        for number, part in enumerate(drawn, start=1)
    ]
    legend += [
        Key(0, part.name, format_html('class="{}"', "qs-track"), None, text(part.value), part.note)
        for part in parts
        if part.value < 0
    ]
    description = "; ".join(f"{key.name}: {key.text}" for key in legend)
    return Stack(prefix, title, description, boxes, legend)


def spark(
    prefix: str,
    title: str,
    labels: Sequence[str],
    values: Sequence[Number],
    *,
    label: str = "",
    text: Callable[[Number], str] = format_number,
) -> Spark:
    """Draw a small line without an axis. The arguments and errors are those of :func:`bars`."""
    series = [Series(title, values)]
    _check(labels, series)
    top = max(values, default=0) or 1
    heights = [_plain(22 - value * Decimal(20) / top) for value in values]
    if len(heights) == 1:
        heights *= 2
    last = max(len(heights) - 1, 1)
    across = [_plain(_mirrored(Decimal(100) * index / last)) for index in range(len(heights))]
    return Spark(
        prefix,
        title,
        _describe(labels, list(values), text),
        [label, title],
        _rows(labels, series, text),
        points=" ".join(f"{x},{y}" for x, y in zip(across, heights, strict=True)),
    )


def _check_count(series: int) -> None:
    if series > MAX_SERIES:
        raise ValueError(f"A chart has at most {MAX_SERIES} series, not {series}.")


def _check(labels: Sequence[str], series: Sequence[Series]) -> None:
    _check_count(len(series))
    for each in series:
        if len(each.values) != len(labels):
            raise ValueError(
                f"{each.name!r} has {len(each.values)} numbers for {len(labels)} labels."
            )
        if any(value < 0 for value in each.values):
            raise ValueError(f"{each.name!r} has a number below zero.")


def _totals(labels: Sequence[str], series: Sequence[Series]) -> list[Number]:
    return [sum(each.values[index] for each in series) for index in range(len(labels))]


def _rows(
    labels: Sequence[str], series: Sequence[Series], text: Callable[[Number], str]
) -> list[list[str]]:
    return [
        [name, *(text(each.values[index]) for each in series)] for index, name in enumerate(labels)
    ]


def _describe(
    labels: Sequence[str], totals: Sequence[Number], text: Callable[[Number], str]
) -> str:
    if not labels:
        return _("There is nothing to show yet.")
    most = max(range(len(totals)), key=totals.__getitem__)
    return _("%(first)s to %(last)s. Total: %(total)s. Most: %(most)s (%(label)s).") % {
        "first": labels[0],
        "last": labels[-1],
        "total": text(sum(totals)),
        "most": text(totals[most]),
        "label": labels[most],
    }


def _scale(most: Number) -> list[Decimal]:
    """Return round numbers from 0 to one that is not below ``most``."""
    if not most:
        return [Decimal(0)]
    rough = Decimal(most) / _STEPS
    magnitude = Decimal(1).scaleb(rough.adjusted())
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
    return [step * n for n in range(ceil(most / step) + 1)]


def _axis(labels: Sequence[str], space: Decimal) -> list[AxisLabel]:
    """Return as many labels as fit below the chart on a phone."""
    every = ceil(len(labels) / _LABELS) or 1
    found = []
    for index in range(0, len(labels), every):
        if 0 < index == len(labels) - 1:
            x, anchor = Decimal(100), "end"
        else:
            x, anchor = (index + Decimal("0.5")) * space, "middle"
        found.append(AxisLabel(labels[index], _percent(_mirrored(x)), anchor))
    return found


def _key(prefix: str, number: int, name: str, text: str = "", note: str = "") -> Key:
    angle = _ANGLES[number - 2] if number > 1 else None
    return Key(number, name, _paint(prefix, number), angle, text, note)


def _paint(prefix: str, number: int) -> str:
    if number == 1:
        return format_html('class="{}"', "qs-series-1")
    return format_html('fill="url(#{}-series-{})"', prefix, number)


def _from_start(start: Decimal, width: Decimal) -> str:
    """Return where a box begins from the left, also where people read from right to left."""
    return _percent(100 - start - width if get_language_bidi() else start)


def _mirrored(x: Decimal) -> Decimal:
    return 100 - x if get_language_bidi() else x


def _percent(value: Number) -> str:
    return f"{_plain(value)}%"


def _plain(value: Number) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
