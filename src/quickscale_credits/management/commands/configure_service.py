from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from quickscale_credits.internal.databases import database_of
from quickscale_credits.management.base import CreditsCommand, writing
from quickscale_credits.models import METER, Service, ServicePrice
from quickscale_credits.pricing import price_list, set_price

FIELDS = ("name", "description", "unit", "cost_hook", "display_order", "is_active")
PRICE_OPTIONS = ("meter", "dimension", "per", "effective_at")


class Command(CreditsCommand):
    help = "Create or change a service and its prices; without options, show one or all."
    has_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("code", nargs="?", help="as in charge(owner, CODE)")
        parser.add_argument("--name", help="what people read")
        parser.add_argument("--description", help="what it does, for people")
        parser.add_argument("--unit", help="what one unit is, such as page")
        parser.add_argument("--cost-hook", metavar="PATH", help="dotted path; empty for none")
        parser.add_argument(
            "--order", dest="display_order", type=int, metavar="N", help="smaller comes first"
        )
        switch = parser.add_mutually_exclusive_group()
        switch.add_argument(
            "--on", dest="is_active", action="store_true", default=None, help="make it usable"
        )
        switch.add_argument(
            "--off", dest="is_active", action="store_false", default=None, help="make it unusable"
        )
        price = parser.add_argument_group("a price, which replaces the one in force")
        price.add_argument("--cost", help="credits for the units; 0 is free")
        price.add_argument("--meter", help=f"what is counted, such as input; by default {METER}")
        price.add_argument(
            "--dimension", help="what the price is for, such as a model; by default any"
        )
        price.add_argument("--per", type=int, metavar="N", help="for N units; by default 1")
        price.add_argument(
            "--from", dest="effective_at", metavar="TIME", help="in ISO format; by default now"
        )

    def handle(
        self, *, code: str | None, dry_run: bool, database: str | None, **options: Any
    ) -> None:
        using = database or database_of()
        rows = Service.objects.using(using)
        if code is None:
            services = [describe(service) for service in rows]
            self.answer(services, "\n".join(map(as_text, services)) or "No services yet.")
            return
        changes = {name: options[name] for name in FIELDS if options[name] is not None}
        price = read_price(options)
        service = rows.filter(slug=code).first()
        if service is None:
            if "name" not in changes or not price:
                raise CommandError(f"There is no service {code!r}; a new one needs --name, --cost.")
            service = Service(slug=code)
        for name, value in changes.items():
            setattr(service, name, value)
        with writing(using=using, dry_run=dry_run):
            try:
                if changes:
                    save(service, using)
                if price:
                    set_price(service, **price)
            except ValidationError as error:
                raise CommandError(
                    " ".join(
                        f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items()
                    )
                ) from error
            data = describe(service)
        prefix = "Would be: " if dry_run and (changes or price) else ""
        self.answer({**data, "dry_run": dry_run}, prefix + as_text(data))


def read_price(options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``set_price``, or none if no price was given."""
    given = {name: options[name] for name in PRICE_OPTIONS if options[name] is not None}
    if options["cost"] is None:
        if given:
            raise CommandError("A price needs --cost.")
        return {}
    if "effective_at" in given:
        given["effective_at"] = read_time(given["effective_at"])
    return {"unit_price": options["cost"], **given}


def read_time(text: str) -> Any:
    try:
        day = parse_date(text)
        moment = parse_datetime(text if day is None else f"{text}T00:00")
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"--from: {text!r} is not a time such as 2027-01-31T08:00.")
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


def save(service: Service, using: str) -> None:
    service._state.db = using
    service.full_clean()
    service.save(using=using)


def describe(service: Service) -> dict[str, Any]:
    prices = [price for price in price_list(service) if price.status != "past"]  # type: ignore[attr-defined]
    return {
        "code": service.slug,
        **{name: getattr(service, name) for name in FIELDS},
        "prices": [describe_price(price) for price in prices],
    }


def describe_price(price: ServicePrice) -> dict[str, Any]:
    return {
        "meter": price.meter,
        "dimension": price.dimension,
        "cost": f"{price.unit_price.normalize():f}",
        "per": price.per,
        "from": price.effective_at,
        "status": price.status,  # type: ignore[attr-defined]
    }


def as_text(row: dict[str, Any]) -> str:
    prices = [f"by {row['cost_hook']}"] if row["cost_hook"] else []
    prices += [price_as_text(price, row["unit"]) for price in row["prices"]]
    price = "; ".join(prices) or "no price"
    return f"{row['code']}: {row['name']}, {price}{'' if row['is_active'] else ', off'}"


def price_as_text(price: dict[str, Any], unit: str) -> str:
    counted = unit if price["meter"] == METER else price["meter"]
    amount = f"{price['per']} {counted}".rstrip() if price["per"] > 1 else f"each {counted}"
    return "".join(
        [
            f"{price['cost']} credits",
            f" for {amount}" if counted or price["per"] > 1 else "",
            f" of {price['dimension']}" if price["dimension"] else "",
            f" from {price['from']:%Y-%m-%d %H:%M %Z}" if price["status"] == "coming" else "",
        ]
    )
