"""Metered views under a real ASGI server."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

import pytest
import uvicorn
from django.core.asgi import get_asgi_application
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from quickscale_credits.metering import metered
from quickscale_credits.models import CreditAccount, CreditHold

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


urlpatterns = [path("work/", work), path("ping/", ping)]


@pytest.fixture
def address(db):
    """A site under uvicorn, in a thread of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(
        get_asgi_application(), host="127.0.0.1", port=port, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def get(address, member):
    client = Client()
    client.force_login(member)
    cookie = f"sessionid={client.cookies['sessionid'].value}"

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


def test_a_spend_that_waits_stops_no_other_request(get, account, services):
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
