"""Sums of what was used: as made in Python from the journal, in any time zone, at any length."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import timezone, translation

from benchmarks import history
from quickscale_credits import ledger
from quickscale_credits.exceptions import InvalidRequestError
from quickscale_credits.internal.clock import ledger_clock
from quickscale_credits.metering import charge
from quickscale_credits.models import CreditAccount, CreditTransaction, Service, ServicePrice
from quickscale_credits.usage import (
    Forecast,
    UnusedCredits,
    forecast,
    suggestions,
    unit_price,
    usage,
    usage_by_meter,
)

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]
#: The clocks change in New York on March 10, 2030, and in Berlin on March 31.
START = datetime(2030, 3, 1, tzinfo=UTC)
END = date(2030, 4, 20)

pytestmark = pytest.mark.django_db


def make_service(slug, **prices):
    service = Service.objects.create(name=slug.title(), slug=slug)
    for meter, price in prices.items():
        ServicePrice.objects.create(
            service=service, meter=meter, unit_price=Decimal(price), effective_at=START
        )
    return service


@pytest.fixture
def chat(db):
    return make_service("chat", input="0.5", output="2")


@pytest.fixture
def pages(db):
    return make_service("pages", units="1.5")


def random_history(seed, accounts, services, meanwhile=None):
    """Uses, captures and reversals on random days; ``meanwhile`` is called now and then."""
    rng = random.Random(seed)
    used = []
    with ledger_clock(START) as clock:
        for account in accounts:
            account.add_credits(10**9, "Bought")
        while clock.now.date() <= END:
            clock.move(rng.choice([HOUR, 7 * HOUR, DAY]) * rng.random())
            account = rng.choice(accounts)
            if meanwhile and rng.random() < 0.1:
                meanwhile(account, clock.now.date())
            amount = Decimal(rng.randint(1, 99_999)).scaleb(-rng.randint(0, 4))
            match rng.randrange(6):
                case 0:
                    hold = account.hold_credits(
                        amount, "Work", ttl=DAY, service=rng.choice([None, *services])
                    )
                    if rng.random() < 0.5:
                        clock.move(HOUR)
                        used.append(hold.capture(amount))
                    elif rng.random() < 0.5:
                        hold.release()
                case 1 if used:
                    entry = used[rng.randrange(len(used))]
                    back = sum(each.amount for each in entry.reversals.all())
                    if left := -entry.amount - back:
                        part = left if rng.random() < 0.6 else (left / 2).quantize(Decimal("0.1"))
                        entry.reverse(part or left, reason="It failed")
                case 2:
                    account.add_credits(amount, "Gift", credit_type="bonus")
                case 3:
                    account.remove_credits(amount, "Mistake")
                case _:
                    service = rng.choice([None, *services])
                    used.append(account.consume_credits(amount, "Work", service=service))


def sums_in_python(account, since, until, zone):
    """The credits and uses by day and service."""
    used, uses = Counter(), Counter()
    for entry in CreditTransaction.objects.filter(account=account, kind="consume"):
        day = entry.created_at.astimezone(zone).date()
        rest = -entry.amount - sum(each.amount for each in entry.reversals.all())
        if since <= day <= until:
            used[day, entry.service_id] += rest
            uses[day, entry.service_id] += rest > 0
    return used, uses


class TestUsage:
    @pytest.mark.parametrize("seed", range(3))
    def test_the_sums_are_those_of_the_journal(self, account, make_owner, chat, pages, seed):
        other = CreditAccount.objects.for_owner(make_owner())
        random_history(seed, [account, other], [chat, pages])
        ranges = [
            (date(2030, 3, 10), date(2030, 3, 10)),
            (date(2030, 3, 25), date(2030, 4, 3)),
            (date(2030, 3, 1), date(2030, 4, 20)),
            (date(2031, 1, 1), date(2031, 1, 5)),
        ]
        for each in (account, other):
            for zone in map(ZoneInfo, ZONES):
                for since, until in ranges:
                    self.check(each, since, until, zone)

    def check(self, account, since, until, zone):
        found = usage(account, since=since, until=until, zone=zone)
        used, uses = sums_in_python(account, since, until, zone)
        days = [since + DAY * n for n in range((until - since).days + 1)]
        assert [day.day for day in found.days] == days
        for day in found.days:
            assert day.credits == sum(used[key] for key in used if key[0] == day.day)
            assert day.uses == sum(uses[key] for key in uses if key[0] == day.day)
        for each in found.services:
            pk = each.service and each.service.pk
            assert each.by_day == [used[day, pk] for day in days]
            assert each.credits == sum(each.by_day)
            assert each.uses == sum(uses[day, pk] for day in days)
        assert found.credits == sum(used.values()) == sum(s.credits for s in found.services)
        assert found.uses == sum(uses.values())
        length = until - since + DAY
        used, uses = sums_in_python(account, since - length, since - DAY, zone)
        assert found.before == sum(used.values()) == sum(s.before for s in found.services)
        assert found.uses_before == sum(uses.values())

    def test_it_takes_3_queries_however_much_was_used(
        self, account, chat, pages, django_assert_num_queries
    ):
        random_history(1, [account], [chat, pages])
        with django_assert_num_queries(3):
            usage(account, since=date(2030, 3, 1), until=END)

    def test_a_day_of_23_hours_is_a_day(self, account):
        zone = ZoneInfo("Europe/Berlin")
        with ledger_clock(datetime(2030, 3, 30, 22, 59, tzinfo=UTC)) as clock:
            account.add_credits(100, "Bought")
            account.consume_credits(1, "the last minute of March 30")
            clock.move(timedelta(minutes=1))
            account.consume_credits(2, "midnight")
            clock.move(timedelta(hours=22, minutes=59))
            account.consume_credits(4, "the last minute of March 31")
            clock.move(timedelta(minutes=1))
            account.consume_credits(8, "April 1")
        used = usage(account, since=date(2030, 3, 30), until=date(2030, 4, 1), zone=zone)
        assert [day.credits for day in used.days] == [1, 6, 8]

    def test_large_numbers_are_exact(self, account):
        with ledger_clock(START):
            account.add_credits(Decimal("999999999999999"), "Bought")
            account.consume_credits(Decimal("999999999999998.9999"), "Work")
        used = usage(account, since=START.date(), until=START.date(), zone=UTC)
        assert used.credits == used.per_day == Decimal("999999999999998.9999")

    def test_the_change_compares_with_the_period_before(self, account):
        with ledger_clock(START) as clock:
            account.add_credits(100, "Bought")
            account.consume_credits(10, "Work")
            clock.move(2 * DAY)
            account.consume_credits(15, "Work")
        days = {"since": date(2030, 3, 3), "until": date(2030, 3, 4), "zone": UTC}
        used = usage(account, **days)
        assert (used.before, used.credits, used.change) == (10, 15, Decimal("0.5"))
        assert used.per_day == Decimal("7.5")
        with ledger_clock(START + 3 * DAY):
            ledger.reverse(transaction=account.transactions.get(amount=-10), reason="It failed")
        assert usage(account, **days).change is None

    def test_nothing_was_used(self, account, owner, make_owner):
        stored = CreditAccount.objects.count()
        nobody = CreditAccount.objects.to_read(make_owner())
        for empty in (account, nobody):
            used = usage(empty, since=date(2030, 1, 30), until=date(2030, 2, 1))
            assert [day.credits for day in used.days] == [0, 0, 0]
            assert (used.services, used.credits, used.change, used.per_day) == ([], 0, None, 0)
            assert usage_by_meter(empty, since=date(2030, 1, 30), until=date(2030, 2, 1)) == []
            assert unit_price(empty) is None
        assert CreditAccount.objects.count() == stored

    @pytest.mark.parametrize("days", [-1, 366])
    def test_a_range_that_is_empty_or_too_long_is_refused(self, account, days):
        since = date(2030, 1, 1)
        for read in (usage, usage_by_meter):
            with pytest.raises(InvalidRequestError):
                read(account, since=since, until=since + days * DAY)
        usage(account, since=since, until=since + 365 * DAY)

    def test_the_day_is_that_of_the_current_time_zone(self, account, settings):
        settings.TIME_ZONE = "Asia/Tokyo"
        with ledger_clock(datetime(2030, 1, 1, 16, tzinfo=UTC)):
            account.add_credits(5, "Bought")
            account.consume_credits(5, "Work")
        used = usage(account, since=date(2030, 1, 1), until=date(2030, 1, 2))
        assert [day.credits for day in used.days] == [0, 5]


class TestLongJournals:
    """The sums of long journals are continued from an earlier read."""

    DAYS = {"since": date(2030, 3, 1), "until": END}

    @pytest.fixture(autouse=True)
    def every_journal_is_long(self, settings):
        settings.QUICKSCALE_CREDITS_LONG_JOURNAL = 0
        cache.clear()

    @pytest.mark.parametrize("zone", [ZoneInfo(name) for name in ZONES], ids=ZONES)
    def test_what_is_continued_is_what_the_journal_says(
        self, account, make_owner, chat, pages, zone
    ):
        other = CreditAccount.objects.for_owner(make_owner())

        def read(account, today):
            usage(account, since=today - 9 * DAY, until=today, zone=zone)

        random_history(zone.key, [account, other], [chat, pages], meanwhile=read)
        for each in (account, other):
            for since in (date(2030, 3, 25), date(2030, 3, 1)):
                TestUsage().check(each, since, END, zone)
            TestUsage().check(each, date(2030, 3, 9), date(2030, 3, 12), zone)

    def test_meters_are_continued_too(self, account, owner, chat, pages):
        def read():
            return usage_by_meter(account, since=START.date(), until=END, zone=UTC)

        with ledger_clock(START) as clock:
            account.add_credits(1000, "Bought")
            used = []
            for service, units in (("chat", {"input": 4, "output": 1}), ("pages", {"units": 2})):
                for _time in range(3):
                    with charge(owner, service, quantities=units) as charging:
                        pass
                    used.append(charging.usage.transaction)
                    clock.move(DAY)
            assert len(read()) == 3
            used[0].reverse(1, reason="It was slow")
            used[3].reverse(reason="It failed")
            assert read()
            used[0].reverse(reason="It failed")
            with charge(owner, "pages", units=5):
                pass
            continued = read()
        cache.clear()
        assert continued == read()
        assert {each.meter: each.quantity for each in continued} == {
            "input": 8,
            "output": 2,
            "units": 9,
        }

    def test_only_new_entries_are_read(self, account):
        account.add_credits(history.BALANCE, "Bought")
        history.add_uses(account, 3000, 30 * DAY, using="default")
        until = timezone.localdate()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        for read in (usage, usage_by_meter):
            first = read(account, since=until - 20 * DAY, until=until)
            account.consume_credits(1, "Work")
            before = rows_read()
            read(account, since=until - 20 * DAY, until=until)
            assert rows_read() - before < 500  # the search for days, in the index
        assert first

    def test_sums_of_another_journal_are_not_continued(self, account):
        """As after a backup is restored, when other entries get the same keys."""
        with ledger_clock(START):
            account.add_credits(100, "Bought")
            account.consume_credits(7, "Work")
        assert usage(account, **self.DAYS, zone=UTC).credits == 7
        [key] = [key for key in cache._cache if "credits.uses" in key]
        key = key.removeprefix(cache.make_key(""))
        kept = cache.get(key)
        sums = dict.fromkeys(kept.sums, (Decimal(1000), 1))
        cache.set(key, replace(kept, sums=sums))
        assert usage(account, **self.DAYS, zone=UTC).credits == 1000
        cache.set(key, replace(kept, sums=sums, last_at=START - DAY))
        assert usage(account, **self.DAYS, zone=UTC).credits == 7


class TestMeters:
    RANGE = {"since": date(2030, 3, 1), "until": date(2030, 3, 1), "zone": UTC}

    @pytest.fixture
    def clock(self, db):
        with ledger_clock(START) as clock:
            yield clock

    def test_meters_share_the_cost_by_their_prices(self, account, owner, clock, chat, pages):
        account.add_credits(1000, "Bought")
        for used in ({"input": 10, "output": 5}, {"input": 2, "output": 0}):
            with charge(owner, "chat", quantities=used):
                pass
        with charge(owner, "pages", units=3):
            pass
        found = usage_by_meter(account, **self.RANGE)
        assert [(each.service, each.meter, each.quantity, each.credits) for each in found] == [
            (chat, "output", 5, 10),
            (chat, "input", 12, 6),
            (pages, "units", 3, Decimal("4.5")),
        ]
        assert sum(each.credits for each in found) == usage(account, **self.RANGE).credits

    def test_a_use_that_was_reversed_is_not_counted(self, account, owner, clock, chat, pages):
        account.add_credits(1000, "Bought")
        for service, used in (("chat", {"input": 4, "output": 1}), ("pages", {"units": 2})):
            for part in (1, 2, None):
                with charge(owner, service, quantities=used) as charging:
                    pass
                entry = charging.usage.transaction
                entry.reverse(part and entry.amount / -2, reason="It failed")
        found = {each.meter: each for each in usage_by_meter(account, **self.RANGE)}
        # Two uses were given back by half, one wholly.
        assert found["units"].quantity == 4
        assert found["units"].credits == 3
        assert (found["input"].quantity, found["output"].quantity) == (8, 2)
        assert (found["input"].credits, found["output"].credits) == (2, 2)
        assert usage(account, **self.RANGE).uses == 4

    def test_without_prices_the_cost_cannot_be_divided(self, account, owner, clock, chat, pages):
        account.add_credits(1000, "Bought")
        with charge(owner, "chat", quantities={"input": 4, "output": 1}, cost=7):
            pass
        with charge(owner, "pages", units=2, cost=9):
            pass
        found = {each.meter: each for each in usage_by_meter(account, **self.RANGE)}
        assert found["input"].credits is None
        assert found["units"].credits == 9

    def test_the_range_and_the_account_bound_it(self, account, owner, make_owner, clock, pages):
        other = make_owner()
        for each in (owner, other):
            CreditAccount.objects.for_owner(each).add_credits(100, "Bought")
        for _day in range(3):
            for units, each in ((1, owner), (10, other)):
                with charge(each, "pages", units=units):
                    pass
            clock.move(DAY)
        days = {"since": date(2030, 3, 2), "until": date(2030, 3, 3), "zone": UTC}
        [found] = usage_by_meter(account, **days)
        assert found.quantity == 2


class TestForecast:
    @pytest.fixture(autouse=True)
    def now(self, db):
        with ledger_clock(START) as clock:
            yield clock

    def ends_at(self, days):
        return START + days * DAY

    def test_what_never_ends_lasts_as_long_as_the_pace_says(self, account):
        account.add_credits(100, "Bought")
        coming = forecast(account, per_day=Decimal(10), zone=UTC)
        assert coming.runs_out == date(2030, 3, 11)
        assert forecast(account, per_day=Decimal("9.9"), zone=UTC).runs_out == date(2030, 3, 11)
        assert forecast(account, per_day=Decimal("0.1"), zone=UTC).runs_out is None
        assert forecast(account, per_day=Decimal(0), zone=UTC).runs_out is None

    def test_what_ends_before_it_is_used_does_not_help(self, account):
        account.add_credits(100, "Gift", credit_type="bonus", expires_at=self.ends_at(2))
        account.add_credits(20, "Bought")
        coming = forecast(account, per_day=Decimal(10), zone=UTC)
        # 3 days of the gift, the last one included, then 2 days of what was bought.
        assert coming == Forecast(
            date(2030, 3, 1), date(2030, 3, 6), [UnusedCredits(Decimal(70), date(2030, 3, 3))]
        )

    def test_credits_that_begin_later_count_from_then_on(self, account):
        account.add_credits(20, "Bought")
        account.add_credits(
            30,
            "Next month",
            credit_type="subscription",
            effective_at=self.ends_at(2),
            expires_at=self.ends_at(30),
        )
        assert forecast(account, per_day=Decimal(10), zone=UTC).runs_out == date(2030, 3, 6)
        assert forecast(account, per_day=Decimal(15), zone=UTC).runs_out == date(2030, 3, 2)

    def test_held_credits_cannot_be_used(self, account):
        account.add_credits(20, "Bought")
        account.hold_credits(15, "Work", ttl=DAY)
        assert forecast(account, per_day=Decimal(10), zone=UTC).runs_out == date(2030, 3, 1)

    def test_nothing_is_left(self, account, django_assert_num_queries):
        with django_assert_num_queries(2):
            assert forecast(account, per_day=Decimal(1), zone=UTC).runs_out == date(2030, 3, 1)


class TestPrice:
    def test_it_is_the_average_of_what_was_bought(self, account):
        account.add_credits(100, "Bought", cost=(900, "usd"))
        account.add_credits(400, "Bought", cost=(1600, "usd"))
        account.add_credits(50, "Gift", credit_type="bonus")
        price = unit_price(account)
        assert (price.price, price.currency) == (5, "usd")
        assert price.cost_of(Decimal("10.5")) == 53

    def test_several_currencies_have_no_average(self, account):
        account.add_credits(100, "Bought", cost=(900, "usd"))
        account.add_credits(100, "Bought", cost=(900, "eur"))
        assert unit_price(account) is None


class TestSuggestions:
    def advice(self, account, pages, *, before, now, left, ends=None):
        with ledger_clock(START) as clock:
            account.add_credits(before + now or 1, "Bought")
            if before:
                account.consume_credits(before, "Work", service=pages)
            clock.move(DAY)
            if now:
                account.consume_credits(now, "Work", service=pages)
            if left:
                expires_at = START + ends if ends else None
                account.add_credits(left, "Gift", credit_type="bonus", expires_at=expires_at)
            used = usage(account, since=date(2030, 3, 2), until=date(2030, 3, 2), zone=UTC)
            coming = forecast(account, per_day=used.per_day, zone=UTC)
        return {each.kind: each.text for each in suggestions(used, coming)}

    def test_a_steady_use_with_enough_credits_needs_none(self, account, pages):
        assert self.advice(account, pages, before=10, now=10, left=1000) == {}

    def test_credits_that_soon_run_out(self, account, pages):
        found = self.advice(account, pages, before=10, now=10, left=25)
        assert found == {
            "buy": "At this pace, your credits are used up on March 4, 2030. Buy more before then."
        }

    def test_credits_that_end_unused(self, account, pages):
        with translation.override("en"):
            found = self.advice(account, pages, before=1, now=1, left=12, ends=5 * DAY)
        assert found["unused"] == (
            "7 credits end on March 6, 2030 before you use them at this pace."
        )

    def test_a_rise(self, account, pages):
        found = self.advice(account, pages, before=10, now=16, left=10_000)
        assert found == {
            "rise": "You used 60% more than in the period before, most of it for Pages."
        }

    def test_somebody_who_used_nothing_gets_no_advice_to_buy(self, account, pages):
        assert self.advice(account, pages, before=0, now=0, left=0) == {}


def rows_read():
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables")
        return cursor.fetchone()[0]


@pytest.mark.parametrize("read", [usage, usage_by_meter])
def test_a_day_of_a_long_history_reads_only_its_rows(account, read):
    """No scan of the journal, which has no index by time; the entries of a day are found."""
    account.add_credits(history.BALANCE, "Bought")
    history.add_uses(account, 6000, 60 * DAY, using="default")
    day = timezone.localdate() - 30 * DAY
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    before = rows_read()
    read(account, since=day, until=day)
    # usage() also reads the day before. What is left is the search, and services.
    assert rows_read() - before < 2 * 100 + 100
