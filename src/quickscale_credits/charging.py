"""Charging for work: credits are held before it and taken after it.

As a context manager, sync or async::

    with charge(owner, "summarise", units=3) as charging:
        summary = summarise(text)

and for what is sent bit by bit::

    StreamingHttpResponse(charge(owner, "chat", units=4000).stream(words, count=tokens))

Work that fails gives its credits back. Work that is done is a fact: it is charged for whatever its
hold or the account has by then.
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

#: How work ends when nobody waits for it any more: its generator is closed, its task cancelled.
ABORTS = (GeneratorExit, CancelledError)


class Charge:
    """One use of a service while it goes on; :func:`charge` makes it.

    Inside the block set ``units``, or ``quantities``, to what was really used, or count it with
    :meth:`add`. It may be more than was held. The prices are those in force when it began; ``cost``
    may be set to charge that many credits instead. ``metadata`` may be filled.

    After it, ``usage`` is the :class:`~quickscale_credits.models.ServiceUsage`, whose ``shortfall``
    says what the account could not pay.
    ``replayed`` is true when the idempotency key was charged before: nothing is charged again, and
    ``usage`` is the first one, already inside the block.
    """

    service: Service
    account: CreditAccount
    usage: ServiceUsage | None = None
    replayed = False
    _hold: CreditHold | None = None
    _held: Quote
    _held_for_cost: bool
    _fingerprint: str
    #: Whether a reader has got something already; a stream sets it.
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
        """How much of each meter; set it to what was really used. A meter left out was not used.

        Raises:
            InvalidAmountError: a quantity isn't a number from zero up.
            InvalidRequestError: a meter was not named when the charge began, so it has no price.
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
        """The quantity of a service that counts one thing only; set as :attr:`quantities` are."""
        return self._quantities[METER]

    @units.setter
    def units(self, units: Units) -> None:
        self.quantities = {METER: units}

    def add(self, used: Used) -> None:
        """Count what was used: units, or quantities by meter. The first call begins at zero.

        Raises: what setting :attr:`quantities` does.
        """
        quantities = self._known(used if isinstance(used, Mapping) else {METER: used})
        so_far = self._quantities if self._counted else dict.fromkeys(self._quantities, Decimal(0))
        self._quantities = {
            meter: amount + quantities.get(meter, 0) for meter, amount in so_far.items()
        }
        self._counted = True

    @property
    def cost(self) -> Decimal | None:
        """Credits to charge whatever the prices say; ``None`` goes by the prices. Rounded up.

        Raises:
            InvalidAmountError: it isn't a number from zero up.
        """
        return self._cost

    @cost.setter
    def cost(self, cost: Units | None) -> None:
        self._cost = None if cost is None else round_up(cost, name="cost")

    def prolong(self, ttl: timedelta | None = None) -> None:
        """Let the hold last until ``ttl`` from now, for work that takes longer than expected.

        Raises:
            HoldStateError: it has timed out. The work is charged for all the same.
        """
        if self._hold is not None:
            self._hold.prolong(ttl or self.ttl)

    def stream(
        self, chunks: Iterable[Any], *, count: Callable[[Any], Used] | None = None
    ) -> Stream:
        """Hold the credits now, and pass the chunks on; what was sent is charged for at the end.

        ``count`` says how much of the service a chunk is, as :meth:`add` takes it; without one the
        units asked for are charged once a chunk is sent. An exception in the chunks costs nothing.
        A reader who leaves pays for what was sent, or nothing with ``on_abort="release"``. A stream
        that takes long prolongs its hold.

        Raises:
            IdempotencyConflictError: the key was charged before, and chunks aren't kept.
            Exception: what :func:`charge` raises; nothing was sent.
        """
        from quickscale_credits.internal.streams import Stream

        self.__enter__()
        return Stream(self, chunks, count)

    async def astream(
        self, chunks: AsyncIterable[Any], *, count: Callable[[Any], Used] | None = None
    ) -> AsyncStream:
        """As :meth:`stream`, for async chunks."""
        from quickscale_credits.internal.streams import AsyncStream

        await self.__aenter__()
        return AsyncStream(self, chunks, count)

    def settle(self) -> ServiceUsage:
        """Charge for what was used until now; the end of the block does it.

        To be called again only where the database failed at the end: the hold is open then, and
        what was charged already isn't charged twice.

        Raises:
            IdempotencyConflictError: other work had the key meanwhile; nothing is charged.
            InvalidRequestError: JSON or PostgreSQL can't hold the ``metadata``; nothing is charged.
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
        """Give the hold back; nothing is charged. It is what an exception in the block does."""
        self._failed = True
        # A hold may have timed out. In a broken transaction nothing can be written, and its
        # rollback undoes the hold; the error that broke it goes on.
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
        """Leave the block, with the error that ended it: settle, or give the hold back."""
        if self.usage is not None or self._failed:
            return
        if error is None or (isinstance(error, ABORTS) and self._pays_when_aborted):
            self.settle()
        else:
            self.release()

    async def aend(self, error: BaseException | None) -> None:
        """As :meth:`end`. A visitor who goes away cancels the task; that doesn't stop it."""
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
                "quantities", f"name {', '.join(sorted(unknown))} when the charge begins, as 0."
            )
        return used

    def _earlier_usage(self) -> ServiceUsage | None:
        """The usage of this charge, when its end is made again, or of another with its key."""
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
        """What is to be paid: for what was held its cost, also where a cost hook says more now."""
        held = self._held
        if self._held_for_cost or self.cost is not None:
            with suppress(UnknownPriceError):  # the work is done: what was held for it stands
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
            # It was charged before: when the end is made again, or by work that held nothing, had
            # the same key and was quicker. That usage is the answer.
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
    """Hold the cost of a service, run the block, and take the cost; an exception gives it back.

    Works with ``with`` and ``async with``; :meth:`Charge.stream` is for work that is sent while it
    goes on. A service that counts one thing takes ``units``; one with several meters takes
    ``quantities`` of all of them, and ``dimension`` where its prices depend on one: see
    :func:`~quickscale_credits.pricing.price_use`. ``cost`` is charged instead of the prices.

    Once the block has ended, the work is paid from its hold, then from free credits, then from the
    overdraft. What is missing is the usage's ``shortfall``, and the signal ``shortfall_recorded``
    reports it. A hold that has timed out changes nothing. A use that costs nothing leaves a usage
    and no transaction. Where the database fails at the end, its error is raised and the hold stays
    open: see :meth:`Charge.settle`.

    When nobody waits any more (the generator around the block is closed, its task is cancelled),
    what the block has counted by then is charged; nothing where it has counted nothing.
    ``on_abort="capture"`` charges what was asked for even then, ``"release"`` charges nothing.

    ``actor`` is the user who acts for the owner, ``description`` what the history says, by default
    the service's name. ``ttl`` is when credits come back by themselves should the process die, by
    default ``QUICKSCALE_CREDITS_HOLD_TTL``. With an ``idempotency_key`` (for each account) the use
    is charged once: see :class:`Charge`.

    Inside ``atomic()`` it is a part of that transaction: the account stays locked during the work,
    and the hold is gone when the process dies. Leave it outside where work takes long.

    Raises:
        UnknownServiceError, InactiveServiceError: no service has the code, or it is switched off.
        InsufficientCreditsError: the cost is more than is available; nothing has run.
        AccountFrozenError: the account is frozen or closed; nothing has run.
        ChargeInProgressError: work with the key goes on elsewhere; nothing has run here.
        IdempotencyConflictError: the key was used for another service, or other quantities.
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
