"""Charging for work: credits are held before it, taken after it, and given back when it fails.

As a context manager, sync or async::

    with charge(owner, "summarise", units=3) as usage:
        summary = summarise(text)

and as a decorator of functions and views, sync or async::

    @metered("summarise", units=lambda text: len(text))
    def summarise(owner, text): ...
"""

from __future__ import annotations

import inspect
import json
from asyncio import CancelledError, Task, create_task, shield
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, IntegrityError, transaction
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

from quickscale.owner import get_owner
from quickscale_credits import requests
from quickscale_credits.amounts import parse_amount
from quickscale_credits.conf import app_settings
from quickscale_credits.exceptions import (
    AccountFrozenError,
    ChargeInProgressError,
    HoldStateError,
    IdempotencyConflictError,
    InactiveServiceError,
    InsufficientCreditsError,
)
from quickscale_credits.models import (
    CreditAccount,
    CreditHold,
    CreditTransaction,
    Service,
    ServiceUsage,
)
from quickscale_credits.responses import announce_change, insufficient_credits_response
from quickscale_credits.services import BaseService

P = ParamSpec("P")
R = TypeVar("R")
Units = Decimal | int | str


class Charge:
    """One use of a service while it goes on; :func:`charge` makes it.

    Inside the block ``units`` may be set to what was really used, as long as it isn't more than
    was held; where nothing was held (0 units) it is all paid at the end. ``metadata`` may be
    filled.
    After it, ``usage`` is the :class:`~quickscale_credits.models.ServiceUsage`.
    ``replayed`` is true when the idempotency key was charged before: nothing is charged again, and
    ``usage`` is the first one, already inside the block.
    """

    service: Service
    account: CreditAccount
    usage: ServiceUsage | None = None
    replayed = False
    _hold: CreditHold | None = None
    _held_units: Decimal
    _held_cost: Decimal
    _fingerprint: str

    def __init__(
        self,
        owner: Any,
        code: str,
        units: Units,
        idempotency_key: str | None,
        metadata: Mapping[str, Any] | None,
        ttl: timedelta | None,
    ) -> None:
        self.units = units
        self.metadata = dict(metadata or {})
        self._owner = owner
        self._code = code
        self._key = idempotency_key
        self._ttl = ttl or app_settings.hold_ttl

    def __enter__(self) -> Charge:
        self.service = Service.objects.for_code(self._code)
        self.account = CreditAccount.objects.for_owner(self._owner)
        self._held_units = parse_amount(self.units, name="units", zero=True)
        self._fingerprint = requests.fingerprint("charge", self.service.pk, self._held_units)
        self.usage = self._earlier_usage()
        if self.usage is not None:
            self.replayed = True
            return self
        self._held_cost = self.service.cost_of(self._held_units, owner=self._owner)
        if self._held_cost:
            hold = self.account.hold_credits(
                self._held_cost,
                self.service.name,
                ttl=self._ttl,
                service=self.service,
                idempotency_key=self._key,
            )
            if hold.status != CreditHold.Status.OPEN:
                raise HoldStateError(hold.status)
            if hold.replayed:
                raise ChargeInProgressError(hold.status)
            self._hold = hold
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.replayed:
            return
        if exc is not None:
            self._release()
            return
        try:
            self._finish()
        except BaseException:
            self._release()
            raise

    async def __aenter__(self) -> Charge:
        entering = create_task(sync_to_async(self.__enter__)())
        try:
            return await shield(entering)
        except CancelledError:
            await shield(self._leave(entering))
            raise

    async def _leave(self, entering: Task[Charge]) -> None:
        with suppress(Exception):
            await entering
        await sync_to_async(self._release)()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A visitor who goes away cancels the task; the credits are settled all the same.
        await shield(sync_to_async(self.__exit__)(exc_type, exc, traceback))

    def _earlier_usage(self) -> ServiceUsage | None:
        if not self._key:
            return None
        usages = ServiceUsage.objects.filter(account=self.account, idempotency_key=self._key)
        usage = usages.first()
        if usage is not None and usage.fingerprint != self._fingerprint:
            raise IdempotencyConflictError(self._key)
        return usage

    def _release(self) -> None:
        # A hold may have timed out. In a broken transaction nothing can be written, and its
        # rollback undoes the hold; the error that broke it goes on.
        if self._hold is not None:
            with suppress(HoldStateError, DatabaseError):
                self._hold.release()

    def _cost(self, units: Decimal) -> Decimal:
        """What is to be paid: as held, also where a cost hook says more by now."""
        if units == self._held_units:
            return self._held_cost
        cost = self.service.cost_of(units, owner=self._owner)
        return min(cost, self._held_cost) if units < self._held_units else cost

    def _take(self, cost: Decimal) -> CreditTransaction | None:
        if self._hold is not None:
            return self._hold.capture(cost)
        if not cost:
            return None
        return self.account.consume_credits(
            cost, self.service.name, service=self.service, idempotency_key=self._key
        )

    def _finish(self) -> None:
        units = parse_amount(self.units, name="units", zero=True)
        cost = self._cost(units)
        metadata = json.loads(requests.metadata(self.metadata))
        try:
            with transaction.atomic():
                self.usage = ServiceUsage.objects.create(
                    service=self.service,
                    account=self.account,
                    transaction=self._take(cost),
                    units=units,
                    cost=cost,
                    idempotency_key=self._key or "",
                    fingerprint=self._fingerprint,
                    metadata=metadata,
                )
        except IntegrityError:
            # Work that held nothing had the same key and was quicker: its usage is the answer.
            self.usage = self._earlier_usage()
            if self.usage is None:
                raise
            self.replayed = True
            self._release()


def charge(
    owner: Any,
    code: str,
    *,
    units: Units = 1,
    idempotency_key: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    ttl: timedelta | None = None,
) -> Charge:
    """Hold the cost of a service, run the block, and take the cost; an exception gives it back.

    Works with ``with`` and ``async with``. A service that costs nothing leaves a usage and no
    transaction. ``ttl`` is when credits come back by themselves should the process die, by default
    ``QUICKSCALE_CREDITS_HOLD_TTL``; work that may run longer needs more. With an
    ``idempotency_key`` (for each account) the use is charged once: see :class:`Charge`.

    Inside ``atomic()`` it is a part of that transaction: the account stays locked during the work,
    and the hold is gone when the process dies. Leave it outside where work takes long.

    Raises:
        UnknownServiceError, InactiveServiceError: no service has the code, or it is switched off.
        InsufficientCreditsError: the cost is more than is available; nothing has run.
        ChargeInProgressError: work with the key goes on elsewhere; nothing has run here.
        HoldStateError: the key belongs to a use that failed; a new try needs a new key.
        IdempotencyConflictError: the key was used for another service, or other units.
    """
    return Charge(owner, code, units, idempotency_key, metadata, ttl)


def use(
    service: BaseService,
    *,
    owner: Any,
    data: Mapping[str, Any],
    idempotency_key: str | None = None,
) -> ServiceUsage:
    """Run a registered service for its price; its result is in the usage's ``metadata``.

    A key that was charged before answers with the first usage, and the work isn't run again.

    Raises:
        ServiceError: the service can't do it; and what :func:`charge` raises.
    """
    units = service.units(**data)
    with charge(owner, service.code, units=units, idempotency_key=idempotency_key) as charging:
        if not charging.replayed:
            run = service.run
            if inspect.iscoroutinefunction(run):
                run = async_to_sync(run)
            charging.metadata["result"] = run(**data)
    return cast("ServiceUsage", charging.usage)


@dataclass(frozen=True)
class _Call:
    owner: Any
    units: Units
    request: HttpRequest | None


class _FailedResponse(Exception):
    def __init__(self, response: HttpResponseBase) -> None:
        self.response = response


_REFUSALS = (
    _FailedResponse,
    AccountFrozenError,
    InactiveServiceError,
    InsufficientCreditsError,
)


def metered(
    code: str,
    *,
    units: Units | Callable[..., Units] = 1,
    owner: Callable[..., Any] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Charge for every call of a function or view, sync or async, as :func:`charge` does.

    ``units`` is a number, or a callable that takes any of the function's arguments by their names.
    ``owner`` is such a callable too; without it the argument ``owner`` pays, else the first one.
    Where that is a request (a view), its owner pays: a visitor who acts for nobody is sent to
    the login, too few credits are answered by the page for it, a frozen account with 403, a service
    that is switched off with 404, and an answer of status 400 or more is failed work, which costs
    nothing. ``ATOMIC_REQUESTS`` leaves it out. A streamed answer is paid when the view returns it.
    A method of a class needs ``method_decorator``.

    Raises:
        TypeError: the function is a generator, or has no such arguments; at decoration.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator: call charge() inside it.")
        read = _call_reader(function, units, owner)

        @wraps(function)
        def sync_wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
            call = read(args, kwargs)
            if call.request is None:
                with charge(call.owner, code, units=call.units):
                    return function(*args, **kwargs)
            try:
                with charge(_payer(call), code, units=call.units):
                    response = _checked(function(*args, **kwargs))
            except _REFUSALS as error:
                return _answer(call.request, error)
            announce_change(response)
            return response

        @wraps(function)
        async def async_wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
            call = await sync_to_async(read)(args, kwargs)
            work = cast("Callable[P, Any]", function)
            if call.request is None:
                async with charge(call.owner, code, units=call.units):
                    return await work(*args, **kwargs)
            try:
                async with charge(_payer(call), code, units=call.units):
                    response = _checked(await work(*args, **kwargs))
            except _REFUSALS as error:
                return await sync_to_async(_answer)(call.request, error)
            announce_change(response)
            return response

        wrapper = async_wrapper if inspect.iscoroutinefunction(function) else sync_wrapper
        return cast("Callable[P, R]", transaction.non_atomic_requests(wrapper))

    return decorate


def _call_reader(
    function: Callable[..., Any],
    units: Units | Callable[..., Units],
    owner: Callable[..., Any] | None,
) -> Callable[[tuple[Any, ...], Mapping[str, Any]], _Call]:
    """What works out from a call's arguments who pays for how many units."""
    signature = inspect.signature(function)
    if not signature.parameters:
        raise TypeError(f"{function.__qualname__} takes nothing that tells who pays.")
    payer = "owner" if "owner" in signature.parameters else next(iter(signature.parameters))
    read_owner = _by_name(owner, function) if owner else None
    read_units = _by_name(units, function) if callable(units) else None

    def read(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Call:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        value = bound.arguments[payer]
        request = value if isinstance(value, HttpRequest) else None
        if read_owner:
            value = read_owner(bound.arguments)
        elif request:
            value = get_owner(request)
        count = read_units(bound.arguments) if read_units else cast("Units", units)
        return _Call(owner=value, units=count, request=request)

    return read


def _by_name(
    hook: Callable[..., Any], function: Callable[..., Any]
) -> Callable[[Mapping[str, Any]], Any]:
    names = list(inspect.signature(hook).parameters)
    unknown = [name for name in names if name not in inspect.signature(function).parameters]
    if unknown:
        raise TypeError(f"{function.__qualname__} has no argument {', '.join(unknown)}.")
    return lambda arguments: hook(**{name: arguments[name] for name in names})


def _payer(call: _Call) -> Any:
    if call.owner is None and call.request is not None:
        raise _FailedResponse(redirect_to_login(call.request.get_full_path()))
    return call.owner


def _checked(response: Any) -> Any:
    if response.status_code >= 400:
        raise _FailedResponse(response)
    return response


def _answer(request: HttpRequest, error: Exception) -> HttpResponseBase:
    if isinstance(error, _FailedResponse):
        return error.response
    if isinstance(error, InsufficientCreditsError):
        return insufficient_credits_response(request, error)
    if isinstance(error, InactiveServiceError):
        raise Http404(str(error)) from error
    raise PermissionDenied(str(error)) from error
