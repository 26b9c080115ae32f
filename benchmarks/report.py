"""The figures as JSON, as a table and as a chart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from math import log2
from pathlib import Path
from typing import Any

from benchmarks.profile import Share
from benchmarks.suite import Measure

TEXT = "credits-speed-figures.inc"
CHART = "credits-speed.svg"


def write_json(
    path: Path, facts: Mapping[str, Any], measures: Sequence[Measure], shares: Sequence[Share]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = [{**asdict(measure), "met": measure.is_met} for measure in measures]
    profile = [asdict(share) for share in shares]
    path.write_text(json.dumps({**facts, "measures": figures, "profile": profile}, indent=2) + "\n")


def write_docs(
    folder: Path, facts: Mapping[str, Any], measures: Sequence[Measure], shares: Sequence[Share]
) -> None:
    (folder / TEXT).write_text(text(facts, measures, shares))
    (folder / CHART).write_text(chart([m for m in measures if m.target is not None]))


def text(facts: Mapping[str, Any], measures: Sequence[Measure], shares: Sequence[Share]) -> str:
    """Return the figures and the profile as Markdown tables."""
    lines = [
        "PostgreSQL {postgresql} (fsync {fsync}, synchronous_commit {synchronous_commit}), "
        "Django {django}, Python {python}; database and client share {processors} processors; "
        "medians of {rounds} rounds of {seconds_per_turn} s.".format(**facts),
        "",
        "| measure | value | at least | a second |",
        "|---|--:|--:|--:|",
    ]
    for measure in measures:
        target = "" if measure.target is None else f"{measure.target:g}"
        value = f"{measure.value:.3g}" + ("" if measure.is_met else " (missed)")
        rates = " / ".join(f"{rate:,.0f}" for rate in measure.rates.values())
        lines.append(f"| {measure.name} | {value} | {target} | {rates} |")
    if shares:
        lines += ["", "| part of a spend | µs alone | µs in a batch of 1000 |", "|---|--:|--:|"]
        lines += [
            f"| {share.part} | {share.alone:.0f} | {share.in_batch:.0f} |" for share in shares
        ]
    return "\n".join(lines) + "\n"


STYLE = """
text { font: 13px system-ui, sans-serif; fill: #222 }
.met { fill: #2f7d4f } .missed { fill: #b3372f } .line { stroke: #222; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .met { fill: #58b37d } .missed { fill: #e0736b } .line { stroke: #ddd }
}
"""
LABELS, WIDTH, ROW, TOP = 500, 300, 26, 40


def chart(measures: Sequence[Measure]) -> str:
    """Return an SVG with a bar for each figure divided by its target, on a logarithmic scale."""
    times = [measure.value / (measure.target or 1) for measure in measures]
    low = min(-1.0, *(log2(time) for time in times))
    unit = WIDTH / (max(1.0, *(log2(time) for time in times)) - low)
    height = TOP + ROW * len(measures) + 10
    line = LABELS - low * unit
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LABELS + WIDTH + 140} {height}" '
        f'role="img" aria-labelledby="title"><title id="title">Each figure of the ledger\'s speed '
        f"as a multiple of what is asked for</title><style>{STYLE}</style>",
        f'<text x="{line:.0f}" y="20" text-anchor="middle">asked for</text>',
        f'<line class="line" x1="{line:.0f}" x2="{line:.0f}" y1="28" y2="{height - 6}"/>',
    ]
    for index, (measure, time) in enumerate(zip(measures, times, strict=True)):
        y = TOP + ROW * index
        end = line + log2(time) * unit
        start, stop = min(line, end), max(line, end)
        parts.append(
            f'<text x="{LABELS - 10}" y="{y + 13}" text-anchor="end">{escape(measure.name)}</text>'
            f'<rect class="{"met" if measure.is_met else "missed"}" x="{start:.1f}" y="{y}" '
            f'width="{max(stop - start, 1):.1f}" height="{ROW - 8}"/>'
            f'<text x="{stop + 6:.0f}" y="{y + 13}">{measure.value:.3g} '
            f"(asked for {measure.target:g})</text>"
        )
    return "\n".join([*parts, "</svg>"]) + "\n"
