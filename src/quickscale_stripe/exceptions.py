"""What can go wrong with payments, in the words of this app.

Views show a page for every :class:`PaymentsError`; the SDK's own errors never leave the app.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import stripe


class PaymentsError(Exception):
    """The base of this app's errors."""


class PaymentsOffError(PaymentsError):
    """The site has no Stripe keys, or payments are switched off."""


class NotForSaleError(PaymentsError):
    """The price is not offered: inactive, of the other mode, or outside the allowed amounts."""


class AlreadySubscribedError(PaymentsError):
    """The owner has a subscription, which is to be changed and not doubled."""


class StripeUnavailableError(PaymentsError):
    """Stripe did not answer, was too slow or asked to slow down; the same call may work later."""


class StripeRefusedError(PaymentsError):
    """Stripe refused the request or the key.

    ``code`` and ``param`` are Stripe's, as in ``resource_missing`` and ``customer``; or empty.
    """

    def __init__(self, message: str, *, code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.param = param

    @property
    def is_missing(self) -> bool:
        """Stripe doesn't know the object: deleted, of another account or of the other mode."""
        return self.code == "resource_missing"


class EditedMeanwhileError(PaymentsError):
    """The product or price isn't at Stripe any more what the editor saw."""


class NotEditableError(PaymentsError):
    """The price has parts that only Stripe's own pages edit."""


class NotRefundableError(PaymentsError):
    """The payment isn't paid, or less than the amount is left of it."""


class InvalidWebhookError(PaymentsError):
    """The request is no event that Stripe signed for this site."""


class NotYetKnownError(PaymentsError):
    """An event is about something of ours that another event will bring; try again later."""


@contextmanager
def stripe_errors() -> Iterator[None]:
    """Raise the SDK's errors inside the block as this app's."""
    try:
        yield
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise StripeUnavailableError(str(error)) from error
    except stripe.StripeError as error:
        if (error.http_status or 500) >= 500:
            raise StripeUnavailableError(str(error)) from error
        raise StripeRefusedError(
            str(error), code=error.code or "", param=getattr(error, "param", None) or ""
        ) from error
