from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections

from quickscale_accounts.existing import Survey, prepare, survey

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Prepares the users that a site has for signing in with an email address. "
        "Status 1 when something is left that only a person can decide."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="show what would happen, write nothing"
        )
        parser.add_argument(
            "--mark-verified",
            action="store_true",
            help="take every address that only one user has as confirmed",
        )
        parser.add_argument("--json", action="store_true", help="answer in JSON")
        parser.add_argument(
            "--database", choices=tuple(connections), metavar="ALIAS", help="where the users are"
        )

    def handle(
        self,
        *,
        dry_run: bool,
        mark_verified: bool,
        json: bool,
        database: str | None,
        **options: Any,
    ) -> None:
        found = survey(database) if dry_run else prepare(database, mark_verified=mark_verified)
        if json:
            self.stdout.write(as_json(found))
        else:
            self.stdout.write("\n".join(lines(found, dry_run=dry_run, verified=mark_verified)))
        if found.needs_a_person:
            raise CommandError("Some users can't sign in yet; give each an address of its own.")


def as_json(found: Survey) -> str:
    return json.dumps(asdict(found), cls=DjangoJSONEncoder, indent=2)


def lines(found: Survey, *, dry_run: bool, verified: bool) -> list[str]:
    """Say in sentences what was found, and what became of it."""
    done = "would be" if dry_run else "were"
    told = [
        f"{found.users} users.",
        f"{found.rewritten} addresses {done} put into lower case.",
        f"{found.unconfirmed} addresses {done} marked as confirmed."
        if verified
        else f"{found.unconfirmed} users confirm their address by a mail at the next sign-in "
        "(--mark-verified takes the addresses as confirmed).",
    ]
    if found.without_address:
        keys = ", ".join(map(str, found.without_address[:SHOWN]))
        rest = ", ..." if len(found.without_address) > SHOWN else ""
        told.append(f"{len(found.without_address)} users have no address: {keys}{rest}")
    told += [
        f"{len(keys)} users have the address {address}: {', '.join(map(str, keys))}"
        for address, keys in list(found.shared.items())[:SHOWN]
    ]
    if len(found.shared) > SHOWN:
        told.append(f"... and {len(found.shared) - SHOWN} more addresses")
    return told
