from __future__ import annotations

from typing import Any

import pytest

from quickscale_stripe import checks, hooks
from quickscale_stripe.conf import app_settings


def ids() -> set[str]:
    found = [
        *checks.check_keys(None),
        *checks.check_sandbox(None),
        *checks.check_sandbox_mode(None),
        *checks.check_hooks(None),
        *checks.check_policy(None),
        *checks.check_mails(None),
    ]
    return {(message.id or "").removeprefix("quickscale_stripe.") for message in found}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, set()),
        ({"SECRET_KEY": "sk_test_1"}, {"W001"}),
        ({"SECRET_KEY": "rk_test_1", "WEBHOOK_SECRET": "whsec_1"}, set()),
        ({"SECRET_KEY": "sk_live_1", "WEBHOOK_SECRET": "whsec_1"}, {"E004"}),
        ({"SECRET_KEY": "sk_test_1", "WEBHOOK_SECRET": "x", "LIVE_MODE": True}, {"E004"}),
        ({"SECRET_KEY": "sk_live_1", "WEBHOOK_SECRET": "x", "LIVE_MODE": True}, set()),
        ({"SECRET_KEY": "sk_test_1", "PUBLIC_KEY": "pk_live_1", "WEBHOOK_SECRET": "x"}, {"E005"}),
        ({"SECRET_KEY": "sk_live_1", "ENABLED": False}, set()),
        ({"SANDBOX": True}, {"E900"}),
        ({"SANDBOX": True, "LIVE_MODE": True}, {"E900", "E006"}),
        ({"FULFIL": "nowhere.at_all"}, {"E007"}),
        ({"PLAN_CHANGE_POLICY": "guess"}, {"E008"}),
        ({"MAILS": ["purchase", "birthday"]}, {"E010"}),
    ],
)
def test_settings_that_do_not_go_together(
    settings: Any, values: dict[str, Any], expected: set[str]
) -> None:
    for name, value in values.items():
        setattr(settings, f"QUICKSCALE_STRIPE_{name}", value)
    assert ids() == expected


@pytest.mark.parametrize(
    ("value", "secrets"),
    [("", []), ("a", ["a"]), (" a , b,", ["a", "b"]), (["a", " b "], ["a", "b"])],
)
def test_several_secrets(settings: Any, value: Any, secrets: list[str]) -> None:
    settings.QUICKSCALE_STRIPE_WEBHOOK_SECRET = value
    assert app_settings.webhook_secret == secrets


def test_without_the_ledger_the_hooks_do_nothing(settings: Any) -> None:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if "credits" not in app]
    assert app_settings.fulfil is hooks.fulfil
    assert app_settings.balance(owner=None) is None
