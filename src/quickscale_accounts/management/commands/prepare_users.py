from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from quickscale.management import ReportingCommand
from quickscale_accounts.internal.existing import Survey, prepare, survey

SHOWN = 20


class Command(ReportingCommand):
    help = (
        "Prepare a site's existing users for signing in with an email address. "
        "The exit status is 1 if something is left that only a person can decide."
    )
    has_dry_run = True
    database_help = "the database of the users"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--mark-verified",
            action="store_true",
            help="treat every address that only one user has as confirmed",
        )

    def handle(
        self,
        *,
        dry_run: bool,
        mark_verified: bool,
        database: str | None,
        **options: Any,
    ) -> None:
        found = survey(database) if dry_run else prepare(database, mark_verified=mark_verified)
        sentences = lines(found, dry_run=dry_run, verified=mark_verified)
        self.answer(asdict(found), "\n".join(sentences))
        if found.needs_a_person:
            raise CommandError("Some users can't sign in yet; give each an address of its own.")


def lines(found: Survey, *, dry_run: bool, verified: bool) -> list[str]:
    """Return sentences that say what was found and what was done."""
    done = "would be" if dry_run else "were"
    sentences = [
        f"{found.users} users.",
        f"{found.rewritten} addresses {done} converted to lower case.",
        f"{found.unconfirmed} addresses {done} marked as confirmed."
        if verified
        else f"{found.unconfirmed} users will confirm their address by mail at the next sign-in "
        "(--mark-verified treats the addresses as confirmed).",
    ]
    if found.without_address:
        keys = ", ".join(map(str, found.without_address[:SHOWN]))
        rest = ", ..." if len(found.without_address) > SHOWN else ""
        sentences.append(f"{len(found.without_address)} users have no address: {keys}{rest}")
    sentences += [
        f"{len(keys)} users have the address {address}: {', '.join(map(str, keys))}"
        for address, keys in list(found.shared.items())[:SHOWN]
    ]
    if len(found.shared) > SHOWN:
        sentences.append(f"... and {len(found.shared) - SHOWN} more addresses")
    return sentences
