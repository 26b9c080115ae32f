"""The promise: ``pip install -U quickscale`` and ``migrate`` are enough, from any release."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection

from tests.upgrade.releases import ROOT, WORKING_TREE, released, run, unpack

SET_UP = """
import json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.projects.everything.settings"
import django
django.setup()
import quickscale_credits
assert quickscale_credits.__file__.startswith(os.getcwd())
from django.core.management import call_command
"""
# The data of a site after some use: entries of every kind, purchases, a subscription.
FILL = """
call_command("migrate", verbosity=0)
from quickscale_stripe.testing import stripe_sandbox
from tests.owners import make_owner
from tests.quickscale_credits.operations import OPERATIONS, Stage
for module, name, arguments in OPERATIONS:
    if name != "lock":  # which needs a transaction
        call = arguments(Stage())
        getattr(module, name)(*call.args, **call.kwargs)
with stripe_sandbox() as stripe:
    owner = make_owner("ada@example.com")
    stripe.buy(owner, "Starter pack")
    stripe.buy(owner, "Basic plan")
"""
UPGRADE = """
from django.conf import settings
settings.SILENCED_SYSTEM_CHECKS = ["quickscale_accounts.W008"]  # about an older allauth
call_command("migrate", verbosity=0)
call_command("check", databases=["default"], fail_level="WARNING")
call_command("verify_ledger", verbosity=0)
call_command("verify_mrr", verbosity=0)
"""
READ = """
from quickscale_credits.models import CreditAccount, CreditTransaction
from quickscale_stripe.models import Payment, Subscription
print(json.dumps(default=str, obj={
    "balances": [str(row.get_balance()) for row in CreditAccount.objects.order_by("pk")],
    "entries": CreditTransaction.objects.count(),
    "payments": list(Payment.objects.order_by("pk").values_list("receipt_number", "amount")),
    "subscriptions": list(Subscription.objects.values_list("stripe_id", "mrr")),
}))
"""


@pytest.fixture
def database(db: None) -> Iterator[str]:
    """An empty database in addition to the test's."""
    name = f"upgrade_{uuid4().hex}"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    yield name
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("commit", [WORKING_TREE, *released()])
def test_a_site_of_a_release_upgrades_by_migrate(
    commit: str, database: str, tmp_path: Path
) -> None:
    before = run(unpack(commit, tmp_path), SET_UP + FILL + READ, database=database)
    after = run(ROOT, SET_UP + UPGRADE + READ, database=database)
    assert json.loads(after.splitlines()[-1]) == json.loads(before.splitlines()[-1])
    assert json.loads(before.splitlines()[-1])["subscriptions"]


@pytest.mark.parametrize("commit", released())
def test_migrations_of_a_release_are_never_edited(commit: str) -> None:
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", commit, "src"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("There is no history here.")
    names = [name for name in listed.stdout.splitlines() if "/migrations/" in name]
    assert names
    for name in names:
        then = subprocess.run(
            ["git", "show", f"{commit}:{name}"], cwd=ROOT, capture_output=True, check=True
        )
        assert (ROOT / name).read_bytes() == then.stdout, name
