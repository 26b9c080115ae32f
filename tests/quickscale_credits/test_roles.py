"""The application's role of the documentation can do all the work, and owns nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, transaction

from quickscale_credits import ledger
from quickscale_credits.metering import charge
from tests.quickscale_credits.operations import OPERATIONS, Stage

pytestmark = pytest.mark.django_db

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "credits-role.md"


@pytest.fixture
def act_as_site():
    """Continue as the application's role until the test's transaction ends."""
    [grants] = re.findall(r"```sql\n(GRANT .*?)```", PAGE.read_text(), re.DOTALL)

    def act():
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
            cursor.execute("CREATE ROLE site")
            cursor.execute(grants.replace("shop_user", get_user_model()._meta.db_table))
            cursor.execute("SET LOCAL ROLE site")

    return act


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    OPERATIONS,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_operation(act_as_site, make_user, module, name, arguments):
    call = arguments(Stage())
    if name in ("add_credits", "consume_credits", "freeze"):
        call.kwargs["actor"] = make_user()
    act_as_site()
    getattr(module, name)(*call.args, **call.kwargs)
    assert ledger.verify() == []
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_charge(act_as_site, services):
    stage = Stage()
    act_as_site()
    with charge(stage.owner, "shout", units=2):
        pass
    assert stage.account.transactions.first().amount == -4


@pytest.mark.parametrize("table", ["credittransaction", "creditallocation", "accountchange"])
def test_no_line_changes(act_as_site, table):
    act_as_site()
    for statement in (
        f"DELETE FROM quickscale_credits_{table}",
        f"TRUNCATE quickscale_credits_{table}",
    ):
        with (
            pytest.raises(DatabaseError, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
