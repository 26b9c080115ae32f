from __future__ import annotations

from dataclasses import replace

import pytest
from django.core.exceptions import ImproperlyConfigured

from quickscale import audit, notifications, privacy
from quickscale.audit import Action
from quickscale.notifications import Kind
from quickscale.privacy import PersonalData
from quickscale.registry import Registry

SOLD = Action("shop.sold", "Sold")
RETURNED = Action("shop.returned", "Returned", needs_reason=True)
ORDERS = PersonalData(
    name="shop.orders",
    label="Orders",
    model="shop.Order",
    fields=("address",),
    purpose="To send them.",
    kept_for="Ten years",
    owner="buyer",
    keep="Accounting law asks for invoices.",
)


@pytest.fixture
def registry():
    made = Registry[Action]()
    made.register(SOLD)
    return made


def test_entries_are_found_by_name_and_keep_their_order(registry):
    registry.register(RETURNED)
    assert list(registry) == [SOLD, RETURNED]
    assert registry.get("shop.returned") is RETURNED
    with pytest.raises(KeyError):
        registry.get("shop.lost")


def test_a_name_belongs_to_one_entry(registry):
    registry.register(Action("shop.sold", "Sold"))
    with pytest.raises(ImproperlyConfigured, match=r"'shop\.sold' is registered twice"):
        registry.register(Action("shop.sold", "Sold again"))
    assert list(registry) == [SOLD]


def test_a_test_can_register_an_entry_for_itself_only(registry):
    with registry.register_temporarily(SOLD, RETURNED):
        assert list(registry) == [SOLD, RETURNED]
    assert list(registry) == [SOLD]
    with pytest.raises(ImproperlyConfigured):  # noqa: SIM117
        with registry.register_temporarily(RETURNED, Action("shop.sold", "Other")):
            pass
    assert list(registry) == [SOLD]


def test_apps_declare_actions_tables_and_kinds():
    kind = Kind("shop.low", "Little is left", "owner", channels=("mail",), opt_in=("mail",))
    with (
        audit.actions.register_temporarily(SOLD),
        privacy.stored.register_temporarily(ORDERS),
        notifications.kinds.register_temporarily(kind),
    ):
        assert audit.actions.get("shop.sold") is SOLD
        assert privacy.stored.get("shop.orders") is ORDERS
        assert notifications.kinds.get("shop.low") is kind


def test_personal_data_is_about_one_person():
    with pytest.raises(ValueError, match=r"shop\.orders is about an owner or about a user"):
        replace(ORDERS, user="packed_by")


def test_a_kind_is_switched_on_only_where_it_can_be_sent():
    with pytest.raises(ValueError, match=r"shop\.low has no channel mail"):
        Kind("shop.low", "Little is left", "owner", channels=("list",), opt_in=("mail",))
