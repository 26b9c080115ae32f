"""Entries that other apps add to the dashboard in a module ``dashboard.py``.

If the dashboard is installed, Django's autodiscovery loads that module of every installed app::

    register(NavItem(_("Credits"), "quickscale_credits:history", order=20))
    register(Panel("balance", "quickscale_credits/_balance_panel.html", balance_context))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from django.http import HttpRequest
from django.utils.functional import Promise

from quickscale.alerts import Alert
from quickscale.owner import owner_of_page

Access: TypeAlias = Callable[[HttpRequest], bool]
Text: TypeAlias = "str | Promise"


def logged_in(request: HttpRequest) -> bool:
    """Allow everyone who is signed in."""
    return request.user.is_authenticated


def acts_for_owner(request: HttpRequest) -> bool:
    """Allow everyone who is signed in and acts for an owner of credits and payments."""
    return request.user.is_authenticated and owner_of_page(request) is not None


def staff(request: HttpRequest) -> bool:
    """Allow active staff."""
    return request.user.is_active and request.user.is_staff


def everyone(request: HttpRequest) -> bool:
    """Allow everyone, including visitors."""
    return True


@dataclass(frozen=True)
class NavItem:
    """A link in the shell: in the sidebar (``main``, ``staff``), the user's menu (``account``), or
    in the bar and the footer of ``public`` pages.

    Entries with the same ``group`` stand together below this text, in the place of the first one.
    ``icon`` is the name of a template in ``quickscale/icons``. ``pages`` names the other URLs that
    belong to the entry, one by one or all of an app (``"parrots:*"``). ``optional`` is for a URL
    that a site need not mount; no check reports that it is missing.
    """

    label: Text
    url_name: str
    order: int = 100
    section: Literal["main", "account", "staff", "public"] = "main"
    access: Access = logged_in
    optional: bool = False
    group: Text = ""
    icon: str = ""
    pages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Panel:
    """A box on a dashboard page.

    ``context(request)`` returns the template's variables. ``columns`` is the width in twelfths on a
    desktop; on a phone, every panel has the full width. ``page`` is the home page of customers, of
    staff or of the ``public``, or the ``bar`` that phones show on top of each page. A ``deferred``
    panel is loaded after the page, so that it may take its time.
    """

    name: str
    template_name: str
    context: Callable[[HttpRequest], Mapping[str, Any]]
    order: int = 100
    columns: int = 6
    page: Literal["home", "staff", "public", "bar"] = "home"
    access: Access = logged_in
    deferred: bool = False


@dataclass(frozen=True)
class AlertSource:
    """Something that a customer may have to know first.

    ``find(request)`` returns an alert, or ``None``. The home page shows the alert with the most
    urgent tone; of several with the same tone, that of the first source.
    """

    name: str
    find: Callable[[HttpRequest], Alert | None]
    order: int = 100
    access: Access = logged_in


Item: TypeAlias = NavItem | Panel | AlertSource

_items: list[Item] = []


def register(item: Item) -> None:
    """Add an entry; adding the same entry again changes nothing."""
    if item not in _items:
        _items.append(item)


@contextmanager
def register_temporarily(*items: Item) -> Iterator[None]:
    """Add entries inside the ``with`` block only, for tests."""
    with only(*_items, *items):
        yield


@contextmanager
def only(*items: Item) -> Iterator[None]:
    """Let these entries be the only ones inside the ``with`` block, for tests."""
    before = _items[:]
    _items.clear()
    try:
        for item in items:
            register(item)
        yield
    finally:
        _items[:] = before


def nav_items(request: HttpRequest, section: str) -> list[NavItem]:
    """Return the entries of a section that this request may see, in order."""
    found = (i for i in _items if isinstance(i, NavItem) and i.section == section)
    return sorted((i for i in found if i.access(request)), key=lambda i: i.order)


def all_nav_items() -> list[NavItem]:
    """Return every entry of every section, whoever may see it."""
    return [item for item in _items if isinstance(item, NavItem)]


def panels(request: HttpRequest, page: str) -> list[Panel]:
    """Return the panels of a page that this request may see, in order."""
    found = (i for i in _items if isinstance(i, Panel) and i.page == page)
    return sorted((i for i in found if i.access(request)), key=lambda i: i.order)


def alert_sources(request: HttpRequest) -> list[AlertSource]:
    """Return the sources of alerts that this request may ask, in order."""
    found = (i for i in _items if isinstance(i, AlertSource))
    return sorted((i for i in found if i.access(request)), key=lambda i: i.order)
