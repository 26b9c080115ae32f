"""Metered views under a real ASGI server."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

import pytest
from django.db import connection, transaction
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client
from django.urls import path

from quickscale_credits.metering import metered
from quickscale_credits.models import CreditAccount, CreditHold, ServiceUsage
from tests.serving import site_under_uvicorn

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.quickscale_credits.test_uvicorn"),
]


@metered("shout")
async def work(request):
    await asyncio.sleep(0.05)
    return HttpResponse("worked")


async def ping(request):
    return HttpResponse("pong")


@metered("shout", units=1000, count=lambda chunk: 1)
async def talk(request):
    async def words():
        while True:
            yield "word"
            await asyncio.sleep(0.05)

    return StreamingHttpResponse(words())


@metered("shout", units=1000, count=lambda chunk: 1)
def talk_under_wsgi(request):
    def words():
        while True:
            yield "word" * 50_000  # more than a socket buffers, so that writing fails
            time.sleep(0.01)

    return StreamingHttpResponse(words())


urlpatterns = [
    path("work/", work),
    path("ping/", ping),
    path("talk/", talk),
    path("talk-under-wsgi/", talk_under_wsgi),
]


@pytest.fixture
def address(db):
    """A site under uvicorn, in its own thread."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        site_under_uvicorn(fd=listening.fileno()),
    ):
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def cookie(member):
    client = Client()
    client.force_login(member)
    return f"sessionid={client.cookies['sessionid'].value}"


@pytest.fixture
def get(address, cookie):
    def fetch(url: str) -> bytes:
        with urlopen(Request(address + url, headers={"Cookie": cookie}), timeout=20) as response:
            return response.read()

    return fetch


def test_many_at_once_are_each_charged_once(get, account, services):
    account.add_credits(100, "Bought")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: get("/work/"), range(24)))

    assert answers == [b"worked"] * 24
    assert account.get_balance() == 100 - 24 * 2
    assert set(CreditHold.objects.values_list("status", flat=True)) == {"captured"}


def test_a_spend_that_waits_blocks_no_other_request(get, account, services):
    account.add_credits(100, "Bought")
    locked, release = threading.Event(), threading.Event()

    def lock():
        with transaction.atomic():
            CreditAccount.objects.select_for_update().get(pk=account.pk)
            locked.set()
            release.wait(20)
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        locking = pool.submit(lock)
        assert locked.wait(10)
        working = pool.submit(get, "/work/")
        time.sleep(0.3)
        try:
            assert get("/ping/") == b"pong"
            assert not working.done()
        finally:
            release.set()
        assert working.result(20) == b"worked"
        locking.result(20)

    assert account.get_balance() == 98


@pytest.mark.parametrize("server", ["uvicorn", "wsgi"])
def test_a_reader_who_leaves_pays_for_what_was_sent(
    server, request, cookie, account, services, live_server
):
    account.add_credits(3000, "Bought")
    url = f"{live_server.url}/talk-under-wsgi/"
    if server == "uvicorn":
        url = f"{request.getfixturevalue('address')}/talk/"

    with urlopen(Request(url, headers={"Cookie": cookie}), timeout=20) as response:
        assert response.read(4) == b"word"
        assert account.get_available_balance() == 1000

    hold = CreditHold.objects.get()
    for _ in range(200):
        hold.refresh_from_db()
        if hold.status != "open":
            break
        time.sleep(0.05)
    usage = ServiceUsage.objects.get()
    assert hold.status == "captured"
    assert 1 <= usage.units < 1000
    assert account.get_balance() == 3000 - usage.cost
