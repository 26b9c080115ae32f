from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from quickscale.management import ReportingCommand
from quickscale_accounts.internal.starter import create_starter_users


class Command(ReportingCommand):
    help = "Create user@test.com and admin@test.com for development; refused if DEBUG is off."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            users = create_starter_users()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        self.answer(
            {"created": [email for email, made in users if made]},
            "\n".join(f"{'Created' if made else 'Kept'} {email}" for email, made in users),
        )
