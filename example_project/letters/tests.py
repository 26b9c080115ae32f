from __future__ import annotations

from decimal import Decimal

from django.contrib.auth import get_user_model
from django.test import TestCase
from django.utils import timezone

from letters.models import Letter
from quickscale_credits.models import CreditAccount
from quickscale_stripe.conf import app_settings as stripe_settings
from quickscale_stripe.models import Payment


class LetterpressTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = get_user_model().objects.create_user("ada", "ada@example.com", "secret")
        cls.letter = Letter.objects.create(author=cls.user, subject="Hello", body="World")

    def setUp(self) -> None:
        self.client.force_login(self.user)
        self.account = CreditAccount.objects.for_owner(self.user)

    def test_a_user_logs_in_with_a_name_and_begins_with_some_credits(self) -> None:
        self.client.logout()
        answer = self.client.post("/login/", {"username": "ada", "password": "secret"})
        self.assertRedirects(answer, "/")
        assert self.account.get_available_balance() == Decimal(5)

    def test_printing_costs_credits_until_there_are_none(self) -> None:
        print_url = f"/letters/{self.letter.pk}/print/"
        self.assertRedirects(self.client.post(print_url), "/")
        assert self.account.get_available_balance() == Decimal("2.5")
        assert self.client.post(print_url).status_code == 404
        assert self.account.get_available_balance() == Decimal("2.5")

        second, third = (
            Letter.objects.create(author=self.user, subject=name, body="") for name in "ab"
        )
        self.client.post(f"/letters/{second.pk}/print/")
        assert self.client.post(f"/letters/{third.pk}/print/").status_code == 402
        third.refresh_from_db()
        assert third.printed_at is None

    def test_quickscales_pages_are_in_the_sites_frame_with_its_block(self) -> None:
        answer = self.client.get("/account/credits/")
        self.assertContains(answer, 'class="letterhead"')
        self.assertContains(answer, "A letter costs 2.5 credits")

    def test_the_dashboard_has_the_sites_panel(self) -> None:
        answer = self.client.get("/account/")
        self.assertContains(answer, "Waiting for the press")
        self.assertContains(answer, "Hello")

    def test_the_sites_history_shows_more_lines(self) -> None:
        answer = self.client.get("/account/credits/history/")
        assert answer.resolver_match.func.view_class.__name__ == "LongHistoryView"

    def test_a_large_order_brings_a_bonus(self) -> None:
        payment = Payment.objects.create(
            owner=self.user,
            kind=Payment.Kind.ONE_TIME,
            total=900,
            amount=900,
            currency="usd",
            created_at=timezone.now(),
        )
        for amount, balance in ((99, 5 + 99), (100, 5 + 99 + 100 + 10)):
            stripe_settings.fulfilment.fulfil(
                owner=self.user,
                payment=payment,
                price=None,
                amount=Decimal(amount),
                source=("checkout", f"cs_{amount}"),
                period=None,
            )
            assert self.account.get_available_balance() == balance

    def test_a_service_of_the_site(self) -> None:
        answer = self.client.get("/services/estimate/")
        self.assertContains(answer, "Estimate the pages")
