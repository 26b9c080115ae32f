"""Work out what the use of a service costs, from the price list that the staff keep.

A price (:class:`~quickscale_credits.models.ServicePrice`) is for one *meter* of a service, such as
``input``, and for one value of its *dimension*, such as a model. Prices have 10 places and are
summed exactly; only the final charge is rounded up to 4 places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any

from asgiref.sync import sync_to_async
from django.db import models
from django.utils.module_loading import import_string

from quickscale_credits.exceptions import InvalidRequestError, UnknownPriceError
from quickscale_credits.internal.amounts import (
    PLACES,
    Amount,
    parse_amount,
    parse_quantity,
    round_up,
)
from quickscale_credits.internal.databases import database_of, ledger_now
from quickscale_credits.models import METER, CreditAccount, Service, ServicePrice

_SHOWN = Context(prec=50, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True)
class PriceLine:
    """One meter of a use: ``quantity`` at ``unit_price`` credits for ``per`` units.

    ``dimension`` is that of the price: empty if the price for any other dimension was applied.
    """

    meter: str
    dimension: str
    quantity: Decimal
    unit_price: Decimal
    per: int

    @property
    def exact(self) -> Fraction:
        return Fraction(self.quantity) * Fraction(self.unit_price) / self.per

    @property
    def amount(self) -> Decimal:
        """The amount in credits, exact or, if the division has no exact result, to 50 digits."""
        exact = self.exact
        return _SHOWN.divide(Decimal(exact.numerator), Decimal(exact.denominator))

    def as_json(self) -> dict[str, Any]:
        """Return the values that a usage stores."""
        return {
            "meter": self.meter,
            "dimension": self.dimension,
            "quantity": f"{self.quantity:f}",
            "unit_price": f"{self.unit_price.normalize():f}",
            "per": self.per,
        }


@dataclass(frozen=True)
class Quote:
    """What a use costs: ``cost`` credits, by the prices in force ``at`` that time.

    ``lines`` is empty if the service's cost hook worked the cost out.
    """

    service: Service
    quantities: Mapping[str, Decimal]
    dimension: str
    at: datetime
    lines: tuple[PriceLine, ...]
    cost: Decimal


@dataclass(frozen=True)
class AccountQuote(Quote):
    """A quote for one account, which has ``available`` credits, an overdraft included.

    ``enough`` is whether the account could pay now; a frozen account can't. ``left`` is what it
    would have afterwards without the overdraft: less than zero if the use takes some of it.
    """

    available: Decimal
    enough: bool
    left: Decimal

    @property
    def shortfall(self) -> Decimal:
        """The number of credits that are missing."""
        return max(self.cost - self.available, Decimal(0))


def price_use(
    service: Service,
    quantities: Mapping[str, Amount],
    *,
    dimension: str = "",
    owner: Any = None,
    at: datetime | None = None,
) -> Quote:
    """Price a use by the service's cost hook if it has one, otherwise by its price list.

    ``quantities`` is the quantity of each meter, for example ``{"input": 1200, "output": 80}``. A
    price for ``dimension`` takes precedence over one for any dimension. ``at`` is by default now.

    The hook is called as ``hook(service=..., quantities=..., dimension=..., owner=..., at=...)``.

    Raises:
        UnknownPriceError: no price is in force for a meter.
        InvalidAmountError: a quantity, or the hook's result, is not a number or is below zero.
        InvalidRequestError: there are no quantities.
        ImportError: the hook can't be loaded.
    """
    at = at or ledger_now(database_of(service))
    if not service.cost_hook:
        return price_by_list(service, quantities, dimension=dimension, at=at)
    parsed = parse_quantities(quantities)
    hook = import_string(service.cost_hook)
    cost = hook(service=service, quantities=parsed, dimension=dimension, owner=owner, at=at)
    return Quote(service, parsed, dimension, at, (), round_up(cost, name="cost"))


def price_by_list(
    service: Service,
    quantities: Mapping[str, Amount],
    *,
    dimension: str = "",
    at: datetime | None = None,
) -> Quote:
    """Do the same as :func:`price_use`, but ignore the cost hook, so that hooks can call it."""
    at = at or ledger_now(database_of(service))
    parsed = parse_quantities(quantities)
    in_force = {
        (price.meter, price.dimension): price
        for price in ServicePrice.objects.using(database_of(service))
        .filter(service=service, meter__in=list(parsed), dimension__in={dimension, ""})
        .in_force(at)
    }
    lines = []
    for meter, quantity in parsed.items():
        price = in_force.get((meter, dimension)) or in_force.get((meter, ""))
        if price is None:
            raise UnknownPriceError(service.slug, meter, dimension)
        lines.append(PriceLine(meter, price.dimension, quantity, price.unit_price, price.per))
    return Quote(service, parsed, dimension, at, tuple(lines), _rounded_up(lines))


def _rounded_up(lines: list[PriceLine]) -> Decimal:
    exact = sum(line.exact for line in lines) * 10**PLACES
    steps = -(-exact.numerator // exact.denominator)
    return parse_amount(Decimal(steps).scaleb(-PLACES), name="cost", zero=True)


def parse_quantities(quantities: Mapping[str, Amount]) -> dict[str, Decimal]:
    """Return the quantities as numbers.

    Raises:
        InvalidAmountError: a quantity is not a number, or is below zero.
        InvalidRequestError: there are no quantities.
    """
    if not quantities:
        raise InvalidRequestError("quantities", "give the quantity of at least one meter.")
    return {
        meter: parse_quantity(quantity, name=_argument(meter))
        for meter, quantity in quantities.items()
    }


def one_or_several(units: Amount, quantities: Mapping[str, Amount] | None) -> Mapping[str, Amount]:
    """Return the quantities of a use that is given in units or by its meters.

    Raises:
        InvalidRequestError: both were given.
    """
    if quantities is None:
        return {METER: units}
    if units != 1:
        raise InvalidRequestError("units", "give units or quantities, not both.")
    return quantities


def _argument(meter: str) -> str:
    return "units" if meter == METER else f"quantities[{meter!r}]"


def quote(
    owner: Any,
    code: str | Service,
    *,
    units: Amount = 1,
    quantities: Mapping[str, Amount] | None = None,
    dimension: str = "",
) -> AccountQuote:
    """Return what a use would cost the owner now, and whether they have enough; nothing is held.

    ``code`` names the service, or is its row, which is then not read again. Give ``units``, or
    ``quantities`` of several meters, or neither for one unit.

    Raises:
        UnknownServiceError, InactiveServiceError: no service has the code, or it is switched off.
        InvalidRequestError: both ``units`` and ``quantities`` were given.
        Exception: anything that :func:`price_use` raises.
    """
    asked = one_or_several(units, quantities)
    service = code if isinstance(code, Service) else Service.objects.for_code(code)
    priced = price_use(service, asked, dimension=dimension, owner=owner)
    account = CreditAccount.objects.to_read(owner)
    balance = account.get_available_balance()
    available = balance + account.overdraft_limit
    return AccountQuote(
        **{name: getattr(priced, name) for name in Quote.__dataclass_fields__},
        available=available,
        enough=account.status == account.Status.ACTIVE and priced.cost <= available,
        left=balance - priced.cost,
    )


aquote = sync_to_async(quote)


def set_price(
    service: Service,
    unit_price: Amount,
    *,
    meter: str = METER,
    dimension: str = "",
    per: int = 1,
    effective_at: datetime | None = None,
) -> ServicePrice:
    """Add a price to the list, in force from ``effective_at``, by default from now.

    Raises:
        ValidationError: a value is invalid, or the price would start in the past although the same
            meter and dimension already have a price.
    """
    price = ServicePrice(
        service=service, meter=meter, dimension=dimension, unit_price=unit_price, per=per
    )
    if effective_at is not None:
        price.effective_at = effective_at
    price.full_clean(exclude={"service"})
    price.save()
    return price


@dataclass(frozen=True)
class ListedPrice:
    """What one meter of a service costs today; if it ``varies``, the ``lowest`` of its dimensions.

    ``unit`` says in words what is counted, and ``per`` is how many units the price is for.
    """

    unit: str
    per: int
    lowest: Decimal
    varies: bool


def listed_prices(service: Service) -> list[ListedPrice]:
    """Return what a service costs today: one price for each meter."""
    listed = []
    for meter, group in groupby(service.prices_in_force, key=lambda price: price.meter):
        prices = list(group)
        lowest = min(prices, key=lambda price: price.unit_price / price.per)
        listed.append(
            ListedPrice(
                unit=service.unit if meter == METER else meter,
                per=lowest.per,
                lowest=lowest.unit_price,
                varies=len({price.unit_price / price.per for price in prices}) > 1,
            )
        )
    return listed


def price_list(service: Service) -> models.QuerySet[ServicePrice]:
    """Return the prices of a service with their ``status``; current and future ones come first."""
    return service.prices.using(database_of(service)).with_status()
