"""A site under uvicorn in its own thread, with the test's database and mails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from django.core.asgi import get_asgi_application


@contextmanager
def site_under_uvicorn(**where: Any) -> Iterator[None]:
    """Serve inside the ``with`` block, on a ``host`` and ``port`` or on ``uds``."""
    config = uvicorn.Config(get_asgi_application(), log_level="error", lifespan="off", **where)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "uvicorn could not start"
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join(10)
