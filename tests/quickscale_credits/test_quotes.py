"""What a use costs is shown before it runs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django import forms
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from quickscale_credits import metering
from quickscale_credits.ledger import set_overdraft_limit
from quickscale_credits.models import CreditAccount, Service, ServicePrice, ServiceUsage
from quickscale_credits.services import (
    BaseService,
    ServiceError,
    create_missing_rows,
    register_temporarily,
)
from tests.markup import words
from tests.quickscale_credits.surface import EchoForm

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
HINT = "Fill in the form to see what it costs."


class Count(BaseService):
    """Two credits for each hundred words."""

    code = "count"
    name = "Count"
    cost = 2
    unit = "100 words"
    form_class = EchoForm

    def units(self, *, text: str) -> int:
        if text == "nothing":
            raise ServiceError("There is nothing to count.")
        return -(-len(text.split()) // 100)

    def counted(self, *, text: str) -> str:
        return f"{len(text.split()):,} words"

    def run(self, *, text: str) -> int:
        return len(text.split())


class Stamp(BaseService):
    """Costs the same for each form."""

    code = "stamp"
    name = "Stamp"
    cost = 4
    form_class = EchoForm

    def run(self, *, text: str) -> str:
        return text


class FileForm(forms.Form):
    file = forms.FileField()


class Scan(BaseService):
    code = "scan"
    name = "Scan"
    cost = 1
    form_class = FileForm

    def units(self, *, file: Any) -> int:
        return int(file.size)

    def run(self, *, file: Any) -> int:
        return int(file.size)


@pytest.fixture
def more(services):
    with register_temporarily(Count, Stamp, Scan):
        create_missing_rows()
        yield


def quoted(browser: Client, code: str = "shout", **data: str) -> str:
    response = browser.post(f"/services/{code}/quote/", data, headers=HTMX)
    assert response.status_code == 200
    html = words(response.content.decode())
    return " ".join(html.replace("<strong>", "").replace("</strong>", "").split())


def test_it_is_what_the_use_then_costs(browser, account, more):
    account.add_credits(1362, "Bought")
    text = "word " * 3600

    shown = quoted(browser, "count", text=text)
    usage = metering.use(Count(), owner=account.owner, data={"text": text})

    assert shown == "3,600 words: 72 credits. 1,290 left afterwards."
    assert (usage.cost, account.get_available_balance()) == (72, 1290)


def test_a_service_that_says_nothing_more_shows_the_cost(browser, account, services):
    account.add_credits(10, "Bought")

    assert quoted(browser, text="hey") == "This takes 6 credits. 4 left afterwards."


def test_without_enough_credits_it_says_how_many_are_missing(browser, account, services):
    account.add_credits(5, "Bought")

    assert quoted(browser, text="hey") == "This takes 6 credits. You are 1 credit short."


def test_an_overdraft_counts_but_is_not_left(browser, account, services):
    account.add_credits(5, "Bought")
    set_overdraft_limit(account=account, limit=Decimal(10), reason="trusted")

    assert quoted(browser, text="hey") == "This takes 6 credits. It takes some of your overdraft."


def test_a_frozen_account_gets_the_reason(browser, account, services):
    account.add_credits(10, "Bought")
    CreditAccount.objects.update(status="frozen")

    assert "can't be used at present" in quoted(browser, text="hey")


@pytest.mark.parametrize("data", [{}, {"text": " "}])
def test_a_form_that_is_not_finished_gets_a_hint_and_no_error(browser, services, data):
    assert quoted(browser, **data) == HINT


def test_work_that_cannot_be_done_says_why(browser, account, more):
    assert quoted(browser, "count", text="nothing") == "There is nothing to count."


def test_a_free_use_is_called_free(browser, account, more):
    ServicePrice.objects.all().delete()
    Service.objects.get(slug="count").prices.create(unit_price=0)

    assert quoted(browser, "count", text="a b") == "2 words: free."
    assert quoted(browser, "whisper", text="a b") == HINT


def test_the_page_quotes_a_fixed_cost_at_once(browser, account, more):
    account.add_credits(10, "Bought")

    page = words(browser.get("/services/stamp/").content.decode())
    free = words(browser.get("/services/whisper/").content.decode())

    assert "<strong>This takes 4 credits.</strong>" in page
    assert "6 left afterwards." in page
    assert "<strong>This is free.</strong>" in free
    assert "/quote/" not in page + free


def test_the_page_needs_no_more_queries_for_its_quote(
    browser, account, more, django_assert_max_num_queries
):
    with django_assert_max_num_queries(12):
        browser.get("/services/stamp/")


def test_the_page_shows_the_rate_and_asks_for_the_quote_of_its_form(browser, account, more):
    account.add_credits(10, "Bought")

    page = words(browser.get("/services/count/").content.decode())
    upload = browser.get("/services/scan/").content.decode()

    assert "2 credits for each 100 words" in page
    assert "You have 10 credits." in page
    assert 'hx-post="/services/count/quote/"' in page
    assert 'aria-describedby="service-quote"' in page
    assert "/quote/" not in upload
    assert "1 credit" in words(upload)


def test_a_form_that_is_shown_again_has_its_quote(browser, account, more):
    page = browser.get("/services/count/").content.decode()
    key = page.partition('name="key" value="')[2][:36]

    again = browser.post("/services/count/", {"text": "a b", "key": key})

    assert again.status_code == 402
    assert "<strong>2 words: 2 credits.</strong>" in words(again.content.decode())


def test_it_stores_nothing_and_is_cheap(browser, member, more):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert quoted(browser, "count", text="a b").startswith("2 words: 2 credits.")

    assert len(queries) <= 9
    assert {query["sql"].split()[0] for query in queries} == {"SELECT"}
    assert not CreditAccount.objects.exists()
    assert not ServiceUsage.objects.exists()


def test_too_much_is_not_even_counted(browser, account, more, monkeypatch):
    monkeypatch.setattr(Count, "units", lambda self, **data: pytest.fail("counted"))

    shown = quoted(browser, "count", text="a" * 300_000)

    assert shown == "This is too long for a quote. The rate above applies."


def test_only_a_form_of_the_site_gets_one(member, services):
    stranger = Client(enforce_csrf_checks=True)
    stranger.force_login(member)

    assert stranger.post("/services/shout/quote/", {"text": "hey"}).status_code == 403
    assert stranger.get("/services/shout/quote/").status_code == 405


def test_after_the_session_a_quote_leads_to_the_login_and_back(client, services):
    page = {"HX-Current-URL": "http://testserver/services/shout/"}

    response = client.post("/services/shout/quote/", {"text": "hey"}, headers=HTMX | page)

    assert response.status_code == 204
    assert response["HX-Redirect"].endswith("?next=/services/shout/")


def test_what_has_no_page_has_no_quote(browser, services):
    Service.objects.filter(slug="shout").update(is_active=False)

    assert browser.post("/services/shout/quote/", {"text": "hey"}).status_code == 404
    assert browser.post("/services/unknown/quote/", {"text": "hey"}).status_code == 404
