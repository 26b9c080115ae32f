from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import chain

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from django.urls import reverse_lazy
from django.utils import timezone

from quickscale.formats import format_day
from quickscale_credits import ledger
from quickscale_credits.metering import charge
from quickscale_credits.models import CreditAccount, CreditTransaction, Service
from quickscale_credits.pages.paging import Keyset
from quickscale_credits.pricing import set_price
from quickscale_credits.testing import ServiceFactory
from tests.markup import words

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
        ("show=used", ["A painted cat"]),
        ("show=added", ["Bought at the fair", "Welcome gift"]),
        ("show=other", ["Put right"]),
        ("show=added&text=fair", ["Bought at the fair"]),
        ("show=nonsense&period=soon", ALL),
        ("period=7", ALL),
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


def test_a_period_is_that_of_the_last_days(browser, account):
    for days in (6, 7, 29, 30):
        entry = account.add_credits(1, f"{days} days ago")
        backdate(entry, timezone.now() - timedelta(days=days))

    assert shown(browser.get(f"{HISTORY}?period=7")) == ["6 days ago"]
    assert shown(browser.get(f"{HISTORY}?period=30")) == [f"{n} days ago" for n in (29, 7, 6)]


def test_a_group_keeps_the_other_filters_and_empty_ones_leave_the_url(browser, story):
    page = browser.get(f"{HISTORY}?text=fair&show=used").text

    assert f'href="{HISTORY}?text=fair&amp;show=added"' in page
    assert f'href="{HISTORY}?text=fair"' in page
    assert '<input type="hidden" name="show" value="used">' in page
    response = browser.get(f"{HISTORY}?text=&period=&kind=&show=used&sort=newest")
    assert (response.status_code, response.url) == (302, f"{HISTORY}?show=used&sort=newest")


def test_rarely_needed_filters_are_folded_until_one_is_used(browser, story):
    for query, is_open in [("", False), ("text=a", False), ("kind=grant", True), ("since=x", True)]:
        page = browser.get(f"{HISTORY}?{query}").text
        assert bool(re.search(r"<details[^>]* open", page)) is is_open


def test_an_entry_says_what_was_counted(browser, owner, account):
    service = ServiceFactory(name="Chat", slug="chat", cost=1, unit="page")
    set_price(service, "0.01", meter="input tokens")
    account.add_credits(100, "Bought")
    for used in ({"units": 3}, {"units": 2, "input tokens": 1200}):
        with charge(owner, "chat", quantities=used):
            pass

    page = words(browser.get(HISTORY).text)

    assert "3\N{NO-BREAK SPACE}× page" in page
    assert "input tokens: 1,200" in page


def test_an_invalid_filter_is_reported(browser, story):
    page = browser.get(f"{HISTORY}?since=yesterday").content.decode()

    assert "Enter a valid date." in page


def test_only_the_owners_entries_are_shown(browser, story, make_owner):
    CreditAccount.objects.for_owner(make_owner()).add_credits(1, "Theirs")

    assert "Theirs" not in shown(browser.get(HISTORY))


def test_days_have_headings_while_the_list_is_in_the_order_of_time(browser, account, clock):
    start = timezone.now() - timedelta(days=5)
    clock.move(start - clock.now)
    for days in (0, 4, 1, 0):
        clock.move(timedelta(days=days))
        account.add_credits(1, "Gift", credit_type="bonus")
    day = format_day(start)

    def headings(**query):
        return re.findall(r'scope="rowgroup">([^<]*)<', browser.get(HISTORY, query).text)

    assert headings() == ["Today", "Yesterday", day]
    assert headings(sort="oldest") == [day, "Yesterday", "Today"]
    assert headings(sort="added") == []


def test_htmx_gets_only_the_entries(browser, story):
    response = browser.get(f"{HISTORY}?kind=consume", headers=HTMX)

    assert re.match(r'<div id="credit-history"', response.text.lstrip())
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
