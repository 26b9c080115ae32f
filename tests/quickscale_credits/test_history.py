from __future__ import annotations

import csv
import re
from datetime import UTC, datetime
from io import StringIO
from itertools import chain

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from django.urls import reverse_lazy
from django.utils import timezone

from quickscale_credits import ledger
from quickscale_credits.models import CreditAccount, CreditTransaction, Service
from quickscale_credits.pages.paging import Keyset
from quickscale_credits.testing import ServiceFactory

pytestmark = pytest.mark.django_db

HISTORY = reverse_lazy("quickscale_credits:history")
EXPORT = reverse_lazy("quickscale_credits:history_export")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def story(account):
    """Add a bonus of 4 and 10 bought credits, use 6 for a service, and remove 1."""
    service = ServiceFactory(name="Painting", slug="painting", cost=1)
    account.add_credits(4, "Welcome gift", credit_type="bonus")
    account.add_credits(10, "Bought at the fair")
    account.consume_credits(6, "A painted cat", service=service)
    account.remove_credits(1, "Put right")
    return account


def shown(response) -> list[str]:
    return re.findall(r'/history/\d+/">([^<]+)</a>', response.content.decode())


ALL = ["Put right", "A painted cat", "Bought at the fair", "Welcome gift"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ALL),
        ("kind=consume", ["A painted cat"]),
        ("type=bonus", ["A painted cat", "Welcome gift"]),
        ("service=painting", ["A painted cat"]),
        ("text=FAIR", ["Bought at the fair"]),
        ("text=%25", []),
        ("since=2000-01-01", ALL),
        ("until=2000-01-01", []),
        ("since=9999-12-31&until=9999-12-31", []),
        ("sort=oldest", ALL[::-1]),
        ("sort=added", ["Bought at the fair", "Welcome gift", "Put right", "A painted cat"]),
        ("sort=used", ["A painted cat", "Put right", "Welcome gift", "Bought at the fair"]),
        ("kind=grant&type=payg&text=fair", ["Bought at the fair"]),
        ("kind=nonsense", ALL),
        ("since=yesterday&sort=sideways&after=x&before=1_2_3", ALL),
    ],
)
def test_filters_and_sorts(browser, story, query, expected):
    assert shown(browser.get(f"{HISTORY}?{query}")) == expected


def test_a_day_is_a_day_where_the_reader_is(browser, account):
    # Half past midnight on 2 March in Auckland is still 1 March in London.
    moment = datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
    entry = account.add_credits(1, "At night")
    backdate(entry, moment)

    with timezone.override("Pacific/Auckland"):
        assert shown(browser.get(f"{HISTORY}?since=2026-03-02&until=2026-03-02")) == ["At night"]
    with timezone.override("Europe/London"):
        assert shown(browser.get(f"{HISTORY}?since=2026-03-02")) == []
        assert shown(browser.get(f"{HISTORY}?until=2026-03-01")) == ["At night"]


def backdate(entry: CreditTransaction, moment: datetime) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "UPDATE quickscale_credits_credittransaction SET created_at = %s WHERE id = %s",
            [moment, entry.pk],
        )
        cursor.execute("SET session_replication_role = DEFAULT")


def test_an_invalid_filter_is_reported(browser, story):
    page = browser.get(f"{HISTORY}?since=yesterday").content.decode()

    assert "Enter a valid date." in page


def test_only_the_owners_entries_are_shown(browser, story, make_owner):
    CreditAccount.objects.for_owner(make_owner()).add_credits(1, "Theirs")

    assert "Theirs" not in shown(browser.get(HISTORY))


def test_htmx_gets_only_the_entries(browser, story):
    response = browser.get(f"{HISTORY}?kind=consume", headers=HTMX)

    assert re.match(r'<section [^>]*id="credit-history"', response.text.lstrip())
    assert "HX-Request" in response["Vary"]


def test_empty_states(browser, account):
    assert "have come in or gone out yet" in browser.get(HISTORY).content.decode()
    assert "Nothing matches" in browser.get(f"{HISTORY}?kind=consume").content.decode()


@pytest.fixture
def long_story(account):
    for number in range(60):
        account.add_credits(1 + number % 3, f"Entry {number}")
    return account


def walk(browser, url: str, rel: str) -> list[list[str]]:
    pages = []
    while url:
        response = browser.get(url)
        pages.append(shown(response))
        link = re.search(rf'rel="{rel}" href="([^"]+)"', response.content.decode())
        url = link[1].replace("&amp;", "&") if link else ""
    return pages


@pytest.mark.parametrize("sort", ["newest", "oldest", "added", "used"])
def test_paging_shows_each_entry_once_in_order(browser, long_story, sort):
    forth = walk(browser, f"{HISTORY}?sort={sort}", "next")
    all_at_once = [
        f"{entry.description}"
        for entry in long_story.transactions.order_by(
            *{
                "newest": ["-sequence"],
                "oldest": ["sequence"],
                "added": ["-amount", "-sequence"],
                "used": ["amount", "sequence"],
            }[sort]
        )
    ]

    assert [len(page) for page in forth] == [25, 25, 10]
    assert list(chain.from_iterable(forth)) == all_at_once


@pytest.mark.parametrize("sort", ["newest", "added"])
def test_paging_back_shows_the_same_pages(browser, long_story, sort):
    url = f"{HISTORY}?sort={sort}"
    forth = walk(browser, url, "next")
    last = browser.get(url)
    for _page in forth[1:]:
        link = re.search(r'rel="next" href="([^"]+)"', last.content.decode())
        url = link[1].replace("&amp;", "&")
        last = browser.get(url)

    assert walk(browser, url, "prev") == forth[::-1]


def test_paging_keeps_the_filter(browser, long_story):
    pages = walk(browser, f"{HISTORY}?text=Entry&kind=grant", "next")

    assert sum(map(len, pages)) == 60


def test_a_deep_page_is_found_by_the_index(account, django_assert_num_queries):
    for number in range(60):
        account.add_credits(1, f"Entry {number}")
    keyset = Keyset(account.transactions.all(), field="sequence", tie="sequence", descending=True)

    with django_assert_num_queries(1):
        page = keyset.page(after="31")

    assert [entry.sequence for entry in page.items] == list(range(30, 5, -1))


def test_the_history_needs_no_more_queries_for_many_entries(
    browser, story, django_assert_max_num_queries
):
    service = Service.objects.get()
    for number in range(8):
        story.consume_credits("0.1", f"Entry {number}", service=service)

    with django_assert_max_num_queries(7):  # one of them for a team's members
        browser.get(HISTORY)


class TestExport:
    def rows(self, response) -> list[list[str]]:
        return list(csv.reader(StringIO(b"".join(response.streaming_content).decode())))

    def test_has_the_filtered_entries(self, browser, story):
        response = browser.get(f"{EXPORT}?type=bonus&sort=oldest")

        head, gift, cat = self.rows(response)
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert re.search(r'filename="credits-\d{4}-\d\d-\d\d.csv"', response["Content-Disposition"])
        assert head[:4] == ["Number", "Time", "Kind", "Description"]
        assert [gift[0], *gift[2:]] == ["1", "Added", "Welcome gift", "", "4.0000", "4.0000"]
        assert cat[4:] == ["Painting", "-6.0000", "8.0000"]

    def test_text_is_never_a_formula(self, browser, account):
        account.add_credits(1, "=HYPERLINK(1)")

        assert self.rows(browser.get(EXPORT))[1][3] == "'=HYPERLINK(1)"

    def test_reads_in_chunks(self, browser, account, django_assert_num_queries):
        account.add_credits(2500, "Bought")
        ledger.consume_many(
            {"account": account, "amount": 1, "description": f"Entry {number}"}
            for number in range(2500)
        )
        response = browser.get(EXPORT)

        with django_assert_num_queries(2):
            rows = self.rows(response)

        assert [row[3] for row in rows[1:-1]] == [f"Entry {n}" for n in range(2499, -1, -1)]

    @pytest.mark.django_db(transaction=True)
    def test_streams_under_asgi(self, member, story):
        async def download() -> bytes:
            client = AsyncClient()
            await client.aforce_login(member)
            response = await client.get(EXPORT)
            return b"".join([chunk async for chunk in response])

        content = async_to_sync(download)().decode()

        assert len(content.splitlines()) == 5


def test_a_page_at_the_edge_has_no_further_link(account):
    entry = account.add_credits(1, "Only")
    keyset = Keyset(account.transactions.all(), field="sequence", tie="sequence", descending=True)

    assert keyset.page().items == [entry]
    assert (keyset.page().previous, keyset.page().next) == ("", "")
    assert keyset.page(after="1").items == []
