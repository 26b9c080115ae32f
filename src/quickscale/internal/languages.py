from __future__ import annotations

from django.conf import settings
from django.utils.text import capfirst
from django.utils.translation import get_language_info


def offered() -> list[tuple[str, str]]:
    """Return the code of each language of the site with its name in the language itself."""
    return [(code, _own_name(code) or str(name)) for code, name in settings.LANGUAGES]


def _own_name(code: str) -> str:
    try:
        return str(capfirst(get_language_info(code)["name_local"]))
    except KeyError:  # Django does not know the language.
        return ""
