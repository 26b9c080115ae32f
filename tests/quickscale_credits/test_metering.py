from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta
from decimal import Decimal
from importlib import import_module

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.http import HttpResponse
from django.shortcuts import resolve_url
from django.test import AsyncRequestFactory, override_settings
from django.urls import path

from quickscale_credits import ledger
from quickscale_credits.exceptions import (
    AccountClosedError,
    AccountFrozenError,
    ChargeInProgressError,
    IdempotencyConflictError,
    InactiveServiceError,
    InsufficientCreditsError,
    InvalidAmountError,
    InvalidRequestError,
    UnknownServiceError,
)
from quickscale_credits.metering import charge, metered, use
from quickscale_credits.models import CreditAccount, CreditHold, Service, ServiceUsage
from quickscale_credits.pricing import price_by_list, set_price
from quickscale_credits.services import ServiceError
from quickscale_credits.signals import shortfall_recorded
from quickscale_credits.testing import ServiceFactory, deliver_events
from tests.markup import words
from tests.quickscale_credits.faults import failing_function
from tests.quickscale_credits.surface import Shout, Whisper

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(account):
    account.add_credits(10, "Bought")
    return account


@pytest.fixture(autouse=True)
def rows(services):
    ServiceFactory(name="Halves", slug="halves", cost="0.5")


class TestCharge:
    def test_takes_the_cost_after_the_work(self, owner, account):
        with charge(owner, "shout", units=3) as charging:
            assert account.get_available_balance() == 4
            assert account.get_balance() == 10

        usage = charging.usage
        assert account.get_balance() == 4
        assert (usage.units, usage.cost) == (3, 6)
        assert usage.transaction.amount == -6
        assert usage.transaction.description == "Shout"
        assert usage.transaction.service.slug == "shout"

    def test_work_that_fails_costs_nothing(self, owner, account):
        with pytest.raises(ZeroDivisionError), charge(owner, "shout"):
            raise ZeroDivisionError

        assert account.get_available_balance() == 10
        assert CreditHold.objects.get().status == "released"
        assert not ServiceUsage.objects.exists()

    def test_work_that_fails_when_its_hold_has_timed_out_raises_its_own_error(
        self, owner, account, clock
    ):
        def work():
            with charge(owner, "shout", ttl=timedelta(minutes=1)):
                clock.move(timedelta(minutes=2))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            work()

        assert account.get_available_balance() == 10

    def test_a_free_service_leaves_a_usage_alone(self, owner, account):
        with charge(owner, "whisper") as charging:
            pass

        assert (charging.usage.cost, charging.usage.transaction) == (0, None)
        assert account.transactions.count() == 1
        assert not CreditHold.objects.exists()

    def test_units_may_turn_out_to_be_fewer(self, owner, account):
        with charge(owner, "shout", units=4) as charging:
            charging.units = 1

        assert charging.usage.cost == 2
        assert account.get_available_balance() == 8

    def test_units_may_turn_out_to_be_zero(self, owner, account):
        with charge(owner, "shout", units=4) as charging:
            charging.units = 0

        assert (charging.usage.cost, charging.usage.transaction) == (0, None)
        assert account.get_available_balance() == 10

    def test_units_may_turn_out_to_be_more_than_was_held(self, owner, account):
        with charge(owner, "shout", units=1) as charging:
            charging.units = 4

        assert (charging.usage.cost, charging.usage.shortfall) == (8, 0)
        assert account.get_available_balance() == 2
        assert CreditHold.objects.get().status == "captured"

    def test_finished_work_takes_what_there_is_and_records_what_is_missing(
        self, owner, account, django_capture_on_commit_callbacks
    ):
        told = []

        def tell(event, **kwargs):
            told.append(event.payload["amount"])

        shortfall_recorded.connect(tell)
        try:
            with (
                django_capture_on_commit_callbacks(execute=True),
                charge(owner, "shout", units=1) as charging,
            ):
                charging.units = 6
            deliver_events()
        finally:
            shortfall_recorded.disconnect(tell)

        usage = charging.usage
        assert (usage.cost, usage.shortfall, usage.transaction.amount) == (12, 2, -10)
        assert account.get_balance() == 0
        assert told == ["2.0000"]
        assert ledger.verify(account) == []

    def test_finished_work_goes_into_the_overdraft(self, owner, account):
        ledger.set_overdraft_limit(account=account, limit=5)

        with charge(owner, "shout", units=1) as charging:
            charging.units = 7

        assert (charging.usage.shortfall, account.get_balance()) == (0, -4)

    def test_work_that_outlives_its_hold_is_charged_all_the_same(self, owner, account):
        with charge(owner, "shout", units=2, ttl=timedelta(milliseconds=1)) as charging:
            time.sleep(0.01)
            ledger.expire_due()
            assert account.get_available_balance() == 10

        assert (charging.usage.cost, account.get_balance()) == (4, 6)
        assert CreditHold.objects.get().status == "expired"

    def test_a_hold_can_be_prolonged(self, owner, account):
        with charge(owner, "shout", ttl=timedelta(minutes=1)) as charging:
            charging.prolong(timedelta(hours=1))
            hold = CreditHold.objects.get()

        assert hold.expires_at - hold.created_at >= timedelta(hours=1)

    def test_a_hold_is_prolonged_by_as_long_as_it_was_for(self, owner, account):
        with charge(owner, "shout", ttl=timedelta(hours=2)) as charging:
            ends = CreditHold.objects.get().expires_at
            charging.prolong()
            assert CreditHold.objects.get().expires_at > ends
            charging.prolong(timedelta(hours=5))
            hold = CreditHold.objects.get()
            assert hold.expires_at - hold.created_at >= timedelta(hours=5)
        with charge(owner, "whisper") as free:
            free.prolong()

    def test_a_hold_says_what_it_is_for(self, owner, account):
        with charge(owner, "shout", units=3, idempotency_key="k"):
            hold = CreditHold.objects.get()
        assert (hold.service.slug, hold.idempotency_key, hold.amount) == ("shout", "k", 6)
        assert (hold.description, hold.actor) == ("Shout", None)

    def test_a_usage_says_what_was_used(self, owner, account):
        with charge(owner, "shout", units="2.50", idempotency_key="k") as charging:
            pass
        usage = ServiceUsage.objects.get()
        assert usage == charging.usage
        assert (usage.account, usage.service.slug) == (account, "shout")
        assert (usage.units, usage.quantities) == (Decimal("2.5"), {"units": "2.5"})
        assert (usage.dimension, usage.idempotency_key, usage.metadata) == ("", "k", {})
        assert (usage.cost, usage.shortfall, usage.transaction.amount) == (5, 0, -5)
        assert usage.transaction.idempotency_key == ""  # its hold has the key
        with charge(owner, "whisper"):
            pass
        free = ServiceUsage.objects.get(service__slug="whisper")
        assert (free.idempotency_key, free.shortfall, free.transaction) == ("", 0, None)

    def test_a_given_cost_is_a_part_of_what_a_key_stands_for(self, owner, account):
        with charge(owner, "shout", cost=3, idempotency_key="k"):
            pass
        with charge(owner, "shout", cost=3, idempotency_key="k") as again:
            assert again.replayed
        for cost in (4, None):
            with (
                pytest.raises(IdempotencyConflictError),
                charge(owner, "shout", cost=cost, idempotency_key="k"),
            ):
                pytest.fail("the work must not run")

    def test_work_that_held_nothing_has_its_key_on_what_it_took(self, owner, account):
        with charge(owner, "shout", units=0, idempotency_key="k") as charging:
            charging.units = 2
        assert charging.usage.transaction.idempotency_key == "k"
        assert charging.usage.transaction.service.slug == "shout"

    def test_a_block_that_has_settled_by_itself_is_not_charged_again(self, owner, account):
        with charge(owner, "shout") as charging:
            first = charging.settle()
        assert (charging.usage, ServiceUsage.objects.count()) == (first, 1)
        with charge(owner, "shout") as charging:
            charging.release()
        assert (charging.usage, ServiceUsage.objects.count()) == (None, 1)
        assert account.get_available_balance() == 8

    def test_finished_work_is_charged_to_an_account_that_was_frozen_meanwhile(self, owner, account):
        with charge(owner, "shout") as charging:
            ledger.freeze(account=account)

        assert charging.usage.cost == 2
        assert account.get_balance() == 8

    @pytest.mark.parametrize(
        ("freeze", "error"),
        [(ledger.freeze, AccountFrozenError), (ledger.close, AccountClosedError)],
    )
    @pytest.mark.parametrize("units", [0, 1])
    def test_a_frozen_account_starts_nothing(self, owner, account, freeze, error, units):
        freeze(account=account)

        with pytest.raises(error), charge(owner, "shout", units=units):
            pytest.fail("the work must not run")

    def test_a_database_that_fails_at_the_end_leaves_the_hold_to_be_settled(self, owner, account):
        with (
            failing_function("settle"),
            pytest.raises(OperationalError),
            charge(owner, "shout", units=2, idempotency_key="k") as charging,
        ):
            pass
        assert CreditHold.objects.get().status == "open"

        usages = [charging.settle(), charging.settle()]

        assert usages[0] == usages[1]
        assert not charging.replayed
        assert account.get_balance() == 6
        with charge(owner, "shout", units=2, idempotency_key="k") as again:
            assert again.replayed

    def test_units_are_counted_as_they_are_added(self, owner, account):
        with charge(owner, "shout", units=4) as charging:
            charging.add(1)
            charging.add("0.5")

        assert (charging.usage.units, charging.usage.cost) == (Decimal("1.5"), 3)

    def test_a_generator_that_is_closed_pays_for_what_it_counted(self, owner, account):
        def work():
            with charge(owner, "shout", units=5) as charging:
                for number in range(1, 6):
                    charging.units = number
                    yield number

        chunks = work()
        assert [next(chunks), next(chunks)] == [1, 2]
        chunks.close()

        assert ServiceUsage.objects.get().units == 2
        assert account.get_available_balance() == 6

    @pytest.mark.parametrize(
        ("on_abort", "counts", "left"),
        [(None, False, 10), (None, True, 8), ("capture", False, 4), ("release", True, 10)],
    )
    def test_the_cost_of_aborted_work(self, owner, account, on_abort, counts, left):
        def work():
            with charge(owner, "shout", units=3, on_abort=on_abort) as charging:
                if counts:
                    charging.add(1)
                yield

        chunks = work()
        next(chunks)
        chunks.close()

        assert account.get_available_balance() == left

    @pytest.mark.parametrize("atomic_requests", [True, False])
    def test_work_inside_the_transaction_of_a_request_is_reported(
        self, owner, account, monkeypatch, caplog, atomic_requests
    ):
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic_requests)

        with transaction.atomic(), charge(owner, "shout"):
            pass

        assert ("non_atomic_requests" in caplog.text) is atomic_requests

    def test_the_cost_may_be_given(self, owner, account):
        with charge(owner, "shout", cost=3) as charging:
            assert account.get_available_balance() == 7
            charging.cost = "4.00001"

        assert (charging.usage.cost, charging.usage.price_lines) == (Decimal("4.0001"), [])

    def test_without_the_given_cost_the_prices_at_the_start_apply(self, owner, account, clock):
        with charge(owner, "shout", units=2, cost=3) as charging:
            clock.move(timedelta(minutes=1))
            set_price(Service.objects.get(slug="shout"), 1)
            charging.cost = None

        assert charging.usage.cost == 4

    def test_a_cost_that_was_removed_applies_if_there_is_no_price(self, owner, account):
        Service.objects.create(slug="chat", name="Chat")
        with charge(owner, "chat", cost=3) as charging:
            charging.cost = None

        assert charging.usage.cost == 3
        assert account.get_available_balance() == 7

    @pytest.mark.parametrize("cost", [0.5, -1, "x"])
    def test_a_cost_is_an_exact_number(self, owner, account, cost):
        with pytest.raises(InvalidAmountError):
            charge(owner, "shout", cost=cost)
        with pytest.raises(InvalidAmountError), charge(owner, "shout") as charging:
            charging.cost = cost

    def test_actor_and_description_are_kept(self, owner, account, member):
        with charge(owner, "shout", actor=member, description="Chapter one") as charging:
            hold = CreditHold.objects.get()

        entry = charging.usage.transaction
        assert (hold.actor, hold.description) == (member, "Chapter one")
        assert (entry.actor, entry.description) == (member, "Chapter one")

    def test_a_value_that_is_not_an_owner_is_refused_by_name(self, account):
        with (
            pytest.raises(InvalidRequestError, match="'someone' is not an instance of"),
            charge("someone", "shout"),
        ):
            pytest.fail("the work must not run")

    def test_where_nothing_was_held_it_is_paid_at_the_end(self, owner, account):
        with charge(owner, "shout", units=0) as charging:
            charging.units = 2

        assert charging.usage.transaction.amount == -4

    def test_fractions_of_units(self, owner, account):
        with charge(owner, "halves", units="0.5") as charging:
            pass

        assert charging.usage.cost == Decimal("0.25")

    def test_a_hook_computes_the_cost(self, owner, account):
        hook = "tests.quickscale_credits.test_metering.cheap_at_night"
        Service.objects.filter(slug="shout").update(cost_hook=hook)

        with charge(owner, "shout", units=5) as charging:
            pass

        assert charging.usage.cost == Decimal("2.5")

    def test_keeps_the_callers_metadata(self, owner, account):
        with charge(owner, "shout", metadata={"model": "small"}) as charging:
            charging.metadata["tokens"] = 7

        assert charging.usage.metadata == {"model": "small", "tokens": 7}

    def test_too_few_credits_run_nothing(self, owner, account):
        with pytest.raises(InsufficientCreditsError) as caught, charge(owner, "shout", units=6):
            pytest.fail("the work must not run")

        assert (caught.value.available, caught.value.required) == (10, 12)

    @pytest.mark.parametrize("units", [1.5, True, "NaN", "-1", None])
    def test_units_are_an_exact_number(self, owner, account, units):
        with pytest.raises(InvalidAmountError), charge(owner, "shout", units=units):
            pytest.fail("the work must not run")

    def test_the_service_must_be_there_and_on(self, owner, account):
        Service.objects.filter(slug="shout").update(is_active=False)

        for code, error in [("shout", InactiveServiceError), ("none", UnknownServiceError)]:
            with pytest.raises(error), charge(owner, code):
                pytest.fail("the work must not run")

    def test_a_process_that_dies_leaves_a_hold_that_times_out(self, owner, account):
        charge(owner, "shout", ttl=timedelta(minutes=1)).__enter__()

        hold = CreditHold.objects.get()
        assert hold.status == "open"
        assert hold.expires_at - hold.created_at == timedelta(minutes=1)

    @override_settings(QUICKSCALE_CREDITS_HOLD_TTL=timedelta(hours=1))
    def test_the_time_of_a_hold_is_a_setting(self, owner, account):
        with charge(owner, "shout"):
            hold = CreditHold.objects.get()

        assert hold.expires_at - hold.created_at == timedelta(hours=1)

    def test_the_fault_of_broken_database_work_comes_through(self, owner, account):
        with pytest.raises(IntegrityError), transaction.atomic(), charge(owner, "shout"):
            CreditAccount.objects.create(owner=owner)

        assert account.get_available_balance() == 10

    def test_the_fault_of_aborted_database_work_comes_through(self, owner, account):
        with (
            pytest.raises(DataError),
            transaction.atomic(),
            charge(owner, "shout"),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT 1 / 0")

        assert account.get_available_balance() == 10

    @pytest.mark.parametrize("metadata", [{"a": object()}, {"a": float("nan")}, {"a": "\0"}])
    def test_metadata_that_cannot_be_kept_costs_nothing(self, owner, account, metadata):
        with pytest.raises(InvalidRequestError), charge(owner, "shout") as charging:
            charging.metadata.update(metadata)

        assert account.get_available_balance() == 10

    @pytest.mark.parametrize("units", [0.5, None, "NaN"])
    def test_units_that_are_not_a_number_cost_nothing(self, owner, account, units):
        with pytest.raises(InvalidAmountError), charge(owner, "shout") as charging:
            charging.units = units

        assert account.get_available_balance() == 10

    @pytest.mark.parametrize(("units", "cost"), [(4, 8), (2, 8), (0, 0)])
    def test_a_hook_that_becomes_dearer_takes_no_more_than_was_held(
        self, owner, account, monkeypatch, units, cost
    ):
        hook = "tests.quickscale_credits.test_metering.tariff"
        Service.objects.filter(slug="shout").update(cost_hook=hook)
        monkeypatch.setitem(TARIFF, "unit", 2)

        with charge(owner, "shout", units=4) as charging:
            monkeypatch.setitem(TARIFF, "unit", 20)
            charging.units = units

        assert charging.usage.cost == cost

    def test_nor_where_only_one_of_its_meters_was_used_less(self, owner, account, monkeypatch):
        hook = "tests.quickscale_credits.test_metering.tariff"
        Service.objects.filter(slug="shout").update(cost_hook=hook)
        monkeypatch.setitem(TARIFF, "unit", 2)

        with charge(owner, "shout", quantities={"input": 2, "output": 2}) as charging:
            monkeypatch.setitem(TARIFF, "unit", 20)
            charging.quantities = {"input": 2, "output": 1}

        assert charging.usage.cost == 8

    @pytest.mark.parametrize("unit", [0.1, -1, Decimal("NaN")])
    def test_a_hook_returns_an_exact_number(self, owner, account, monkeypatch, unit):
        hook = "tests.quickscale_credits.test_metering.tariff"
        Service.objects.filter(slug="shout").update(cost_hook=hook)
        monkeypatch.setitem(TARIFF, "unit", unit)

        with pytest.raises(InvalidAmountError), charge(owner, "shout", units="1"):
            pytest.fail("the work must not run")


class TestIdempotencyKey:
    @pytest.mark.parametrize(("code", "left"), [("shout", 8), ("whisper", 10)])
    def test_the_same_key_is_charged_once(self, owner, account, code, left):
        with charge(owner, code, idempotency_key="k") as first:
            assert not first.replayed
        with charge(owner, code, idempotency_key="k") as second:
            assert second.replayed
            assert second.usage == first.usage

        assert account.get_available_balance() == left
        assert ServiceUsage.objects.count() == 1

    def test_a_key_belongs_to_one_account(self, owner, account, make_owner):
        other = make_owner()
        CreditAccount.objects.for_owner(other).add_credits(10, "Bought")

        for payer in (owner, other):
            with charge(payer, "shout", idempotency_key="k") as charging:
                assert not charging.replayed

    def test_a_key_belongs_to_one_service(self, owner, account):
        with charge(owner, "shout", idempotency_key="k"):
            pass

        with (
            pytest.raises(IdempotencyConflictError),
            charge(owner, "whisper", idempotency_key="k"),
        ):
            pytest.fail("the work must not run")

    @pytest.mark.parametrize("code", ["shout", "whisper"])
    def test_a_key_belongs_to_the_units_that_were_asked_for(self, owner, account, code):
        with charge(owner, code, units=3, idempotency_key="k") as first:
            first.units = 2
        with charge(owner, code, units=3, idempotency_key="k") as again:
            assert again.usage == first.usage
        for units in (2, 9):
            with (
                pytest.raises(IdempotencyConflictError),
                charge(owner, code, units=units, idempotency_key="k"),
            ):
                pytest.fail("the work must not run")
        assert ServiceUsage.objects.get().units == 2

    def test_a_key_that_was_taken_meanwhile_for_other_units_gives_the_hold_back(
        self, owner, account
    ):
        with (
            pytest.raises(IdempotencyConflictError),
            charge(owner, "shout", units=3, idempotency_key="k"),
            charge(owner, "shout", units=0, idempotency_key="k"),
        ):
            pass
        assert account.get_available_balance() == 10
        assert ServiceUsage.objects.get().cost == 0

    def test_a_key_of_failed_work_is_free_again(self, owner, account):
        with pytest.raises(ZeroDivisionError), charge(owner, "shout", idempotency_key="k"):
            raise ZeroDivisionError

        with charge(owner, "shout", units=2, idempotency_key="k") as retry:
            assert not retry.replayed
        assert (retry.usage.cost, account.get_available_balance()) == (4, 6)

    def test_work_that_goes_on_is_not_begun_again(self, owner, account):
        with charge(owner, "shout", idempotency_key="k") as charging:
            with (
                pytest.raises(ChargeInProgressError),
                charge(owner, "shout", idempotency_key="k"),
            ):
                pytest.fail("the work must not run")
            assert account.get_available_balance() == 8

        assert charging.usage.cost == 2
        assert account.get_balance() == 8

    @pytest.mark.django_db(transaction=True)
    def test_free_work_twice_at_once_leaves_one_usage(self, owner, account):
        together = threading.Barrier(2, timeout=20)
        usages = []

        def work():
            with charge(owner, "whisper", idempotency_key="k") as charging:
                together.wait()
            usages.append(charging.usage.pk)
            connection.close()

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert len(usages) == 2
        assert len(set(usages)) == 1
        assert ServiceUsage.objects.count() == 1

    def test_a_hold_is_given_back_when_work_without_one_was_quicker(self, owner, account):
        with charge(owner, "shout", idempotency_key="k") as slow:
            set_price(Service.objects.get(slug="shout"), 0)
            with charge(owner, "shout", idempotency_key="k") as quick:
                pass

        assert slow.replayed
        assert slow.usage == quick.usage
        assert account.get_available_balance() == 10


class TestUse:
    def test_keeps_the_result_with_the_usage(self, owner, account):
        usage = use(Shout(), owner=owner, data={"text": "hey"})

        assert usage.metadata["result"] == "HEY"
        assert usage.cost == 6

    def test_runs_async_services(self, owner, account):
        usage = use(Whisper(), owner=owner, data={"text": "HUSH"})

        assert usage.metadata["result"] == {"whispered": "hush"}

    def test_what_cannot_be_done_costs_nothing(self, owner, account):
        with pytest.raises(ServiceError):
            use(Shout(), owner=owner, data={"text": "no"})

        assert account.get_available_balance() == 10

    def test_a_key_runs_the_work_once(self, owner, account):
        runs = []

        class Counting(Shout):
            def run(self, *, text):
                runs.append(text)
                return super().run(text=text)

        usages = [
            use(Counting(), owner=owner, data={"text": "a"}, idempotency_key="k") for _ in range(2)
        ]

        assert runs == ["a"]
        assert usages[0] == usages[1]


TARIFF = {"unit": 1}


def tariff(*, service, quantities, dimension, owner, at):
    units = sum(quantities.values())
    return TARIFF["unit"] * (float(units) if isinstance(TARIFF["unit"], float) else units)


def cheap_at_night(*, service, quantities, dimension, owner, at):
    return price_by_list(service, quantities, dimension=dimension, at=at).cost / 4


class TestMeteredFunction:
    def test_is_charged_and_responds_as_before(self, owner, account):
        @metered("shout", units=lambda text: len(text))
        def shout(owner, text):
            """Says it aloud."""
            return text.upper()

        assert shout(owner, text="hey") == "HEY"
        assert shout.__doc__ == "Says it aloud."
        assert account.get_balance() == 4
        assert ServiceUsage.objects.get().dimension == ""

    def test_a_failure_costs_nothing(self, owner, account):
        @metered("shout")
        def fail(user):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail(owner)
        assert account.get_available_balance() == 10

    def test_the_argument_named_owner_pays_wherever_it_stands(self, owner, account):
        @metered("shout")
        def shout(text, owner):
            return text

        shout("hey", owner)

        assert account.get_balance() == 8

    def test_the_payer_may_be_computed(self, owner, account):
        @metered("shout", owner=lambda document: document["owner"])
        def shout(text, document):
            return text

        shout("hey", {"owner": owner})

        assert account.get_balance() == 8

    def test_too_few_credits_are_an_error(self, owner, account):
        @metered("shout", units=100)
        def shout(owner):
            pytest.fail("the work must not run")

        with pytest.raises(InsufficientCreditsError):
            shout(owner)

    def test_a_callable_with_an_unknown_argument_is_refused_at_once(self):
        with pytest.raises(TypeError, match="has no argument pages"):

            @metered("shout", units=lambda pages: pages)
            def shout(owner, text):
                return text

    def test_somebody_must_pay(self):
        with pytest.raises(TypeError, match="no argument that says who pays"):

            @metered("shout")
            def shout():
                return ""

    @pytest.mark.django_db(transaction=True)
    def test_async(self, owner, account):
        @metered("shout", units=lambda text: len(text))
        async def shout(owner, text):
            await asyncio.sleep(0)
            return text.upper()

        assert async_to_sync(shout)(owner, text="hey") == "HEY"
        assert account.get_balance() == 4


@pytest.mark.django_db(transaction=True)
class TestAsyncCharge:
    def test_takes_the_cost(self, owner, account):
        async def work():
            async with charge(owner, "shout") as charging:
                await asyncio.sleep(0)
            return charging.usage

        usage = async_to_sync(work)()

        assert usage.cost == 2
        assert account.get_balance() == 8

    def test_a_failure_costs_nothing(self, owner, account):
        async def work():
            async with charge(owner, "shout"):
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            async_to_sync(work)()
        assert account.get_available_balance() == 10

    def test_a_visitor_who_goes_away_pays_nothing(self, owner, account):
        async def work():
            async with charge(owner, "shout"):
                await asyncio.sleep(60)

        async def leave():
            task = asyncio.create_task(work())
            while not await CreditHold.objects.aexists():
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        async_to_sync(leave)()

        assert CreditHold.objects.get().status == "released"
        assert account.get_available_balance() == 10

    def test_a_visitor_who_goes_away_before_the_work_pays_nothing(self, owner, account):
        """The task is cancelled while it waits for the account's lock to take the hold."""

        async def work():
            async with charge(owner, "shout"):
                pytest.fail("the work must not run")

        async def leave():
            locked, release = threading.Event(), threading.Event()

            def lock():
                with transaction.atomic():
                    CreditAccount.objects.select_for_update().get(pk=account.pk)
                    locked.set()
                    release.wait(10)
                connection.close()

            locking = threading.Thread(target=lock)
            locking.start()
            await asyncio.to_thread(locked.wait)
            task = asyncio.create_task(work())
            await asyncio.sleep(0.3)
            task.cancel()
            await asyncio.sleep(0.05)
            release.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(locking.join)

        async_to_sync(leave)()

        assert CreditHold.objects.get().status == "released"
        assert account.get_available_balance() == 10

    def test_the_event_loop_goes_on_meanwhile(self, owner, account):
        """A spend that waits for the account's lock blocks nothing else in the process."""
        beats = []

        async def heart():
            while True:
                beats.append(1)
                await asyncio.sleep(0.01)

        async def work():
            heartbeat = asyncio.create_task(heart())
            locked, release = threading.Event(), threading.Event()

            def lock():
                with transaction.atomic():
                    CreditAccount.objects.select_for_update().get(pk=account.pk)
                    locked.set()
                    release.wait(10)
                connection.close()

            locking = threading.Thread(target=lock)
            locking.start()
            await asyncio.to_thread(locked.wait)
            spending = asyncio.create_task(spend())
            before = len(beats)
            while len(beats) < before + 5:
                await asyncio.sleep(0.01)
            assert not spending.done()
            release.set()
            await spending
            heartbeat.cancel()
            await asyncio.to_thread(locking.join)

        async def spend():
            async with charge(owner, "shout"):
                pass

        async_to_sync(work)()
        assert account.get_balance() == 8


@metered("shout", units=2)
def plain_view(request):
    return HttpResponse("done", status=int(request.GET.get("status", 200)))


@metered("whisper")
def locking_view(request):
    return HttpResponse(str(connection.in_atomic_block))


@metered("shout", units=lambda request: len(request.GET.get("text", "hey")))
async def async_view(request):
    return HttpResponse("done", status=int(request.GET.get("status", 200)))


urlpatterns = [
    path("plain/", plain_view),
    path("async/", async_view),
    path("locking/", locking_view),
]


@pytest.fixture
def only_metered_views(settings):
    site = import_module(settings.ROOT_URLCONF).urlpatterns
    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [*site, *urlpatterns]})


@pytest.mark.usefixtures("only_metered_views")
@pytest.mark.parametrize("url", ["/plain/", "/async/"])
class TestMeteredView:
    pytestmark = pytest.mark.django_db(transaction=True)

    def test_the_owner_of_the_request_pays(self, browser, account, url):
        response = browser.get(url)

        assert response.content == b"done"
        assert response["HX-Trigger"] == "balance-changed"
        assert account.get_balance() < 10

    def test_a_visitor_is_sent_to_the_login(self, client, url, settings):
        response = client.get(url)

        login = resolve_url(settings.LOGIN_URL)
        assert (response.status_code, response.url) == (302, f"{login}?next={url}")

    def test_a_frozen_account_is_refused(self, browser, account, url):
        ledger.freeze(account=account)

        assert browser.get(url).status_code == 403

    def test_a_service_that_is_switched_off_is_not_found(self, browser, account, url):
        Service.objects.update(is_active=False)

        assert browser.get(url).status_code == 404

    @pytest.mark.parametrize("status", [400, 404, 500])
    def test_failed_work_costs_nothing(self, browser, account, url, status):
        response = browser.get(f"{url}?status={status}")

        assert response.status_code == status
        assert "HX-Trigger" not in response
        assert account.get_available_balance() == 10

    def test_too_few_credits_are_a_page_with_a_way_to_buy(self, browser, account, url, settings):
        settings.QUICKSCALE_CREDITS_BUY_URL = "/shop/"
        account.remove_credits("9.5", "Gone")

        response = browser.get(url)

        page = response.content.decode()
        assert response.status_code == 402
        assert "<html" in page
        assert "and you have 0.5 credits" in words(page)
        assert 'href="/shop/"' in page

    def test_too_few_credits_are_a_fragment_for_htmx(self, browser, account, url, settings):
        settings.QUICKSCALE_CREDITS_BUY_URL = "nowhere:to_buy"
        account.remove_credits(10, "Gone")

        response = browser.get(url, headers={"HX-Request": "true"})

        page = response.content.decode()
        assert response.status_code == 402
        assert "<html" not in page
        assert "Buy credits" not in page
        assert "HX-Request" in response["Vary"]


@pytest.mark.usefixtures("only_metered_views")
@pytest.mark.django_db(transaction=True)
def test_work_is_outside_the_transaction_of_its_request(browser, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    assert browser.get("/locking/").content == b"False"


@pytest.mark.django_db(transaction=True)
def test_an_async_view_under_asgi(member, account):
    async def call():
        request = AsyncRequestFactory().get("/async/", {"text": "hi"})
        request.user = member
        response = await async_view(request)
        return response, await sync_to_async(account.get_balance)()

    response, balance = async_to_sync(call)()

    assert response.status_code == 200
    assert balance == 6
