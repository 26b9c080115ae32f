"""System checks: allauth's settings must say what QuickScale's pages and mails are made for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from allauth import app_settings as allauth_settings
from allauth.account import app_settings as account_settings
from allauth.account.adapter import get_adapter
from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured

from quickscale_accounts.adapter import AccountAdapter
from quickscale_accounts.conf import app_settings

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@register(Tags.security)
def check_email_login(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Errors when people could not sign up and in with an e-mail address and nothing else."""
    messages: list[CheckMessage] = []
    if set(account_settings.LOGIN_METHODS) != {account_settings.LoginMethod.EMAIL}:
        messages.append(
            Error(
                "ACCOUNT_LOGIN_METHODS lets people sign in with something else than an e-mail "
                "address.",
                hint='Set ACCOUNT_LOGIN_METHODS = {"email"}.',
                id="quickscale_accounts.E001",
            )
        )
    fields = account_settings.SIGNUP_FIELDS
    if "username" in fields or not fields.get("email", {}).get("required"):
        messages.append(
            Error(
                "ACCOUNT_SIGNUP_FIELDS asks for a username, or does not require an e-mail address.",
                hint='Set ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"].',
                id="quickscale_accounts.E002",
            )
        )
    username_field = account_settings.USER_MODEL_USERNAME_FIELD
    if username_field and not _user_has(username_field):
        messages.append(
            Error(
                f"ACCOUNT_USER_MODEL_USERNAME_FIELD is {username_field!r}, and "
                f"{settings.AUTH_USER_MODEL} has no such field.",
                hint="Set ACCOUNT_USER_MODEL_USERNAME_FIELD = None.",
                id="quickscale_accounts.E003",
            )
        )
    if BACKEND not in settings.AUTHENTICATION_BACKENDS:
        messages.append(
            Error(
                "AUTHENTICATION_BACKENDS lacks allauth's backend, which knows e-mail addresses.",
                hint=f'Add "{BACKEND}".',
                id="quickscale_accounts.E005",
            )
        )
    return messages


@register(Tags.security)
def check_protection(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warnings when a setting gives up something that protects people's accounts."""
    messages: list[CheckMessage] = []
    methods = account_settings.EmailVerificationMethod
    verification = account_settings.EMAIL_VERIFICATION
    if verification != methods.MANDATORY and not (
        settings.DEBUG and verification == methods.OPTIONAL
    ):
        messages.append(
            CheckWarning(
                f"ACCOUNT_EMAIL_VERIFICATION is {verification.value!r}: people can use the site "
                "with an address that is not theirs.",
                hint='Set ACCOUNT_EMAIL_VERIFICATION = "mandatory"; "optional" is fine with DEBUG.',
                id="quickscale_accounts.W001",
            )
        )
    if not account_settings.PREVENT_ENUMERATION:
        messages.append(
            CheckWarning(
                "ACCOUNT_PREVENT_ENUMERATION is off: anyone can find out who has an account.",
                hint="Remove the setting; allauth's default is on.",
                id="quickscale_accounts.W002",
            )
        )
    if not settings.AUTH_PASSWORD_VALIDATORS:
        messages.append(
            CheckWarning(
                "AUTH_PASSWORD_VALIDATORS is empty: any password of six characters will do.",
                hint="Take the list that Django's startproject writes.",
                id="quickscale_accounts.W003",
            )
        )
    return messages


@register(Tags.security, deploy=True)
def check_client_address(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """A warning when all visitors behind a proxy would look like one to the rate limits."""
    knows_proxy = allauth_settings.TRUSTED_PROXY_COUNT or allauth_settings.TRUSTED_CLIENT_IP_HEADER
    if knows_proxy or not settings.SECURE_PROXY_SSL_HEADER:
        return []
    return [
        CheckWarning(
            "The site stands behind a proxy, and allauth does not know it: rate limits count all "
            "visitors as one, and security notices show the proxy's address.",
            hint="Set ALLAUTH_TRUSTED_PROXY_COUNT to the number of proxies.",
            id="quickscale_accounts.W006",
        )
    ]


@register(Tags.compatibility)
def check_wiring(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Tells when our templates, adapters or hooks have no effect."""
    messages: list[CheckMessage] = []
    order = [config.name for config in apps.get_app_configs()]
    if any(
        name.split(".")[0] == "allauth" and order.index(name) < order.index("quickscale_accounts")
        for name in order
    ):
        messages.append(
            Error(
                "allauth stands before quickscale_accounts in INSTALLED_APPS, so that its bare "
                "templates win.",
                hint='Move "quickscale_accounts" above every "allauth" app.',
                id="quickscale_accounts.E004",
            )
        )
    if not isinstance(get_adapter(), AccountAdapter):
        messages.append(
            CheckWarning(
                "ACCOUNT_ADAPTER is not a subclass of QuickScale's: the sign-up hook and the brand "
                "on mails have no effect.",
                hint='Set ACCOUNT_ADAPTER = "quickscale_accounts.adapter.AccountAdapter".',
                id="quickscale_accounts.W004",
            )
        )
    if account_settings.SIGNUP_FORM_HONEYPOT_FIELD:
        messages.append(
            CheckWarning(
                "ACCOUNT_SIGNUP_FORM_HONEYPOT_FIELD hides its field by an inline style, which a "
                "strict Content-Security-Policy forbids: people would see it and be turned away.",
                hint="Remove the setting.",
                id="quickscale_accounts.W005",
            )
        )
    try:
        app_settings.signup_allowed  # noqa: B018
    except ImproperlyConfigured as error:
        messages.append(
            Error(
                str(error),
                hint="Name a callable hook(*, request) -> bool.",
                id="quickscale_accounts.E006",
            )
        )
    return [*messages, *_check_social_login()]


def _check_social_login() -> list[CheckMessage]:
    if not allauth_settings.SOCIALACCOUNT_ENABLED:
        if not app_settings.social_login:
            return []
        return [
            Error(
                "QUICKSCALE_ACCOUNTS_SOCIAL_LOGIN is on, and allauth.socialaccount is not in "
                "INSTALLED_APPS.",
                hint='Add "allauth.socialaccount" and the apps of the providers.',
                id="quickscale_accounts.E007",
            )
        ]
    from allauth.socialaccount.adapter import get_adapter as get_social_adapter

    from quickscale_accounts.social import SocialAccountAdapter

    if isinstance(get_social_adapter(), SocialAccountAdapter):
        return []
    return [
        Error(
            "SOCIALACCOUNT_ADAPTER is not a subclass of QuickScale's: "
            "QUICKSCALE_ACCOUNTS_SOCIAL_LOGIN has no effect, and social login is on.",
            hint='Set SOCIALACCOUNT_ADAPTER = "quickscale_accounts.social.SocialAccountAdapter".',
            id="quickscale_accounts.E008",
        )
    ]


def _user_has(field: str) -> bool:
    try:
        get_user_model()._meta.get_field(field)
    except FieldDoesNotExist:
        return False
    return True
