"""The errors of this app.

Views show a page for every :class:`PaymentsError`; the SDK's own errors never leave the app.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import stripe

if TYPE_CHECKING:
    from quickscale_stripe.models import Payment


class PaymentsError(Exception):
    """The base of this app's errors."""


class PaymentsOffError(PaymentsError):
    """The site has no Stripe keys, or payments are switched off."""


class NotForSaleError(PaymentsError):
    """The price is not offered: it is inactive, of the other mode, or outside the allowed
    amounts."""


class MayNotBuyError(PaymentsError):
    """The owner may not buy; the message says why."""


class PreviewExpiredError(PaymentsError):
    """The preview is forged, is for another plan change, or is out of date."""


class AlreadySubscribedError(PaymentsError):
    """The owner has a subscription already; change it instead of adding another."""


class SubscriptionEndsError(PaymentsError):
    """The subscription is cancelled; only one that renews can change its plan."""


class StripeUnavailableError(PaymentsError):
    """Stripe did not respond, was too slow or asked us to slow down; the same call may work
    later."""


class StripeRefusedError(PaymentsError):
    """Stripe refused the request or the key.

    ``code`` and ``param`` are Stripe's, such as ``resource_missing`` and ``customer``, or empty.
    """

    def __init__(self, message: str, *, code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.param = param

    @property
    def is_missing(self) -> bool:
        """Whether Stripe doesn't know the object: it is deleted, or belongs to another account.

        An object of the other mode isn't missing: Stripe says so, and the key is wrong.
        """
        return self.code == "resource_missing" and "similar object exists" not in str(self)


class NotEditableError(PaymentsError):
    """The price has parts that can only be edited in Stripe's dashboard."""


class NotAdoptableError(PaymentsError):
    """The customer at Stripe can't become this owner's; the message says why."""


class WouldWriteError(PaymentsError):
    """A dry run reached a request that would change something at Stripe."""


class NotRefundableError(PaymentsError):
    """The payment isn't paid, or less of it is left than the amount."""


class HookFailedError(PaymentsError):
    """A hook failed. What Stripe reported is written; commit it."""


class FulfilmentFailedError(HookFailedError):
    """A hook failed for ``payment``; its ``fulfilment_error`` says why."""

    def __init__(self, payment: Payment) -> None:
        super().__init__(f"Payment {payment.pk} ({payment}): {payment.fulfilment_error}")
        self.payment = payment


class InvalidWebhookError(PaymentsError):
    """The request is not an event that Stripe signed for this site."""


class NotOursError(PaymentsError):
    """The object is not this site's: it belongs to another site on the account, for example."""


class NotYetKnownError(PaymentsError):
    """An event is about an object of ours that a later event will bring; try again later."""


@contextmanager
def stripe_errors() -> Iterator[None]:
    """Raise errors of the SDK inside the block as this app's errors."""
    try:
        yield
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise StripeUnavailableError(str(error)) from error
    except stripe.StripeError as error:
        # 409: another request with the same idempotency key is under way.
        if error.http_status == 409 or (error.http_status or 500) >= 500:
            raise StripeUnavailableError(str(error)) from error
        raise StripeRefusedError(
            str(error), code=error.code or "", param=getattr(error, "param", None) or ""
        ) from error
