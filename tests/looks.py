"""The looks of our elements, and sites with another framework's style sheet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.template import autoreload

import quickscale

TESTS = Path(__file__).parent
SRC = Path(quickscale.__file__).parents[1]
BULMA = SRC / "quickscale_dashboard/static/quickscale_dashboard"
OURS = SRC / "quickscale/static/quickscale"
#: The style sheets of each look, the framework's first. Every look also has ``elements.css``.
SHEETS: dict[str, list[Path]] = {
    "bootstrap5": [TESTS / "assets/bootstrap5.min.css"],
    "bulma": [BULMA / "vendor/bulma.min.css", BULMA / "quickscale.css"],
    "plain": [OURS / "plain.css"],
}


@pytest.fixture(params=SHEETS)
def look(request: Any, settings: Any) -> Any:
    settings.QUICKSCALE_ELEMENTS = request.param
    return request.param


def site_of(framework: str, look: str, settings: Any) -> Iterator[None]:
    """Give the site a base page of twelve lines with the style sheet of another framework."""
    settings.QUICKSCALE_ELEMENTS = look
    settings.STATICFILES_DIRS = [TESTS / "assets"]
    folder = TESTS / "projects/bases" / framework
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [folder]}]
    yield
    autoreload.reset_loaders()
