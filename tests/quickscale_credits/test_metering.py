from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from decimal import Decimal
from importlib import import_module

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import DataError, IntegrityError, connection, transaction
from django.http import HttpResponse
from django.shortcuts import resolve_url
from django.test import AsyncRequestFactory, override_settings
from django.urls import path

from quickscale_credits import ledger
from quickscale_credits.exceptions import (
    ChargeInProgressError,
    HoldStateError,
    IdempotencyConflictError,
    InactiveServiceError,
    InsufficientCreditsError,
    InvalidAmountError,
    InvalidRequestError,
    UnknownServiceError,
)
from quickscale_credits.metering import charge, metered, use
from quickscale_credits.models import CreditAccount, CreditHold, Service, ServiceUsage
from quickscale_credits.services import ServiceError
from tests.quickscale_credits.surface import Shout, Whisper

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(account):
    account.add_credits(10, "Bought")
    return account


@pytest.fixture(autouse=True)
def rows(services):
    Service.objects.create(name="Halves", slug="halves", cost="0.5")


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

    def test_units_may_turn_out_to_be_none(self, owner, account):
        with charge(owner, "shout", units=4) as charging:
            charging.units = 0

        assert (charging.usage.cost, charging.usage.transaction) == (0, None)
        assert account.get_available_balance() == 10

    def test_units_cannot_become_more_than_was_held(self, owner, account):
        with pytest.raises(InsufficientCreditsError), charge(owner, "shout", units=1) as charging:
            charging.units = 2

        assert account.get_available_balance() == 10
        assert not ServiceUsage.objects.exists()

    def test_where_nothing_was_held_it_is_paid_at_the_end(self, owner, account):
        with charge(owner, "shout", units=0) as charging:
            charging.units = 2

        assert charging.usage.transaction.amount == -4

    def test_fractions_of_units(self, owner, account):
        with charge(owner, "halves", units="0.5") as charging:
            pass

        assert charging.usage.cost == Decimal("0.25")

    def test_a_hook_works_out_the_cost(self, owner, account):
        hook = "tests.quickscale_credits.test_metering.cheap_at_night"
        Service.objects.filter(slug="shout").update(cost_hook=hook)

        with charge(owner, "shout", units=5) as charging:
            pass

        assert charging.usage.cost == Decimal("2.5")

    def test_keeps_what_the_caller_notes(self, owner, account):
        with charge(owner, "shout", metadata={"model": "small"}) as charging:
            charging.metadata["tokens"] = 7

        assert charging.usage.metadata == {"model": "small", "tokens": 7}

    def test_too_few_credits_run_nothing(self, owner, account):
        with pytest.raises(InsufficientCreditsError) as caught, charge(owner, "shout", units=6):
            pytest.fail("the work must not run")

        assert (caught.value.available, caught.value.required) == (10, 12)

    @pytest.mark.parametrize("units", [1.5, True, "NaN", "-1", None, "0.00001"])
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
    def test_units_that_become_no_number_cost_nothing(self, owner, account, units):
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

    def test_a_key_is_of_one_account(self, owner, account, make_owner):
        other = make_owner()
        CreditAccount.objects.for_owner(other).add_credits(10, "Bought")

        for payer in (owner, other):
            with charge(payer, "shout", idempotency_key="k") as charging:
                assert not charging.replayed

    def test_a_key_is_of_one_service(self, owner, account):
        with charge(owner, "shout", idempotency_key="k"):
            pass

        with (
            pytest.raises(IdempotencyConflictError),
            charge(owner, "whisper", idempotency_key="k"),
        ):
            pytest.fail("the work must not run")

    @pytest.mark.parametrize("code", ["shout", "whisper"])
    def test_a_key_is_of_the_units_that_were_asked_for(self, owner, account, code):
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

    def test_a_key_of_failed_work_is_used_up(self, owner, account):
        with (
            pytest.raises(ZeroDivisionError),
            charge(owner, "shout", idempotency_key="k"),
        ):
            raise ZeroDivisionError

        with pytest.raises(HoldStateError), charge(owner, "shout", idempotency_key="k"):
            pytest.fail("the work must not run")

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
            Service.objects.filter(slug="shout").update(cost=0)
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


def tariff(*, service, units, owner):
    return TARIFF["unit"] * (float(units) if isinstance(TARIFF["unit"], float) else units)


def cheap_at_night(*, service, units, owner):
    return service.cost * units / 4


class TestMeteredFunction:
    def test_is_charged_and_answers_as_before(self, owner, account):
        @metered("shout", units=lambda text: len(text))
        def shout(owner, text):
            """Says it aloud."""
            return text.upper()

        assert shout(owner, text="hey") == "HEY"
        assert shout.__doc__ == "Says it aloud."
        assert account.get_balance() == 4

    def test_a_failure_costs_nothing(self, owner, account):
        @metered("shout")
        def fail(user):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail(owner)
        assert account.get_available_balance() == 10

    def test_the_payer_may_be_worked_out(self, owner, account):
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

    def test_what_asks_for_an_unknown_argument_is_told_at_once(self):
        with pytest.raises(TypeError, match="has no argument pages"):

            @metered("shout", units=lambda pages: pages)
            def shout(owner, text):
                return text

    def test_a_generator_is_refused_at_once(self):
        def words(owner):
            yield "hey"

        async def later(owner):
            yield "hey"

        for generator in (words, later):
            with pytest.raises(TypeError, match="is a generator"):
                metered("shout")(generator)

    def test_somebody_must_pay(self):
        with pytest.raises(TypeError, match="nothing that tells who pays"):

            @metered("shout")
            def shout():
                return ""

    @pytest.mark.django_db(transaction=True)
    def test_async(self, owner, account):
        @metered("shout", units=lambda text: len(text))
        async def shout(owner, text):
            await asyncio.sleep(0)
            return text.upper()

        assert async_to_sync(shout)(owner, "hey") == "HEY"
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
        """A spend that waits for the account's lock stops nobody else in the process."""
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
            await asyncio.sleep(0.3)
            during = len(beats) - before
            assert not spending.done()
            release.set()
            await spending
            heartbeat.cancel()
            await asyncio.to_thread(locking.join)
            return during

        async def spend():
            async with charge(owner, "shout"):
                pass

        assert async_to_sync(work)() >= 5
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
        assert "and you have 0.5 credits" in page
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
