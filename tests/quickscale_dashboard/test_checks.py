from __future__ import annotations

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.checks.messages import CheckMessage
from pytest_django import Settings

from quickscale_dashboard.checks import HTMX_MESSAGES, MESSAGES
from quickscale_dashboard.registry import NavItem, register_temporarily


def found(*, deploy: bool = False) -> dict[str, CheckMessage]:
    messages = run_checks(include_deployment_checks=deploy)
    return {m.id: m for m in messages if str(m.id).startswith("quickscale_dashboard.")}


def test_the_test_project_passes(settings: Settings) -> None:
    settings.QUICKSCALE_DASHBOARD_CONTACT_EMAIL = "desk@example.com"
    assert found(deploy=True) == {}


def test_htmx_must_be_installed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda app: app != "django_htmx" and installed(app))
    assert "INSTALLED_APPS" in str(found()["quickscale_dashboard.E001"].hint)


@pytest.mark.parametrize("order", [[HTMX_MESSAGES], [HTMX_MESSAGES, MESSAGES]])
def test_the_messages_middleware_comes_first(settings: Settings, order: list[str]) -> None:
    others = [path for path in settings.MIDDLEWARE if path not in (HTMX_MESSAGES, MESSAGES)]
    settings.MIDDLEWARE = others + order
    assert "quickscale_dashboard.E003" in found()
    settings.MIDDLEWARE = [*others, MESSAGES, HTMX_MESSAGES]
    assert "quickscale_dashboard.E003" not in found()


def test_production_sends_a_policy(settings: Settings) -> None:
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if "csp" not in path.lower()]
    assert "quickscale_dashboard.W001" not in found()
    assert "quickscale_dashboard.W001" in found(deploy=True)
    settings.MIDDLEWARE += ["django.middleware.csp.ContentSecurityPolicyMiddleware"]
    assert "quickscale_dashboard.W001" not in found(deploy=True)


def test_production_needs_a_recipient_of_contact_mails() -> None:
    assert "site@example.com" in found(deploy=True)["quickscale_dashboard.W002"].msg


def test_entries_that_lead_nowhere_are_reported() -> None:
    with register_temporarily(NavItem("Nowhere", "not:mounted")):
        assert "not:mounted" in found()["quickscale_dashboard.W003"].msg
