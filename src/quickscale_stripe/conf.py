from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from quickscale.conf import AppSettings
from quickscale_stripe.fulfilment import Fulfilment

MAILS = (
    "purchase",
    "payment_failed",
    "payment_refunded",
    "refund_failed",
    "cancellation_scheduled",
    "cancellation_withdrawn",
    "plan_change_scheduled",
    "subscription_ended",
    "dispute",
    "invoice_problem",
    "event_died",
    "catalogue_problem",
    "missing_credits",
    "fulfilment_failed",
    "refund_problem",
)


class StripeSettings(AppSettings):
    """The settings of ``quickscale_stripe``. Amounts are minor units of the price's currency."""

    prefix = "QUICKSCALE_STRIPE_"

    def _list(self, name: str, separator: str = ",") -> list[str]:
        """Return the stripped parts of a list, or of a text that separates them."""
        value: str | Sequence[str] = self._get(name, "")
        parts = value.split(separator) if isinstance(value, str) else value
        return [part.strip() for part in parts if part.strip()]

    # Keys and Stripe's address

    @property
    def enabled(self) -> bool:
        """Whether the site takes payments, provided that it has a key or the sandbox. Default:
        ``True``."""
        return self._get("ENABLED", True)

    @property
    def live_mode(self) -> bool:
        """``True`` takes real money and needs live keys; ``False`` needs test keys.

        Objects and events of the other mode are neither shown nor credited.
        Default: ``False``.
        """
        return self._get("LIVE_MODE", False)

    @property
    def public_key(self) -> str:
        """The publishable key, ``pk_...``, for sites that use Stripe's scripts on their own pages.
        Default: ``""``."""
        return self._get("PUBLIC_KEY", "")

    @property
    def secret_key(self) -> str:
        """The secret or restricted key, ``sk_...`` or ``rk_...``; while it is empty, payments are
        off. Default: ``""``."""
        return self._get("SECRET_KEY", "")

    @property
    def webhook_secret(self) -> list[str]:
        """The endpoints' signing secrets, ``whsec_...``: a list, or a text with commas.

        Give several while you rotate a secret: a signature by any of them is accepted. Default:
        ``""``.
        """
        return self._list("WEBHOOK_SECRET")

    @property
    def api_base(self) -> str:
        """Address of Stripe's API, or of a stand-in; empty for Stripe's own. Default: ``""``."""
        return self._get("API_BASE", "").rstrip("/")

    @property
    def connect_timeout(self) -> float:
        """Seconds to wait for a connection to Stripe. Default: ``5.0``."""
        return self._get("CONNECT_TIMEOUT", 5.0)

    @property
    def read_timeout(self) -> float:
        """Seconds to wait for each response from Stripe. Default: ``20.0``."""
        return self._get("READ_TIMEOUT", 20.0)

    @property
    def max_network_retries(self) -> int:
        """How often a request without a response is repeated, with the same key. Default: ``2``."""
        return self._get("MAX_NETWORK_RETRIES", 2)

    @property
    def client(self) -> str | Callable[[], Any]:
        """Dotted path to ``hook()``, which returns the ``stripe.HTTPClient`` of a stand-in for
        Stripe, such as ``"quickscale_stripe_sandbox.http_client"``. Not for live mode. Default:
        ``""``, which is Stripe itself."""
        return self._get("CLIENT", "")

    # Purchases

    @property
    def adopt_by_email(self) -> bool:
        """Whether an owner's first purchase adopts the Stripe customer with the owner's address.

        Somebody who signs up with another person's address would then see that person's cards and
        invoices in the Billing Portal. Switch it on only where addresses are verified before
        anybody can buy. Default: ``False``.
        """
        return self._get("ADOPT_BY_EMAIL", False)

    @property
    def catalogue(self) -> str:
        """The name of this site's catalogue on an account that several sites share.

        With a name, this site's prices are those with that name in the metadata ``catalogue`` of
        the price or its product. Without one, they are those that have ``credits`` and no
        ``catalogue`` in their metadata. Run ``sync_products`` after a change. Default: ``""``.
        """
        return self._get("CATALOGUE", "")

    @property
    def success_url(self) -> str:
        """The path or address to which Stripe sends the buyer after a payment; empty for our own.

        ``session_id={CHECKOUT_SESSION_ID}`` is added to its query, and the page should call
        :func:`quickscale_stripe.billing.sessions.sync`. Default: ``""``.
        """
        return self._get("SUCCESS_URL", "")

    @property
    def cancel_url(self) -> str:
        """Like ``success_url``, for a buyer who goes back without paying. Default: ``""``."""
        return self._get("CANCEL_URL", "")

    @property
    def min_purchase(self) -> int | None:
        """The smallest unit amount that is offered, or ``None``. Default: ``None``."""
        return self._get("MIN_PURCHASE", None)

    @property
    def max_purchase(self) -> int | None:
        """The largest unit amount that is offered, or ``None``. Default: ``None``."""
        return self._get("MAX_PURCHASE", None)

    @property
    def allow_promotion_codes(self) -> bool:
        """Whether Checkout has a field for a promotion code. Default: ``False``."""
        return self._get("ALLOW_PROMOTION_CODES", False)

    @property
    def automatic_tax(self) -> bool:
        """Whether Stripe Tax computes the tax in Checkout. Default: ``False``."""
        return self._get("AUTOMATIC_TAX", False)

    @property
    def tax_id_collection(self) -> bool:
        """Whether Checkout asks businesses for their tax ID. Default: ``False``."""
        return self._get("TAX_ID_COLLECTION", False)

    # Receipts

    @property
    def seller_name(self) -> str:
        """The seller's name on receipts, such as a company's; empty for the brand's.
        Default: ``""``."""
        return self._get("SELLER_NAME", "")

    @property
    def seller_address(self) -> list[str]:
        """The seller's address on receipts: a list of lines, or a text with line breaks. Default:
        ``""``."""
        return self._list("SELLER_ADDRESS", separator="\n")

    @property
    def seller_tax_id(self) -> str:
        """The seller's tax id on receipts, such as ``"VAT DE123456789"``. Default: ``""``."""
        return self._get("SELLER_TAX_ID", "")

    @property
    def receipt_fonts(self) -> list[str]:
        """Paths of TrueType or OpenType fonts for PDF receipts.

        They draw the characters that the package's font lacks, such as Chinese, Japanese and Korean
        ones. The first font that has a character draws it.
        Default: ``[]``.
        """
        paths: Sequence[Any] = self._get("RECEIPT_FONTS", [])
        return [str(path) for path in paths]

    # Changes of plan

    @property
    def plan_change_policy(self) -> str:
        """What happens to a period's left-over credits when an upgrade is paid.

        ``"convert"`` makes them permanent, in proportion to the share of a whole period that was
        paid. ``"rollover"`` keeps them until the new plan's period ends, ``"keep"`` until their own
        end, and ``"expire"`` takes them away. Default: ``"convert"``.
        """
        return self._get("PLAN_CHANGE_POLICY", "convert")

    @property
    def plan_change_cap(self) -> int | None:
        """The most credits of each period that are converted or rolled over; ``None`` for all.
        Default: ``None``."""
        return self._get("PLAN_CHANGE_CAP", None)

    @property
    def ended_policy(self) -> str:
        """What happens to the credits of a subscription that ends before its paid period does.

        ``"keep"`` leaves them until that period ends, including those of future months, because
        they were paid for; ``"expire"`` takes away what is left. Default: ``"keep"``.
        """
        return self._get("ENDED_POLICY", "keep")

    # Webhooks

    @property
    def webhook_tolerance(self) -> int:
        """The greatest age of a signature in seconds. Default: ``300``, which Stripe advises."""
        return self._get("WEBHOOK_TOLERANCE", 300)

    @property
    def webhook_max_bytes(self) -> int:
        """The largest body that the webhook reads. Default: ``1024 * 1024``."""
        return self._get("WEBHOOK_MAX_BYTES", 1024 * 1024)

    @property
    def webhook_networks(self) -> list[IPv4Network | IPv6Network]:
        """The networks that may send events: a list of CIDRs, or a text with commas; empty for all,
        because each event is signed. Stripe publishes its addresses at
        https://stripe.com/files/ips/ips_webhooks.txt. Default: ``""``.

        Raises:
            ImproperlyConfigured: one of them isn't a network.
        """
        try:
            return [ip_network(network) for network in self._list("WEBHOOK_NETWORKS")]
        except ValueError as error:
            raise ImproperlyConfigured(f"QUICKSCALE_STRIPE_WEBHOOK_NETWORKS: {error}.") from error

    @property
    def webhook_tasks(self) -> bool:
        """Whether Django's tasks handle events, instead of Stripe's request.

        This needs Django 6.0 and a backend in ``TASKS`` whose workers run. Stripe gets its response
        before the event is handled, so run ``replay_events --due`` to retry what fails.
        Default: ``False``.
        """
        return self._get("WEBHOOK_TASKS", False)

    @property
    def event_max_attempts(self) -> int:
        """The number of failures after which an event is dead and waits for a person. Default:
        ``8``."""
        return self._get("EVENT_MAX_ATTEMPTS", 8)

    @property
    def event_retry_delay(self) -> int:
        """Seconds until the first retry of a failed event; doubles with each failure, up to 12
        hours. Default: ``60``."""
        return self._get("EVENT_RETRY_DELAY", 60)

    @property
    def event_retention_days(self) -> int | None:
        """Days for which the payloads of events are kept, as at Stripe; ``None`` for ever.

        The rows stay, so that an event that arrives again is recognised. Default: ``30``.
        """
        return self._get("EVENT_RETENTION_DAYS", 30)

    # Mails

    @property
    def mails(self) -> Sequence[str]:
        """The mails that are sent, by name; ``[]`` for none. Default: all of them."""
        return self._get("MAILS", MAILS)

    @property
    def staff_emails(self) -> list[str]:
        """The addresses that are notified of disputes and problems: a list, or a text with commas.
        Default: Django's ``MANAGERS``, else its ``ADMINS``."""
        return self._list("STAFF_EMAILS")

    # Pages

    @property
    def page_size(self) -> int:
        """Rows on a page of payments. Default: ``25``."""
        return self._get("PAGE_SIZE", 25)

    # Fulfilment

    @property
    def fulfilment(self) -> Fulfilment:
        """What payments deliver and refunds take back: the dotted path of a subclass of
        :class:`quickscale_stripe.fulfilment.Fulfilment`.

        Default: ``"quickscale_stripe.contrib.credits.CreditsFulfilment"`` where
        ``quickscale_credits`` is installed, else ``Fulfilment`` itself, which delivers nothing.

        Raises:
            ImproperlyConfigured: it can't be imported, or isn't such a subclass.
        """
        has_credits = apps.is_installed("quickscale_credits")
        default = "contrib.credits.CreditsFulfilment" if has_credits else "fulfilment.Fulfilment"
        found = self._hook("FULFILMENT", f"quickscale_stripe.{default}")
        if not (isinstance(found, type) and issubclass(found, Fulfilment)):
            raise ImproperlyConfigured(
                f"QUICKSCALE_STRIPE_FULFILMENT names {found!r}, which isn't a subclass of "
                "quickscale_stripe.fulfilment.Fulfilment."
            )
        return found()


app_settings = StripeSettings()
