from __future__ import annotations

from base64 import b64encode
from unittest import skipUnless

from django.apps import apps
from django.contrib.auth import get_user_model
from django.test import TestCase, tag

from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount, CreditTransaction
from quickscale_stripe.models import Payment
from quickscale_stripe.testing import stripe_sandbox


@tag("quickscale")
class SellingTest(TestCase):
    """A customer buys 100 credits and uses what the site sells for 2 credits."""

    def setUp(self):
        self.ada = get_user_model().objects.create_user("ada", "ada@example.com", "secret")
        stripe = self.enterContext(stripe_sandbox())
        stripe.buy(self.ada, "Starter pack")
        self.client.force_login(self.ada)

    def balance(self):
        return CreditAccount.objects.to_read(self.ada).get_balance()

    def test_pages_show_what_was_bought(self):
        assert self.balance() == 100
        for url in ("/credits/", "/credits/history/", "/dashboard/payments/"):
            self.assertContains(self.client.get(url), "<h1")

    def test_a_class_based_view(self):
        self.assertContains(self.client.get("/paid/report/"), "report")
        assert self.balance() == 98

    def test_an_api(self):
        sent = {"data": {"pages": 3}, "content_type": "application/json"}
        assert self.client.post("/paid/api/", **sent).status_code == 401
        key = b64encode(b"ada:secret").decode()
        headers = {"Authorization": f"Basic {key}", "Accept": "application/json"}
        answer = self.client.post("/paid/api/", **sent, headers=headers)
        assert (answer.status_code, answer.json()) == (201, {"pages": 3})
        assert self.balance() == 94
        sent["data"] = {"pages": 1000}
        refused = self.client.post("/paid/api/", **sent, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (402, "insufficient_credits")

    @skipUnless(apps.is_installed("wagtail"), "a site of Wagtail's")
    def test_a_page_of_wagtail(self):
        from wagtail.models import Page

        from paid.models import PaidPage

        home = Page.objects.get(depth=2)
        home.add_child(instance=PaidPage(title="Paid", slug="paid-page"))
        assert self.client.get("/paid-page/").status_code == 200
        assert self.balance() == 98

    def test_a_user_is_deleted_and_the_journal_stays(self):
        make = get_user_model().objects.create_user
        self.client.force_login(make("staff", is_staff=True, is_superuser=True))
        options = self.ada._meta
        admin = "/django-admin" if apps.is_installed("wagtail") else "/admin"
        url = f"{admin}/{options.app_label}/{options.model_name}/{self.ada.pk}/delete/"
        assert self.client.post(url, {"post": "yes"}).status_code == 302
        assert not get_user_model().objects.filter(email="ada@example.com").exists()
        assert CreditTransaction.objects.get().account.former_owner == "ada"
        assert Payment.objects.get().amount == 900
        assert ledger.verify() == []
