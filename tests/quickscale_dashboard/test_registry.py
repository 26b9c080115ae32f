from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import RequestFactory

from quickscale_dashboard import registry
from quickscale_dashboard.registry import NavItem, Panel, everyone, register_temporarily, staff

pytestmark = pytest.mark.usefixtures("empty_registry")


def request_of(*, is_staff: bool | None = None) -> HttpRequest:
    request = RequestFactory().get("/")
    user = get_user_model()(is_staff=bool(is_staff))
    request.user = AnonymousUser() if is_staff is None else user
    return request


def labels(request: HttpRequest, section: str = "main") -> list[str]:
    return [str(item.label) for item in registry.nav_items(request, section)]


def test_entries_are_sorted_by_their_order_then_by_registration() -> None:
    items = [
        NavItem("Last", "a", order=90),
        NavItem("First", "b", order=10),
        NavItem("Also last", "c", order=90),
    ]
    with register_temporarily(*items):
        assert labels(request_of(is_staff=False)) == ["First", "Last", "Also last"]


def test_each_section_has_its_own_entries() -> None:
    with register_temporarily(NavItem("Bar", "a"), NavItem("Mine", "b", section="account")):
        assert labels(request_of(is_staff=False), "main") == ["Bar"]
        assert labels(request_of(is_staff=False), "account") == ["Mine"]
        assert labels(request_of(is_staff=False), "staff") == []


@pytest.mark.parametrize(
    ("is_staff", "seen"),
    [(None, ["All"]), (False, ["All", "Customers"]), (True, ["All", "Customers", "Staff"])],
)
def test_an_entry_is_shown_to_whom_its_access_rule_allows(
    is_staff: bool | None, seen: list[str]
) -> None:
    with register_temporarily(
        NavItem("All", "a", access=everyone),
        NavItem("Customers", "b"),
        NavItem("Staff", "c", access=staff),
    ):
        assert labels(request_of(is_staff=is_staff)) == seen


def test_former_staff_see_no_entries_of_the_staff() -> None:
    request = request_of(is_staff=True)
    request.user.is_active = False
    with register_temporarily(NavItem("Staff", "c", access=staff)):
        assert labels(request) == []


def test_the_same_entry_twice_is_one_entry() -> None:
    with register_temporarily(NavItem("Once", "a")):
        registry.register(NavItem("Once", "a"))
        assert labels(request_of(is_staff=False)) == ["Once"]


def test_temporary_entries_are_removed_again() -> None:
    with pytest.raises(RuntimeError), register_temporarily(NavItem("Gone", "a")):
        raise RuntimeError
    assert registry.all_nav_items() == []


def test_panels_belong_to_a_page() -> None:
    with register_temporarily(
        Panel("b", "b.html", lambda request: {}, order=2),
        Panel("a", "a.html", lambda request: {}, order=1),
        Panel("s", "s.html", lambda request: {}, page="staff", access=staff),
    ):
        customer, colleague = request_of(is_staff=False), request_of(is_staff=True)
        assert [panel.name for panel in registry.panels(customer, "home")] == ["a", "b"]
        assert registry.panels(customer, "staff") == []
        assert [panel.name for panel in registry.panels(colleague, "staff")] == ["s"]
