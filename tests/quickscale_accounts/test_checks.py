from __future__ import annotations

from importlib import metadata

import pytest
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.core.checks import run_checks
from django.core.management import call_command

OURS = "quickscale_accounts"


OLD_ALLAUTH = f"{OURS}.W008"


def ids(**options: bool) -> list[str]:
    found = [str(m.id) for m in run_checks(**options) if str(m.id).startswith(OURS)]
    return [id_ for id_ in found if id_ != OLD_ALLAUTH]  # the matrix includes old versions


@pytest.mark.parametrize(
    ("version", "found"),
    [("65.19.1", 1), ("65.22.1", 0), ("65.23.0.dev0", 0), ("66", 0)],
)
def test_an_allauth_with_known_faults_is_reported(monkeypatch, version, found):
    monkeypatch.setattr(metadata, "version", lambda name: version)
    assert [m.id for m in run_checks()].count(OLD_ALLAUTH) == found


def test_the_recommended_settings_are_silent(settings):
    assert ids() == []
    settings.SILENCED_SYSTEM_CHECKS = [OLD_ALLAUTH]
    call_command("check", fail_level="WARNING")


@pytest.mark.parametrize(
    ("name", "value", "id_"),
    [
        ("ACCOUNT_LOGIN_METHODS", {"username", "email"}, "E001"),
        ("ACCOUNT_SIGNUP_FIELDS", ["username*", "email*", "password1*"], "E002"),
        ("ACCOUNT_SIGNUP_FIELDS", ["email", "password1*"], "E002"),
        ("ACCOUNT_USER_MODEL_USERNAME_FIELD", "username", "E003"),
        ("AUTHENTICATION_BACKENDS", ["django.contrib.auth.backends.ModelBackend"], "E005"),
        ("QUICKSCALE_ACCOUNTS_SIGNUP_ALLOWED", "no.such.hook", "E006"),
        (
            "SOCIALACCOUNT_ADAPTER",
            "allauth.socialaccount.adapter.DefaultSocialAccountAdapter",
            "W010",
        ),
        ("ACCOUNT_EMAIL_VERIFICATION", "optional", "W001"),
        ("ACCOUNT_EMAIL_VERIFICATION", "none", "W001"),
        ("ACCOUNT_PREVENT_ENUMERATION", False, "W002"),
        ("ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS", False, "W009"),
        ("ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE", True, "W012"),
        ("AUTH_PASSWORD_VALIDATORS", [], "W003"),
        ("ACCOUNT_ADAPTER", "allauth.account.adapter.DefaultAccountAdapter", "W004"),
        ("ACCOUNT_SIGNUP_FORM_HONEYPOT_FIELD", "phone_number", "W005"),
    ],
)
def test_a_wrong_setting_is_reported(settings, name, value, id_):
    setattr(settings, name, value)
    assert ids() == [f"{OURS}.{id_}"]


def test_optional_verification_is_fine_in_development(settings):
    settings.DEBUG = True
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    assert ids() == []


def test_our_templates_must_come_first(settings):
    apps = [name for name in settings.INSTALLED_APPS if name != OURS]
    settings.INSTALLED_APPS = [*apps, OURS]
    assert ids() == [f"{OURS}.E004"]


class OwnAdapter(DefaultSocialAccountAdapter):
    """An adapter that the site had before it added these apps."""


def test_a_sites_own_social_login_keeps_working(settings):
    settings.SOCIALACCOUNT_ADAPTER = f"{__name__}.OwnAdapter"
    assert ids() == [f"{OURS}.W010"]
    settings.QUICKSCALE_ACCOUNTS_SOCIAL_LOGIN = True
    assert ids() == []


def test_social_login_needs_its_app(settings):
    settings.INSTALLED_APPS = [
        name for name in settings.INSTALLED_APPS if "socialaccount" not in name
    ]
    assert ids() == []
    settings.QUICKSCALE_ACCOUNTS_SOCIAL_LOGIN = True
    assert ids() == [f"{OURS}.E007"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALLAUTH_TRUSTED_PROXY_COUNT", 1), ("ALLAUTH_TRUSTED_CLIENT_IP_HEADER", "X-Real-IP")],
)
def test_allauths_own_settings_of_the_clients_address_have_no_effect(settings, name, value):
    setattr(settings, name, value)
    assert ids() == [f"{OURS}.W006"]
