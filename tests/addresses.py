"""The URLs of all our views, with values for their parameters."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

VALUES = {"int": "1", "slug": "x", "str": "x", "uuid": "0" * 8 + "-0000" * 3 + "-" + "0" * 12}
OURS = ("quickscale", "allauth.")
OUR_APPS = ("quickscale_", "allauth.")


def addresses() -> Iterator[tuple[str, str]]:
    """Yield the path and the view's name for each URL of ours for which a path can be made."""
    for path, entry in _patterns(get_resolver()):
        if entry.callback.__module__.startswith(OURS) and (filled := _fill(entry, path)):
            yield filled, f"{entry.callback.__module__}.{entry.callback.__name__}"


def without_arguments() -> Iterator[str]:
    """Yield the path of each URL of our apps that needs no argument."""
    for path, entry in _patterns(get_resolver()):
        if entry.callback.__module__.startswith(OUR_APPS) and not entry.pattern.regex.groups:
            yield path


def _patterns(resolver: URLResolver, above: str = "/") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        path = above + str(entry.pattern).removeprefix("^").removesuffix("$")
        if isinstance(entry, URLResolver):
            yield from _patterns(entry, path)
        else:
            yield path, entry


def _fill(entry: URLPattern, path: str) -> str:
    for name, converter in entry.pattern.converters.items():
        kind = type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")
        value = VALUES.get(kind, "x")
        path = path.replace(f"<{kind}:{name}>", value).replace(f"<{name}>", value)
    return path if not set("<(\\") & set(path) else ""
