"""Seam: a panel and a link on the dashboard, found by QuickScale."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from letters.models import Letter
from quickscale_dashboard.registry import NavItem, Panel, register


def waiting_letters(request: HttpRequest) -> dict[str, Any]:
    return {"letters": Letter.objects.filter(author_id=request.user.pk, printed_at=None)[:5]}


register(NavItem("Letters", "letters:list", order=10))
register(Panel("letters", "letters/_waiting_panel.html", waiting_letters, order=30))
