"""Services: work that people use on a page and pay for with credits.

A site defines them in a module ``credit_services`` of any of its apps, which is loaded at startup::

    @register_service
    class Summarise(BaseService):
        code = "summarise"
        name = _("Summarise a text")
        cost = 2
        form_class = TextForm

        def run(self, *, text: str) -> str:
            return shorten(text)

A class without ``run`` has no page and is only metered: see :mod:`quickscale_credits.metering`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from django import forms
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, router
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from quickscale_credits.exceptions import CreditsError, InvalidRequestError
from quickscale_credits.internal.amounts import Amount, parse_price
from quickscale_credits.internal.databases import ledger_now
from quickscale_credits.models import METER, Service, ServicePrice

_services: dict[str, BaseService] = {}
metered_codes: set[str] = set()
"""The codes that ``@metered`` names; a check makes sure that they have rows."""


class ServiceError(Exception):
    """The work can't be done, and nothing is charged. The user is shown the reason."""


@dataclass(frozen=True)
class Price:
    """A price that a service starts with; see :class:`~quickscale_credits.models.ServicePrice`.

    ``Price("0.15", meter="input", per=1_000_000, dimension="small")``
    """

    unit_price: Amount
    _: KW_ONLY
    meter: str = METER
    dimension: str = ""
    per: int = 1

    def __post_init__(self) -> None:
        parse_price(self.unit_price)
        if self.per < 1 or self.per % 1:
            raise InvalidRequestError("per", f"{self.per!r} is not a number of at least 1.")


class BaseService:
    """One service. A subclass sets ``code`` and ``name``, and writes :meth:`run`.

    ``name``, ``description`` and ``unit`` are the first values of the service's row, and ``cost``
    (credits for each unit; 0 is free) is its first price. A service with several meters has
    ``prices`` instead. The staff can change the row and add later prices, which then apply.

    ``action_label`` is the verb on the button.

    A service without :meth:`run` is only metered: it has a row and prices but no page.
    """

    code: ClassVar[str]
    name: ClassVar[str | Promise]
    description: ClassVar[str | Promise] = ""
    cost: ClassVar[Amount] = 0
    prices: ClassVar[Sequence[Price]] = ()
    unit: ClassVar[str | Promise] = ""
    action_label: ClassVar[str | Promise] = gettext_lazy("Use")
    form_class: ClassVar[type[forms.Form]] = forms.Form
    result_template: ClassVar[str] = "quickscale_credits/_output.html"
    is_sample: ClassVar[bool] = False  # another class with its code replaces it

    @property
    def has_page(self) -> bool:
        """Whether people can use it on a page; a service that is only metered has none."""
        return type(self).run is not BaseService.run

    @property
    def has_fixed_cost(self) -> bool:
        """Whether each use costs the same, whatever the form says."""
        asked = ("units", "quantities", "dimension")
        return all(getattr(type(self), name) is getattr(BaseService, name) for name in asked)

    def units(self, *args: Any, **data: Any) -> Decimal | int:
        """Return how many units this use takes.

        It is called with the form's cleaned data as keyword arguments; a subclass names those that
        its form has, as in :meth:`run`.
        """
        return 1

    def quantities(self, *args: Any, **data: Any) -> Mapping[str, Amount]:
        """Return how much of each meter this use takes; by default, :meth:`units` of one meter."""
        return {METER: self.units(*args, **data)}

    def dimension(self, *args: Any, **data: Any) -> str:
        """Return the dimension of the prices, such as a model that the form asks for."""
        return ""

    def counted(self, *args: Any, **data: Any) -> str:
        """Return what is counted in words, such as "3,600 words"; a quote shows it with the cost.

        It is called with the form's cleaned data as keyword arguments.
        """
        return ""

    def run(self, *args: Any, **data: Any) -> Any:
        """Do the work and return a result that JSON can hold; may be ``async def``.

        It is called with the form's cleaned data as keyword arguments. The result is stored with
        the usage, so its page can be opened again later.

        Raises:
            ServiceError: the work can't be done. Any other exception is a bug. Neither is charged.
        """
        raise NotImplementedError


ServiceT = TypeVar("ServiceT", bound=type[BaseService])


def register_service(cls: ServiceT) -> ServiceT:
    """Register a service; a class decorator.

    Raises:
        ImproperlyConfigured: the class has no code or name, a price is invalid, or another class
            that isn't a sample has the same code.
    """
    for attribute in ("code", "name"):
        if not getattr(cls, attribute, ""):
            raise ImproperlyConfigured(f"{cls.__qualname__} needs a {attribute}.")
    known = _services.get(cls.code)
    if known and _path(type(known)) != _path(cls) and not known.is_sample:
        if cls.is_sample:
            return cls
        raise ImproperlyConfigured(
            f"{_path(cls)} and {_path(type(known))} have the same code {cls.code!r}."
        )
    service = cls()
    try:
        starting_prices(service)
    except CreditsError as error:
        raise ImproperlyConfigured(f"The price of {_path(cls)} can't be used: {error}") from error
    _services[cls.code] = service
    return cls


def starting_prices(service: BaseService) -> Sequence[Price]:
    """Return the prices that a registered service starts with."""
    return service.prices or (Price(service.cost),)


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def get_service(code: str) -> BaseService | None:
    """Return the registered service with a code, or ``None``."""
    return _services.get(code)


def services_with_page() -> Mapping[str, BaseService]:
    """Return the registered services that have a page, by code."""
    return {code: service for code, service in _services.items() if service.has_page}


def registered_services() -> Mapping[str, BaseService]:
    """Return every registered service by code."""
    return dict(_services)


@contextmanager
def register_temporarily(*classes: type[BaseService]) -> Iterator[None]:
    """Register services inside the block only; for tests."""
    for cls in classes:
        register_service(cls)
    try:
        yield
    finally:
        for cls in classes:
            _services.pop(cls.code, None)


def create_missing_rows(
    using: str = DEFAULT_DB_ALIAS,
    *,
    services: Iterable[BaseService] | None = None,
    since: datetime | None = None,
) -> None:
    """Create the missing rows and prices of the given services, by default all registered ones.

    A price is missing if no row has its meter and dimension. A new price is in force from
    ``since``, by default from now. This runs after every ``migrate``.
    """
    if not router.allow_migrate_model(using, Service):
        return
    services = list(_services.values() if services is None else services)
    rows = Service.objects.using(using)
    existing = set(rows.values_list("slug", flat=True))
    missing = [
        Service(
            slug=service.code,
            name=str(service.name),
            description=str(service.description),
            unit=str(service.unit),
        )
        for service in services
        if service.code not in existing
    ]
    rows.bulk_create(missing, ignore_conflicts=True)
    _create_missing_prices(using, services, since)


def _create_missing_prices(
    using: str, services: Iterable[BaseService], since: datetime | None
) -> None:
    ids = dict(Service.objects.using(using).values_list("slug", "pk"))
    prices = ServicePrice.objects.using(using)
    existing = set(prices.order_by().values_list("service_id", "meter", "dimension").distinct())
    missing = [
        (ids[service.code], price)
        for service in services
        for price in starting_prices(service)
        if (ids[service.code], price.meter, price.dimension) not in existing
    ]
    if missing:
        start = since or ledger_now(using)
        prices.bulk_create(
            ServicePrice(service_id=pk, effective_at=start, **vars(price)) for pk, price in missing
        )
