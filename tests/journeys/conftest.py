from __future__ import annotations

from collections.abc import Iterator

import pytest

from quickscale_cli.ports import free_port
from tests.browser import find_chromium
from tests.folders import server_folder
from tests.journeys.site import Demo


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    find_chromium()
    with server_folder() as folder:
        running = Demo(
            folder / "demo", "--port", str(free_port(0)), "--sandbox-port", str(free_port(0))
        )
        try:
            running.wait_until_ready()
            yield running
        finally:
            running.stop()
