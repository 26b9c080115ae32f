from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from quickscale_credits.management.base import CreditsCommand, add_dry_run, writing
from quickscale_credits.models import Service

FIELDS = ("name", "description", "cost", "unit", "cost_hook", "display_order", "is_active")


class Command(CreditsCommand):
    help = "Make or change a service; without options, show it, or all without a code."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_dry_run(parser)
        parser.add_argument("code", nargs="?", help="as in charge(owner, CODE)")
        parser.add_argument("--name")
        parser.add_argument("--description")
        parser.add_argument("--cost", help="credits for each unit; 0 is free")
        parser.add_argument("--unit", help="what one unit is, such as page")
        parser.add_argument("--cost-hook", metavar="PATH", help="dotted path; empty for none")
        parser.add_argument("--order", dest="display_order", type=int, metavar="N")
        switch = parser.add_mutually_exclusive_group()
        switch.add_argument("--on", dest="is_active", action="store_true", default=None)
        switch.add_argument("--off", dest="is_active", action="store_false", default=None)

    def handle(self, *, code: str | None, dry_run: bool, **options: Any) -> None:
        if code is None:
            services = [describe(service) for service in Service.objects.all()]
            self.answer(options, services, "\n".join(map(as_text, services)) or "No services yet.")
            return
        changes = {name: options[name] for name in FIELDS if options[name] is not None}
        service = Service.objects.filter(slug=code).first()
        if service is None:
            if not {"name", "cost"} <= changes.keys():
                raise CommandError(f"There is no service {code!r}; a new one needs --name, --cost.")
            service = Service(slug=code)
        for name, value in changes.items():
            setattr(service, name, value)
        if changes:
            with writing(dry_run=dry_run):
                save(service)
        data = describe(service)
        prefix = "Would be: " if dry_run and changes else ""
        self.answer(options, {**data, "dry_run": dry_run}, prefix + as_text(data))


def save(service: Service) -> None:
    try:
        service.full_clean()
    except ValidationError as error:
        raise CommandError(
            " ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
        ) from error
    service.save()


def describe(service: Service) -> dict[str, Any]:
    return {"code": service.slug, **{name: getattr(service, name) for name in FIELDS}}


def as_text(row: dict[str, Any]) -> str:
    price = f"by {row['cost_hook']}" if row["cost_hook"] else f"{row['cost']} credits"
    unit = f" for each {row['unit']}" if row["unit"] else ""
    return f"{row['code']}: {row['name']}, {price}{unit}{'' if row['is_active'] else ', off'}"
