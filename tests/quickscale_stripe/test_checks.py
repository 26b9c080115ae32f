from __future__ import annotations

from typing import Any

import django
import pytest
import stripe
from django.core.management import CommandError, call_command
from django.utils import timezone

from quickscale_stripe import checks, hooks
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.models import StripeEvent
from quickscale_stripe.sandbox import Sandbox


def ids() -> set[str]:
    found = [
        *checks.check_keys(None),
        *checks.check_sandbox(None),
        *checks.check_sandbox_mode(None),
        *checks.check_hooks(None),
        *checks.check_policies(None),
        *checks.check_mails(None),
        *checks.check_tasks(None),
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
        ({"ENDED_POLICY": "convert"}, {"E008"}),
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


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([], []),
        (["2020-08-27", stripe.api_version], []),
        ([stripe.api_version, "2020-08-27"], ["quickscale_stripe.W002"]),
        (["2020-08-27", stripe.api_version, ""], []),
    ],
)
def test_an_endpoint_of_another_version_is_told(
    db: None, versions: list[str], expected: list[str]
) -> None:
    for number, version in enumerate(versions):
        StripeEvent.objects.create(
            stripe_id=f"evt_{number}",
            type="x",
            livemode=False,
            payload={},
            api_version=version,
            created_at=timezone.now(),
        )
    assert [found.id for found in checks.check_endpoint_version(None, ["default"])] == expected
    assert checks.check_endpoint_version(None) == []


class TestEndpoints:
    def test_nothing_wrong(self, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("check_webhook_endpoints")
        assert capsys.readouterr().out == "1 endpoint(s), nothing wrong.\n"

    def test_another_version_and_missing_events(self, sandbox: Sandbox) -> None:
        with sandbox.world() as world:
            [endpoint] = world.all("webhook_endpoint")
            world.save(endpoint | {"api_version": "2020-08-27", "enabled_events": ["invoice.paid"]})
        with pytest.raises(CommandError) as told:
            call_command("check_webhook_endpoints", "http://testserver/stripe/webhook/")
        assert "API version 2020-08-27" in str(told.value)
        assert "doesn't send charge.dispute.closed" in str(told.value)

    def test_none_is_enabled(self, sandbox: Sandbox) -> None:
        [endpoint] = get_client().v1.webhook_endpoints.list().data
        get_client().v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
        with pytest.raises(CommandError, match=r"is disabled.\nNo endpoint is enabled"):
            call_command("check_webhook_endpoints")

    def test_those_of_other_sites_do_not_count(self, sandbox: Sandbox) -> None:
        with pytest.raises(CommandError, match="No endpoint is enabled"):
            call_command("check_webhook_endpoints", "https://elsewhere.example/stripe/webhook/")


def test_tasks_need_a_django_that_has_them(settings: Any) -> None:
    settings.QUICKSCALE_STRIPE_WEBHOOK_TASKS = True
    assert ids() == ({"E011"} if django.VERSION < (6, 0) else set())
