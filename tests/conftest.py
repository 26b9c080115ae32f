from __future__ import annotations

from tests.browser import browser_page, chromium

__all__ = ["browser_page", "chromium"]
