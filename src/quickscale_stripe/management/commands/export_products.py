from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from quickscale_stripe.catalogue import file
from quickscale_stripe.catalogue.file import BadFileError


class Command(BaseCommand):
    help = "Write this site's products and prices on sale as JSON, for push_products."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(file.write())
        except BadFileError as error:
            raise CommandError(str(error)) from error
