"""Find out where a request comes from, for limits, logs, mails and network lists alike."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.http import HttpRequest

from quickscale.conf import app_settings

IPV6_PREFIX = 64
"""Providers give each customer a whole network of this size, so its addresses cost nothing."""


def client_address(request: HttpRequest) -> str | None:
    """Return the client's IP address in its shortest form, or ``None`` when it is unknown.

    This is the server's ``REMOTE_ADDR``, unless ``QUICKSCALE_TRUSTED_PROXY_COUNT`` says that there
    are proxies in front of it. Each proxy appends the address of its client to
    ``X-Forwarded-For``. With two proxies, the second entry from the end counts, and entries that a
    visitor forged before it do not. The result is ``None`` if that entry is missing or is not an
    address, or if a request came through a Unix socket without the header.
    """
    address = _address(request)
    return None if address is None else str(address)


def client_network(request: HttpRequest) -> str:
    """Return the key of a rate limit: the address, its /64 network for IPv6, or ``"unknown"``."""
    address = _address(request)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_PREFIX), strict=False))
    return str(address or "unknown")


def _address(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    proxies = app_settings.trusted_proxy_count
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if proxies and forwarded:
        entries = forwarded.split(",")
        return _parse(entries[-proxies]) if len(entries) >= proxies else None
    return _parse(request.META.get("REMOTE_ADDR") or "")


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    host = text.strip()
    if host.startswith("["):  # [::1]:8000
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:  # 192.0.2.1:8000
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # A socket for both versions shows an IPv4 client as ::ffff:192.0.2.1.
        return address.ipv4_mapped or IPv6Address(int(address))
    return address
