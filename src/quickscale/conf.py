"""Read the settings of each app: one typed property per setting, never cached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

T = TypeVar("T")

PAGE_POLICY: Mapping[str, Sequence[str]] = {
    "default-src": ["'self'"],
    "base-uri": ["'self'"],
    "form-action": ["'self'", "https://checkout.stripe.com", "https://billing.stripe.com"],
    "frame-ancestors": ["'none'"],
    "img-src": ["'self'", "data:"],
    "object-src": ["'none'"],
}
"""The Content-Security-Policy that our pages need: the sources for each directive."""


class AppSettings:
    """The base of an app's settings object.

    A subclass sets ``prefix`` and has one property for each setting: the property ``buy_url`` of
    the prefix ``QUICKSCALE_CREDITS_`` documents and reads ``QUICKSCALE_CREDITS_BUY_URL``.
    """

    prefix: str

    @classmethod
    def names(cls) -> list[str]:
        """Return the full names of all settings that the class declares, sorted."""
        return sorted(
            cls.prefix + name.upper()
            for name, value in vars(cls).items()
            if isinstance(value, property) and not name.startswith("_")
        )

    def _get(self, name: str, default: T) -> T:
        value: T = getattr(settings, self.prefix + name, default)
        return value

    def _hook(self, name: str, default: str) -> Callable[..., Any]:
        return load_hook(self.prefix + name, default)


def load_hook(setting: str, default: str) -> Callable[..., Any]:
    """Return the callable that a dotted-path setting names.

    Raises:
        ImproperlyConfigured: the path can't be imported or isn't callable.
    """
    path = getattr(settings, setting, default)
    try:
        hook = import_string(path) if isinstance(path, str) else path
    except ImportError as error:
        raise ImproperlyConfigured(f"{setting} names {path!r}: {error}") from error
    if not callable(hook):
        raise ImproperlyConfigured(f"{setting} names {path!r}, which is not callable.")
    resolved: Callable[..., Any] = hook
    return resolved


class FoundationSettings(AppSettings):
    """The settings that all apps share."""

    prefix = "QUICKSCALE_"

    @property
    def brand(self) -> Mapping[str, str]:
        """The brand that pages, mails, receipts, the admin and error pages show: a dictionary with
        any of the keys ``name``, ``logo``, ``icon``, ``color``, ``color_dark``, ``accent`` and
        ``font``, which :class:`quickscale.brand.Brand` describes.

        Default: ``{}``.
        """
        return self._get("BRAND", {})

    @property
    def brand_name(self) -> str:
        """The name of the site as people read it, if ``QUICKSCALE_BRAND`` has none.

        Default: ``"QuickScale"``.
        """
        return str(self._get("BRAND_NAME", "QuickScale"))

    @property
    def content_security_policy(self) -> Mapping[str, Sequence[str]]:
        """The policy that :class:`quickscale.csp.PagePolicyMiddleware` sends with our pages: the
        sources for each directive, such as ``{"default-src": ["'self'"]}``.

        Default: what our pages need, namely the site itself, images as ``data:`` URLs, and forms
        that lead to Stripe's pages.
        """
        return self._get("CONTENT_SECURITY_POLICY", PAGE_POLICY)

    @property
    def elements(self) -> str:
        """The look of our pages: ``"bulma"``, ``"bootstrap5"``, ``"plain"``, or the name of a
        folder below ``quickscale/elements`` in the site's templates.

        Default: ``"bulma"`` if the dashboard, which includes Bulma, is installed, otherwise
        ``"plain"``.
        """
        default = "bulma" if apps.is_installed("quickscale_dashboard") else "plain"
        return self._get("ELEMENTS", default)

    @property
    def encryption_keys(self) -> Sequence[str]:
        """The keys of :mod:`quickscale.secrets`, newest first; ``generate_key()`` creates one.

        Default: keys derived from ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``.
        """
        return self._get("ENCRYPTION_KEYS", [])

    @property
    def get_owner(self) -> Callable[..., Any]:
        """Dotted path to ``hook(*, request)``, which returns the owner that a request acts for, or
        ``None``.

        If owners are teams, return the team that the user has chosen. Default:
        ``"quickscale.owner.request_user"``.
        """
        return self._hook("GET_OWNER", "quickscale.owner.request_user")

    @property
    def owners_of_user(self) -> Callable[..., Any]:
        """Dotted path to ``hook(*, user)``, which returns the owners that a user may act for.

        Commands and the admin use it to find an owner by a user's email address. Default:
        ``"quickscale.owner.user_itself"``.
        """
        return self._hook("OWNERS_OF_USER", "quickscale.owner.user_itself")

    @property
    def owner_model(self) -> str:
        """The model that owns credits and pays, as ``"app_label.Model"``: the user model, or any
        model of the site, such as a team.

        Set it before the first ``migrate``, which creates the foreign keys. If the database and the
        setting disagree, credits and payments are refused with ``ImproperlyConfigured``, and
        ``check --database default`` reports it. Default: ``AUTH_USER_MODEL``.
        """
        return self._get("OWNER_MODEL", settings.AUTH_USER_MODEL)

    @property
    def site_url(self) -> str:
        """The address of the site, such as ``"https://example.com"``, for links in mails that no
        request of a visitor causes; if it is empty, these mails don't link to the site.

        Default: the first host name in ``ALLOWED_HOSTS`` with ``https://``. With ``DEBUG``, it is
        ``"http://localhost:8000"``.
        """
        if settings.DEBUG:
            default = "http://localhost:8000"
        else:
            hosts = [host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*"]
            default = f"https://{hosts[0]}" if hosts else ""
        return self._get("SITE_URL", default).rstrip("/")

    @property
    def trusted_proxy_count(self) -> int:
        """The number of your own proxies in front of the site, each of which appends its client's
        address to ``X-Forwarded-For``. With 0, the header is ignored. Default: ``0``."""
        return self._get("TRUSTED_PROXY_COUNT", 0)


app_settings = FoundationSettings()
