"""What can go wrong with credits: every error is a :class:`CreditsError` with its figures."""

from __future__ import annotations

from decimal import Decimal

from django.db import OperationalError


class CreditsError(Exception):
    """Base of all errors of the ledger; nothing was written for the request that raised it."""


class InvalidRequestError(CreditsError, ValueError):
    """An argument can't be used; ``argument`` is its name. A fault of the calling code."""

    def __init__(self, argument: str, message: str) -> None:
        self.argument = argument
        super().__init__(f"{argument}: {message}")


class InvalidAmountError(InvalidRequestError):
    """The amount is not a number of credits above zero with at most 4 places."""


class InsufficientCreditsError(CreditsError):
    """The account can't pay.

    ``required`` is what was asked for, ``available`` what a spend could have used (an overdraft
    included), ``shortfall`` what is missing.
    """

    def __init__(self, *, available: Decimal, required: Decimal) -> None:
        self.available = available
        self.required = required
        self.shortfall = required - available
        super().__init__(
            f"{required} credits are needed and {available} are available: "
            f"{self.shortfall} are missing."
        )


class IdempotencyConflictError(CreditsError):
    """The key, or the source, was used before for another request; ``key`` tells which."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key} was used before for another request.")


class AccountFrozenError(CreditsError):
    """The account doesn't allow it now; ``status`` is ``"frozen"`` or ``"closed"``."""

    def __init__(self, status: str) -> None:
        self.status = status
        super().__init__(f"The credit account is {status}.")


class AccountClosedError(AccountFrozenError):
    """The account is closed."""


class HoldStateError(CreditsError):
    """The hold is no longer open; ``status`` says what became of it."""

    def __init__(self, status: str) -> None:
        self.status = status
        super().__init__(f"The hold is not open: it is {status}.")


class HoldExceededError(InsufficientCreditsError):
    """More should be captured (``required``) than the hold has (``available``)."""

    def __init__(self, *, available: Decimal, required: Decimal) -> None:
        super().__init__(available=available, required=required)
        self.args = (f"{required} credits can't be captured: the hold has {available}.",)


class ChargeInProgressError(HoldStateError):
    """Work with this idempotency key goes on at this moment; ask again when it is done."""


class ReversalError(CreditsError):
    """More should be given back (``required``) than is left to give back (``available``)."""

    def __init__(self, *, available: Decimal, required: Decimal) -> None:
        self.available = available
        self.required = required
        super().__init__(
            f"{required} credits can't be given back: {available} of the transaction are left."
        )


class UnknownServiceError(CreditsError):
    """No service has the code ``code``."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"There is no service with the code {code!r}.")


class InactiveServiceError(CreditsError):
    """The service with the code ``code`` is switched off."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"The service {code!r} is not active.")


class UnknownPriceError(CreditsError):
    """The price list of a service has no price in force for a meter and a dimension."""

    def __init__(self, code: str, meter: str, dimension: str) -> None:
        self.code = code
        self.meter = meter
        self.dimension = dimension
        what = f"the meter {meter!r}" + (f" and {dimension!r}" if dimension else "")
        super().__init__(f"The service {code!r} has no price for {what}.")


class TransactionConflictError(OperationalError):
    """PostgreSQL ended the transaction in favour of another one: do all of it again.

    A deadlock, or another transaction that was quicker, where the caller's transaction is
    ``REPEATABLE READ`` or ``SERIALIZABLE``. Unlike a :class:`CreditsError` it leaves no transaction
    that could go on.
    """
