"""Services: work that people use on a page and pay for by credits.

A site writes them in a module ``credit_services`` of any of its apps, which is loaded at start::

    @register_service
    class Summarise(BaseService):
        code = "summarise"
        name = _("Summarise a text")
        cost = 2
        form_class = TextForm

        def run(self, *, text: str) -> str:
            return shorten(text)

What is only metered, without a page of its own, needs a :class:`~quickscale_credits.models.Service`
row and no class: see :mod:`quickscale_credits.metering`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from django import forms
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, router
from django.utils.functional import Promise

from quickscale_credits.models import Service

_services: dict[str, BaseService] = {}


class ServiceError(Exception):
    """The work can't be done, for a reason that the person who asked may read. It costs nothing."""


class BaseService:
    """One service. A subclass sets ``code`` and ``name``, and writes :meth:`run`.

    ``cost`` (credits for each unit; 0 is free), ``unit``, ``description`` and ``name`` are what the
    service's row begins with; the staff may change the row later, and the row is what counts.
    """

    code: ClassVar[str]
    name: ClassVar[str | Promise]
    description: ClassVar[str | Promise] = ""
    cost: ClassVar[Decimal | int | str] = 0
    unit: ClassVar[str | Promise] = ""
    form_class: ClassVar[type[forms.Form]] = forms.Form
    result_template: ClassVar[str] = "quickscale_credits/_output.html"

    def units(self, *args: Any, **data: Any) -> Decimal | int:
        """How many units this use takes.

        It is called with the form's cleaned data as keyword arguments; a subclass names those that
        its form has, as in :meth:`run`.
        """
        return 1

    def run(self, *args: Any, **data: Any) -> Any:
        """Do the work, and return what JSON can hold; may be ``async def``.

        It is called with the form's cleaned data as keyword arguments. The result is kept with the
        usage, so that the page of the result can be opened again.

        Raises:
            ServiceError: it can't be done. Any other exception is a fault; it costs nothing too.
        """
        raise NotImplementedError


ServiceT = TypeVar("ServiceT", bound=type[BaseService])


def register_service(cls: ServiceT) -> ServiceT:
    """Class decorator that makes a service known.

    Raises:
        ImproperlyConfigured: the class has no code or name, or another class has the code.
    """
    for attribute in ("code", "name"):
        if not getattr(cls, attribute, ""):
            raise ImproperlyConfigured(f"{cls.__qualname__} needs a {attribute}.")
    known = _services.get(cls.code)
    if known and _path(type(known)) != _path(cls):
        raise ImproperlyConfigured(
            f"{_path(cls)} and {_path(type(known))} have the same code {cls.code!r}."
        )
    _services[cls.code] = cls()
    return cls


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def get_service(code: str) -> BaseService | None:
    """The registered service of a code, or ``None`` when it is metered only."""
    return _services.get(code)


def registered_services() -> Mapping[str, BaseService]:
    """Every registered service by its code."""
    return dict(_services)


@contextmanager
def register_temporarily(*classes: type[BaseService]) -> Iterator[None]:
    """For tests: the services are registered inside the block only."""
    for cls in classes:
        register_service(cls)
    try:
        yield
    finally:
        for cls in classes:
            del _services[cls.code]


def create_missing_rows(
    using: str = DEFAULT_DB_ALIAS, *, services: Iterable[BaseService] | None = None
) -> None:
    """Make the rows of services that have none: of the registered ones, or of those given.

    Runs after every ``migrate``.
    """
    if not router.allow_migrate_model(using, Service):
        return
    rows = Service.objects.using(using)
    existing = set(rows.values_list("slug", flat=True))
    missing = [
        Service(
            slug=service.code,
            name=str(service.name),
            description=str(service.description),
            cost=Decimal(service.cost),
            unit=str(service.unit),
        )
        for service in (_services.values() if services is None else services)
        if service.code not in existing
    ]
    rows.bulk_create(missing, ignore_conflicts=True)
