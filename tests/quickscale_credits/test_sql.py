"""The SQL functions: what is installed, what migrations freeze, and how they are replaced."""

from __future__ import annotations

import json
from io import StringIO
from shutil import copytree
from threading import Event, Thread

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from quickscale_credits import allotments, ledger, sql
from quickscale_credits.internal.functions import Operation
from quickscale_credits.models import CreditAccount, CreditTransaction
from scripts.sql_migration import changed
from tests.owners import make_owner
from tests.quickscale_credits.operations import OPERATIONS, Stage
from tests.quickscale_credits.test_concurrency import at_once
from tests.upgrade.releases import ROOT, WORKING_TREE, released, run, unpack

CURRENT = {path.stem: path.read_text() for path in sorted(sql.CURRENT.glob("*.sql"))}
CALLED = [
    value
    for module in (ledger, allotments)
    for value in vars(module).values()
    if isinstance(value, Operation)
]


def execute(text, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(text, parameters)
        return cursor.fetchall() if cursor.description else []


def installed():
    return execute(
        "SELECT proname, pg_get_functiondef(oid), proacl::text FROM pg_proc"
        r" WHERE proname LIKE 'quickscale\_credits\_%' AND pg_function_is_visible(oid)"
        " ORDER BY proname, oid"
    )


def test_the_newest_copy_of_each_function_is_its_current_text():
    assert changed() == [], "Run python scripts/sql_migration.py."


def test_what_is_installed_is_the_current_text(db):
    before = installed()
    assert [name for name, _, _ in before] == sorted(sql.PREFIX + name for name in CURRENT)
    for text in CURRENT.values():
        execute(text)
    assert installed() == before


@pytest.mark.parametrize("name", CURRENT)
def test_each_copy_of_a_function_replaces_the_one_before(db, name):
    """So its arguments and its result stay the same, and old processes can still call it."""
    before = installed()
    for copy in sql.copies(name):
        execute(copy.read_text())
    assert installed() == before


@pytest.mark.parametrize("operation", CALLED, ids=lambda operation: operation.function)
def test_the_parameters_of_an_operation_are_those_of_its_function(db, operation):
    parameters = execute(
        "SELECT name, format_type(type, NULL) FROM pg_proc,"
        " unnest(proargnames[:pronargs], proargtypes::oid[]) parameter (name, type)"
        f" WHERE proname = '{operation.function}'"
    )
    assert [
        ("p_" + name, type_.replace("timestamptz", "timestamp with time zone"))
        for name, type_ in operation.parameters.items()
    ] == parameters


def test_a_replaced_function_keeps_its_grants(db):
    execute("REVOKE EXECUTE ON FUNCTION quickscale_credits_capture FROM PUBLIC")
    before = installed()
    for operation in sql.install("0002"):
        execute(operation.sql)
    assert installed() == before
    assert [acl for name, _, acl in before if name == "quickscale_credits_capture"] != [None]


@pytest.mark.django_db(transaction=True)
def test_spends_go_on_while_every_function_is_replaced():
    accounts = [CreditAccount.objects.for_owner(make_owner()) for _ in range(2)]
    for account in accounts:
        account.add_credits(1000, "Bought")
    done = Event()
    swaps = []

    def replace():
        while not done.is_set():
            for text in CURRENT.values():
                execute(text)
            swaps.append(1)
        connection.close()

    replacing = Thread(target=replace)
    replacing.start()

    def spend(number):
        for _ in range(50):
            accounts[number].consume_credits(1, "Work")
        while not swaps:
            accounts[number].consume_credits(1, "Work")

    try:
        assert at_once(spend, 2) == [None, None]
    finally:
        done.set()
        replacing.join()
    assert swaps
    assert ledger.verify() == []


def use_all():
    for module, name, arguments in OPERATIONS:
        call = arguments(Stage())
        getattr(module, name)(*call.args, **call.kwargs)
    execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    assert ledger.verify() == []


@pytest.mark.parametrize(
    "table", ["creditaccount", "creditlot", "credittransaction", "creditallocation", "credithold"]
)
def test_new_columns_need_no_new_function(db, table):
    """This holds for nullable columns and for defaults, and for sessions with older plans."""
    more = "ADD COLUMN test_note text, ADD COLUMN test_batch bigint NOT NULL DEFAULT 7"
    use_all()
    with transaction.atomic():
        execute(f"ALTER TABLE quickscale_credits_{table} {more}")
        use_all()
        execute("DISCARD PLANS")
        use_all()
        transaction.set_rollback(True)
    use_all()


def test_every_column_of_the_journal_is_written():
    """Otherwise it would have its default in the table and be null in the result of a write."""
    listed = CURRENT["post_lines"].partition("INSERT INTO quickscale_credits_credittransaction (")[
        2
    ]
    names = listed.partition(")")[0].replace(",", " ").split()
    assert names == [field.column for field in CreditTransaction._meta.concrete_fields], (
        "Name the new column in post_lines.sql, twice, and set it in post.sql and spend.sql."
    )


FREEZE = """
import sys
from scripts.sql_migration import main
sys.argv[1:] = {arguments}
main()
"""
INSTALL = """
import json
from quickscale_credits.sql import install
print(json.dumps([(each.sql, each.reverse_sql) for each in install("0003")]))
"""


def test_a_change_is_frozen_for_a_migration(tmp_path):
    """The test works in a copy of the app."""
    app = tmp_path / "src" / "quickscale_credits"
    copytree(sql.CURRENT.parent, app)
    copytree(ROOT / "scripts", tmp_path / "scripts")
    before = max(path.stem for path in (app / "migrations").glob("0*.py"))
    old = CURRENT["spend"]

    def freeze(*arguments):
        """Return the files written and their text."""
        printed = run(tmp_path, FREEZE.format(arguments=list(arguments))).splitlines()
        return {path: (tmp_path / path).read_text() for path in printed}

    (app / "sql" / "spend.sql").write_text("better")
    (app / "sql" / "new.sql").write_text("new")
    migrations = "src/quickscale_credits/migrations"
    written = freeze()
    assert list(written) == [
        f"{migrations}/0003_functions.py",
        f"{migrations}/sql/0003/new.sql",
        f"{migrations}/sql/0003/spend.sql",
    ]
    migration, *copies = written.values()
    assert f'("quickscale_credits", "{before}")' in migration
    assert 'install("0003")' in migration
    assert copies == ["new", "better"]
    assert freeze() == {}

    new, spend = json.loads(run(tmp_path, INSTALL))
    assert new[0].endswith("\nnew")
    assert new[1] == "DROP FUNCTION quickscale_credits_new;"
    assert spend[0].endswith("\nbetter")
    assert spend[1].endswith(f"\n{old}")

    (app / "sql" / "spend.sql").write_text("best")
    assert freeze("--into", "0003") == {f"{migrations}/sql/0003/spend.sql": "best"}


def test_the_migration_can_be_read_as_sql(db):
    for backwards in (False, True):
        out = StringIO()
        call_command("sqlmigrate", "quickscale_credits", "0002", backwards=backwards, stdout=out)
        assert out.getvalue().count("FUNCTION quickscale_credits_spend") == 1


# Calls each operation once, on the database that the working tree has migrated.
USE = """
import os
import django
django.setup()
from quickscale_credits import ledger
assert ledger.__file__.startswith(os.getcwd())
from tests.quickscale_credits.operations import OPERATIONS, Stage
for module, name, arguments in OPERATIONS:
    stage = Stage()
    if name == "lock":
        continue  # needs a transaction
    call = arguments(stage)
    getattr(module, name)(*call.args, **call.kwargs)
assert ledger.verify() == []
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("commit", [WORKING_TREE, *released()[-1:]])
def test_the_python_of_a_release_runs_on_these_functions(commit, tmp_path):
    """During a deploy, processes of the last release still run on the migrated database."""
    run(unpack(commit, tmp_path), USE)
