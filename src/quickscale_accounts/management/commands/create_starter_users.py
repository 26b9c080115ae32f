from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from quickscale_accounts.starter import create_starter_users


class Command(BaseCommand):
    help = "Create user@test.com and admin@test.com for development; refused if DEBUG is off."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            users = create_starter_users()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        for email, made in users:
            self.stdout.write(f"{'Created' if made else 'Kept'} {email}")
