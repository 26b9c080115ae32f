"""The data migration of ``docs/how-to/credits-moving.md``, run as it is printed there."""

from __future__ import annotations

import re
import textwrap
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import connection, models

from quickscale.owner import owner_model_name
from quickscale_credits import ledger, migrations
from quickscale_credits.models import CreditAccount
from tests.owners import make_owner

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "credits-moving.md"


@pytest.fixture(scope="module")
def customer_model():
    class Customer(models.Model):  # noqa: DJ008
        user = models.ForeignKey(
            owner_model_name(), models.DO_NOTHING, related_name="+", db_constraint=False
        )
        balance = models.DecimalField(max_digits=19, decimal_places=4)

        class Meta:
            app_label = "shop"

    return Customer


@pytest.fixture
def customers(db, customer_model):
    with connection.schema_editor() as editor:
        editor.create_model(customer_model)
    for balance in ("12.5", "0", "-3", "40"):
        customer_model.objects.create(user=make_owner(), balance=Decimal(balance))
    return customer_model.objects.order_by("pk")


def names_on_the_page():
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = {}
    exec(textwrap.dedent(code), names)
    return names


def move_balances(model):
    names_on_the_page()["move_balances"](SimpleNamespace(get_model=lambda app, name: model), None)


def balances(customers):
    return [CreditAccount.objects.for_owner(one.user).get_balance() for one in customers]


def test_the_migration_depends_on_one_that_exists():
    names = dict(names_on_the_page()["Migration"].dependencies)
    folder = Path(migrations.__file__).parent
    assert (folder / f"{names['quickscale_credits']}.py").is_file()


def test_balances_move_once(customers, customer_model):
    move_balances(customer_model)
    assert balances(customers) == [Decimal("12.5"), 0, -3, 40]
    assert not customers.exclude(balance=0).exists()
    move_balances(customer_model)
    assert balances(customers) == [Decimal("12.5"), 0, -3, 40]
    assert ledger.verify() == []


def test_a_run_that_was_interrupted_goes_on(customers, customer_model):
    last = customers.last()
    customers.filter(pk=last.pk).update(balance=Decimal("40.0001"))
    CreditAccount.objects.for_owner(last.user).add_credits(
        1, "Another's", source=("shop-balance", str(last.pk))
    )
    with pytest.raises(Exception, match="was already used"):
        move_balances(customer_model)
    assert [one.balance for one in customers] == [0, 0, 0, Decimal("40.0001")]
    assert balances(customers)[:3] == [Decimal("12.5"), 0, -3]
