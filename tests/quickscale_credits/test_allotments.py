"""Credits that come in portions: each period gets its portion once, which ends with the period."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quickscale_credits import allotments, ledger
from quickscale_credits.allotments import (
    cancel_allotment,
    change_allotment,
    periods,
    schedule_allotment,
    spread_credits,
)
from quickscale_credits.exceptions import (
    AccountClosedError,
    CreditsError,
    IdempotencyConflictError,
    InsufficientCreditsError,
    InvalidAmountError,
    InvalidRequestError,
)
from quickscale_credits.internal.clock import ledger_clock
from quickscale_credits.models import CreditAccount, CreditEvent, CreditLot, CreditTransaction
from tests.owners import make_owner, make_user
from tests.quickscale_credits.test_concurrency import at_once, new_account

DAY = timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
# Among them: half an hour of summer time, no summer time, a skipped day, a change at midnight.
ZONES = [
    UTC,
    BERLIN,
    *map(ZoneInfo, ["America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"]),
    ZoneInfo("America/Santiago"),
]
SOURCE = ("plan", "sub_1")
NEW_SOURCE = ("plan", "sub_1:pro")


def day(year, month, day):
    return datetime(year, month, day, tzinfo=UTC)


def dates(anchor, until, **options):
    return [begin.date().isoformat()[2:] for begin, _ in periods(anchor, until, **options)]


def yearly(account, amount=100, **changes):
    """Schedule monthly credits for the year in which the tests' clock starts."""
    return schedule_allotment(
        **{
            "account": account,
            "amount": amount,
            "description": "Pro plan",
            "anchor": day(2030, 1, 1),
            "until": day(2031, 1, 1),
            "source": SOURCE,
            **changes,
        }
    )


class TestPeriods:
    def test_ends_of_months_come_from_the_anchor(self):
        assert dates(day(2029, 10, 31), day(2030, 5, 1)) == [
            "29-10-31", "29-11-30", "29-12-31", "30-01-31", "30-02-28", "30-03-31", "30-04-30",
        ]  # fmt: skip

    def test_a_leap_day(self):
        assert dates(day(2028, 2, 29), day(2028, 5, 1)) == ["28-02-29", "28-03-29", "28-04-29"]
        assert len(periods(day(2028, 2, 29), day(2029, 2, 28))) == 12

    def test_the_last_period_may_be_shorter(self):
        assert periods(day(2030, 1, 1), day(2030, 2, 10)) == [
            (day(2030, 1, 1), day(2030, 2, 1)),
            (day(2030, 2, 1), day(2030, 2, 10)),
        ]

    def test_quarters(self):
        assert dates(day(2029, 11, 30), day(2030, 11, 30), months=3) == [
            "29-11-30", "30-02-28", "30-05-30", "30-08-30",
        ]  # fmt: skip

    def test_the_hour_is_that_of_the_anchors_zone(self):
        begins = [
            begin.astimezone(UTC).hour
            for begin, _ in periods(
                datetime(2030, 3, 1, 9, tzinfo=BERLIN), datetime(2030, 5, 1, 9, tzinfo=BERLIN)
            )
        ]
        assert begins == [8, 7]

    @pytest.mark.parametrize(
        ("anchor", "until", "options", "argument"),
        [
            (day(2030, 1, 1), day(2030, 1, 1), {}, "until"),
            (day(2030, 1, 1), day(2029, 1, 1), {}, "until"),
            (datetime(2030, 1, 1), day(2031, 1, 1), {}, "anchor"),
            (day(2030, 1, 1), datetime(2031, 1, 1), {}, "until"),
            (day(2030, 1, 1), None, {}, "until"),
            (day(2030, 1, 1), day(2040, 1, 2), {}, "until"),
            (day(2030, 1, 1), day(2031, 1, 1), {"months": 0}, "months"),
            (day(2030, 1, 1), day(2031, 1, 1), {"months": -1}, "months"),
            (day(2030, 1, 1), day(2031, 1, 1), {"months": 1.5}, "months"),
            (
                datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
                datetime(2026, 10, 25, 2, 50, tzinfo=BERLIN),
                {},
                "until",
            ),
        ],
    )
    def test_an_invalid_term_is_refused(self, anchor, until, options, argument):
        with pytest.raises(InvalidRequestError) as caught:
            periods(anchor, until, **options)
        assert caught.value.argument == argument

    def test_the_maximum_number_of_periods(self):
        assert len(periods(day(2030, 1, 1), day(2040, 1, 1))) == allotments.MAX_PERIODS

    @pytest.mark.parametrize(
        ("anchor", "until", "number", "last"),
        [
            # Six calendar months; the end is in UTC, after the clocks have changed.
            (
                datetime(2026, 1, 1, 11, tzinfo=BERLIN),
                datetime(2026, 7, 1, 10, tzinfo=UTC),
                6,
                timedelta(days=30, hours=1),
            ),
            (day(2026, 1, 1), day(2027, 1, 1) + timedelta(seconds=5), 12, timedelta(31, 5)),
            (day(2026, 1, 1), day(2026, 2, 2), 2, DAY),
            (day(2026, 1, 1), day(2026, 2, 2) - timedelta(seconds=1), 1, timedelta(32, -1)),
            (day(2026, 1, 1), day(2026, 1, 1) + timedelta(hours=5), 1, timedelta(hours=5)),
            # The clocks skip 2:30 on that day.
            (
                datetime(2027, 2, 28, 2, 30, tzinfo=BERLIN),
                datetime(2027, 3, 28, 3, 30, tzinfo=BERLIN),
                1,
                timedelta(days=28),
            ),
            # The clock shows this hour twice: from the first time to the second.
            (
                datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN),
                datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
                1,
                timedelta(hours=1),
            ),
            (day(9999, 11, 1), day(9999, 12, 31), 2, timedelta(days=30)),
        ],
    )
    def test_a_remainder_shorter_than_a_day_makes_no_period(self, anchor, until, number, last):
        found = periods(anchor, until)
        assert len(found) == number
        begin, end = found[-1]
        assert end.astimezone(UTC) - begin.astimezone(UTC) == last

    @pytest.mark.parametrize("fold", [0, 1])
    @pytest.mark.parametrize(
        ("anchor", "begin"),
        [
            (datetime(2026, 9, 25, 2, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
            (datetime(2027, 2, 28, 2, 30), datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),
        ],
        ids=["twice", "skipped"],
    )
    def test_a_local_time_that_comes_twice_or_not_at_all(self, anchor, begin, fold):
        anchor = anchor.replace(tzinfo=BERLIN, fold=fold)
        _, (found, _) = periods(anchor, begin + 7 * DAY)
        assert found.astimezone(UTC) == begin

    @settings(deadline=None)
    @given(
        anchor=st.datetimes(
            datetime(2000, 1, 1), datetime(2080, 1, 1), timezones=st.sampled_from(ZONES)
        ),
        length=st.timedeltas(timedelta(seconds=1), timedelta(days=3600)),
        months=st.sampled_from([1, 1, 1, 3, 12]),
        until_zone=st.sampled_from(ZONES),
    )
    def test_they_tile_the_term_as_a_calendar_does(self, anchor, length, months, until_zone):
        until = (anchor.astimezone(UTC) + length).astimezone(until_zone)
        found = periods(anchor, until, months=months)
        assert (found[0][0], found[-1][1]) == (anchor, until)
        in_utc = [(begin.astimezone(UTC), end.astimezone(UTC)) for begin, end in found]
        assert all(begin < end for begin, end in in_utc)
        assert all(end == begin for (_, end), (begin, _) in pairwise(in_utc))
        if len(found) > 1:
            assert in_utc[-1][1] - in_utc[-1][0] >= DAY
        for number, (begin, _) in enumerate(found[1:], 1):
            year, month = divmod(anchor.year * 12 + anchor.month - 1 + number * months, 12)
            on_day = min(anchor.day, monthrange(year, month + 1)[1])
            wanted = anchor.replace(year=year, month=month + 1, day=on_day, tzinfo=None)
            skipped = begin.replace(tzinfo=None) - wanted
            there_is = (
                wanted.replace(tzinfo=anchor.tzinfo)
                .astimezone(UTC)
                .astimezone(anchor.tzinfo)
                .replace(tzinfo=None)
                == wanted
            )
            assert skipped == timedelta(0) if there_is else timedelta(0) < skipped <= DAY
        # One more period would have had less than a day.
        year, month = divmod(anchor.year * 12 + anchor.month - 1 + len(found) * months, 12)
        on_day = min(anchor.day, monthrange(year, month + 1)[1])
        following = anchor.replace(year=year, month=month + 1, day=on_day, fold=0)
        assert until.astimezone(UTC) - following.astimezone(UTC) < DAY

    def test_periods_in_any_zone_are_stored(self, account):
        anchor = datetime(2027, 2, 28, 2, 30, tzinfo=BERLIN)
        until = datetime(2027, 3, 28, 3, 30, tzinfo=BERLIN)
        entry = yearly(account, anchor=anchor, until=until)
        [lot] = account.lots.all()
        assert (lot.effective_at, lot.expires_at, entry.amount) == (anchor, until, 100)


class TestSchedule:
    def test_each_month_has_its_credits_and_no_job_runs(self, account, clock):
        yearly(account)
        for begin, end in periods(day(2030, 1, 1), day(2031, 1, 1)):
            clock.move(begin - clock.now)
            assert account.get_available_balance() == 100
            account.consume_credits(60, "Use")
            with pytest.raises(InsufficientCreditsError) as refused:
                account.consume_credits(41, "Use")
            assert refused.value.available == 40
            clock.move(end - clock.now - timedelta(microseconds=1))
            assert account.get_balance() == 40
        clock.move(DAY)
        assert account.get_balance() == 0
        ledger.expire_due()
        account.refresh_from_db()
        assert account.posted == 0
        assert ledger.verify(account) == []

    def test_the_term_is_one_line_of_the_journal(self, account, clock):
        entry = yearly(account, cost=(10001, "usd"), metadata={"plan": "pro"})
        assert CreditTransaction.objects.get() == entry
        assert (entry.kind, entry.amount) == ("grant", 1200)
        assert entry.metadata == {"plan": "pro"}
        assert CreditEvent.objects.filter(kind="granted").count() == 1
        lots = list(CreditLot.objects.order_by("pk"))
        assert [lot.source_id for lot in lots] == [f"sub_1:{n}" for n in range(1, 13)]
        assert [lot.amount for lot in lots] == [100] * 12
        assert sum(lot.cost_amount for lot in lots) == 10001
        assert {lot.cost_amount for lot in lots} == {833, 834}
        assert [(lot.period_start, lot.period_end) for lot in lots] == periods(
            day(2030, 1, 1), day(2031, 1, 1)
        )

    def test_each_write_is_one_round_trip(self, account, clock, django_assert_num_queries):
        with django_assert_num_queries(1):
            yearly(account)
        with django_assert_num_queries(1):
            change_allotment(
                account=account,
                source=SOURCE,
                new_source=NEW_SOURCE,
                amount=5,
                description="Basic plan",
            )
        with django_assert_num_queries(1):
            cancel_allotment(account=account, source=NEW_SOURCE, reason="Cancelled")

    def test_a_late_term_gives_what_it_would_have_given(self, account, clock):
        clock.move(day(2030, 4, 10) - clock.now)
        entry = yearly(account)
        assert entry.amount == 1200
        assert account.get_available_balance() == 100
        expired = CreditTransaction.objects.filter(kind="expire")
        assert [line.amount for line in expired] == [-100] * 3
        clock.move(day(2030, 5, 1) - clock.now)
        assert account.get_available_balance() == 100
        assert ledger.verify(account) == []

    def test_a_term_that_is_over_gives_nothing(self, account, clock):
        clock.move(day(2031, 1, 1) - clock.now)
        yearly(account)
        account.refresh_from_db()
        assert (account.posted, account.get_balance()) == (0, 0)
        assert CreditLot.objects.count() == 12

    def test_again_is_the_same_at_any_later_time(self, account, clock):
        entry = yearly(account)
        clock.move(100 * DAY)
        account.consume_credits(30, "Use")
        assert yearly(account) == entry
        clock.move(1000 * DAY)
        assert yearly(account) == entry
        assert CreditLot.objects.count() == 12

    @pytest.mark.parametrize(
        "changes",
        [
            {"amount": 101},
            {"credit_type": "bonus"},
            {"anchor": day(2030, 1, 2)},
            {"until": day(2030, 12, 31)},
            {"until": day(2030, 12, 1)},
            {"until": day(2031, 2, 1)},
            {"months": 3},
        ],
    )
    def test_another_schedule_for_the_source_is_a_conflict(self, account, clock, changes):
        yearly(account)
        with pytest.raises(IdempotencyConflictError):
            yearly(account, **changes)
        assert CreditTransaction.objects.count() == 1

    def test_a_source_belongs_to_one_account(self, account, clock):
        yearly(account)
        other = CreditAccount.objects.for_owner(make_owner())
        with pytest.raises(IdempotencyConflictError):
            yearly(other)
        assert not other.lots.exists()

    def test_other_credits_go_on_beside_it(self, account, clock):
        account.add_credits(50, "Bought")
        yearly(account)
        account.consume_credits(120, "Use")
        assert account.get_balance_by_type()["subscription"] == 0
        assert account.get_balance() == 30
        clock.move(31 * DAY)
        assert account.get_balance() == 130

    def test_an_overdraft_is_paid_back_by_the_month_that_has_begun(self, account, clock):
        ledger.set_overdraft_limit(account=account, limit=500)
        account.refresh_from_db()
        account.consume_credits(130, "Use")
        yearly(account)
        assert account.get_available_balance() == -30
        assert ledger.verify(account) == []

    def test_a_closed_account_gets_nothing(self, account, clock):
        ledger.close(account=account)
        with pytest.raises(AccountClosedError):
            yearly(account)
        assert not account.lots.exists()

    @pytest.mark.parametrize(
        ("changes", "argument"),
        [
            ({"amount": 0}, "amount"),
            ({"amount": 1.5}, "amount"),
            ({"amount": "0.00001"}, "amount"),
            ({"amount": 10**14}, "amount"),
            ({"credit_type": "payg"}, "expires_at"),
            ({"credit_type": "overdraft"}, "credit_type"),
            ({"source": None}, "source"),
            ({"source": ("plan", "x" * 252)}, "source"),
            ({"source": ("ledger:plan", "1")}, "source"),
            ({"description": " "}, "description"),
            ({"cost": (-1, "usd")}, "cost"),
        ],
    )
    def test_bad_input_writes_nothing(self, account, clock, changes, argument):
        with pytest.raises(InvalidRequestError) as caught:
            yearly(account, **changes)
        assert caught.value.argument == argument
        assert isinstance(caught.value, InvalidAmountError) == (argument == "amount")
        assert not CreditTransaction.objects.exists()

    def test_the_longest_source_leaves_room_for_every_number(self, account):
        yearly(account, until=day(2040, 1, 1), source=("plan", "x" * 251))
        assert account.lots.count() == allotments.MAX_PERIODS

    @pytest.mark.parametrize("write", [schedule_allotment, spread_credits])
    def test_the_rows_keep_the_arguments(self, account, clock, write):
        actor = make_user()
        entry = write(
            account=account,
            amount=100,
            description="Pro plan",
            anchor=day(2030, 1, 1),
            until=day(2031, 1, 1),
            source=SOURCE,
            months=6,
            credit_type="bonus",
            priority=7,
            cost=(10001, "usd"),
            actor=actor,
            metadata={"plan": "pro"},
        )
        assert entry.account is account
        entry.refresh_from_db()
        assert (entry.description, entry.metadata) == ("Pro plan", {"plan": "pro"})
        assert entry.actor == actor
        lots = account.lots.order_by("pk")
        assert [(lot.credit_type, lot.priority, lot.cost_amount) for lot in lots] == [
            ("bonus", 7, 5001),
            ("bonus", 7, 5000),
        ]

    def test_a_rolled_back_caller_leaves_nothing(self, account, clock):
        with transaction.atomic():
            yearly(account)
            transaction.set_rollback(True)
        assert account.get_balance() == 0
        assert not account.lots.exists()


class TestSpread:
    def test_the_remainder_of_a_division_comes_first(self, account, clock):
        spread_credits(
            account=account,
            amount=1000,
            description="Pro plan",
            anchor=day(2030, 1, 1),
            until=day(2031, 1, 1),
            source=SOURCE,
        )
        amounts = list(CreditLot.objects.order_by("pk").values_list("amount", flat=True))
        assert amounts == [Decimal("83.3337"), *[Decimal("83.3333")] * 11]
        assert sum(amounts) == 1000

    def test_an_amount_too_small_to_divide_comes_first(self, account, clock):
        spread_credits(
            account=account,
            amount="0.0011",
            description="Pro plan",
            anchor=day(2030, 1, 1),
            until=day(2031, 1, 1),
            source=SOURCE,
        )
        lot = CreditLot.objects.get()
        assert (lot.amount, lot.expires_at) == (Decimal("0.0011"), day(2030, 2, 1))


class TestCancel:
    def cancel(self, account, **options):
        return cancel_allotment(account=account, source=SOURCE, reason="Cancelled", **options)

    def test_the_current_month_is_kept_and_no_other_comes(self, account, clock):
        yearly(account)
        clock.move(40 * DAY)
        account.consume_credits(10, "Use")
        entry = self.cancel(account)
        assert (entry.kind, entry.amount) == ("revoke", -1000)
        assert account.get_available_balance() == 90
        clock.move(20 * DAY)
        assert account.get_available_balance() == 0
        account.refresh_from_db()
        ledger.expire_due()
        assert ledger.verify(account) == []

    def test_from_the_end_of_what_was_paid(self, account, clock):
        yearly(account)
        assert self.cancel(account, at=day(2030, 7, 1)).amount == -600
        clock.move(day(2030, 6, 15) - clock.now)
        assert account.get_available_balance() == 100
        clock.move(day(2030, 7, 1) - clock.now)
        assert account.get_available_balance() == 0

    def test_what_was_used_before_a_late_cancellation_stays_used(self, account, clock):
        yearly(account)
        clock.move(day(2030, 3, 10) - clock.now)
        account.consume_credits(30, "Use")
        hold = account.hold_credits(20, "Work", ttl=DAY)
        entry = self.cancel(account, at=day(2030, 2, 1))
        assert (entry.amount, entry.shortfall) == (-950, 50)
        assert account.get_balance() == 20
        assert self.cancel(account, at=day(2030, 2, 1)) is None
        hold.release()
        assert account.get_balance() == 0
        assert ledger.verify(account) == []

    def test_a_late_cancellation_when_everything_is_used(self, account, clock):
        yearly(account, until=day(2030, 2, 1))
        used = account.consume_credits(100, "Use")
        entry = self.cancel(account, at=day(2030, 1, 1))
        assert (entry.amount, entry.shortfall) == (0, 100)
        used.reverse(70, reason="It failed")
        assert account.get_balance() == 0
        entry.reverse(reason="Stays")
        assert account.get_balance() == 70
        assert ledger.verify(account) == []

    def test_converted_credits_of_a_period_go_with_it(self, account, clock):
        yearly(account)
        month = account.lots.get(effective_at=day(2030, 1, 1))
        ledger.convert(lot=month, cap=60, description="Upgrade")
        assert self.cancel(account, at=day(2030, 1, 1)).amount == -1200
        assert account.get_balance() == 0

    def test_what_was_revoked_before_is_not_taken_again(self, account, clock):
        yearly(account)
        month = account.lots.get(effective_at=day(2030, 1, 1))
        used = account.consume_credits(30, "Use")
        revoked = ledger.revoke(lot=month, amount=80, reason="Refund")
        assert (revoked.amount, revoked.shortfall) == (-70, 10)
        entry = self.cancel(account, at=day(2030, 1, 1))
        assert (entry.amount, entry.shortfall) == (-1100, 20)
        used.reverse(reason="It failed")
        assert account.get_balance() == 0
        month.refresh_from_db()
        assert (month.lost, month.owed) == (100, 0)
        assert ledger.verify(account) == []

    def test_twice_is_once(self, account, clock):
        yearly(account)
        self.cancel(account)
        assert self.cancel(account) is None
        assert yearly(account).amount == 1200  # the schedule doesn't come back
        assert account.get_balance() == 100
        assert CreditTransaction.objects.count() == 2

    def test_the_row_keeps_the_arguments(self, account, clock):
        yearly(account)
        actor = make_user()
        entry = self.cancel(account, actor=actor, metadata={"ticket": 5})
        assert entry.account is account
        entry.refresh_from_db()
        assert (entry.description, entry.metadata) == ("Cancelled", {"ticket": 5})
        assert entry.actor == actor

    @pytest.mark.parametrize(
        ("changes", "argument"),
        [
            ({"source": None}, "source"),
            ({"source": ("plan", "x" * 252)}, "source"),
            ({"at": datetime(2030, 1, 1)}, "at"),
            ({"reason": " "}, "reason"),
        ],
    )
    def test_an_error_names_the_argument(self, account, changes, argument):
        request = {"account": account, "source": SOURCE, "reason": "Cancelled", **changes}
        with pytest.raises(InvalidRequestError) as caught:
            cancel_allotment(**request)
        assert caught.value.argument == argument

    def test_another_schedule_is_left_alone(self, account, clock):
        for source in [("plan", "sub_1:1"), ("plan", "sub_11"), ("gift", "sub_1")]:
            yearly(account, source=source)
        assert self.cancel(account) is None

    def test_a_cancellation_can_be_undone(self, account, clock):
        yearly(account)
        self.cancel(account).reverse(reason="Stays")
        clock.move(31 * DAY)
        assert account.get_available_balance() == 100
        assert ledger.verify(account) == []


class TestChange:
    def change(self, account, amount=250, **options):
        return change_allotment(
            **{
                "account": account,
                "source": SOURCE,
                "new_source": NEW_SOURCE,
                "amount": amount,
                "description": "Pro plan",
                **options,
            }
        )

    def test_it_counts_from_the_next_month(self, account, clock):
        yearly(account)
        clock.move(40 * DAY)
        entry = self.change(account)
        assert (entry.kind, entry.amount) == ("grant", 2500)
        assert account.get_available_balance() == 100
        for begin, _ in periods(day(2030, 1, 1), day(2031, 1, 1))[2:]:
            clock.move(begin - clock.now)
            assert account.get_available_balance() == 250
        clock.move(day(2031, 1, 1) - clock.now)
        assert account.get_balance() == 0
        assert ledger.verify(account) == []

    def test_again_is_the_same_and_another_amount_a_conflict(self, account, clock):
        yearly(account)
        entry = self.change(account)
        clock.move(100 * DAY)
        assert self.change(account) == entry
        with pytest.raises(IdempotencyConflictError):
            self.change(account, amount=251)
        assert account.get_available_balance() == 250

    def test_the_changed_schedule_can_be_changed_and_cancelled(self, account, clock):
        yearly(account)
        self.change(account)
        self.change(account, 10, source=NEW_SOURCE, new_source=("plan", "sub_1:basic"))
        clock.move(31 * DAY)
        assert account.get_available_balance() == 10
        cancel_allotment(account=account, source=("plan", "sub_1:basic"), reason="Cancelled")
        clock.move(28 * DAY)
        assert account.get_available_balance() == 0

    def test_without_a_future_period_nothing_changes(self, account, clock):
        assert self.change(account) is None
        yearly(account)
        clock.move(day(2030, 12, 1) - clock.now)
        assert self.change(account) is None

    def test_a_refusal_takes_nothing(self, account, clock):
        yearly(account)
        with pytest.raises(InvalidAmountError):
            self.change(account, 10**14)
        account.refresh_from_db()
        assert account.posted == 1200

    @pytest.mark.parametrize(
        "new_source", [SOURCE, ("gift", "sub_1:pro"), None, "sub_1:pro", ("plan", "x" * 252)]
    )
    def test_the_new_source_has_the_same_type_and_another_id(self, account, clock, new_source):
        with pytest.raises(InvalidRequestError) as caught:
            self.change(account, new_source=new_source)
        assert caught.value.argument == "new_source"

    def test_a_change_needs_a_source(self, account):
        with pytest.raises(InvalidRequestError) as caught:
            self.change(account, source=None)
        assert caught.value.argument == "source"

    def test_the_row_keeps_the_arguments(self, account, clock):
        yearly(account)
        actor = make_user()
        entry = self.change(account, actor=actor, metadata={"plan": "pro"})
        assert entry.account is account
        entry.refresh_from_db()
        assert (entry.description, entry.metadata) == ("Pro plan", {"plan": "pro"})
        assert entry.actor == actor


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    anchor=st.datetimes(datetime(2029, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC)),
    term=st.integers(1, 500),
    told_after=st.integers(-40, 500),
    cancelled=st.none() | st.integers(0, 400),
    steps=st.lists(
        st.tuples(st.integers(1, 45), st.integers(0, 12), st.sampled_from(["", "sweep", "again"])),
        max_size=12,
    ),
)
def test_any_term_gives_each_period_its_own(anchor, term, told_after, cancelled, steps):
    """This holds for early, late and repeated calls, with and without a cancellation and sweeps."""
    with transaction.atomic():
        account = CreditAccount.objects.for_owner(make_owner())
        until = anchor + term * DAY
        schedule = partial(yearly, account, 10, anchor=anchor, until=until)
        with ledger_clock(anchor + told_after * DAY) as clock:
            entry = schedule()
            end = until
            if cancelled is not None:
                end = max(clock.now, anchor + cancelled * DAY)
                cancel_allotment(account=account, source=SOURCE, reason="Cancelled", at=end)
            granted = [part for part in periods(anchor, until) if part[0] < end]
            used = {}
            for days, amount, action in steps:
                clock.move(days * DAY)
                current = [part for part in granted if part[0] <= clock.now < part[1]]
                free = 10 - used.get(current[0], 0) if current else 0
                if amount > free:
                    with pytest.raises(InsufficientCreditsError):
                        account.consume_credits(amount, "Use")
                elif amount:
                    account.consume_credits(amount, "Use")
                    used[current[0]] = used.get(current[0], 0) + amount
                    free -= amount
                if action == "sweep":
                    ledger.expire_due()
                if action == "again":
                    assert schedule() == entry
                assert account.get_available_balance() == free
            assert ledger.verify(account) == []
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_one_schedule_of_many(self):
        account = new_account()
        entries = at_once(lambda _: yearly(CreditAccount.objects.get(pk=account.pk)))
        assert len({entry.pk for entry in entries}) == 1
        assert account.lots.count() == 12
        assert ledger.verify(account) == []

    def test_one_account_of_many_gets_the_source(self):
        accounts = [new_account() for _ in range(8)]
        answers = at_once(lambda number: yearly(accounts[number]))
        refused = [answer for answer in answers if isinstance(answer, CreditsError)]
        assert [type(error) for error in refused] == [IdempotencyConflictError] * 7
        assert CreditLot.objects.count() == 12

    def test_one_change_of_many(self):
        account = new_account()
        yearly(account, anchor=day(2090, 1, 1), until=day(2091, 1, 1))
        entries = at_once(
            lambda _: change_allotment(
                account=CreditAccount.objects.get(pk=account.pk),
                source=SOURCE,
                new_source=NEW_SOURCE,
                amount=7,
                description="Basic plan",
            )
        )
        assert len({entry.pk for entry in entries}) == 1
        account.refresh_from_db()
        assert account.posted == 84
        assert ledger.verify(account) == []

    def test_one_cancellation_of_many(self):
        account = new_account()
        yearly(account, anchor=day(2090, 1, 1), until=day(2091, 1, 1))
        answers = at_once(
            lambda _: cancel_allotment(account=account, source=SOURCE, reason="Cancelled")
        )
        assert [answer.amount for answer in answers if answer] == [-1200]
        assert ledger.verify(account) == []


def test_no_other_source_looks_like_a_period(account, clock):
    for source in (("invoice", "in_9:3"), ("invoice", "3:12")):
        with pytest.raises(InvalidRequestError, match="colon and a number"):
            account.add_credits(500, "Bought", source=source, effective_at=clock.now + DAY)
    account.add_credits(5, "Bought", source=("invoice", "in_9:il_3"), effective_at=clock.now + DAY)
    assert cancel_allotment(account=account, source=("invoice", "in_9"), reason="Over") is None
