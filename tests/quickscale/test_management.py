from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import (
    CommandError,
    call_command,
    get_commands,
    load_command_class,
)

from quickscale.management import ReportingCommand


class Plain(ReportingCommand):
    def handle(self, **options):
        self.note("Looking…")
        done = list(self.progress(["fig", "pear"]))
        self.answer({"fruit": done, "price": Decimal("1.50")}, "2 fruits.")


class Full(ReportingCommand):
    has_dry_run = True
    database_help = "where the fruits are"

    def handle(self, *, dry_run, database, **options):
        self.answer([dry_run, database], "")


class Terminal(StringIO):
    def isatty(self):
        return True


def run(command, *args, **options):
    out = StringIO()
    call_command(command, *args, stdout=out, **options)
    return out.getvalue()


def test_people_get_lines():
    assert run(Plain()) == "Looking…\n2 fruits.\n"
    assert run(Full()) == ""


def test_programs_get_one_document():
    assert json.loads(run(Plain(), "--json")) == {"fruit": ["fig", "pear"], "price": "1.50"}
    assert json.loads(run(Plain(), json=True))["price"] == "1.50"


def test_progress_is_shown_on_a_terminal_only():
    terminal, pipe = Terminal(), StringIO()
    call_command(Plain(), stdout=StringIO(), stderr=terminal)
    assert terminal.getvalue() == "\r1/2\r2/2\r\n"
    call_command(Plain(), stdout=StringIO(), stderr=pipe)
    assert pipe.getvalue() == ""


def test_a_command_has_the_options_that_it_declares():
    assert json.loads(run(Full(), "--json")) == [False, None]
    given = run(Full(), "--json", "--dry-run", "--database", "default")
    assert json.loads(given) == [True, "default"]
    with pytest.raises(CommandError, match="invalid choice: 'nowhere'"):
        run(Full(), "--database", "nowhere")
    for option in ("--dry-run", "--database=default"):
        with pytest.raises(CommandError, match="unrecognized arguments"):
            run(Plain(), option)


SERVING = {"stripe_sandbox"}
#: Those that work on the database that the site's router chooses, or on none.
WITHOUT_DATABASE = {
    "adopt_customers",  # payments are written to the router's database, as are the next ones
    "check_webhook_endpoints",
    "create_starter_users",  # for development
    "create_webhook_endpoint",
    "push_products",
    "reconcile_stripe",
    "replay_events",
    "sync_customers",
    "sync_products",
}
#: Those that read, or write what can be looked at and made again.
WITHOUT_DRY_RUN = {
    "check_credits",
    "check_webhook_endpoints",
    "create_starter_users",
    "create_webhook_endpoint",  # makes one thing, which is named on the command line
    "export_products",
    "load_sample_credits",
    "verify_ledger",
    "verify_mrr",
}


@pytest.mark.parametrize(
    ("option", "without"),
    [("--json", set()), ("--database", WITHOUT_DATABASE), ("--dry-run", WITHOUT_DRY_RUN)],
)
def test_our_commands_have_the_usual_options(option, without):
    ours = {name: app for name, app in get_commands().items() if app.startswith("quickscale")}
    commands = {name: load_command_class(app, name) for name, app in ours.items()}
    lacking = {
        name
        for name, command in commands.items()
        if option not in command.create_parser("manage.py", name)._option_string_actions
    }
    assert lacking - SERVING == without
