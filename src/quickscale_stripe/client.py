"""The one place that makes a client of Stripe."""

from __future__ import annotations

from functools import lru_cache

import stripe

from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import PaymentsOffError

_SANDBOX_KEY = "sk_test_sandbox"


def payments_are_on() -> bool:
    """Whether the site can take payments: switched on, and with a key or the sandbox."""
    return app_settings.enabled and bool(app_settings.secret_key or app_settings.sandbox)


def get_client() -> stripe.StripeClient:
    """A client with the site's key, address, time-outs and retries.

    Raises:
        PaymentsOffError: the site has no keys, or payments are switched off.
    """
    if not payments_are_on():
        raise PaymentsOffError("Set QUICKSCALE_STRIPE_SECRET_KEY to take payments.")
    if app_settings.sandbox and not app_settings.api_base:
        return _sandbox_client()
    return _http_client(
        app_settings.secret_key or _SANDBOX_KEY,
        app_settings.api_base,
        (app_settings.connect_timeout, app_settings.read_timeout),
        app_settings.max_network_retries,
    )


@lru_cache(maxsize=4)
def _http_client(
    key: str, api_base: str, timeout: tuple[float, float], retries: int
) -> stripe.StripeClient:
    """Kept while the settings stay the same, so that connections are used again."""
    return stripe.StripeClient(
        key,
        base_addresses={"api": api_base, "files": api_base} if api_base else None,
        http_client=stripe.RequestsClient(timeout=timeout),
        max_network_retries=retries,
    )


def _sandbox_client() -> stripe.StripeClient:
    from quickscale_stripe.sandbox import SandboxHTTPClient, get_sandbox

    return stripe.StripeClient(
        app_settings.secret_key or _SANDBOX_KEY,
        http_client=SandboxHTTPClient(get_sandbox()),
        max_network_retries=0,
    )
