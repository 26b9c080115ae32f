"""Streams are charged for what was sent."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from datetime import timedelta
from importlib import import_module

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.http import StreamingHttpResponse
from django.test import AsyncClient
from django.urls import path

from quickscale_credits.exceptions import (
    IdempotencyConflictError,
    InsufficientCreditsError,
)
from quickscale_credits.metering import charge, metered
from quickscale_credits.models import CreditAccount, CreditHold, ServiceUsage
from tests.quickscale_credits.faults import failing_function

WORDS = ["to", "be", "or", "not"]


@pytest.fixture
def account(account, services):
    account.add_credits(20, "Bought")
    return account


@pytest.fixture
def clock_ahead(monkeypatch):
    """Sets the clock of the process ahead by that many seconds."""
    monotonic = time.monotonic
    return lambda seconds: monkeypatch.setattr(time, "monotonic", lambda: monotonic() + seconds)


def read(stream, number=None):
    """Read all of a sync or async stream, or that many chunks before the reader leaves."""
    if hasattr(stream, "__next__"):
        chunks = []
        for chunk in stream:
            chunks.append(chunk)
            if len(chunks) == number:
                break
        stream.close()
        return chunks

    async def read():
        chunks = []
        async with aclosing(stream):
            async for chunk in stream:
                chunks.append(chunk)
                if len(chunks) == number:
                    break
        return chunks

    return async_to_sync(read)()


def spoken(words=WORDS, error=None):
    yield from words
    if error:
        raise error


async def aspoken(words=WORDS, error=None):
    for word in spoken(words, error):
        await asyncio.sleep(0)
        yield word


def sync_stream(*args, count=None, words=WORDS, error=None, **kwargs):
    return charge(*args, **kwargs).stream(spoken(words, error), count=count)


def async_stream(*args, count=None, words=WORDS, error=None, **kwargs):
    begin = async_to_sync(charge(*args, **kwargs).astream)
    return begin(aspoken(words, error), count=count)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("stream", [sync_stream, async_stream])
class TestStream:
    def test_is_charged_for_what_was_counted(self, owner, account, stream):
        chunks = stream(owner, "shout", units=9, count=len)
        assert account.get_available_balance() == 2

        assert read(chunks) == WORDS
        assert account.get_available_balance() == 2
        assert ServiceUsage.objects.get().units == 9

    def test_may_cost_less_or_more_than_was_held(self, owner, account, stream):
        read(stream(owner, "shout", units=9, count=len, words=["to"]))
        assert account.get_available_balance() == 16

        read(stream(owner, "shout", units=1, count=len, words=["long", "word"]))
        assert account.get_available_balance() == 0

    def test_a_reader_who_leaves_pays_for_what_was_sent(self, owner, account, stream):
        assert read(stream(owner, "shout", units=9, count=len), 2) == ["to", "be"]

        assert ServiceUsage.objects.get().units == 4
        assert account.get_available_balance() == 12
        assert CreditHold.objects.get().status == "captured"

    def test_a_reader_who_leaves_may_pay_nothing(self, owner, account, stream):
        read(stream(owner, "shout", units=9, count=len, on_abort="release"), 2)

        assert account.get_available_balance() == 20
        assert not ServiceUsage.objects.exists()

    @pytest.mark.parametrize("on_abort", [None, "capture"])
    def test_a_reader_who_gets_nothing_pays_nothing(self, owner, account, stream, on_abort):
        chunks = stream(owner, "shout", units=9, count=len, on_abort=on_abort)
        if hasattr(chunks, "aclose"):
            async_to_sync(chunks.aclose)()
        else:
            chunks.close()

        assert account.get_available_balance() == 20
        assert CreditHold.objects.get().status == "released"

    @pytest.mark.parametrize(("number", "left"), [(1, 14), (None, 14)])
    def test_a_stream_without_counting_costs_the_units_asked_for(
        self, owner, account, stream, number, left
    ):
        read(stream(owner, "shout", units=3), number)

        assert account.get_available_balance() == left

    def test_an_answer_without_chunks_is_counted_too(self, owner, account, stream):
        read(stream(owner, "shout", units=3, count=len, words=[]))

        assert ServiceUsage.objects.get().cost == 0
        assert account.get_available_balance() == 20

    def test_a_failure_costs_nothing(self, owner, account, stream):
        with pytest.raises(ZeroDivisionError):
            read(stream(owner, "shout", units=9, count=len, error=ZeroDivisionError()))

        assert account.get_available_balance() == 20
        assert not ServiceUsage.objects.exists()

    def test_too_few_credits_send_nothing(self, owner, account, stream):
        with pytest.raises(InsufficientCreditsError):
            stream(owner, "shout", units=11)

    def test_a_key_that_was_charged_sends_nothing_again(self, owner, account, stream):
        read(stream(owner, "shout", units=3, idempotency_key="k"))

        with pytest.raises(IdempotencyConflictError):
            stream(owner, "shout", units=3, idempotency_key="k")
        assert account.get_available_balance() == 14

    def test_a_long_one_prolongs_its_hold(self, owner, account, stream, clock_ahead):
        chunks = stream(owner, "shout", units=9, ttl=timedelta(minutes=1))
        first = CreditHold.objects.get().expires_at

        async def ends():
            for seconds in (15, 30):
                clock_ahead(seconds)
                await anext(chunks) if hasattr(chunks, "__anext__") else await to_thread(chunks)
                yield (await CreditHold.objects.aget()).expires_at

        async def to_thread(chunks):
            await sync_to_async(next)(chunks)

        async def all_ends():
            return [end async for end in ends()]

        early, late = async_to_sync(all_ends)()
        assert early == first
        assert late > first

    def test_a_hold_that_has_timed_out_stops_nothing(self, owner, account, stream):
        chunks = stream(owner, "shout", units=9, count=len, ttl=timedelta(milliseconds=10))
        time.sleep(0.02)

        assert read(chunks) == WORDS
        assert account.get_available_balance() == 2

    def test_a_database_that_fails_to_prolong_stops_nothing(
        self, owner, account, stream, clock_ahead
    ):
        chunks = stream(owner, "shout", units=9, count=len, ttl=timedelta(minutes=1))
        clock_ahead(30)

        with failing_function("prolong") as failures:
            assert read(chunks) == WORDS
        assert failures
        assert account.get_available_balance() == 2


@pytest.mark.django_db(transaction=True)
class TestReaderWhoLeaves:
    """A reader who leaves also ends the generator that makes the chunks."""

    def test_of_a_sync_stream(self, owner, account):
        ended = []

        def speak():
            try:
                yield from WORDS
            finally:
                ended.append(True)

        chunks = charge(owner, "shout").stream(speak())
        next(chunks)
        chunks.close()

        assert ended == [True]

    def test_of_an_async_stream(self, owner, account):
        ended = []

        async def speak():
            try:
                for word in WORDS:
                    yield word
            finally:
                ended.append(True)

        async def leave():
            chunks = await charge(owner, "shout").astream(speak())
            await anext(chunks)
            await chunks.aclose()
            return list(ended)

        assert async_to_sync(leave)() == [True]


@pytest.mark.django_db(transaction=True)
class TestMeteredGenerator:
    def test_holds_when_it_is_called_and_pays_at_the_end(self, owner, account):
        @metered("shout", units=9, count=len)
        def speak(owner):
            yield from WORDS

        chunks = speak(owner)
        assert account.get_available_balance() == 2
        assert read(chunks, 1) == ["to"]
        assert account.get_available_balance() == 16

    def test_an_async_one(self, owner, account):
        @metered("shout", units=9, count=len)
        async def speak(owner):
            for word in WORDS:
                yield word

        assert read(speak(owner), 1) == ["to"]
        assert account.get_available_balance() == 16

    @pytest.mark.parametrize("is_async", [False, True])
    def test_gets_its_arguments(self, owner, account, is_async):
        @metered("shout", units=9, count=len)
        def speak(owner, *words, end):
            yield from [*words, end]

        @metered("shout", units=9, count=len)
        async def aspeak(owner, *words, end):
            for word in [*words, end]:
                yield word

        chunks = (aspeak if is_async else speak)(owner, "to", "be", end="!")
        assert read(chunks) == ["to", "be", "!"]
        assert account.get_available_balance() == 10

    def test_a_reader_who_leaves_may_pay_nothing(self, owner, account):
        @metered("shout", units=9, count=len, on_abort="release")
        def speak(owner):
            yield from WORDS

        assert read(speak(owner), 1) == ["to"]
        assert account.get_available_balance() == 20

    def test_a_task_that_is_cancelled_pays_for_what_was_sent(self, owner, account):
        @metered("shout", units=9, count=len)
        async def speak(owner):
            yield "to"
            await asyncio.sleep(60)

        async def leave():
            got = asyncio.Event()

            async def listen():
                async for _ in speak(owner):
                    got.set()

            task = asyncio.create_task(listen())
            await got.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        async_to_sync(leave)()

        assert account.get_available_balance() == 16


@metered("shout", units=9, count=len)
def sync_view(request):
    return StreamingHttpResponse(spoken())


@metered("shout", units=9, count=len)
async def async_view(request):
    return StreamingHttpResponse(aspoken())


urlpatterns = [path("sync/", sync_view), path("async/", async_view)]


@pytest.fixture
def streaming_views(settings):
    site = import_module(settings.ROOT_URLCONF).urlpatterns
    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [*site, *urlpatterns]})


@pytest.mark.usefixtures("streaming_views")
@pytest.mark.django_db(transaction=True)
class TestStreamedAnswer:
    def test_is_charged_for_while_it_is_sent(self, browser, account):
        response = browser.get("/sync/")
        assert account.get_available_balance() == 2

        assert next(response.streaming_content) == b"to"
        response.close()

        assert account.get_available_balance() == 16
        assert response["HX-Trigger"] == "balance-changed"

    @pytest.mark.parametrize(("number", "left"), [(1, 16), (None, 2)])
    def test_an_async_one(self, member, account, number, left):
        async def call():
            client = AsyncClient()
            await client.aforce_login(member)
            response = await client.get("/async/")
            return read_some(response)

        async def read_some(response):
            chunks = []
            async for chunk in response.streaming_content:
                chunks.append(chunk)
                if len(chunks) == number:
                    break
            await asyncio.to_thread(response.close)
            return chunks

        async def both():
            return await (await call())

        assert async_to_sync(both)() == [word.encode() for word in WORDS[:number]]
        assert account.get_available_balance() == left

    def test_too_few_credits_are_reported_before_anything_is_sent(self, browser, account):
        account.remove_credits(15, "Gone")

        assert browser.get("/sync/").status_code == 402


@pytest.mark.django_db(transaction=True)
def test_the_account_is_another_ones(owner, account, make_owner):
    """The owner who began a stream pays for it, whoever reads it."""
    other = CreditAccount.objects.for_owner(make_owner())

    read(charge(owner, "shout", units=2).stream(["a"]))

    assert other.get_balance() == 0
    assert account.get_balance() == 16
