"""Keep what a person typed while they do something else first, such as buying credits.

A draft is in the session, one for each page, and its writer gets it back when the page is shown
again. It ends with the session, so also when the person signs out::

    drafts.keep(request, title=_("Summarise a text"), values={"text": ["…"]})

In a template, ``{% include "quickscale/_way_back.html" %}`` links to the page of the last draft.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieSession
from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

LIFETIME = timedelta(days=7)
MAX_DRAFTS = 3
MAX_CHARACTERS = 100_000
_KEY = "quickscale_drafts"


@dataclass(frozen=True)
class Draft:
    """``values`` are those of the form on the page ``url``, which is called ``title``.

    There are no values if they were too large, or if the session is a cookie, which has no room.
    """

    url: str
    title: str
    values: Mapping[str, Sequence[str]]


def keep(request: HttpRequest, *, title: str, values: Mapping[str, Sequence[str]]) -> Draft:
    """Keep the values of a form on the page of the request, in place of an earlier draft of it.

    Only the newest drafts of a session are kept.
    """
    size = sum(len(name) + sum(map(len, texts)) for name, texts in values.items())
    if size > MAX_CHARACTERS or isinstance(request.session, CookieSession):
        values = {}
    draft = Draft(request.path, str(title), {name: list(texts) for name, texts in values.items()})
    row = {**asdict(draft), "user": str(request.user.pk), "at": timezone.now().timestamp()}
    others = [row for row in _rows(request) if row["url"] != request.path]
    request.session[_KEY] = [*others, row][-MAX_DRAFTS:]
    return draft


def find(request: HttpRequest) -> Draft | None:
    """Return the draft of the page of the request."""
    return next((draft for draft in _drafts(request) if draft.url == request.path), None)


def last(request: HttpRequest) -> Draft | None:
    """Return the draft that was kept last, of any page."""
    return next(reversed(_drafts(request)), None)


def discard(request: HttpRequest) -> None:
    """Forget the draft of the page of the request, because it was used."""
    if find(request):
        request.session[_KEY] = [row for row in _rows(request) if row["url"] != request.path]


def _drafts(request: HttpRequest) -> list[Draft]:
    return [Draft(row["url"], row["title"], row["values"]) for row in _rows(request)]


def _rows(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the drafts of the user that have not ended, the oldest first."""
    session = getattr(request, "session", {})
    begin = (timezone.now() - LIFETIME).timestamp()
    return [
        row
        for row in session.get(_KEY, [])
        if row["user"] == str(request.user.pk)
        and row["at"] > begin
        and url_has_allowed_host_and_scheme(row["url"], {request.get_host()}, request.is_secure())
    ]
