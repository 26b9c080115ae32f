"""A session ends while somebody is typing."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from playwright.sync_api import expect

from quickscale_accounts.testing import UserFactory
from quickscale_credits.models import CreditAccount
from quickscale_credits.services import create_missing_rows, register_temporarily
from tests.quickscale_credits.surface import Shout

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def sign_in(page, email):
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill("password")
    page.locator("main").get_by_role("button", name="Sign in").click()


def test_the_text_is_kept_for_its_writer_only(live_server, browser_page):
    CreditAccount.objects.for_owner(UserFactory(email="ann@example.com")).add_credits(9, "Gift")
    UserFactory(email="bob@example.com")
    with register_temporarily(Shout):
        create_missing_rows()
        use = live_server.url + reverse("quickscale_credits_services:use", args=["shout"])
        page = browser_page()
        page.goto(use)
        sign_in(page, "ann@example.com")

        def type_after_the_end_of_the_session():
            page.wait_for_url(use)
            page.get_by_label("Text").fill("hey")
            Session.objects.all().delete()
            page.get_by_role("button", name="Shout it").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
            expect(page.get_by_role("navigation", name="Main")).to_have_count(1)

        type_after_the_end_of_the_session()
        sign_in(page, "ann@example.com")
        page.wait_for_url(use)
        expect(page.get_by_label("Text")).to_have_value("hey")
        page.get_by_role("button", name="Shout it").click()
        expect(page.get_by_role("region", name="Result")).to_contain_text("HEY")

        type_after_the_end_of_the_session()
        sign_in(page, "bob@example.com")
        page.wait_for_url(use)
        expect(page.get_by_label("Text")).to_have_value("")
        assert page.evaluate("sessionStorage.getItem('quickscale-draft')") is None
