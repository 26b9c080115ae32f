"""Charge for work: hold credits before it and take them after it.

Use it as a context manager, sync or async::

    with charge(owner, "summarise", units=3) as charging:
        summary = summarise(text)

and for responses that are streamed::

    StreamingHttpResponse(charge(owner, "chat", units=4000).stream(words, count=tokens))

Failed work gives its credits back. Finished work is always charged, even if its hold has timed out
or the account can no longer pay.
"""

from __future__ import annotations

import json
import logging
from asyncio import CancelledError, Task, create_task, shield
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Literal

from asgiref.sync import sync_to_async
from django.db import DatabaseError, IntegrityError, connections

from quickscale.owner import get_owner_model
from quickscale_credits.conf import app_settings
from quickscale_credits.exceptions import (
    AccountClosedError,
    AccountFrozenError,
    ChargeInProgressError,
    HoldStateError,
    IdempotencyConflictError,
    InvalidRequestError,
    UnknownPriceError,
)
from quickscale_credits.internal import arguments
from quickscale_credits.internal.amounts import round_up
from quickscale_credits.internal.databases import database_of, ledger_now, write_atomic
from quickscale_credits.models import METER, CreditAccount, CreditHold, Service, ServiceUsage
from quickscale_credits.pricing import Quote, one_or_several, parse_quantities, price_use

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from quickscale_credits.internal.streams import AsyncStream, Stream

Units = Decimal | int | str
Used = Units | Mapping[str, Units]
OnAbort = Literal["capture", "release"]

#: What ends work that nobody waits for any more: its generator is closed or its task is cancelled.
ABORTS = (GeneratorExit, CancelledError)


class Charge:
    """A use of a service in progress; :func:`charge` creates it.

    Inside the block, set ``units`` or ``quantities`` to what was really used, or count it with
    :meth:`add`. It may be more than was held. The prices in force when the use started apply. Set
    ``cost`` to charge that number of credits instead. You can add to ``metadata``.

    After the block, ``usage`` is the :class:`~quickscale_credits.models.ServiceUsage`. Its
    ``shortfall`` is the part that the account could not pay.
    ``replayed`` is true if the idempotency key was already charged: nothing is charged again, and
    ``usage`` is the first usage, even inside the block.
    """

    service: Service
    account: CreditAccount
    usage: ServiceUsage | None = None
    replayed = False
    _hold: CreditHold | None = None
    _held: Quote
    _held_for_cost: bool
    _fingerprint: str
    #: Whether a reader has received anything yet; a stream sets it.
    sent = False
    _counted = False
    _failed = False

    def __init__(
        self,
        owner: Any,
        code: str,
        quantities: Mapping[str, Units],
        *,
        dimension: str,
        cost: Units | None,
        idempotency_key: str | None,
        description: str,
        actor: Any,
        metadata: Mapping[str, Any] | None,
        ttl: timedelta | None,
        on_abort: OnAbort | None,
    ) -> None:
        self._quantities = parse_quantities(quantities)
        self.cost = cost
        self.dimension = dimension
        self.metadata = dict(metadata or {})
        self.ttl = ttl or app_settings.hold_ttl
        self._owner = owner
        self._code = code
        self._key = idempotency_key
        self._description = description
        self._actor = actor
        self.on_abort = on_abort

    @property
    def quantities(self) -> Mapping[str, Decimal]:
        """The quantity of each meter. Set it to what was really used; an omitted meter is unused.

        Raises:
            InvalidAmountError: a quantity is not a number, or is below zero.
            InvalidRequestError: a meter was not named when the charge started, so it has no price.
        """
        return MappingProxyType(self._quantities)

    @quantities.setter
    def quantities(self, quantities: Mapping[str, Units]) -> None:
        self._quantities = {
            **dict.fromkeys(self._quantities, Decimal(0)),
            **self._known(quantities),
        }
        self._counted = True

    @property
    def units(self) -> Decimal:
        """The quantity of a service with a single meter; set it like :attr:`quantities`."""
        return self._quantities[METER]

    @units.setter
    def units(self, units: Units) -> None:
        self.quantities = {METER: units}

    def add(self, used: Used) -> None:
        """Add to what was used: units, or quantities by meter. The first call starts from zero.

        Raises the same errors as setting :attr:`quantities`.
        """
        quantities = self._known(used if isinstance(used, Mapping) else {METER: used})
        so_far = self._quantities if self._counted else dict.fromkeys(self._quantities, Decimal(0))
        self._quantities = {
            meter: amount + quantities.get(meter, 0) for meter, amount in so_far.items()
        }
        self._counted = True

    @property
    def cost(self) -> Decimal | None:
        """The credits to charge instead of the prices, rounded up; ``None`` uses the prices.

        Raises:
            InvalidAmountError: the cost is not a number, or is below zero.
        """
        return self._cost

    @cost.setter
    def cost(self, cost: Units | None) -> None:
        self._cost = None if cost is None else round_up(cost, name="cost")

    def prolong(self, ttl: timedelta | None = None) -> None:
        """Let the hold last until ``ttl`` from now, for work that takes longer than expected.

        Raises:
            HoldStateError: the hold has timed out. The work is still charged.
        """
        if self._hold is not None:
            self._hold.prolong(ttl or self.ttl)

    def stream(
        self, chunks: Iterable[Any], *, count: Callable[[Any], Used] | None = None
    ) -> Stream:
        """Hold the credits now, pass the chunks on, and charge at the end for what was sent.

        ``count`` returns how much of the service a chunk uses, in the form that :meth:`add` takes.
        Without it, the units asked for are charged once a chunk is sent. If the chunks raise an
        exception, nothing is charged. A reader who leaves pays for what was sent, or nothing with
        ``on_abort="release"``. A long stream prolongs its hold.

        Raises:
            IdempotencyConflictError: the key was already charged, and chunks are not stored.
            Exception: anything that :func:`charge` raises; nothing was sent.
        """
        from quickscale_credits.internal.streams import Stream

        self.__enter__()
        return Stream(self, chunks, count)

    async def astream(
        self, chunks: AsyncIterable[Any], *, count: Callable[[Any], Used] | None = None
    ) -> AsyncStream:
        """Do the same as :meth:`stream` for async chunks."""
        from quickscale_credits.internal.streams import AsyncStream

        await self.__aenter__()
        return AsyncStream(self, chunks, count)

    def settle(self) -> ServiceUsage:
        """Charge for what was used until now; the end of the block does this.

        Call it again only if the database failed at the end: the hold is then still open, and
        nothing is charged twice.

        Raises:
            IdempotencyConflictError: other work has used the key since; nothing is charged.
            InvalidRequestError: JSON or PostgreSQL can't hold ``metadata``; nothing is charged.
        """
        try:
            metadata = json.loads(arguments.metadata(self.metadata))
            self.usage = self._charged(self._settled(), metadata)
        except (IdempotencyConflictError, InvalidRequestError):
            self.release()
            raise
        return self.usage

    asettle = sync_to_async(settle)

    def release(self) -> None:
        """Release the hold and charge nothing; an exception in the block does this."""
        self._failed = True
        # The hold may have timed out. A broken transaction accepts no write, but its rollback
        # undoes the hold; the error that broke it propagates.
        if self._hold is not None:
            with suppress(HoldStateError, DatabaseError):
                self._hold.release()

    def __enter__(self) -> Charge:
        if not isinstance(self._owner, get_owner_model()):
            raise InvalidRequestError(
                "owner", f"{self._owner!r} is not an instance of {get_owner_model().__name__}."
            )
        self.service = Service.objects.for_code(self._code)
        self.account = CreditAccount.objects.for_owner(self._owner)
        self._warn_of_atomic_requests()
        asked = sorted(_as_texts(self._quantities).items())
        self._fingerprint = arguments.fingerprint(
            "charge", self.service.pk, self.dimension, asked, *filter(None, [self.cost])
        )
        self._description = self._description or self.service.name
        self.usage = self._earlier_usage()
        if self.replayed:
            return self
        self._held = self._priced()
        self._held_for_cost = self.cost is not None
        if self._held.cost:
            hold = self.account.hold_credits(
                self._held.cost,
                self._description,
                ttl=self.ttl,
                service=self.service,
                idempotency_key=self._key,
                actor=self._actor,
            )
            if hold.status != CreditHold.Status.OPEN:
                raise HoldStateError(hold.status)
            if hold.replayed:
                raise ChargeInProgressError(hold.status)
            self._hold = hold
        elif self.account.status == CreditAccount.Status.FROZEN:
            raise AccountFrozenError(self.account.status)
        elif self.account.status == CreditAccount.Status.CLOSED:
            raise AccountClosedError(self.account.status)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(exc)

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
        await sync_to_async(self.release)()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aend(exc)

    def end(self, error: BaseException | None) -> None:
        """Leave the block with the error that ended it, if any: settle, or release the hold."""
        if self.usage is not None or self._failed:
            return
        if error is None or (isinstance(error, ABORTS) and self._pays_when_aborted):
            self.settle()
        else:
            self.release()

    async def aend(self, error: BaseException | None) -> None:
        """Do the same as :meth:`end`, even if the visitor leaves, which cancels the task."""
        await shield(sync_to_async(self.end)(error))

    def _warn_of_atomic_requests(self) -> None:
        connection = connections[database_of(self.account)]
        if connection.in_atomic_block and connection.settings_dict["ATOMIC_REQUESTS"]:
            logger.warning(
                "%s is charged inside a transaction, which keeps the account locked during the "
                "work. ATOMIC_REQUESTS is on: decorate the view with non_atomic_requests.",
                self._code,
            )

    @property
    def _pays_when_aborted(self) -> bool:
        if self.on_abort is None:
            return self._counted or self.sent
        return self.on_abort == "capture"

    def _known(self, quantities: Mapping[str, Units]) -> dict[str, Decimal]:
        used = parse_quantities(quantities)
        unknown = used.keys() - self._quantities.keys()
        if unknown:
            raise InvalidRequestError(
                "quantities", f"name {', '.join(sorted(unknown))} as 0 when the charge starts."
            )
        return used

    def _earlier_usage(self) -> ServiceUsage | None:
        """Return the usage that this charge, or another one with its key, already wrote."""
        usages = ServiceUsage.objects.using(database_of(self.account)).filter(account=self.account)
        if self._hold is not None:
            own = usages.filter(transaction__hold=self._hold).first()
            if own is not None:
                return own
        if not self._key:
            return None
        usage = usages.filter(idempotency_key=self._key).first()
        if usage is not None:
            if usage.fingerprint != self._fingerprint:
                raise IdempotencyConflictError(self._key)
            self.replayed = True
            self.release()
        return usage

    def _priced(self, at: datetime | None = None) -> Quote:
        if self.cost is not None:
            at = at or ledger_now(database_of(self.service))
            return Quote(self.service, self.quantities, self.dimension, at, (), self.cost)
        return price_use(
            self.service, self._quantities, dimension=self.dimension, owner=self._owner, at=at
        )

    def _settled(self) -> Quote:
        """Price what was used. It never costs more than the hold if no more was used than held.

        That is so even if a cost hook now asks for more.
        """
        held = self._held
        if self._held_for_cost or self.cost is not None:
            with suppress(UnknownPriceError):  # the work is done, so charge what was held
                return self._priced(at=held.at)
            return held
        if self._quantities == held.quantities:
            return held
        used = self._priced(at=held.at)
        fewer = all(amount <= held.quantities[meter] for meter, amount in used.quantities.items())
        return replace(used, cost=min(used.cost, held.cost)) if fewer else used

    def _charged(self, used: Quote, metadata: dict[str, Any]) -> ServiceUsage:
        database = database_of(self.account)
        try:
            with write_atomic(database):
                entry = self.account.settle_credits(
                    used.cost,
                    self._description,
                    hold=self._hold,
                    service=self.service,
                    idempotency_key=None if self._hold else self._key,
                    actor=self._actor,
                )
                return ServiceUsage.objects.using(database).create(
                    service=self.service,
                    account=self.account,
                    transaction=entry,
                    units=used.quantities[METER] if used.quantities.keys() == {METER} else None,
                    quantities=_as_texts(used.quantities),
                    dimension=self.dimension,
                    price_lines=[line.as_json() for line in used.lines],
                    cost=used.cost,
                    shortfall=entry.shortfall if entry else Decimal(0),
                    idempotency_key=self._key or "",
                    fingerprint=self._fingerprint,
                    metadata=metadata,
                )
        except (HoldStateError, IdempotencyConflictError, IntegrityError):
            # This charge already settled, or work that held nothing used the same key first.
            # Return that usage.
            usage = self._earlier_usage()
            if usage is None:
                raise
            return usage


def _as_texts(quantities: Mapping[str, Decimal]) -> dict[str, str]:
    return {meter: f"{quantity.normalize():f}" for meter, quantity in quantities.items()}


def charge(
    owner: Any,
    code: str,
    *,
    units: Units = 1,
    quantities: Mapping[str, Units] | None = None,
    dimension: str = "",
    cost: Units | None = None,
    idempotency_key: str | None = None,
    description: str = "",
    actor: Any = None,
    metadata: Mapping[str, Any] | None = None,
    ttl: timedelta | None = None,
    on_abort: OnAbort | None = None,
) -> Charge:
    """Hold the cost of a service, run the block, and take the cost; an exception releases it.

    Use it with ``with`` or ``async with``, or call :meth:`Charge.stream` for a streamed response. A
    service with a single meter takes ``units``. A service with several meters takes ``quantities``
    for all of them, and ``dimension`` if its prices depend on one: see
    :func:`~quickscale_credits.pricing.price_use`. ``cost`` is charged instead of the prices.

    When the block ends, the work is paid from its hold, then from free credits, then from the
    overdraft. The missing part is the usage's ``shortfall``, and the signal ``shortfall_recorded``
    reports it. This also applies if the hold has timed out. A free use creates a usage but no
    transaction. If the database fails at the end, its error is raised and the hold stays open: see
    :meth:`Charge.settle`.

    When nobody waits any more (the generator around the block is closed, or its task is cancelled),
    the charge covers what the block has counted so far; if it has counted nothing, it is free.
    ``on_abort="capture"`` charges what was asked for even then, ``"release"`` charges nothing.

    ``actor`` is the user who acts for the owner. ``description`` appears in the history and
    defaults to the service's name. ``ttl`` is how long the hold lasts if the process dies, by
    default ``QUICKSCALE_CREDITS_HOLD_TTL``. With an ``idempotency_key`` (unique in the account) the
    use is charged only once: see :class:`Charge`.

    Inside ``atomic()``, the charge is part of that transaction: the account stays locked during the
    work, and the hold disappears if the process dies. Charge long work outside a transaction.

    Raises:
        UnknownServiceError, InactiveServiceError: no service has the code, or it is switched off.
        InsufficientCreditsError: the cost is more than is available; nothing has run.
        AccountFrozenError: the account is frozen or closed; nothing has run.
        ChargeInProgressError: work with the key is in progress elsewhere; nothing has run here.
        IdempotencyConflictError: the key was used for another service or other quantities.
        UnknownPriceError: no price is in force for a meter; nothing has run.
        InvalidRequestError: ``owner`` is not an instance of the owner model; nothing has run.
    """
    return Charge(
        owner,
        code,
        one_or_several(units, quantities),
        dimension=dimension,
        cost=cost,
        idempotency_key=idempotency_key,
        description=description,
        actor=actor,
        metadata=metadata,
        ttl=ttl,
        on_abort=on_abort,
    )
