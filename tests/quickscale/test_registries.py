from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from quickscale import audit, notifications, privacy
from quickscale.audit import Action
from quickscale.notifications import Kind
from quickscale.privacy import PersonalData
from quickscale.registry import Registry

SOLD = Action("shop.sold", "Sold")
RETURNED = Action("shop.returned", "Returned", needs_reason=True)


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
    kind = Kind("shop.low", "Little is left", channels=("mail",), opt_in=("mail",))
    table = PersonalData("shop.Order", keep="Accounting law asks for invoices.")
    with (
        audit.actions.register_temporarily(SOLD),
        privacy.tables.register_temporarily(table),
        notifications.kinds.register_temporarily(kind),
    ):
        assert audit.actions.get("shop.sold") is SOLD
        assert privacy.tables.get("shop.Order") is table
        assert notifications.kinds.get("shop.low") is kind


def test_a_table_is_erased_or_kept_for_a_reason():
    with pytest.raises(ValueError, match=r"shop\.Order needs erase, or a reason"):
        PersonalData("shop.Order", export=lambda *, user: [])
    PersonalData("shop.Order", erase=lambda *, user: None)


def test_a_kind_is_switched_on_only_where_it_can_be_sent():
    with pytest.raises(ValueError, match=r"shop\.low has no channel mail"):
        Kind("shop.low", "Little is left", channels=("list",), opt_in=("mail",))
