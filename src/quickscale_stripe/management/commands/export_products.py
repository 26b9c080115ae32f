from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from quickscale.management import ReportingCommand
from quickscale_stripe.catalogue import file
from quickscale_stripe.catalogue.file import BadFileError


class Command(ReportingCommand):
    help = "Write this site's products and prices on sale as JSON, for push_products."
    database_help = "the database of the catalogue"

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(file.write(options["database"]))
        except BadFileError as error:
            raise CommandError(str(error)) from error
