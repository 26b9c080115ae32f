from __future__ import annotations

import socket

HOST = "127.0.0.1"


def free_port(wanted: int, *, other_than: int | None = None) -> int:
    """Return ``wanted`` if nothing on this machine listens there, otherwise a free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
        if found != other_than:
            return found
    return free_port(0, other_than=other_than)


def listens(port: int) -> bool:
    """Return whether something accepts connections at the port."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((HOST, port)) == 0
