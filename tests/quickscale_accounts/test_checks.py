from __future__ import annotations

import pytest
from django.core.checks import run_checks
from django.core.management import call_command

OURS = "quickscale_accounts"


def ids(**options: bool) -> list[str]:
    return [str(m.id) for m in run_checks(**options) if str(m.id).startswith(OURS)]


def test_the_recommended_settings_are_silent():
    assert ids() == []
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
            "E008",
        ),
        ("ACCOUNT_EMAIL_VERIFICATION", "optional", "W001"),
        ("ACCOUNT_EMAIL_VERIFICATION", "none", "W001"),
        ("ACCOUNT_PREVENT_ENUMERATION", False, "W002"),
        ("AUTH_PASSWORD_VALIDATORS", [], "W003"),
        ("ACCOUNT_ADAPTER", "allauth.account.adapter.DefaultAccountAdapter", "W004"),
        ("ACCOUNT_SIGNUP_FORM_HONEYPOT_FIELD", "phone_number", "W005"),
    ],
)
def test_a_wrong_setting_is_told(settings, name, value, id_):
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


def test_social_login_needs_its_app(settings):
    settings.INSTALLED_APPS = [
        name for name in settings.INSTALLED_APPS if "socialaccount" not in name
    ]
    assert ids() == []
    settings.QUICKSCALE_ACCOUNTS_SOCIAL_LOGIN = True
    assert ids() == [f"{OURS}.E007"]


def test_allauth_must_know_of_a_proxy(settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert ids(include_deployment_checks=True) == [f"{OURS}.W006"]
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert ids(include_deployment_checks=True) == []
