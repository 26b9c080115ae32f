"""A TCP proxy in front of the database that makes each round trip take a millisecond more."""

from __future__ import annotations

import multiprocessing
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from threading import Thread

DELAY = 0.001
HOST = "127.0.0.1"


@contextmanager
def delayed(host: str, port: int) -> Iterator[int]:
    """Serve until the block ends; yield the local port. ``host`` may be a socket's folder."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, host, port), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, host: str, port: int) -> None:
    with socket.create_server((HOST, 0)) as server:
        pipe.send(server.getsockname()[1])
        while True:
            client, _address = server.accept()
            database = _connect(host, port)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, target, delay in ((client, database, DELAY), (database, client, 0)):
                Thread(target=_forward, args=(source, target, delay), daemon=True).start()


def _connect(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    database = socket.socket(socket.AF_UNIX)
    database.connect(f"{host}/.s.PGSQL.{port}")
    return database


def _forward(source: socket.socket, target: socket.socket, delay: float) -> None:
    """Pass data on after the delay; requests and responses take turns, so this needs no queue."""
    try:
        while data := source.recv(65536):
            if delay:
                time.sleep(delay)
            target.sendall(data)
    except OSError:
        pass
    finally:
        source.close()
        target.close()
