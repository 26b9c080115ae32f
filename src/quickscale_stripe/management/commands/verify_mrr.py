from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from quickscale.management import ReportingCommand
from quickscale_stripe.billing import movements


class Command(ReportingCommand):
    help = "Check that each subscription's MRR movements add up to its current revenue."
    database_help = "the database of the subscriptions"

    def handle(self, *args: Any, **options: Any) -> None:
        problems = list(movements.verify(options["database"]))
        for problem in problems:
            self.stderr.write(problem)
        self.answer(
            {"problems": problems},
            "" if problems else "The movements add up to the subscriptions' revenue.",
        )
        if problems:
            raise CommandError(f"{len(problems)} problems.")
