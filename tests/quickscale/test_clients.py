from __future__ import annotations

import pytest
from django.core.checks import run_checks
from django.test import RequestFactory

from quickscale.clients import client_address, client_network


def request(**meta):
    made = RequestFactory().get("/")
    del made.META["REMOTE_ADDR"]
    made.META.update(meta)
    return made


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("", None),
        ("unix:", None),
        ("/run/site.sock", None),
        ("localhost", None),
        ("192.0.2.256", None),
        ("\0é", None),
    ],
)
def test_the_address_is_the_servers_or_none(remote, address):
    assert client_address(request(REMOTE_ADDR=remote)) == address


def test_a_unix_socket_has_no_address():
    assert client_address(request()) is None
    assert client_network(request()) == "unknown"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "198.51.100.7", "192.0.2.1"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "evil, 203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (2, "203.0.113.9, 198.51.100.7, 10.0.0.1", "198.51.100.7"),
        (2, "[2001:db8::7]:443,10.0.0.1", "2001:db8::7"),
        (2, "198.51.100.7", None),
        (1, "198.51.100.7, unknown", None),
        (1, "198.51.100.7,", None),
        (1, "", "192.0.2.1"),
    ],
)
def test_only_addresses_from_trusted_proxies_count(settings, proxies, forwarded, address):
    settings.QUICKSCALE_TRUSTED_PROXY_COUNT = proxies
    seen = request(REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR=forwarded)
    assert client_address(seen) == address


def test_a_limit_counts_the_whole_ipv6_network_that_one_customer_has():
    networks = {
        client_network(request(REMOTE_ADDR=f"2001:db8:0:1::{host}")) for host in ("1", "ffff:2")
    }
    assert networks == {"2001:db8:0:1::/64"}
    assert client_network(request(REMOTE_ADDR="192.0.2.1")) == "192.0.2.1"


def ours(**options):
    about_proxies = ("quickscale.E001", "quickscale.W001")
    return [m.id for m in run_checks(**options) if m.id in about_proxies]


@pytest.mark.parametrize("count", [-1, "1", None, True])
def test_an_invalid_number_of_proxies_is_reported(settings, count):
    assert ours() == []
    settings.QUICKSCALE_TRUSTED_PROXY_COUNT = count
    assert ours() == ["quickscale.E001"]


def test_a_site_that_sees_only_its_proxys_address_is_reported(settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert ours(include_deployment_checks=True) == ["quickscale.W001"]
    settings.QUICKSCALE_TRUSTED_PROXY_COUNT = 2
    assert ours(include_deployment_checks=True) == []
