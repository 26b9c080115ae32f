"""System checks that allauth's settings fit QuickScale's pages and mails."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from typing import Any

from allauth import app_settings as allauth_settings
from allauth.account import app_settings as account_settings
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import connections, router
from django.utils.version import get_version_tuple

import quickscale.checks  # noqa: F401  registers the foundation's own
from quickscale_accounts.adapter import AccountAdapter
from quickscale_accounts.conf import app_settings
from quickscale_accounts.internal.doors import unguarded_logins
from quickscale_accounts.internal.existing import survey
from quickscale_accounts.users import AbstractEmailUser

SAFE_ALLAUTH = "65.22.1"
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@register(Tags.security)
def check_email_login(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that people sign up and sign in with an email address only.

    quickscale_accounts.E001: ``ACCOUNT_LOGIN_METHODS`` is not ``{"email"}``.
    quickscale_accounts.E002: ``ACCOUNT_SIGNUP_FIELDS`` asks for a username, or does not require
        the address.
    quickscale_accounts.E003: ``ACCOUNT_USER_MODEL_USERNAME_FIELD`` names a field that the user
        model does not have.
    quickscale_accounts.E005: ``AUTHENTICATION_BACKENDS`` lacks allauth's backend.
    """
    messages: list[CheckMessage] = []
    if set(account_settings.LOGIN_METHODS) != {account_settings.LoginMethod.EMAIL}:
        messages.append(
            Error(
                "ACCOUNT_LOGIN_METHODS lets people sign in with something other than an email "
                "address.",
                hint='Set ACCOUNT_LOGIN_METHODS = {"email"}.',
                id="quickscale_accounts.E001",
            )
        )
    fields = account_settings.SIGNUP_FIELDS
    if "username" in fields or not fields.get("email", {}).get("required"):
        messages.append(
            Error(
                "ACCOUNT_SIGNUP_FIELDS asks for a username, or does not require an email address.",
                hint='Set ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"].',
                id="quickscale_accounts.E002",
            )
        )
    username_field = account_settings.USER_MODEL_USERNAME_FIELD
    if username_field and not _user_has(username_field):
        messages.append(
            Error(
                f"ACCOUNT_USER_MODEL_USERNAME_FIELD is {username_field!r}, but "
                f"{settings.AUTH_USER_MODEL} has no such field.",
                hint="Set ACCOUNT_USER_MODEL_USERNAME_FIELD = None.",
                id="quickscale_accounts.E003",
            )
        )
    if BACKEND not in settings.AUTHENTICATION_BACKENDS:
        messages.append(
            Error(
                "AUTHENTICATION_BACKENDS lacks allauth's backend, which knows email addresses.",
                hint=f'Add "{BACKEND}".',
                id="quickscale_accounts.E005",
            )
        )
    return messages


@register(Tags.security)
def check_protection(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that no setting weakens the protection of people's accounts.

    quickscale_accounts.W001: Verification of addresses is not mandatory (nor optional with
        ``DEBUG``).
    quickscale_accounts.W002: ``ACCOUNT_PREVENT_ENUMERATION`` is off.
    quickscale_accounts.W003: ``AUTH_PASSWORD_VALIDATORS`` is empty.
    quickscale_accounts.W012: ``ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE`` is on, and the page of
        the code reveals who has an account.
    quickscale_accounts.W009: ``ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS`` is off, so the time that a reset
        takes reveals who has an account.
    """
    messages: list[CheckMessage] = []
    methods = account_settings.EmailVerificationMethod
    verification = account_settings.EMAIL_VERIFICATION
    if verification != methods.MANDATORY and not (
        settings.DEBUG and verification == methods.OPTIONAL
    ):
        messages.append(
            CheckWarning(
                f"ACCOUNT_EMAIL_VERIFICATION is {verification.value!r}: people can use the site "
                "with somebody else's address.",
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
    if not account_settings.EMAIL_UNKNOWN_ACCOUNTS:
        messages.append(
            CheckWarning(
                "ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS is off: a reset takes longer for an address that "
                "has an account, because a mail is sent only then.",
                hint="Remove the setting; allauth's default is on.",
                id="quickscale_accounts.W009",
            )
        )
    if (
        account_settings.EMAIL_VERIFICATION_BY_CODE_ENABLED
        and account_settings.EMAIL_VERIFICATION_MAX_CHANGE_COUNT
    ):
        messages.append(
            CheckWarning(
                "ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE is on: after a sign-up, the address "
                "can be changed only if it had no account, so anyone can find out who has one.",
                hint='Remove the setting; "Wrong address?" then starts the sign-up again.',
                id="quickscale_accounts.W012",
            )
        )
    if not settings.AUTH_PASSWORD_VALIDATORS:
        messages.append(
            CheckWarning(
                "AUTH_PASSWORD_VALIDATORS is empty: any password of six characters is accepted.",
                hint="Use the list that Django's startproject writes.",
                id="quickscale_accounts.W003",
            )
        )
    return messages


@register(Tags.security)
def check_allauth_version(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that the installed allauth has no known security problems.

    quickscale_accounts.W008: The installed allauth works, but has known faults in rate limits
        and two-factor authentication.
    """
    installed = metadata.version("django-allauth")
    if get_version_tuple(installed) >= get_version_tuple(SAFE_ALLAUTH):
        return []
    return [
        CheckWarning(
            f"django-allauth {installed} has known faults that weaken rate limits and "
            "two-factor authentication.",
            hint=f'pip install "django-allauth>={SAFE_ALLAUTH}"',
            id="quickscale_accounts.W008",
        )
    ]


@register(Tags.security)
def check_doors(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that every way into the site has rate limits and two-factor authentication.

    quickscale_accounts.W007: A sign-in form, such as the admin's, bypasses allauth.
    """
    return [
        CheckWarning(
            f"{path} bypasses allauth: people sign in without its rate limits, and with a password "
            "alone even if two-factor authentication is on.",
            hint=(
                'The admin: put "quickscale_accounts.apps.AdminConfig" in INSTALLED_APPS for '
                '"django.contrib.admin", or make a site of your own a subclass of '
                "quickscale_accounts.admin_site.AdminSite. Other forms: don't mount them, or "
                "redirect them to LOGIN_URL."
            ),
            id="quickscale_accounts.W007",
        )
        for path in unguarded_logins()
    ]


@register(Tags.database)
def check_users(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Check that existing users can sign in with an email address.

    quickscale_accounts.W011: Some users have no email address, one with capitals, or one that
        another user also has. ``manage.py prepare_users --dry-run`` lists them.
    """
    user_model = get_user_model()
    alias = router.db_for_read(user_model)
    if issubclass(user_model, AbstractEmailUser) or alias not in (databases or ()):
        return []  # the database itself checks the address of an AbstractEmailUser
    tables = connections[alias].introspection.table_names()
    if not {user_model._meta.db_table, EmailAddress._meta.db_table} <= set(tables):
        return []  # before the first migrate
    found = survey(alias)
    locked_out = found.rewritten + len(found.without_address) + sum(map(len, found.shared.values()))
    if not locked_out:
        return []
    return [
        CheckWarning(
            f"{locked_out} of {found.users} users can't sign in with an email address: it is "
            "missing, has capitals, or also belongs to another user.",
            hint="manage.py prepare_users --dry-run lists them; prepare_users corrects capitals.",
            id="quickscale_accounts.W011",
        )
    ]


@register(Tags.compatibility)
def check_wiring(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that our templates, adapters and hooks have an effect.

    quickscale_accounts.E004: An allauth app comes before ``quickscale_accounts`` in
        ``INSTALLED_APPS``.
    quickscale_accounts.E006: ``QUICKSCALE_ACCOUNTS_SIGNUP_ALLOWED`` does not name a callable.
    quickscale_accounts.E007: Social login is on without ``allauth.socialaccount``.
    quickscale_accounts.W004: ``ACCOUNT_ADAPTER`` is not a subclass of ours.
    quickscale_accounts.W005: ``ACCOUNT_SIGNUP_FORM_HONEYPOT_FIELD`` hides its field with an
        inline style.
    quickscale_accounts.W006: allauth's settings for proxies have no effect; set
        ``QUICKSCALE_TRUSTED_PROXY_COUNT``.
    quickscale_accounts.W010: Social login is on although ``QUICKSCALE_ACCOUNTS_SOCIAL_LOGIN`` is
        off, because ``SOCIALACCOUNT_ADAPTER`` is not a subclass of ours.
    """
    messages: list[CheckMessage] = []
    order = [config.name for config in apps.get_app_configs()]
    if any(
        name.split(".")[0] == "allauth" and order.index(name) < order.index("quickscale_accounts")
        for name in order
    ):
        messages.append(
            Error(
                "allauth comes before quickscale_accounts in INSTALLED_APPS, so its plain "
                "templates are used.",
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
    elif allauth_settings.TRUSTED_PROXY_COUNT or allauth_settings.TRUSTED_CLIENT_IP_HEADER:
        messages.append(
            CheckWarning(
                "ALLAUTH_TRUSTED_PROXY_COUNT and ALLAUTH_TRUSTED_CLIENT_IP_HEADER have no effect: "
                "QuickScale's adapter reads the visitor's address like every other app.",
                hint="Set QUICKSCALE_TRUSTED_PROXY_COUNT instead.",
                id="quickscale_accounts.W006",
            )
        )
    if account_settings.SIGNUP_FORM_HONEYPOT_FIELD:
        messages.append(
            CheckWarning(
                "ACCOUNT_SIGNUP_FORM_HONEYPOT_FIELD hides its field with an inline style, which a "
                "strict Content-Security-Policy forbids: people would see it and be refused.",
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
                "QUICKSCALE_ACCOUNTS_SOCIAL_LOGIN is on, but allauth.socialaccount is not in "
                "INSTALLED_APPS.",
                hint='Add "allauth.socialaccount" and the apps of the providers.',
                id="quickscale_accounts.E007",
            )
        ]
    from allauth.socialaccount.adapter import get_adapter as get_social_adapter

    from quickscale_accounts.social import SocialAccountAdapter

    if app_settings.social_login or isinstance(get_social_adapter(), SocialAccountAdapter):
        return []
    return [
        CheckWarning(
            "QUICKSCALE_ACCOUNTS_SOCIAL_LOGIN is off, but social login is on: "
            "SOCIALACCOUNT_ADAPTER is not a subclass of QuickScale's, which would switch it off.",
            hint=(
                "Set QUICKSCALE_ACCOUNTS_SOCIAL_LOGIN = True to keep social login. To switch it "
                "off, let your adapter inherit from "
                "quickscale_accounts.social.SocialAccountAdapter."
            ),
            id="quickscale_accounts.W010",
        )
    ]


def _user_has(field: str) -> bool:
    try:
        get_user_model()._meta.get_field(field)
    except FieldDoesNotExist:
        return False
    return True
