"""The one place that makes a client for Stripe, and the seam for a stand-in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import stripe

from quickscale.conf import load_hook
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import PaymentsOffError, WouldWriteError

_KEY_FOR_A_STAND_IN = "sk_test_stand_in"
_READING_POSTS = {"/v1/invoices/create_preview"}
_reads_only: ContextVar[bool] = ContextVar("reads_only", default=False)


@dataclass(frozen=True, slots=True)
class _StandIn:
    http_client: stripe.HTTPClient
    webhook_secret: str


_stand_ins: list[_StandIn] = []


@contextmanager
def using(http_client: stripe.HTTPClient, *, webhook_secret: str = "") -> Iterator[None]:
    """Send the site's requests to Stripe to ``http_client`` within the block, in all threads.

    For tests. The site needs no key within the block, and ``QUICKSCALE_STRIPE_API_BASE`` is
    ignored.

    Args:
        http_client: such as ``quickscale_stripe_sandbox.SandboxHTTPClient(sandbox)``.
        webhook_secret: the secret that signs events within the block; by default that of the block
            around this one, or the site's own.
    """
    stand_in = _StandIn(http_client, webhook_secret)
    _stand_ins.append(stand_in)
    try:
        yield
    finally:
        _stand_ins.remove(stand_in)


def has_stand_in() -> bool:
    """Return whether requests go to something other than Stripe itself."""
    return bool(_stand_ins or app_settings.client or app_settings.api_base)


def webhook_secrets() -> list[str]:
    """Return the secrets that may sign an event."""
    of_stand_ins = [one.webhook_secret for one in _stand_ins if one.webhook_secret]
    return of_stand_ins[-1:] or app_settings.webhook_secret


def payments_are_on() -> bool:
    """Return whether payments are switched on, and the site has a key or a stand-in."""
    has_access = app_settings.secret_key or app_settings.client or _stand_ins
    return app_settings.enabled and bool(has_access)


def sends_live_key_in_clear() -> bool:
    """Return whether ``API_BASE`` would take a live key over plain HTTP."""
    is_live = app_settings.secret_key.startswith(("sk_live_", "rk_live_"))
    return is_live and app_settings.api_base.lower().startswith("http:")


def get_client() -> stripe.StripeClient:
    """Return a client with the site's key, address, time-outs and retries.

    Raises:
        PaymentsOffError: the site has no keys, payments are switched off, or a live key would be
            sent by plain HTTP.
    """
    if not payments_are_on():
        raise PaymentsOffError("Set QUICKSCALE_STRIPE_SECRET_KEY to take payments.")
    if _stand_ins:
        return _stand_in_client(_stand_ins[-1].http_client)
    if app_settings.client:
        return _stand_in_client(load_hook("QUICKSCALE_STRIPE_CLIENT", "")())
    if sends_live_key_in_clear():
        raise PaymentsOffError("A live key is sent by HTTPS only; see QUICKSCALE_STRIPE_API_BASE.")
    return _stripe_client(
        app_settings.secret_key,
        app_settings.api_base,
        (app_settings.connect_timeout, app_settings.read_timeout),
        app_settings.max_network_retries,
        _reads_only.get(),
    )


@contextmanager
def reading_only() -> Iterator[None]:
    """Make clients from :func:`get_client` refuse, within the block, requests that change
    something.

    Raises:
        WouldWriteError: within the block, on such a request.
    """
    token = _reads_only.set(True)
    try:
        yield
    finally:
        _reads_only.reset(token)


class _ReadingHTTPClient(stripe.HTTPClient):
    """Passes on only the requests that read."""

    name = "reading"

    def __init__(self, inner: stripe.HTTPClient) -> None:
        super().__init__()
        self._inner = inner

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, *args: Any, **kwargs: Any
    ) -> tuple[Any, int, Mapping[str, str]]:
        path = urlsplit(url).path
        if method.upper() != "GET" and path not in _READING_POSTS:
            raise WouldWriteError(f"{method.upper()} {path} would be sent to Stripe.")
        return self._inner.request(method, url, headers, *args, **kwargs)


@lru_cache(maxsize=8)
def _stripe_client(
    key: str, api_base: str, timeout: tuple[float, float], retries: int, reads_only: bool
) -> stripe.StripeClient:
    """Cached for the same settings, so that connections are reused."""
    return stripe.StripeClient(
        key,
        base_addresses={"api": api_base, "files": api_base} if api_base else None,
        http_client=_guarded(stripe.RequestsClient(timeout=timeout), reads_only),
        max_network_retries=retries,
    )


def _stand_in_client(http_client: stripe.HTTPClient) -> stripe.StripeClient:
    return stripe.StripeClient(
        app_settings.secret_key or _KEY_FOR_A_STAND_IN,
        http_client=_guarded(http_client, _reads_only.get()),
        max_network_retries=0,
    )


def _guarded(http: stripe.HTTPClient, reads_only: bool) -> stripe.HTTPClient:
    return _ReadingHTTPClient(http) if reads_only else http
