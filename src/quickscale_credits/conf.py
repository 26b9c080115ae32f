"""The settings of ``quickscale_credits``, read at use."""

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
        """The order in which types of credits are spent, lower first, such as ``{"payg": 5}``;
        types left out keep theirs.

        Within a priority, credits that end soonest are spent first. Default: ``{}``.
        """
        return {**PRIORITIES, **self._get("PRIORITIES", {})}

    @property
    def starting_balance(self) -> Decimal:
        """Bonus credits that a new account begins with; 0 gives none. Default: ``0``."""
        return Decimal(self._get("STARTING_BALANCE", 0))

    @property
    def low_balance(self) -> Decimal | None:
        """Where a new account's balance counts as low; ``None`` never warns. Default: ``None``."""
        value: Any = self._get("LOW_BALANCE", None)
        return None if value is None else Decimal(value)

    @property
    def shortfall_policy(self) -> str:
        """What follows when revoked credits are already spent.

        ``"write_off"`` only records the shortfall, ``"freeze"`` also freezes the account, and
        ``"overdraft"`` takes the rest from the account's overdraft, as far as its limit goes.
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
        """Whether a write sends its signals itself, right after its commit.

        Without it they wait for ``manage.py deliver_credit_events``. Default: ``True``.
        """
        return self._get("DELIVER_ON_COMMIT", True)

    @property
    def expiry_warnings(self) -> Sequence[timedelta]:
        """How long before their end credits are announced by ``credits_expiring``, if any are left.

        Once for each lot and each of these times, when ``expire_credits`` runs. Empty for never.
        Default: ``(timedelta(days=7),)``.
        """
        return self._get("EXPIRY_WARNINGS", (timedelta(days=7),))

    @property
    def event_retention(self) -> timedelta | None:
        """How long delivered events are kept; ``None`` keeps them.

        ``deliver_credit_events`` and ``expire_credits`` delete the older ones. Default:
        ``timedelta(days=30)``.
        """
        return self._get("EVENT_RETENTION", timedelta(days=30))

    @property
    def refused_response(self) -> Callable[..., Any]:
        """Dotted path to ``hook(*, request, error)``: what a metered view answers that can't be
        charged for. Default: ``"quickscale_credits.http.refused_response"``."""
        return self._hook("REFUSED_RESPONSE", "quickscale_credits.http.refused_response")

    @property
    def buy_url(self) -> str:
        """Where credits can be bought: the name of a URL, or a path; empty when nowhere. Where it
        can't be reversed, pages offer nothing.

        Default: what :func:`quickscale_credits.shop.register` was given, which is the page of
        ``quickscale_stripe`` where it is installed and takes payments.
        """
        url: str | None = self._get("BUY_URL", None)
        return shop.buy_url() if url is None else url


app_settings = CreditsSettings()
