"""Every text of pages and mails is marked for translation.

A language of the test puts each message between marks. What has letters outside them, and is
neither data nor a name, was not marked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from itertools import chain
from typing import Any

import pytest
from django.contrib.auth.models import AbstractBaseUser
from django.test import Client, RequestFactory
from django.utils.translation import override, trans_real

from quickscale.internal import mail_samples
from quickscale_credits.metering import use
from quickscale_credits.models import Service
from quickscale_credits.services import create_missing_rows, register_temporarily
from quickscale_stripe.models import StripeProduct
from quickscale_stripe.testing import stripe_sandbox
from tests.addresses import without_arguments
from tests.markup import VOID
from tests.quickscale_credits.surface import Shout

OPEN, CLOSE = "⟦⟧"
READ_ALOUD = {"alt", "aria-label", "aria-description", "placeholder", "title"}
NO_TEXT = {"code", "pre", "script", "style", "textarea"}
DATA = (
    *("QuickScale", "UTC", "Basic plan", "Pro plan", "Visa", "letter", "Shout it", "Text"),
    *("Sam Buyer", "HEY", "(at $19.00 / month)", "All services", "Priority support"),
    *("Do you have an API?", "ValueError: x", "Your card was declined."),
)
NOT_OURS = ("/admin", "/stripe/sandbox", "/static", "/media", "/accounts/social", "/accounts/dummy")


class Marking(trans_real.DjangoTranslation):
    """Translates each message to itself, between marks."""

    def gettext(self, message: str) -> str:
        return f"{OPEN}{message.rpartition(trans_real.CONTEXT_SEPARATOR)[2]}{CLOSE}"

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return self.gettext(singular if number == 1 else plural)


class Texts(HTMLParser):
    """Collects the texts of a page that are outside of marks."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.links: set[str] = set()
        self.depth = 0
        self._open: list[tuple[str, bool]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        names = {*READ_ALOUD} & {*values}
        if tag == "input" and values.get("type") in ("submit", "button"):
            names.add("value")
        if tag == "meta" and values.get("name") == "description":
            names.add("content")
        self.found += [outside(values[name])[0] for name in names]
        if tag == "a" and values.get("href", "").startswith("/"):
            self.links.add(re.split("[?#]", values["href"])[0])
        if tag not in VOID:
            is_silent = tag in NO_TEXT or (tag != "html" and "lang" in values)
            self._open.append((tag, is_silent))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        text, self.depth = outside(data, self.depth)
        if not any(is_silent for _tag, is_silent in self._open):
            self.found.append(text)


def outside(text: str, depth: int = 0) -> tuple[str, int]:
    """Return what is outside of marks, and how many are open at the end."""
    found = []
    for part in re.split(f"([{OPEN}{CLOSE}])", text):
        if part == OPEN:
            depth += 1
        elif part == CLOSE:
            depth -= 1
        elif depth == 0:
            found.append(part)
    return " ".join(found), depth


def unmarked(texts: list[str], data: Iterable[str]) -> list[str]:
    """Return the texts with words that are neither data nor addresses, codes and numbers."""
    known = "|".join(re.escape(each) for each in sorted(filter(None, data), key=len, reverse=True))
    ignored = rf"{known}|\S*[\d@/]\S*"
    texts = [re.sub(ignored, " ", text) for text in texts]
    return [" ".join(text.split()) for text in texts if re.search(r"[^\W\d_]{2}", text)]


@pytest.fixture(autouse=True)
def marks(monkeypatch: pytest.MonkeyPatch) -> None:
    for language in ("en", "en-us"):
        monkeypatch.setitem(trans_real._translations, language, Marking(language))


@pytest.fixture
def data(user: AbstractBaseUser) -> Iterator[list[str]]:
    """What a customer with a history sees in every language: names, and words of others."""
    with register_temporarily(Shout), stripe_sandbox() as stripe:
        create_missing_rows()
        stripe.buy(user, "Starter pack")
        stripe.buy(user, "Basic plan")
        use(Shout(), owner=user, data={"text": "hey"})
        of_services = Service.objects.values_list("name", "description")
        of_products = StripeProduct.objects.values_list("name", "description")
        yield [user.get_username(), *DATA, *chain(*of_services, *of_products)]


@pytest.mark.django_db
def test_pages(client: Client, customer: Client, data: list[str]) -> None:
    problems: dict[str, list[str]] = {}
    for visitor in (client, customer):
        seen: set[str] = set()
        waiting = ["/no-such-page/", *sorted(set(without_arguments()))]
        while waiting:
            path = waiting.pop()
            if path in seen or path.startswith(NOT_OURS):
                continue
            seen.add(path)
            response = visitor.get(path)
            if not response["Content-Type"].startswith("text/html"):
                continue
            texts = Texts(response.text)
            assert texts.depth == 0, f"{path} has cut a message"
            waiting += sorted(texts.links)
            if wrong := unmarked(texts.found, data):
                problems[path] = wrong
    assert problems == {}


@pytest.mark.parametrize("name", mail_samples.names())
def test_mails(rf: RequestFactory, name: str) -> None:
    with override("en"):
        message: Any = mail_samples.render(rf.get("/"), name)
    html, _mimetype = message.alternatives[0]
    texts = [outside(text)[0] for text in (message.subject, message.body)]
    assert unmarked([*texts, *Texts(str(html)).found], DATA) == []
