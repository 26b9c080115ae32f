"""The page of what was used: figures, ranges, comparisons, CSV, and its parts on the dashboard."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.urls import reverse, reverse_lazy
from django.utils import timezone

from quickscale_credits.internal.clock import ledger_clock
from quickscale_credits.metering import charge
from quickscale_credits.models import CreditAccount, CreditTransaction
from quickscale_credits.pages.report import change_in_words
from quickscale_credits.pricing import set_price
from quickscale_credits.testing import ServiceFactory
from tests.looks import look
from tests.markup import flat, problems_of_fragment, problems_of_page, words

pytestmark = pytest.mark.django_db
__all__ = ["look"]

USAGE = reverse_lazy("quickscale_credits:usage")
EXPORT = reverse_lazy("quickscale_credits:usage_export")
HTMX = {"HX-Request": "true"}
DAY = timedelta(days=1)
has_dashboard = apps.is_installed("quickscale_dashboard")


def text_of(response) -> str:
    return flat(re.sub(r"<[^>]+>", " ", words(response.text)))


def rows_of(response) -> list[list[str]]:
    """The cells of the table by service."""
    table = re.search(r'aria-labelledby="usage-by-service".*?</table>', response.text, re.S)
    assert table
    body = words(table[0]).partition("<tbody>")[2]
    return [
        [
            flat(re.sub(r"<[^>]+>", " ", cell)).strip()
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.S)
        ]
        for row in re.findall(r"<tr>.*?</tr>", body, re.S)
    ]  # fmt: skip


@pytest.fixture
def story(account):
    """10 credits 40 days ago; 3 and 6 of paintings and 2 of nothing named in the last 30 days."""
    painting = ServiceFactory(name="Painting", slug="painting", cost=1)
    begin = timezone.now() - 40 * DAY
    with ledger_clock(begin) as clock:
        account.add_credits(100, "Bought", cost=(900, "usd"))
        account.consume_credits(10, "Old", service=painting)
        clock.move(30 * DAY)
        account.consume_credits(3, "A cat", service=painting)
        clock.move(5 * DAY)
        account.consume_credits(6, "A dog", service=painting)
        account.consume_credits(2, "By hand")
    return account


class TestFigures:
    def test_they_are_the_sums_of_the_journal(self, browser, story):
        page = text_of(browser.get(USAGE))

        uses = CreditTransaction.objects.filter(
            kind="consume", created_at__gt=timezone.now() - 29 * DAY
        )
        assert (sum(-use.amount for use in uses), len(uses)) == (11, 3)
        assert "Credits used 11 10% more than in the 30 days before" in page
        assert "Uses 3 200% more than in the 30 days before" in page
        assert "Credits last until" in page

    def test_the_cost_is_the_average_of_what_was_paid(self, browser, story):
        page = text_of(browser.get(USAGE))

        assert "Estimated cost $0.99 at $0.09 for each credit" in page

    def test_without_a_price_there_is_no_cost(self, browser, account):
        account.add_credits(10, "Gift", credit_type="bonus")
        account.consume_credits(1, "Work")

        page = text_of(browser.get(USAGE))

        assert "Estimated cost" not in page
        assert "Nothing was used in the 30 days before." in page

    def test_services_have_their_share(self, browser, story):
        assert rows_of(browser.get(USAGE)) == [
            ["Painting", "2", "9", "82%", "10% fewer than in the 30 days before"],
            ["Other uses", "1", "2", "18%", "Nothing was used in the 30 days before."],
        ]

    def test_one_service_is_counted_alone(self, browser, story):
        response = browser.get(f"{USAGE}?service=painting")

        assert "Only uses of Painting are counted." in text_of(response)
        assert "Credits used 9" in text_of(response)
        assert [row[0] for row in rows_of(response)] == ["Painting"]
        assert 'href="?' not in response.text.partition('aria-label="Range"')[0]

    def test_meters_are_listed_with_their_quantities(self, browser, account, owner):
        chat = ServiceFactory(name="Chat", slug="chat", cost="0.01", unit="image")
        set_price(chat, "2", meter="output tokens")
        account.add_credits(1000, "Bought")
        with charge(owner, "chat", quantities={"units": 100, "output tokens": 4}):
            pass

        page = text_of(browser.get(USAGE))

        assert "Chat output tokens 4 8 89%" in page
        assert "Chat image 100 1 11%" in page

    def test_suggestions_follow_from_the_figures(self, browser, account, settings):
        settings.QUICKSCALE_CREDITS_BUY_URL = "/shop/"
        account.add_credits(31, "Bought")
        account.consume_credits(30, "Work")

        page = browser.get(USAGE)

        assert "your credits are used up on" in text_of(page)
        assert 'href="/shop/"' in page.text

    @pytest.mark.parametrize(
        ("now", "before", "days", "expected"),
        [
            (88, 100, 30, "12% fewer than in the 30 days before"),
            (112, 100, 7, "12% more than in the 7 days before"),
            (1001, 1000, 90, "About as many as in the 90 days before"),
            (5, 0, 30, "Nothing was used in the 30 days before."),
            (3, 1, 1, "200% more than on the day before"),
            (0, 4, 30, "100% fewer than in the 30 days before"),
        ],
    )
    def test_a_comparison_is_honest(self, now, before, days, expected):
        assert change_in_words(Decimal(now), Decimal(before), days) == expected

    def test_many_services_are_five_series_and_rows_for_all(self, browser, account):
        account.add_credits(100, "Bought")
        for number in range(6):
            service = ServiceFactory(name=f"Service {number}", slug=f"s{number}", cost=1)
            account.consume_credits(number + 1, "Work", service=service)

        response = browser.get(USAGE)

        legend = re.search(r'<ul class="qs-legend">.*?</ul>', response.text, re.S)
        assert re.findall(r"(Service \d|All others)", legend[0]) == [
            "Service 5", "Service 4", "Service 3", "Service 2", "All others",
        ]  # fmt: skip
        assert len(rows_of(response)) == 6


class TestRange:
    @pytest.mark.parametrize(
        ("query", "total"), [("", 11), ("days=7", 8), ("days=90", 21), ("days=8", 11)]
    )
    def test_the_last_days(self, browser, story, query, total):
        response = browser.get(f"{USAGE}?{query}")

        assert f"Credits used {total} " in text_of(response)
        assert len(re.findall('aria-current="true"', response.text)) >= 1

    def test_a_custom_range(self, browser, story):
        day = timezone.localdate() - 10 * DAY

        page = text_of(browser.get(f"{USAGE}?since={day}&until={day}"))

        assert "Credits used 3 Nothing was used on the day before." in page
        assert "Credits last until" not in page  # the range is over

    @pytest.mark.parametrize(
        ("query", "error"),
        [
            ("since=2030-02-01&until=2030-01-01", "The range ends before it begins."),
            ("since=2028-01-01&until=2029-01-02", "A range has at most 366 days."),
            ("since=2028-01-01", "Give both days of the range."),
            ("until=2028-01-01", "Give both days of the range."),
            ("since=soon&until=2028-01-01", "Enter a valid date."),
            ("since=0001-01-01&until=0001-01-02", "greater than or equal to"),
            ("service=nonsense", "Select a valid choice."),
        ],
    )
    def test_a_range_that_makes_no_sense_is_refused(self, browser, story, query, error):
        response = browser.get(f"{USAGE}?{query}")

        assert error in text_of(response)
        assert "Credits used 11 " in text_of(response)  # that of the last 30 days
        assert re.search(r"<details[^>]* open", response.text)

    def test_the_last_days_of_the_calendar_are_a_range(self, browser, story):
        assert browser.get(f"{USAGE}?since=9999-12-01&until=9999-12-31").status_code == 200

    def test_empty_fields_leave_the_url(self, browser, account):
        response = browser.get(f"{USAGE}?since=&until=&service=&days=7")

        assert (response.status_code, response.url) == (302, f"{USAGE}?days=7")

    @pytest.mark.parametrize("zone", ["Pacific/Auckland", "Europe/London"])
    def test_a_day_is_a_day_where_the_reader_is(self, browser, account, zone):
        # Half past midnight on March 2 in Auckland is still March 1 in London.
        with ledger_clock(datetime(2026, 3, 1, 11, 30, tzinfo=UTC)):
            account.add_credits(5, "Bought")
            account.consume_credits(5, "Work")
        with timezone.override(ZoneInfo(zone)):
            response = browser.get(f"{USAGE}?since=2026-03-02&until=2026-03-02")

        assert ("Credits used 5" in text_of(response)) is (zone == "Pacific/Auckland")
        assert zone in text_of(response)

    def test_a_long_range_is_drawn_by_week(self, browser, story):
        today = timezone.localdate()

        response = browser.get(f"{USAGE}?since={today - 364 * DAY}&until={today}")

        assert "Credits used each week" in response.text
        assert response.text.count('class="qs-space"') == 53


class TestEmpty:
    def test_an_account_without_uses_leads_to_the_services(self, browser, account):
        response = browser.get(USAGE)

        assert "You have not used any credits yet" in text_of(response)
        assert 'href="/services/"' in response.text

    def test_days_without_uses_lead_to_the_last_use(self, browser, story):
        response = browser.get(f"{USAGE}?since=2020-01-01&until=2020-01-02")
        link = re.search(r'href="([^"]+)"[^>]*>(?:<span>)?\s*Show that use', response.text)

        assert "Nothing was used on these days" in text_of(response)
        assert "Credits used" in text_of(browser.get(link[1].replace("&amp;", "&")))

    def test_a_service_without_uses_leads_to_all(self, browser, story):
        ServiceFactory(name="Idle", slug="idle", cost=1)

        response = browser.get(f"{USAGE}?service=idle&days=7")
        link = re.search(r'href="([^"]+)"[^>]*>(?:<span>)?\s*Show that use', response.text)

        assert link[1] == f"{USAGE}?days=7"


class TestExport:
    def rows(self, response) -> list[list[str]]:
        return list(csv.reader(StringIO(b"".join(response.streaming_content).decode())))

    def test_it_has_the_uses_of_each_day_and_service(self, browser, story):
        today = timezone.localdate()
        response = browser.get(f"{EXPORT}?days=30")

        assert response["Content-Type"] == "text/csv; charset=utf-8"
        name = f"usage-{today - 29 * DAY}-{today}.csv"
        assert response["Content-Disposition"] == f'attachment; filename="{name}"'
        assert self.rows(response) == [
            ["Day", "Service", "Uses", "Credits"],
            [str(today - 10 * DAY), "Painting", "1", "3.0000"],
            [str(today - 5 * DAY), "Painting", "1", "6.0000"],
            [str(today - 5 * DAY), "Other uses", "1", "2.0000"],
        ]

    def test_it_has_the_range_and_the_service_of_the_page(self, browser, story):
        link = re.search(
            r'href="([^"]+)" download', browser.get(f"{USAGE}?days=7&service=painting").text
        )
        assert len(self.rows(browser.get(link[1].replace("&amp;", "&")))) == 2

    def test_text_is_never_a_formula(self, browser, account):
        service = ServiceFactory(name="=HYPERLINK(1)", slug="formula", cost=1)
        account.add_credits(1, "Bought")
        account.consume_credits(1, "Work", service=service)

        assert self.rows(browser.get(EXPORT))[1][1] == "'=HYPERLINK(1)"


class TestParts:
    def test_htmx_gets_only_the_part(self, browser, story):
        response = browser.get(USAGE, headers=HTMX)

        assert response.text.strip().startswith('<div id="usage">')
        assert problems_of_fragment(response.text) == []
        assert "HX-Request" in response["Vary"]

    @pytest.mark.parametrize("name", ["usage_meters", "usage_chart", "usage_summary"])
    def test_a_part_is_a_page_without_htmx(self, browser, story, name):
        url = reverse(f"quickscale_credits:{name}")

        assert problems_of_fragment(browser.get(f"{url}?days=7", headers=HTMX).text) == []
        assert browser.get(f"{url}?days=7").url == f"{USAGE}?days=7"

    def test_meters_of_a_long_journal_come_later(self, browser, story, settings):
        assert "usage/meters/" not in browser.get(USAGE).text
        settings.QUICKSCALE_CREDITS_LONG_JOURNAL = 1

        response = browser.get(USAGE)

        assert "usage/meters/?days=30" in response.text
        link = re.search(r'href="(\?[^"]+meters=1)"', response.text)
        assert "usage/meters/" not in browser.get(f"{USAGE}{link[1]}".replace("&amp;", "&")).text

    def test_it_is_sound_in_every_look(self, browser, story, look):
        assert problems_of_page(browser.get(f"{USAGE}?since=2020-01-01").text) == []

    def test_it_needs_few_queries_however_much_was_used(
        self, browser, story, django_assert_max_num_queries
    ):
        for number in range(12):
            service = ServiceFactory(name=f"Service {number}", slug=f"s{number}", cost=1)
            story.consume_credits(1, "Work", service=service)
        with django_assert_max_num_queries(12):
            browser.get(USAGE)

    def test_only_the_owners_uses_are_counted(self, browser, story, make_owner):
        other = CreditAccount.objects.for_owner(make_owner())
        other.add_credits(1000, "Bought")
        other.consume_credits(500, "Theirs")

        assert "Credits used 11 " in text_of(browser.get(USAGE))


@pytest.mark.skipif(not has_dashboard, reason="a site without the dashboard")
class TestDashboard:
    def test_shows_the_last_30_days_and_the_chart(self, browser, story):
        page = text_of(browser.get("/dashboard/"))

        assert "Last 30 days 11 credits 3 uses" in page
        assert "At this pace, your credits last" in page
        assert "Credits used each day" in page

    def test_a_long_journal_is_summed_later(self, browser, story, settings):
        settings.QUICKSCALE_CREDITS_LONG_JOURNAL = 1

        response = browser.get("/dashboard/")

        assert "11 credits" not in text_of(response)
        for name in ("chart", "summary"):
            assert f'usage/{name}/" hx-trigger="load"' in response.text

    def test_an_account_without_uses_leads_to_the_services(self, browser, account):
        page = text_of(browser.get("/dashboard/"))

        assert "Nothing was used on these days" in page
