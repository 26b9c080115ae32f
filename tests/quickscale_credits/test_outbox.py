from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from quickscale_credits import ledger, signals
from quickscale_credits.exceptions import InsufficientCreditsError
from quickscale_credits.internal import outbox
from quickscale_credits.models import CreditAccount, CreditEvent, CreditTransaction
from quickscale_credits.testing import deliver_events
from tests.quickscale_credits.times import a_day_ago

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@contextmanager
def listening(receiver, *names):
    chosen = [getattr(signals, name) for name in names or ["credits_granted", "credits_consumed"]]
    for signal in chosen:
        signal.connect(receiver, sender=CreditAccount)
    try:
        yield receiver
    finally:
        for signal in chosen:
            signal.disconnect(receiver, sender=CreditAccount)


class Receiver:
    """Keeps the descriptions of the events it gets; fails for those that ``broken`` names."""

    def __init__(self, *broken: str) -> None:
        self.told: list[str] = []
        self.broken = set(broken)

    def __call__(self, transaction: CreditTransaction, **kwargs: object) -> None:
        if transaction.description in self.broken:
            raise RuntimeError("no service")
        self.told.append(transaction.description)


class OtherReceiver(Receiver):
    pass


def open_events():
    return CreditEvent.objects.filter(delivered_at=None)


def make_due() -> None:
    open_events().update(next_attempt_at=F("created_at"))


@pytest.mark.django_db(transaction=True)
class TestAfterCommit:
    def test_a_receiver_is_called_once_the_write_has_committed(self, account):
        with listening(Receiver()) as told, transaction.atomic():
            account.add_credits(5, "Bought")
            account.consume_credits(2, "Used")
            assert told.told == []

        assert told.told == ["Bought", "Used"]
        assert not open_events().exists()

    def test_work_that_was_rolled_back_calls_no_receiver(self, account):
        with listening(Receiver()) as told:
            with transaction.atomic():
                account.add_credits(5, "Bought")
                transaction.set_rollback(True)
            outbox.deliver_due()

        assert told.told == []

    def test_a_failing_receiver_breaks_nothing(self, account, caplog):
        with listening(Receiver("Bought")):
            account.add_credits(5, "Bought")

        assert account.get_balance() == 5
        assert "failed for the credit event" in caplog.text
        assert "no service" in open_events().get().last_error

    def test_what_waits_is_left_to_the_command(
        self, account, settings, django_assert_max_num_queries
    ):
        account.add_credits(50, "Before")
        with listening(Receiver("Before", "Late")) as told:
            for _ in range(30):
                account.consume_credits(1, "Waits")
            with django_assert_max_num_queries(4):
                account.consume_credits(1, "Late")
            assert told.told == []

            told.broken.clear()
            outbox.deliver_due()

        assert told.told == ["Before", *["Waits"] * 30, "Late"]

    def test_a_write_delivers_a_limited_number(self, account):
        with a_day_ago() as ends:
            for _ in range(21):
                account.add_credits(1, "Gift", credit_type="bonus", expires_at=ends)
        outbox.deliver_due()
        with listening(Receiver(), "credits_expired", "credits_granted") as told:
            account.add_credits(1, "Bought")
            assert told.told == ["Expired"] * 20
            outbox.deliver_due()

        assert told.told == [*["Expired"] * 21, "Bought"]

    def test_an_expiry_that_a_release_posts_is_reported(self, account):
        with a_day_ago() as ends:
            account.add_credits(5, "Gift", credit_type="bonus", expires_at=ends)
            hold = account.hold_credits(5, "Work", ttl=2 * DAY)
        outbox.deliver_due()
        with listening(Receiver(), "credits_expired") as told:
            hold.release()

        assert told.told == ["Expired"]

    @pytest.mark.parametrize(
        ("refused", "more"), [("consume_credits", {}), ("hold_credits", {"ttl": DAY})]
    )
    def test_an_expiry_that_a_refused_operation_posts_is_reported(self, account, refused, more):
        with a_day_ago() as ends:
            account.add_credits(5, "Gift", credit_type="bonus", expires_at=ends)
        outbox.deliver_due()
        with (
            listening(Receiver(), "credits_expired") as told,
            pytest.raises(InsufficientCreditsError),
        ):
            getattr(account, refused)(5, "Work", **more)

        assert told.told == ["Expired"]

    def test_events_without_a_receiver_do_not_pile_up(self, account):
        account.add_credits(500, "Bought")
        for _ in range(130):
            account.consume_credits(1, "Work")
        assert CreditEvent.objects.count() == 131
        assert open_events().count() <= 100
        with listening(Receiver()) as told:
            account.consume_credits(1, "Heard")
            outbox.deliver_due()
        assert told.told[-1] == "Heard"
        assert len(told.told) <= 101

    def test_can_be_left_to_the_command(self, account, settings):
        settings.QUICKSCALE_CREDITS_DELIVER_ON_COMMIT = False
        with listening(Receiver()) as told:
            account.add_credits(5, "Bought")
            assert told.told == []
            outbox.deliver_due()

        assert told.told == ["Bought"]

    def test_two_processes_never_deliver_an_event_twice(self, account):
        calls = []
        started, go_on = threading.Event(), threading.Event()

        def slow(transaction, **kwargs):
            calls.append(transaction.description)
            started.set()
            go_on.wait(10)

        def deliver():
            outbox.deliver_due()
            connection.close()

        account.add_credits(1, "First")
        with listening(slow):
            process = threading.Thread(target=deliver)
            process.start()
            assert started.wait(10)
            account.add_credits(1, "Second")
            assert outbox.deliver_due() == 0
            go_on.set()
            process.join(10)

        assert calls == ["First", "Second"]


class TestDelivery:
    def test_has_everything_about_the_event(self, account):
        told = []
        account.add_credits("2.5", "Bought")

        def keep(**kwargs):
            told.append(kwargs)

        with listening(keep, "credits_granted"):
            outbox.deliver_due()

        [kwargs] = told
        assert kwargs["sender"] is CreditAccount
        assert kwargs["signal"] is signals.credits_granted
        assert kwargs["account"] == account
        assert kwargs["transaction"] == CreditTransaction.objects.get()
        assert kwargs["event"].kind == "granted"
        assert Decimal(kwargs["event"].payload["amount"]) == Decimal("2.5")

    def test_async_receivers_are_called(self, account):
        told = []

        async def receiver(transaction, **kwargs):
            told.append(transaction.description)

        account.add_credits(1, "Bought")
        with listening(receiver):
            outbox.deliver_due()

        assert told == ["Bought"]

    def test_events_without_a_receiver_are_finished(self, account, django_assert_num_queries):
        for _ in range(10):
            account.add_credits(1, "Bought")

        with django_assert_num_queries(2):
            assert outbox.deliver_due() == 10
        assert not open_events().exists()

        with listening(Receiver()) as told:
            outbox.deliver_due()
        assert told.told == []

    def test_a_long_queue_behind_a_failure_is_read_at_once(
        self, account, django_assert_max_num_queries
    ):
        for number in range(50):
            account.add_credits(1, f"Number {number}")
        with listening(Receiver("Number 0")):
            outbox.deliver_due()
            open_events().exclude(pk=open_events().first().pk).update(
                next_attempt_at=F("created_at")
            )

            with django_assert_max_num_queries(5):
                outbox.deliver_due()

        assert open_events().count() == 50

    def test_a_failed_receiver_is_tried_again_and_the_others_are_not(self, account):
        sick, well = Receiver("First"), OtherReceiver()
        account.add_credits(1, "First")
        with listening(sick), listening(well):
            outbox.deliver_due()
            assert (sick.told, well.told) == ([], ["First"])

            outbox.deliver_due()
            assert open_events().get().attempts == 1  # it waits

            sick.broken.clear()
            make_due()
            outbox.deliver_due()

        assert (sick.told, well.told) == (["First"], ["First"])
        assert not open_events().exists()

    def test_a_failing_receiver_holds_back_only_itself(self, account):
        sick, well = Receiver("First"), OtherReceiver()
        account.add_credits(1, "First")
        account.add_credits(1, "Second")
        with listening(sick), listening(well):
            outbox.deliver_due()
            assert (sick.told, well.told) == ([], ["First", "Second"])

            account.consume_credits(1, "Third")
            outbox.deliver_due()
            assert (sick.told, well.told) == ([], ["First", "Second", "Third"])

            sick.broken.clear()
            make_due()
            outbox.deliver_due()

        assert sick.told == ["First", "Second", "Third"]
        assert well.told == ["First", "Second", "Third"]

    def test_a_failing_account_holds_back_no_other(self, account, make_owner):
        stranger = make_owner()
        account.add_credits(1, "Broken")
        CreditAccount.objects.for_owner(stranger).add_credits(1, "Fine")
        with listening(Receiver("Broken")) as told:
            outbox.deliver_due()

        assert told.told == ["Fine"]

    def test_waits_longer_after_each_failure(self, account):
        account.add_credits(1, "First")
        waits = []
        with listening(Receiver("First")):
            for _attempt in range(14):
                make_due()
                outbox.deliver_due()
                event = open_events().get()
                waits.append(event.next_attempt_at - event.created_at)

        assert waits[0] >= timedelta(minutes=2)
        assert waits[1] > waits[0] + timedelta(minutes=1)
        assert waits[-1] < outbox.LONGEST_WAIT + timedelta(hours=6)

    def test_a_receiver_that_was_removed_is_no_longer_waited_for(self, account):
        account.add_credits(1, "First")
        with listening(Receiver("First")):
            outbox.deliver_due()
        make_due()

        assert outbox.deliver_due() == 1

    def test_what_a_failing_receiver_wrote_is_undone(self, account):
        def half(account, **kwargs):
            CreditAccount.objects.filter(pk=account.pk).update(low_balance_threshold=7)
            raise RuntimeError

        account.add_credits(1, "First")
        with listening(half):
            outbox.deliver_due()

        account.refresh_from_db()
        assert account.low_balance_threshold is None

    def test_a_delivery_that_died_is_made_again(self, account):
        account.add_credits(1, "First")
        event = open_events().get()
        assert outbox._claim(event)
        with listening(Receiver()) as told:
            assert outbox.deliver_due() == 0
            make_due()  # its time is over
            assert outbox.deliver_due() == 1

        assert told.told == ["First"]


class TestBalanceSignals:
    def test_a_low_balance_is_announced_on_crossing_only(self, account):
        CreditAccount.objects.filter(pk=account.pk).update(low_balance_threshold=10)
        told = []

        def receiver(account, event, transaction, **kwargs):
            told.append((Decimal(event.payload["balance"]), transaction))

        with listening(receiver, "balance_low"):
            account.add_credits(20, "Bought")
            account.consume_credits(12, "Below")
            account.consume_credits(1, "Further below")
            account.add_credits(10, "Above again")
            account.consume_credits(9, "Below again")
            outbox.deliver_due()

        assert told == [(8, None), (8, None)]

    def test_depletion_is_announced_when_nothing_is_left(self, account):
        told = []

        def receiver(account, **kwargs):
            told.append(account)

        with listening(receiver, "balance_depleted"):
            account.add_credits(5, "Bought")
            account.consume_credits(3, "Some")
            account.consume_credits(2, "The rest")
            outbox.deliver_due()

        assert told == [account]

    def test_credits_that_have_not_started_are_not_in_the_balance(self, account, clock):
        ledger.set_low_balance(account=account, threshold=5)
        told = []

        def receiver(event, **kwargs):
            told.append((event.kind, Decimal(event.payload["balance"])))

        month = {"credit_type": "subscription", "expires_at": clock.now + 60 * DAY}
        with listening(receiver, "balance_low", "balance_depleted"):
            account.add_credits(10, "This month", **month)
            next_month = account.add_credits(
                100, "Next month", effective_at=clock.now + 30 * DAY, **month
            )
            account.consume_credits(6, "Work")
            account.consume_credits(4, "Work")
            outbox.deliver_due()
            assert told == [("low_balance", 4), ("depleted", 0)]

            account.add_credits(3, "Gift")
            lot = next_month.allocations.get().lot
            ledger.revoke(lot=lot, amount=10, reason="Refund")
            outbox.deliver_due()
            assert len(told) == 2  # what can be spent did not fall

            clock.move(31 * DAY)
            account.consume_credits(90, "Work")
            account.consume_credits(3, "Work")
            make_due()
            outbox.deliver_due()
        assert told[2:] == [("low_balance", 3), ("depleted", 0)]


@pytest.fixture
def delivered(account):
    """Three events: one delivered 31 days ago, one 2 days ago, one not at all."""
    for days in (31, 2, 0):
        account.add_credits(1, f"{days} days ago")
        ago = timedelta(days=days)
        event = CreditEvent.objects.order_by("pk").last()
        CreditEvent.objects.filter(pk=event.pk).update(
            created_at=F("created_at") - ago,
            delivered_at=timezone.now() - ago if days else None,
        )


@pytest.mark.usefixtures("delivered")
class TestPurge:
    @pytest.mark.parametrize(("days", "left"), [(40, 3), (30, 2), (1, 1), (0, 1)])
    def test_deletes_what_was_delivered_before(self, days, left):
        assert outbox.purge(older_than=timedelta(days=days)) == 3 - left
        assert CreditEvent.objects.count() == left
        assert open_events().count() == 1

    def test_skips_events_that_are_stuck(self, account):
        ago = timezone.now() - timedelta(days=90)
        CreditEvent.objects.all().delete()
        stuck, *_ = CreditEvent.objects.bulk_create(
            CreditEvent(
                account=account,
                kind=CreditEvent.Kind.CONSUMED,
                created_at=ago,
                next_attempt_at=ago,
                delivered_at=ago if number else None,
            )
            for number in range(1001)
        )
        assert outbox.purge(older_than=timedelta(days=1)) == 1000
        assert CreditEvent.objects.get() == stuck

    @pytest.mark.parametrize(
        ("retention", "left"), [(timedelta(days=30), 2), (timedelta(days=1), 1), (None, 3)]
    )
    @pytest.mark.parametrize("command", ["deliver_credit_events", "expire_credits"])
    def test_the_commands_keep_the_retention(self, settings, command, retention, left):
        settings.QUICKSCALE_CREDITS_EVENT_RETENTION = retention
        call_command(command, stdout=StringIO())
        assert CreditEvent.objects.count() == left

    def test_thirty_days_by_default(self):
        assert outbox.purge() == 1


class TestExpiring:
    @pytest.fixture
    def told(self, clock):
        told = []

        def receiver(account, event, transaction, **kwargs):
            assert transaction is None
            told.append((event.payload["lot"], Decimal(event.payload["amount"])))

        with listening(receiver, "credits_expiring"):
            yield told

    def lot(self, account, clock, days, amount=10, **options):
        entry = account.add_credits(
            amount, "Gift", credit_type="bonus", expires_at=clock.now + days * DAY, **options
        )
        return entry.allocations.get().lot_id

    def sweep(self):
        announced = ledger.sweep().announced
        outbox.deliver_due()
        return announced

    def test_each_lot_is_announced_once(self, account, clock, told):
        lot = self.lot(account, clock, 30)
        self.lot(account, clock, 60)
        account.add_credits(5, "Bought")
        assert self.sweep() == 0
        clock.move(22 * DAY)
        assert self.sweep() == 0
        clock.move(DAY)
        account.consume_credits(4, "Work")
        assert self.sweep() == 1
        assert self.sweep() == 0
        clock.move(3 * DAY)
        assert self.sweep() == 0
        assert told == [(lot, 6)]

    def test_once_for_each_warning(self, account, clock, told, settings):
        settings.QUICKSCALE_CREDITS_EXPIRY_WARNINGS = [DAY, 7 * DAY]
        lot = self.lot(account, clock, 10)
        told_on = []
        for day in range(12):
            if self.sweep():
                told_on.append(day)
            clock.move(DAY)
        assert told_on == [3, 9]
        assert told == [(lot, 10)] * 2

    def test_a_late_sweep_announces_once(self, account, clock, told, settings):
        settings.QUICKSCALE_CREDITS_EXPIRY_WARNINGS = [DAY, 7 * DAY]
        self.lot(account, clock, 10)
        clock.move(9.5 * DAY)
        assert [self.sweep(), self.sweep()] == [1, 0]

    def test_only_of_credits_that_can_be_used(self, account, clock, told):
        self.lot(account, clock, 5, effective_at=clock.now + DAY)
        self.lot(account, clock, 3)
        account.consume_credits(10, "Work")
        held = self.lot(account, clock, 4)
        account.hold_credits(10, "Work", ttl=DAY)
        assert self.sweep() == 0
        clock.move(DAY)  # the lot begins and the hold times out
        assert self.sweep() == 2
        assert (held, 10) in told

    def test_never(self, account, clock, told, settings):
        settings.QUICKSCALE_CREDITS_EXPIRY_WARNINGS = []
        self.lot(account, clock, 1)
        assert self.sweep() == 0

    def test_the_command_reports_how_many(self, account, clock, told):
        self.lot(account, clock, 1)
        out = StringIO()
        call_command("expire_credits", json=True, stdout=out)
        assert json.loads(out.getvalue())["announced"] == 1
        assert len(told) == 1


class TestDeliveryInASitesTest:
    """``deliver_events`` calls receivers where nothing is committed."""

    @pytest.fixture
    def heard(self):
        heard = []

        def hear(event, **kwargs):
            if event.payload["amount"] == "-13.0000":
                raise ValueError("thirteen")
            heard.append(event.payload["amount"])

        with listening(hear, "credits_consumed"):
            yield heard

    def test_calls_the_receivers_once(self, account, heard):
        account.add_credits(20, "Bought")
        account.consume_credits(3, "Work")
        assert heard == []
        assert deliver_events() == 2
        account.consume_credits(4, "Work")
        assert deliver_events() == 1
        assert heard == ["-3.0000", "-4.0000"]

    def test_raises_what_a_receiver_raised(self, account, heard):
        account.add_credits(20, "Bought")
        account.consume_credits(13, "Work")
        with pytest.raises(AssertionError, match="thirteen"):
            deliver_events()

    def test_on_a_clock_that_stands_still(self, account, clock, heard):
        account.add_credits(20, "Bought")
        account.consume_credits(3, "Work")
        deliver_events()
        assert heard == ["-3.0000"]
