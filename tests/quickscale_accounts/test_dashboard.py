from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from quickscale_accounts.testing import UserFactory
from quickscale_dashboard.registry import nav_items


def account_labels(rf, user) -> list[str]:
    request = rf.get("/")
    request.user = user
    ours = ("account_", "quickscale_accounts:")
    return [
        str(item.label) for item in nav_items(request, "account") if item.url_name.startswith(ours)
    ]


def test_a_visitor_can_sign_in_or_up(rf):
    assert account_labels(rf, AnonymousUser()) == ["Sign in", "Sign up"]


def test_a_visitor_who_may_not_sign_up_is_not_asked_to(rf, settings):
    settings.QUICKSCALE_ACCOUNTS_SIGNUP_ALLOWED = "tests.quickscale_accounts.hooks.nobody"
    assert account_labels(rf, AnonymousUser()) == ["Sign in"]


@pytest.mark.django_db
def test_a_user_reaches_the_account_and_can_sign_out(rf):
    assert account_labels(rf, UserFactory()) == ["Account", "Email", "Change password", "Sign out"]
