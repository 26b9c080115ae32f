from __future__ import annotations

import socket

import pytest

from quickscale_cli.ports import HOST, free_port, listens


@pytest.fixture
def taken():
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_free_port_is_used_as_wanted(taken):
    wanted = free_port(taken)
    assert free_port(wanted) == wanted


def test_a_free_port_replaces_a_taken_one(taken):
    found = free_port(taken)
    assert found != taken
    assert not listens(found)


def test_a_reserved_port_is_not_used(taken):
    wanted = free_port(taken)
    assert free_port(wanted, other_than=wanted) != wanted


def test_listens(taken):
    assert listens(taken)
    assert not listens(free_port(taken))
