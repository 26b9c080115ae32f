"""The page that shows every element."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django import forms
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.core.paginator import Paginator
from django.views.generic import TemplateView

import quickscale
from quickscale.charts import Part, Series, bars, spark, stack
from quickscale.formats import in_credits

ICONS = Path(quickscale.__file__).parent / "templates" / "quickscale" / "icons"
USED = [4, 8, 0, 12, 14, 2, 0]


class Sample(forms.Form):
    name = forms.CharField(label="Name", help_text="As it appears on the receipt.")
    plan = forms.ChoiceField(label="Plan", choices=[("pro", "Pro"), ("basic", "Basic")])
    note = forms.CharField(label="Note", widget=forms.Textarea({"rows": 3}))
    renew = forms.BooleanField(label="Renew", required=False)


class GalleryView(TemplateView):
    """Every element with sample content, in the direction and theme that the query names."""

    template_name = "quickscale/gallery.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        direction = "rtl" if self.request.GET.get("dir") == "rtl" else ""
        theme = self.request.GET.get("theme", "")
        return super().get_context_data(
            direction=direction,
            theme=theme if theme in {"light", "dark"} else "",
            form=Sample({"plan": "pro"}),
            filter=Sample(auto_id="filter_%s"),
            message=Message(constants.SUCCESS, "Saved."),
            page=Paginator(range(30), 10).page(2),
            tones=["", "info", "success", "warning", "danger"],
            icons=sorted(file.stem for file in ICONS.glob("*.svg")),
            **dict(charts()),
            **kwargs,
        )


def charts() -> Iterator[tuple[str, Any]]:
    """Yield a chart of each kind, under the name of its element."""
    days = [f"{date(2026, 11, 22) + timedelta(days=number):%b %d}" for number in range(7)]
    parts = [
        Part("Subscription", 1142, "Ends on Dec 28"),
        Part("Pay as you go", 200),
        Part("Bonus", 25),
    ]
    series = [Series("Translate", USED), Series("Summarise", USED[::-1])]
    title = "Credits used each day"
    yield "bars", bars("bars", title, days, series, label="Day", text=in_credits)
    yield "stack", stack("stack", "Available credits", parts, text=in_credits)
    yield "spark", spark("spark", title, days, USED, label="Day", text=in_credits)
