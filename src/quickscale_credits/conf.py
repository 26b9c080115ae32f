"""The settings of ``quickscale_credits``, read each time they are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from quickscale.conf import AppSettings
from quickscale_credits import shop

PRIORITIES = {
    "subscription": 10,
    "trial": 10,
    "bonus": 20,
    "payg": 30,
    "adjustment": 30,
}
SHORTFALL_POLICIES = ("write_off", "freeze", "overdraft")


class CreditsSettings(AppSettings):
    prefix = "QUICKSCALE_CREDITS_"

    @property
    def priorities(self) -> Mapping[str, int]:
        """The order in which types of credits are spent, such as ``{"payg": 5}``; lower is first.

        Omitted types keep their default. Within a priority, the credits that end soonest are spent
        first. Default: ``{}``.
        """
        return {**PRIORITIES, **self._get("PRIORITIES", {})}

    @property
    def starting_balance(self) -> Decimal:
        """The number of bonus credits that a new account starts with. Default: ``0``."""
        return Decimal(self._get("STARTING_BALANCE", 0))

    @property
    def low_balance(self) -> Decimal | None:
        """The balance that counts as low for a new account; ``None`` for no warning.

        Default: ``None``.
        """
        value: Any = self._get("LOW_BALANCE", None)
        return None if value is None else Decimal(value)

    @property
    def shortfall_policy(self) -> str:
        """What happens when revoked credits are already spent.

        ``"write_off"`` only records the shortfall, ``"freeze"`` also freezes the account, and
        ``"overdraft"`` takes the rest from the account's overdraft, up to its limit.
        Default: ``"write_off"``.
        """
        return self._get("SHORTFALL_POLICY", "write_off")

    @property
    def hold_ttl(self) -> timedelta:
        """How long metered work may take before its hold times out. Default:
        ``timedelta(minutes=15)``."""
        return self._get("HOLD_TTL", timedelta(minutes=15))

    @property
    def deliver_on_commit(self) -> bool:
        """Whether a write sends its own signals right after its commit.

        If not, ``manage.py deliver_credit_events`` sends them. Default: ``True``.
        """
        return self._get("DELIVER_ON_COMMIT", True)

    @property
    def expiry_warnings(self) -> Sequence[timedelta]:
        """How long before their end ``credits_expiring`` announces the credits that are left.

        The signal is sent once for each lot and each of these times, when ``expire_credits`` runs.
        An empty sequence turns it off. Default: ``(timedelta(days=7),)``.
        """
        return self._get("EXPIRY_WARNINGS", (timedelta(days=7),))

    @property
    def event_retention(self) -> timedelta | None:
        """How long delivered events are kept; ``None`` keeps them forever.

        ``deliver_credit_events`` and ``expire_credits`` delete older events. Default:
        ``timedelta(days=30)``.
        """
        return self._get("EVENT_RETENTION", timedelta(days=30))

    @property
    def long_journal(self) -> int:
        """The number of entries from which on an account's journal is long.

        The sums of what a long journal says was used are kept in Django's cache and continued, and
        they are loaded after the page. Default: ``10000``.
        """
        return self._get("LONG_JOURNAL", 10_000)

    @property
    def refused_response(self) -> Callable[..., Any]:
        """Dotted path to ``hook(*, request, error)``, which returns the response to a request for a
        metered view that can't be charged. Default: ``"quickscale_credits.http.refused_response"``.
        """
        return self._hook("REFUSED_RESPONSE", "quickscale_credits.http.refused_response")

    @property
    def buy_url(self) -> str:
        """The page that sells credits, as a URL name or a path; empty if there is none. If the name
        can't be reversed, pages have no link.

        Default: the shop given to :func:`quickscale_credits.shop.register`. This is the page of
        ``quickscale_stripe`` if that app is installed and takes payments.
        """
        url: str | None = self._get("BUY_URL", None)
        return shop.buy_url() if url is None else url


app_settings = CreditsSettings()
