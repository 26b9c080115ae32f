from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django import forms
from django.apps import apps
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.shortcuts import resolve_url
from django.test import override_settings
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.html import strip_tags

from quickscale.formats import format_day
from quickscale_credits import ledger, shop
from quickscale_credits.allotments import schedule_allotment
from quickscale_credits.models import CreditAccount, CreditTransaction, Service, ServiceUsage
from quickscale_credits.services import BaseService, create_missing_rows, register_temporarily
from quickscale_credits.testing import ServiceFactory
from tests.markup import words
from tests.quickscale_credits.surface import ApiCall, member_of
from tests.quickscale_credits.times import a_day_ago

pytestmark = pytest.mark.django_db


class ApplyForm(forms.Form):
    name = forms.CharField()
    tags = forms.MultipleChoiceField(choices=[("a", "A"), ("b", "B"), ("c", "C")])
    day = forms.SplitDateTimeField()
    agree = forms.BooleanField(required=False, initial=True)
    secret = forms.CharField(widget=forms.PasswordInput(render_value=True))
    file = forms.FileField()


class Apply(BaseService):
    code = "apply"
    name = "Apply"
    cost = 50
    form_class = ApplyForm

    def run(self, **data):
        return "done"


def market():
    return "/market/"


BALANCE = reverse_lazy("quickscale_credits:balance")
HISTORY = reverse_lazy("quickscale_credits:history")
has_dashboard = apps.is_installed("quickscale_dashboard")
BALANCES = [BALANCE, "/dashboard/"] if has_dashboard else [BALANCE]
HTMX = {"HX-Request": "true"}


def hidden_key(response) -> str:
    found = re.search(r'name="key" value="([0-9a-f-]{36})"', response.content.decode())
    assert found
    return found[1]


def use(browser, code="shout", text="hey", key=None, **kwargs):
    url = f"/services/{code}/"
    key = key or hidden_key(browser.get(url))
    return browser.post(url, {"text": text, "key": key}, **kwargs)


def by_type(html):
    """The lines of the balance's legend: a type, when it ends, and its credits."""
    lines = re.findall(r'scope="row">(.*?)</th>\s*<td[^>]*>(.*?)</td>', html, re.S)
    return [
        [strip_tags(text) for text in (*name.split('<span class="qs-key-note">'), amount)]
        for name, amount in lines
    ]


@pytest.mark.parametrize(
    "url",
    [
        BALANCE,
        f"{BALANCE}history/",
        f"{BALANCE}history/export/",
        f"{BALANCE}history/1/",
        "/services/",
        "/services/shout/",
        "/services/shout/quote/",
        "/services/uses/1/",
    ],
)
def test_every_page_asks_for_a_login(client, services, url):
    response = client.get(url)

    assert response.status_code == 302
    assert response.url.startswith(f"{resolve_url(settings.LOGIN_URL)}?next=")


@override_settings(QUICKSCALE_GET_OWNER="tests.quickscale_credits.test_views.nobody")
def test_a_user_who_acts_for_nobody_is_refused(browser):
    assert browser.get(BALANCE).status_code == 403


def nobody(*, request):
    return None


class TestBalance:
    def test_shows_credits_by_type_with_their_end(self, browser, account):
        end = timezone.now() + timedelta(days=40)
        account.add_credits("1000.5", "Plan", credit_type="subscription", expires_at=end)
        account.add_credits(500, "Bought")

        html = browser.get(BALANCE).content.decode()

        assert "1,500.5" in words(html)
        ends = f"Ends on {format_day(end)}"
        assert by_type(html) == [
            ["Subscription", ends, "1,000.5"],
            ["Pay as you go", "Never ends", "500"],
        ]

    @pytest.mark.parametrize("url", BALANCES)
    def test_shows_how_many_credits_end_when(self, browser, account, clock, url):
        """Each end has its own amount, and a long list is cut short."""
        for days, amount in [(10, 142), (28, 600), (28, 400), (60, 7), (90, 8), (120, 1)]:
            end = clock.now + timedelta(days=days)
            account.add_credits(amount, "Plan", credit_type="subscription", expires_at=end)
        account.add_credits(30, "Gift", credit_type="bonus")
        end = clock.now + timedelta(days=5)
        account.add_credits(1, "Gift", credit_type="bonus", expires_at=end)

        plan, gift = by_type(browser.get(url).content.decode())

        assert plan[1].split(" · ") == [
            "142 end on Jan. 11, 2030",
            "1,000 end on Jan. 29, 2030",
            "7 end on March 2, 2030",
            "9 end later, by May 1, 2030",
        ]
        assert gift[1].split(" · ") == ["1 ends on Jan. 6, 2030", "30 never end"]

    def test_a_debt_is_a_line_and_not_a_part_of_the_bar(self, browser, account):
        ledger.set_overdraft_limit(account=account, limit=5)
        account.consume_credits(3, "Used")

        html = browser.get(BALANCE).content.decode()

        assert by_type(html) == [["Overdraft", "Taken from the next credits", "\N{MINUS SIGN}3"]]
        assert "qs-series-1" not in html

    @pytest.mark.parametrize("url", BALANCES)
    def test_shows_apart_what_is_still_to_come(self, browser, account, clock, url):
        begin = clock.now
        term = {"anchor": begin, "until": begin + timedelta(days=365)}
        schedule_allotment(
            account=account, amount=100, description="Year", source=("test", "1"), **term
        )

        page = words(browser.get(url).content.decode())

        assert by_type(page) == [["Subscription", "Ends on Feb. 1, 2030", "100"]]
        assert re.findall(r"<li>([\d,]+ (?:credit|more)[^<]*)</li>", page) == [
            "100 credits on Feb. 1, 2030",
            "100 credits on March 1, 2030",
            "100 credits on April 1, 2030",
            "800 more by Dec. 1, 2030",
        ]

    def test_the_history_counts_what_can_be_used_and_not_what_is_to_come(
        self, browser, account, clock
    ):
        account.add_credits(467, "Bought")
        begin = clock.now
        term = {"anchor": begin, "until": begin + timedelta(days=365)}
        schedule_allotment(
            account=account, amount=300, description="Yearly plan", source=("test", "1"), **term
        )
        account.consume_credits(7, "Used")
        clock.move(timedelta(days=32))
        account.consume_credits(10, "Used in February")

        page = words(browser.get(HISTORY).content.decode())
        after = re.findall(r'data-label="Balance after">([\d,]+)<', page)
        entry = words(browser.get(f"{HISTORY}2/").content.decode())

        # In February the rest of the first 300 ended when the next came.
        assert after == ["757", "767", "760", "767", "467"]
        assert "including 3,300 credits not available yet" in page
        assert re.search(r"Balance after</dt><dd>767<", entry)
        assert re.search(r"Not available yet</dt><dd>3,300<", entry)
        assert account.get_available_balance() == 757

    def test_is_a_fragment_for_htmx(self, browser, account):
        response = browser.get(BALANCE, headers=HTMX)

        assert re.match(r'<section [^>]*id="credit-balance"', response.text.lstrip())
        assert "HX-Request" in response["Vary"]

    def test_an_empty_account_says_what_to_do(self, browser, account):
        page = browser.get(BALANCE).content.decode()

        assert "No credits have come in or gone out yet." in page
        assert 'href="/services/"' in page

    @pytest.mark.parametrize(("url", "offered"), [("/shop/", True), ("nowhere:to_buy", False)])
    def test_offers_to_buy_where_something_is_sold(self, browser, account, url, offered):
        with override_settings(QUICKSCALE_CREDITS_BUY_URL=url):
            page = browser.get(BALANCE).content.decode()

        assert ("Buy credits" in page) is offered

    def test_needs_no_more_queries_for_many_lots(
        self, browser, account, django_assert_max_num_queries
    ):
        for day in range(1, 20):
            end = timezone.now() + timedelta(days=day)
            account.add_credits(1, "Trial", credit_type="trial", expires_at=end)
        account.add_credits(5, "Bought")

        with django_assert_max_num_queries(10):
            browser.get(BALANCE)


class TestServiceList:
    def test_shows_costs_and_links_what_has_a_form(self, browser, services):
        with register_temporarily(ApiCall):
            create_missing_rows()
            page = words(browser.get("/services/").content.decode())

        assert "2 credits for each letter" in page
        assert "Free" in page
        assert "0.5 credits" in page
        assert re.search(
            r'href="/services/shout/".*?>Shout it<span class="qs-sr-only">: Shout<', page
        )
        assert re.search(r'href="/services/whisper/".*?>Use<span', page)
        assert "/services/api-call/" not in page
        assert "it is charged where it is used" in page

    def test_a_service_without_code_is_shown_to_staff_only(self, browser, services, member):
        ServiceFactory(name="Left over", slug="left-over", cost="0.5")

        assert "Left over" not in browser.get("/services/").content.decode()
        type(member).objects.filter(pk=member.pk).update(is_staff=True)
        page = browser.get("/services/").content.decode()
        assert "Left over" in page
        assert "no code is installed for it" in page

    def test_leaves_out_what_is_switched_off(self, browser, services):
        Service.objects.filter(slug="shout").update(is_active=False)

        assert "Shout" not in browser.get("/services/").content.decode()

    def test_says_so_when_there_is_nothing(self, browser):
        Service.objects.all().delete()

        assert "No services yet" in browser.get("/services/").content.decode()

    def test_needs_no_more_queries_for_many_services(
        self, browser, services, member, django_assert_max_num_queries
    ):
        for number in range(50):
            ServiceFactory(name=f"S{number}", slug=f"s{number}", cost=1)
        type(member).objects.filter(pk=member.pk).update(is_staff=True)

        with django_assert_max_num_queries(7):
            first = browser.get("/services/").content.decode()
        second = browser.get("/services/?page=2").content.decode()
        assert first.count("<section") == 48
        assert 'rel="next" href="?page=2"' in first
        assert 'rel="prev" href="?page=1"' in second


class TestUse:
    def test_leads_to_the_result_with_what_paid_and_what_remains(self, browser, account, services):
        end = timezone.now() + timedelta(days=1)
        account.add_credits(4, "Plan", credit_type="subscription", expires_at=end)
        account.add_credits(10, "Bought")

        response = use(browser, text="hey", follow=True)

        page = words(response.content.decode())
        assert response.redirect_chain[0][0].startswith("/services/uses/")
        assert "HEY" in page
        assert re.search(r"Cost</dt>\s*<dd>6 credits", page)
        assert re.search(r"Paid from Subscription</dt>\s*<dd>4<", page)
        assert re.search(r"Paid from Pay as you go</dt>\s*<dd>2<", page)
        assert re.search(r"Remaining balance</dt>\s*<dd>8 credits", page)
        assert account.get_available_balance() == 8

    def test_with_htmx_shows_the_result_in_place_and_refreshes_the_balance(
        self, browser, account, services
    ):
        account.add_credits(10, "Bought")

        response = use(browser, text="hey", headers=HTMX)

        assert response.status_code == 200
        assert response["HX-Trigger"] == "balance-changed"
        page = response.content.decode()
        assert page.lstrip().startswith('<div id="service-use">')
        assert "HEY" in page
        assert f'href="{HISTORY}2/"' in page

    def test_the_text_stays_for_another_use_which_is_charged_again(
        self, browser, account, services
    ):
        account.add_credits(20, "Bought")

        first = use(browser, text="hey", headers=HTMX)
        second = use(browser, text="hey", key=hidden_key(first), headers=HTMX)

        assert 'value="hey"' in first.content.decode()
        assert "This takes 6 credits." in words(first.content.decode())
        assert second.status_code == 200
        assert account.get_balance() == 8

    def test_a_free_service_costs_nothing_and_leaves_a_usage(self, browser, account, services):
        response = use(browser, "whisper", "HUSH", follow=True)

        assert "hush" in response.content.decode()
        usage = ServiceUsage.objects.get()
        assert (usage.transaction, usage.cost) == (None, 0)

    @pytest.mark.parametrize(("code", "spent"), [("shout", 6), ("whisper", 0)])
    def test_the_same_form_sent_twice_is_charged_once(
        self, browser, account, services, code, spent
    ):
        account.add_credits(20, "Bought")
        key = hidden_key(browser.get(f"/services/{code}/"))

        first = use(browser, code, "hey", key)
        second = use(browser, code, "hey", key)

        assert first.url == second.url
        assert ServiceUsage.objects.count() == 1
        assert account.get_balance() == 20 - spent

    def test_a_form_that_was_changed_is_another_use(self, browser, account, services):
        account.add_credits(20, "Bought")
        key = hidden_key(browser.get("/services/shout/"))

        use(browser, text="hey", key=key)
        use(browser, text="you", key=key)

        assert account.get_balance() == 8

    @pytest.mark.parametrize("headers", [{}, HTMX])
    def test_too_few_credits_offers_to_buy_and_keeps_the_text(
        self, browser, account, services, headers
    ):
        account.add_credits(5, "Bought")

        with override_settings(QUICKSCALE_CREDITS_BUY_URL="/shop/"):
            response = use(browser, text="hello", headers=headers)

        page = words(response.content.decode())
        assert response.status_code == 402
        assert "This takes 10 credits, and you have 5 credits." in page
        assert 'href="/shop/"' in page
        assert 'value="hello"' in page
        assert not ServiceUsage.objects.exists()
        assert account.get_balance() == 5

    def test_work_that_cannot_be_done_says_why_and_costs_nothing(self, browser, account, services):
        account.add_credits(20, "Bought")

        response = use(browser, text="no")

        assert response.status_code == 422
        assert "I don&#x27;t shout that." in response.content.decode()
        assert account.get_available_balance() == 20

    def test_a_fault_costs_nothing(self, browser, account, services):
        account.add_credits(20, "Bought")

        with pytest.raises(RuntimeError, match="out of order"):
            use(browser, text="crash")

        assert account.get_available_balance() == 20

    @pytest.mark.parametrize("data", [{"text": ""}, {"text": "hey", "key": "no-uuid"}])
    def test_a_bad_form_is_shown_again(self, browser, account, services, data):
        account.add_credits(20, "Bought")

        response = browser.post("/services/shout/", data)

        assert response.status_code == 422
        assert account.get_balance() == 20
        assert hidden_key(response)

    def test_a_frozen_account_is_reported(self, browser, account, services):
        account.add_credits(20, "Bought")
        CreditAccount.objects.update(status="frozen")

        response = use(browser)

        assert response.status_code == 422
        assert "can&#x27;t be used at present" in response.content.decode()

    def test_a_class_without_a_row_says_what_makes_it(self, browser, services, settings):
        Service.objects.all().delete()
        settings.DEBUG = True

        page = browser.get("/services/shout/")

        assert page.status_code == 404
        assert "has no row in the database: run migrate" in page.content.decode()

    def test_what_is_switched_off_or_has_no_form_is_not_found(self, browser, services):
        Service.objects.filter(slug="shout").update(is_active=False)
        ServiceFactory(name="API call", slug="api-call", cost=1)

        for code in ("shout", "api-call", "unknown"):
            assert browser.get(f"/services/{code}/").status_code == 404

    def test_anothers_result_is_not_found(self, browser, services, make_owner):
        stranger = make_owner()
        other = CreditAccount.objects.for_owner(stranger)
        usage = ServiceUsage.objects.create(service=services["shout"], account=other, cost=0)

        assert browser.get(f"/services/uses/{usage.pk}/").status_code == 404

    def test_a_result_stays_when_its_service_is_gone(self, browser, account, services):
        gone = ServiceFactory(name="Gone", slug="gone", cost=0, is_active=False)
        usage = ServiceUsage.objects.create(
            service=gone, account=account, cost=0, metadata={"result": "kept"}
        )

        page = browser.get(f"/services/uses/{usage.pk}/").content.decode()

        assert "kept" in page
        assert "Use again" not in page


class TestDraft:
    def too_few(self, browser, **kwargs):
        return use(browser, text="hello", **kwargs)

    @pytest.mark.parametrize("headers", [{}, HTMX])
    def test_the_text_waits_until_it_was_used(self, browser, account, services, headers):
        response = self.too_few(browser, headers=headers)
        assert "What you typed is kept until you come back." in response.content.decode()
        assert 'value="hello"' in browser.get("/services/shout/").content.decode()
        assert 'value="hello"' not in browser.get("/services/whisper/").content.decode()

        account.add_credits(20, "Bought")
        use(browser, text="hello", headers=headers)

        assert 'value="hello"' not in browser.get("/services/shout/").content.decode()

    def test_a_form_with_everything_gets_its_values_back(self, browser, account, services):
        with register_temporarily(Apply):
            create_missing_rows()
            key = hidden_key(browser.get("/services/apply/"))
            sent = {"name": "Ann", "tags": ["a", "c"], "day_0": "2026-01-02", "day_1": "10:00"}
            sent |= {"secret": "hunter2", "file": SimpleUploadedFile("cv.txt", b"me"), "key": key}
            assert browser.post("/services/apply/", sent).status_code == 402

            page = browser.get("/services/apply/").content.decode()

        assert 'value="Ann"' in page
        assert re.findall(r'value="(\w)" selected', page) == ["a", "c"]
        assert 'value="2026-01-02"' in page
        assert 'value="10:00"' in page
        assert not re.search(r'name="agree"[^>]*checked', page)
        assert "hunter2" not in page
        assert "hunter2" not in str(dict(browser.session))
        assert "errorlist" not in page

    def test_it_is_gone_after_signing_out(self, browser, member, account, services):
        self.too_few(browser)

        browser.logout()
        browser.force_login(member)

        assert 'value="hello"' not in browser.get("/services/shout/").content.decode()

    def test_nobody_else_gets_it(self, browser, account, services, make_owner):
        self.too_few(browser)

        browser.force_login(member_of(make_owner(), "eve@example.com"))

        assert 'value="hello"' not in browser.get("/services/shout/").content.decode()


class TestPurchase:
    """What is offered to somebody who has too few credits."""

    @pytest.fixture
    def asked(self, settings):
        """A shop that sells 100 credits; the list has what it was asked for."""
        del settings.QUICKSCALE_CREDITS_BUY_URL
        asked = []

        def find(*, request, owner, needed):
            asked.append((owner, needed))
            price, fields = "$9.00", {"price": "7", "reference": "r"}
            buy = f"Buy 100 credits for {price}"
            return shop.Purchase("Starter", Decimal(100), price, buy, "/buy/", fields)

        with shop.only():
            shop.register(market, find_purchase=find)
            yield asked

    @pytest.mark.parametrize("headers", [{}, HTMX])
    def test_one_button_buys_what_is_enough(
        self, browser, account, services, owner, asked, headers
    ):
        account.add_credits(4, "Gift")

        page = words(use(browser, text="hello", headers=headers).content.decode())

        assert asked == [(owner, 6)]
        assert "Starter is enough: 100 credits, $9.00." in page
        form = re.search(r'<form method="post" action="/buy/">(.*?)</form>', page, re.S)[1]
        assert "csrfmiddlewaretoken" in form
        assert '<input type="hidden" name="price" value="7">' in form
        assert "Buy 100 credits for $9.00" in form
        assert 'href="/market/"' in page

    def test_a_site_that_sells_elsewhere_offers_only_its_page(
        self, browser, account, services, asked, settings
    ):
        settings.QUICKSCALE_CREDITS_BUY_URL = "/own/"

        page = use(browser, text="hello").content.decode()

        assert asked == []
        assert 'href="/own/"' in page
        assert "/buy/" not in page

    def test_without_one_that_is_enough_it_links_to_the_shop(
        self, browser, account, services, settings
    ):
        del settings.QUICKSCALE_CREDITS_BUY_URL
        with shop.only(market):
            page = use(browser, text="hello").content.decode()

        assert 'href="/market/"' in page
        assert "is enough" not in page


class TestTransaction:
    def test_shows_which_credits_paid(self, browser, account):
        account.add_credits(4, "Plan", credit_type="bonus")
        account.add_credits(10, "Bought")
        entry = account.consume_credits(6, "Work")

        page = words(browser.get(f"{BALANCE}history/{entry.sequence}/").content.decode())

        assert re.search(
            r"Bonus</th>(\s*<td[^>]*>.*?</td>){2}\s*<td[^>]*>\N{MINUS SIGN}4<", page, re.S
        )
        assert "Pay as you go" in page
        assert "Balance after" in page

    def test_anothers_is_not_found(self, browser, account, make_owner):
        stranger = make_owner()
        CreditAccount.objects.for_owner(stranger).add_credits(1, "Theirs")

        assert browser.get(f"{BALANCE}history/1/").status_code == 404
        assert CreditTransaction.objects.count() == 1


@pytest.mark.skipif(not has_dashboard, reason="a site without the dashboard")
class TestDashboard:
    def test_shows_balance_and_activity(self, browser, account):
        account.add_credits("12.5", "Bought at the fair")

        page = browser.get("/dashboard/").content.decode()

        assert "12.5" in page
        assert "Bought at the fair" in page

    def test_says_so_when_nothing_has_happened(self, browser, account):
        page = browser.get("/dashboard/").content.decode()

        assert "No credits have come in or gone out yet." in page
        assert account.get_balance() == Decimal(0)

    def test_the_home_of_a_new_customer_says_what_to_do_first(self, browser, account):
        page = browser.get("/dashboard/").content.decode()
        assert "First steps" in page
        assert "1 of 3 done" in page
        account.add_credits(10, "Bonus", credit_type="bonus")
        assert "2 of 3 done" in browser.get("/dashboard/").content.decode()
        account.consume_credits(1, "Used")
        assert "First steps" not in browser.get("/dashboard/").content.decode()

    @pytest.mark.parametrize(("days", "shown"), [(13, True), (15, False)])
    def test_the_home_says_which_credits_end_soon(self, browser, account, days, shown):
        ends = timezone.now() + timedelta(days=days)
        account.add_credits(142, "Trial", credit_type="trial", expires_at=ends)
        account.add_credits(10, "Bonus", credit_type="bonus")
        page = words(browser.get("/dashboard/").content.decode())
        assert ("142 credits end on" in page) == shown

    def test_the_home_says_that_the_credits_are_used_up(self, browser, account):
        said = "You have no credits left."
        assert said not in browser.get("/dashboard/").content.decode()
        account.add_credits(10, "Bonus", credit_type="bonus")
        account.consume_credits(10, "Used")
        assert said in browser.get("/dashboard/").content.decode()


@pytest.mark.parametrize("url", [BALANCE, HISTORY], ids=["balance", "history"])
def test_the_history_shows_what_has_ended_though_no_job_ran(browser, account, url):
    with a_day_ago() as ends:
        account.add_credits(5, "Gift", credit_type="bonus", expires_at=ends)
        account.add_credits(2, "Bought")

    browser.get(url)

    assert account.transactions.get(kind="expire").balance_after == account.get_balance() == 2
