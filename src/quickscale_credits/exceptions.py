"""The errors of the ledger. Each is a :class:`CreditsError` and has its figures as attributes."""

from __future__ import annotations

from decimal import Decimal

from django.db import OperationalError


class CreditsError(Exception):
    """The base of all errors of the ledger; the request that raised it has written nothing."""


class InvalidRequestError(CreditsError, ValueError):
    """An argument can't be used; ``argument`` is its name. The calling code is at fault."""

    def __init__(self, argument: str, message: str) -> None:
        self.argument = argument
        super().__init__(f"{argument}: {message}")


class InvalidAmountError(InvalidRequestError):
    """The amount is not a number of credits above zero with at most 4 places."""


class InsufficientCreditsError(CreditsError):
    """The account can't pay.

    ``required`` is the amount asked for, ``available`` is what a spend could have used, including
    an overdraft, and ``shortfall`` is the difference.
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
    """The key or source was already used for another request; ``key`` is that key or source."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key} was already used for another request.")


class AccountFrozenError(CreditsError):
    """The account's status forbids it; ``status`` is ``"frozen"`` or ``"closed"``."""

    def __init__(self, status: str) -> None:
        self.status = status
        super().__init__(f"The credit account is {status}.")


class AccountClosedError(AccountFrozenError):
    """The account is closed."""


class HoldStateError(CreditsError):
    """The hold is no longer open; ``status`` is its current status."""

    def __init__(self, status: str) -> None:
        self.status = status
        super().__init__(f"The hold is not open: it is {status}.")


class HoldExceededError(InsufficientCreditsError):
    """A capture asks for more (``required``) than the hold has (``available``)."""

    def __init__(self, *, available: Decimal, required: Decimal) -> None:
        super().__init__(available=available, required=required)
        self.args = (f"{required} credits can't be captured: the hold has {available}.",)


class ChargeInProgressError(HoldStateError):
    """Work with this idempotency key is in progress; try again when it is done."""


class ReversalError(CreditsError):
    """A reversal asks for more (``required``) than is left to give back (``available``)."""

    def __init__(self, *, available: Decimal, required: Decimal) -> None:
        self.available = available
        self.required = required
        super().__init__(
            f"{required} credits can't be given back: the transaction has {available} left."
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
    """PostgreSQL ended the transaction because of another one: repeat the whole transaction.

    The cause is a deadlock or, if the caller's transaction is ``REPEATABLE READ`` or
    ``SERIALIZABLE``, a concurrent write. Unlike after a :class:`CreditsError`, the transaction
    can't continue.
    """
