from __future__ import annotations

from typing import Any

import django
import pytest
import stripe
from django.core.management import CommandError, call_command
from django.utils import timezone

from quickscale_stripe import checks
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import PaymentsOffError
from quickscale_stripe.fulfilment import Fulfilment
from quickscale_stripe.models import StripeEvent
from quickscale_stripe_sandbox import Sandbox

LIVE = {"SECRET_KEY": "sk_live_1", "WEBHOOK_SECRET": "x", "LIVE_MODE": True}


def ids() -> set[str]:
    found = [
        *checks.check_keys(None),
        *checks.check_api_base(None),
        *checks.check_live_key_is_sent_by_https(None),
        *checks.check_networks(None),
        *checks.check_staff(None),
        *checks.check_client(None),
        *checks.check_fulfilment(None),
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
        ({"API_BASE": "http://127.0.0.1:12111"}, {"E012"}),
        ({"API_BASE": "https://stripe.example.com"}, {"E012"}),
        ({"API_BASE": "https://api.stripe.com.example.com/"}, {"E012"}),
        ({"API_BASE": "https://api.stripe.com/"}, set()),
        ({"API_BASE": "http://api.stripe.com", **LIVE}, {"E012", "E013"}),
        ({"API_BASE": "HTTP://10.0.0.1", **LIVE}, {"E012", "E013"}),
        ({"WEBHOOK_NETWORKS": "192.0.2.0/24, 2001:db8::/32"}, set()),
        ({"WEBHOOK_NETWORKS": ["192.0.2.1/24"]}, {"E014"}),
        ({"SECRET_KEY": "sk_test_1", "WEBHOOK_SECRET": "x", "STAFF_EMAILS": ""}, {"W004"}),
        ({"CLIENT": "quickscale_stripe_sandbox.http_client"}, set()),
        ({"CLIENT": "quickscale_stripe_sandbox.http_client", "LIVE_MODE": True}, {"E006"}),
        ({"CLIENT": "nowhere.at_all"}, {"E006"}),
        ({"FULFILMENT": "nowhere.at_all"}, {"E007"}),
        ({"FULFILMENT": "quickscale_stripe.fulfilment.Fulfilment"}, set()),
        ({"FULFILMENT": "quickscale_stripe.models.Payment"}, {"E007"}),
        ({"FULFILMENT": "quickscale.owner.request_user"}, {"E007"}),
        ({"PLAN_CHANGE_POLICY": "guess"}, {"E008"}),
        ({"ENDED_POLICY": "convert"}, {"E008"}),
        ({"MAILS": ["purchase", "birthday"]}, {"E010"}),
    ],
)
def test_settings_that_do_not_go_together(
    settings: Any, values: dict[str, Any], expected: set[str]
) -> None:
    for name, value in {"STAFF_EMAILS": "staff@example.com", **values}.items():
        setattr(settings, f"QUICKSCALE_STRIPE_{name}", value)
    assert ids() == expected


def test_a_stand_in_may_be_used_in_development(settings: Any) -> None:
    settings.DEBUG = True
    settings.QUICKSCALE_STRIPE_API_BASE = "http://127.0.0.1:12111"
    assert ids() == set()


@pytest.mark.parametrize("setting", ["MANAGERS", "ADMINS"])
def test_django_s_own_lists_of_people_count_as_staff(settings: Any, setting: str) -> None:
    settings.QUICKSCALE_STRIPE_SECRET_KEY = "sk_test_1"
    settings.QUICKSCALE_STRIPE_WEBHOOK_SECRET = "x"
    setattr(settings, setting, [("Grace", "grace@example.com")])
    assert ids() == set()


def test_a_live_key_never_leaves_by_plain_http(settings: Any) -> None:
    settings.QUICKSCALE_STRIPE_SECRET_KEY = "rk_live_1"
    settings.QUICKSCALE_STRIPE_API_BASE = "http://127.0.0.1:9"
    with pytest.raises(PaymentsOffError, match="HTTPS only"):
        get_client()


@pytest.mark.parametrize(
    ("value", "secrets"),
    [("", []), ("a", ["a"]), (" a , b,", ["a", "b"]), (["a", " b "], ["a", "b"])],
)
def test_several_secrets(settings: Any, value: Any, secrets: list[str]) -> None:
    settings.QUICKSCALE_STRIPE_WEBHOOK_SECRET = value
    assert app_settings.webhook_secret == secrets


def test_without_the_ledger_payments_bring_nothing(settings: Any) -> None:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if "credits" not in app]
    assert type(app_settings.fulfilment) is Fulfilment
    assert app_settings.fulfilment.balance(owner=None) is None


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([], []),
        (["2020-08-27", stripe.api_version], []),
        ([stripe.api_version, "2020-08-27"], ["quickscale_stripe.W002"]),
        (["2020-08-27", stripe.api_version, ""], []),
    ],
)
def test_an_endpoint_of_another_version_is_reported(
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

    @pytest.mark.parametrize(
        ("url", "told"),
        [
            ("https://elsewhere.example/stripe/webhook/", "leads to another site."),
            ("http://testserver/stripe/webhook", "leads past this site's webhook."),
            ("http://testserver/hooks/", "leads past this site's webhook."),
        ],
    )
    def test_endpoints_that_lead_elsewhere_are_named_and_do_not_count(
        self,
        sandbox: Sandbox,
        settings: Any,
        capsys: pytest.CaptureFixture[str],
        url: str,
        told: str,
    ) -> None:
        settings.ALLOWED_HOSTS = ["testserver"]
        with sandbox.world() as world:
            [endpoint] = world.all("webhook_endpoint")
            world.save(endpoint | {"url": url})
        with pytest.raises(CommandError, match="No endpoint is enabled"):
            call_command("check_webhook_endpoints")
        assert capsys.readouterr().out == f"{endpoint['id']} ({url}) {told}\n"
        with pytest.raises(CommandError, match="No endpoint is enabled"):
            call_command("check_webhook_endpoints", "https://example.com/stripe/webhook/")

    def test_a_new_one_gets_a_trailing_slash_and_is_made_once(
        self, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def urls() -> list[str]:
            return [endpoint.url for endpoint in get_client().v1.webhook_endpoints.list().data]

        call_command("create_webhook_endpoint", "https://example.com/stripe/webhook")
        assert "Added the last slash" in capsys.readouterr().out
        assert urls().count("https://example.com/stripe/webhook/") == 1
        for url in ("https://example.com/stripe/webhook", "https://example.com/stripe/webhook/"):
            with pytest.raises(CommandError, match="already has an endpoint: we_"):
                call_command("create_webhook_endpoint", url)
        call_command("create_webhook_endpoint", "https://example.com/stripe/webhook/", another=True)
        assert urls().count("https://example.com/stripe/webhook/") == 2

    def test_a_new_one_at_another_path_causes_a_warning(
        self, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("create_webhook_endpoint", "https://example.com/hooks/")
        assert "This site's webhook is at /stripe/webhook/" in capsys.readouterr().err

    @pytest.mark.parametrize("command", ["check_webhook_endpoints", "create_webhook_endpoint"])
    def test_without_keys(self, command: str) -> None:
        with pytest.raises(CommandError, match="QUICKSCALE_STRIPE_SECRET_KEY"):
            call_command(command, "https://example.com/stripe/webhook/")


def test_tasks_need_a_django_that_has_them(settings: Any) -> None:
    settings.QUICKSCALE_STRIPE_WEBHOOK_TASKS = True
    assert ids() == ({"E011"} if django.VERSION < (6, 0) else set())


@pytest.mark.parametrize("model", ["auth.Group", None])
def test_owners_without_an_address_are_reported(settings: Any, model: str | None) -> None:
    if model:
        settings.QUICKSCALE_OWNER_MODEL = model
    else:
        del settings.QUICKSCALE_OWNER_MODEL
    assert [found.id for found in checks.check_owner_email(None)] == (
        ["quickscale_stripe.W005"] if model else []
    )
