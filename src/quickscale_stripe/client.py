"""The one place that makes a client of Stripe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import stripe

from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import PaymentsOffError, WouldWriteError

_SANDBOX_KEY = "sk_test_sandbox"
_READING_POSTS = {"/v1/invoices/create_preview"}
_reads_only: ContextVar[bool] = ContextVar("reads_only", default=False)


def payments_are_on() -> bool:
    """Whether the site can take payments: switched on, and with a key or the sandbox."""
    return app_settings.enabled and bool(app_settings.secret_key or app_settings.sandbox)


def sends_live_key_in_clear() -> bool:
    """Whether ``API_BASE`` would take a live key over plain HTTP."""
    is_live = app_settings.secret_key.startswith(("sk_live_", "rk_live_"))
    return is_live and app_settings.api_base.lower().startswith("http:")


def get_client() -> stripe.StripeClient:
    """A client with the site's key, address, time-outs and retries.

    Raises:
        PaymentsOffError: the site has no keys, payments are switched off, or a live key would be
            sent by plain HTTP.
    """
    if not payments_are_on():
        raise PaymentsOffError("Set QUICKSCALE_STRIPE_SECRET_KEY to take payments.")
    if app_settings.sandbox and not app_settings.api_base:
        return _sandbox_client(_reads_only.get())
    if sends_live_key_in_clear():
        raise PaymentsOffError("A live key is sent by HTTPS only; see QUICKSCALE_STRIPE_API_BASE.")
    return _http_client(
        app_settings.secret_key or _SANDBOX_KEY,
        app_settings.api_base,
        (app_settings.connect_timeout, app_settings.read_timeout),
        app_settings.max_network_retries,
        _reads_only.get(),
    )


@contextmanager
def reading_only() -> Iterator[None]:
    """Let the clients that are got within the block refuse requests that change something.

    Raises:
        WouldWriteError: within the block, at such a request.
    """
    token = _reads_only.set(True)
    try:
        yield
    finally:
        _reads_only.reset(token)


class _ReadingHTTPClient(stripe.HTTPClient):
    """Sends on what only reads."""

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
def _http_client(
    key: str, api_base: str, timeout: tuple[float, float], retries: int, reads_only: bool
) -> stripe.StripeClient:
    """Kept while the settings stay the same, so that connections are used again."""
    return stripe.StripeClient(
        key,
        base_addresses={"api": api_base, "files": api_base} if api_base else None,
        http_client=_guarded(stripe.RequestsClient(timeout=timeout), reads_only),
        max_network_retries=retries,
    )


def _sandbox_client(reads_only: bool) -> stripe.StripeClient:
    from quickscale_stripe.sandbox import SandboxHTTPClient, get_sandbox

    return stripe.StripeClient(
        app_settings.secret_key or _SANDBOX_KEY,
        http_client=_guarded(SandboxHTTPClient(get_sandbox()), reads_only),
        max_network_retries=0,
    )


def _guarded(http: stripe.HTTPClient, reads_only: bool) -> stripe.HTTPClient:
    return _ReadingHTTPClient(http) if reads_only else http
