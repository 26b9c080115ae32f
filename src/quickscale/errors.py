from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured


class MissingExtraError(ImproperlyConfigured):
    """A required optional dependency is not installed; the message names the extra."""

    def __init__(self, need: str, extra: str, otherwise: str = "") -> None:
        self.extra = extra
        alternative = f", or {otherwise}" if otherwise else ""
        super().__init__(f'{need} needs: pip install "quickscale[{extra}]"{alternative}.')
