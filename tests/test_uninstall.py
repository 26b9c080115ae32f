"""docs/how-to/uninstall.md promises that ``migrate ... zero`` leaves nothing of the apps."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection

NAMES = """
    SELECT relname FROM pg_class UNION SELECT proname FROM pg_proc UNION
    SELECT typname FROM pg_type UNION SELECT tgname FROM pg_trigger UNION
    SELECT conname FROM pg_constraint UNION SELECT evtname FROM pg_event_trigger
"""


@pytest.mark.django_db
def test_the_apps_leave_no_trace_in_the_schema():
    def left():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM ({NAMES}) AS names(name) WHERE name LIKE '%quickscale%'")
            return cursor.fetchall()

    assert left()
    for app in ("quickscale_stripe", "quickscale_credits"):
        call_command("migrate", app, "zero", verbosity=0)
    assert left() == []
