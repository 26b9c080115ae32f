"""A changed owner model is refused, and the documentation says how to change it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
SITE = """
import os
from tests.projects.team_owner.settings import *

database = os.environ["PROOF_DATABASE"]
DATABASES["default"]["NAME"] = database
if os.environ["PROOF_OWNER"] == "auth.User":
    QUICKSCALE_OWNER_MODEL = "auth.User"
    del QUICKSCALE_GET_OWNER, QUICKSCALE_OWNERS_OF_USER
"""
MAKE = """
from django.core.management import call_command
call_command("migrate", verbosity=0)

from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from quickscale_credits.models import CreditAccount
from tests.projects.team_owner.teams.models import Team

ada = User.objects.create_user("ada", "ada@example.com")
Team.objects.create(name="Analysts").members.add(ada)
account = CreditAccount.objects.for_owner(ada)
account.add_credits(100, "Bought")
account.add_credits(7, "Gift", credit_type="bonus", expires_at=timezone.now() + timedelta(days=9))
account.consume_credits(2, "Work")
"""
USE = """
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount
from quickscale_stripe.billing import customers
from quickscale_stripe.models import Payment
from tests.projects.team_owner.teams.models import Team

team = Team.objects.get()
for use in (
    CreditAccount.objects.for_owner,
    CreditAccount.objects.to_read,
    lambda owner: ledger.open_account(owner=owner),
    Payment.objects.for_owner,
    customers.ensure,
):
    try:
        use(team)
    except ImproperlyConfigured as error:
        print(error)
print(*sorted(message.id for message in run_checks(databases=["default"])))
"""
BACK = """
from django.core.management import call_command
for app in ("quickscale_stripe", "quickscale_credits"):
    call_command("migrate", app, "zero", verbosity=0)
"""
OVER = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("import_credits", "credits.csv", verbosity=0)

from quickscale_credits.models import CreditAccount
from tests.projects.team_owner.teams.models import Team

account = CreditAccount.objects.for_owner(Team.objects.get())
print({name: str(n) for name, n in account.get_balance_by_type().items() if n})
"""


@pytest.fixture
def site(db, tmp_path):
    """Run code in a site whose users own the credits, or whose teams do."""
    name = f"{connection.settings_dict['NAME']}_owner_change"
    (tmp_path / "owner_change_settings.py").write_text(SITE)

    def shell(owner, code):
        path = os.pathsep.join([str(tmp_path), str(ROOT)])
        environment = {"PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "owner_change_settings"}
        environment |= {"PROOF_DATABASE": name, "PROOF_OWNER": owner}
        process = subprocess.run(
            [sys.executable, "-m", "django", "shell", "-v", "0"],
            cwd=tmp_path, env=os.environ | environment, input=code, capture_output=True,
            text=True, timeout=120,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        return process.stdout.strip().splitlines()

    yield shell
    other = connection.copy("drops")
    other.settings_dict = other.settings_dict | {"NAME": "postgres"}
    try:
        with other.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
    finally:
        other.close()


def test_another_owner_model_is_refused_and_the_documented_way_changes_it(site):
    users, teams = "auth.User", "teams.Team"
    site(users, MAKE)

    *refusals, checked = site(teams, USE)
    assert len(refusals) == 5
    assert all("QUICKSCALE_OWNER_MODEL is teams.Team" in line for line in refusals)
    assert {"quickscale_credits.E003", "quickscale_stripe.E003"} <= set(checked.split())

    page = (ROOT / "docs" / "how-to" / "owner-model-change.md").read_text()
    site(users, textwrap.dedent(BLOCK.search(page)[1]) + BACK)
    assert site(teams, OVER)[-1] == "{'payg': '100.0000', 'bonus': '5.0000'}"
