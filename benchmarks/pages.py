"""``python -m benchmarks.pages``: what each page costs the reader, and what it costs the server."""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import django
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from quickscale.postgres import embedded_url
from quickscale.postgres.server import address, release
from quickscale_cli.demo import LOGINS
from quickscale_cli.ports import HOST, free_port
from quickscale_cli.processes import Processes
from quickscale_cli.project import create_project, documented_variables

ROOT = Path(__file__).resolve().parents[1]
TEXT = "pages-speed-figures.inc"
PACKAGE = "measured_site"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
EMAIL, PASSWORD = next(iter(LOGINS.items()))
PUBLIC = {
    "First page": "/",
    "Pricing": "/pricing/",
    "About": "/about/",
    "Contact": "/contact/",
    "Sign in": "/accounts/login/",
    "Sign up": "/accounts/signup/",
}
READERS = 20
LIMIT = 0.1
#: Pages that ask Stripe, here the sandbox, before they answer; the limit does not apply to them.
ASKS_STRIPE = {"Change of plan"}
#: The site believes that a proxy handles HTTPS, as in production.
HEADERS = {"X-Forwarded-Proto": "https"}
FIGURES = """async () => {
  const last = (type) => new Promise((done) => new PerformanceObserver(
    (list) => done(list.getEntries().at(-1).startTime)).observe({ type, buffered: true }));
  const files = ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type));
  return {
    requests: files.length,
    size: files.reduce((sum, file) => sum + file.transferSize, 0),
    fcp: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    lcp: await last("largest-contentful-paint"),
  };
}"""


@dataclass(frozen=True)
class Size:
    visits: int
    alone: int
    seconds: float


FULL = Size(visits=3, alone=30, seconds=4)
QUICK = Size(visits=1, alone=5, seconds=0.5)


@dataclass(frozen=True)
class Figures:
    """Of one page: paints in milliseconds, bytes, and times of the server in seconds."""

    name: str
    requests: int
    size: int
    fcp: float
    lcp: float
    alone: float
    crowded: float
    crowded_p95: float

    @property
    def is_met(self) -> bool:
        return self.alone <= LIMIT or self.name in ASKS_STRIPE


def main() -> int:
    arguments = parse()
    size = QUICK if arguments.quick else FULL
    with site(arguments.port) as (url, paths), browser() as chromium:
        cookies = sign_in(chromium, url)
        found = []
        for name, path in [*PUBLIC.items(), *paths.items()]:
            print(f"{name} …", file=sys.stderr, flush=True)
            found.append(measure(chromium, url, name, path, cookies if name in paths else [], size))
    report = text(found, size)
    if arguments.docs:
        (arguments.docs / TEXT).write_text(report)
    print(report)
    return 0 if all(page.is_met for page in found) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="only show that everything runs; no reliable figures"
    )
    parser.add_argument("--port", type=int, default=8000, help="the site's; if taken, a free one")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="write the table of the docs")
    return parser.parse_args()


@contextmanager
def site(port: int) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Serve a new project as in production; yield its URL and the paths of a customer's pages."""
    port = free_port(port)
    sandbox_port = free_port(port + 1)
    with tempfile.TemporaryDirectory(prefix="quickscale-") as temporary:
        folder = Path(temporary) / PACKAGE
        create_project(PACKAGE, folder)
        database = folder / ".quickscale" / "postgres"
        development = environment(database, port, sandbox_port)
        with Processes(folder, development) as processes:
            address(database)
            processes.at_end.callback(release, database)
            for command in ("migrate --no-input", "create_starter_users"):
                processes.run("manage.py", *command.split())
            processes.run("manage.py", "load_sample_credits", EMAIL)
            paths = folder / "paths.json"
            code = f"from benchmarks.customer import *; make({EMAIL!r}, Path({str(paths)!r}))"
            processes.run("manage.py", "shell", "-c", code)
            processes.serve(
                "The Stripe sandbox",
                *("manage.py", "stripe_sandbox", "--port", str(sandbox_port)),
                port=sandbox_port,
                quiet=True,
            )
            processes.environment = {**development, "DEBUG": "false"}
            processes.run("manage.py", "collectstatic", "--no-input")
            processes.serve(
                "The web server",
                *("-m", "uvicorn", f"{PACKAGE}.asgi:application", "--log-level", "error"),
                *("--host", HOST, "--port", str(port)),
                port=port,
            )
            yield f"http://{HOST}:{port}", json.loads(paths.read_text())


def environment(database: Path, port: int, sandbox_port: int) -> dict[str, str]:
    """Return the environment of development; only ``DEBUG`` differs in production."""
    own = {*documented_variables(), "DJANGO_SETTINGS_MODULE"}
    return {
        **{name: value for name, value in os.environ.items() if name not in own},
        "PYTHONPATH": str(ROOT),
        # Django warns about every static file that WhiteNoise sends under ASGI.
        "PYTHONWARNINGS": "ignore:StreamingHttpResponse must consume synchronous iterators",
        "DEBUG": "true",
        "ALLOWED_HOSTS": HOST,
        "BEHIND_PROXY": "true",
        "CSRF_TRUSTED_ORIGINS": f"http://{HOST}:{port}",
        "DATABASE_URL": embedded_url(database),
        "BRAND_NAME": "QuickScale",
        "CONTACT_EMAIL": "help@example.com",
        "STRIPE_SECRET_KEY": "sk_test_sandbox",
        "STRIPE_PUBLIC_KEY": "pk_test_sandbox",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
        "STRIPE_API_BASE": f"http://{HOST}:{sandbox_port}",
    }


@contextmanager
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=path, args=flags)
        yield chromium
        chromium.close()


@contextmanager
def window(chromium: Browser, cookies: list[Any]) -> Iterator[BrowserContext]:
    """A window of a browser that has loaded nothing yet."""
    context = chromium.new_context(
        viewport={"width": 1280, "height": 900}, extra_http_headers=HEADERS
    )
    context.add_cookies(cookies)
    yield context
    context.close()


def sign_in(chromium: Browser, url: str) -> list[Any]:
    """Return the cookies of the customer's session."""
    with window(chromium, []) as context:
        page = context.new_page()
        page.goto(url + PUBLIC["Sign in"])
        page.locator("input[name=login]").fill(EMAIL)
        page.locator("input[name=password]").fill(PASSWORD)
        page.get_by_role("main").locator("form button:not([type=button])").click()
        page.wait_for_url(f"{url}/dashboard/")
        return list(context.cookies())


def measure(
    chromium: Browser, url: str, name: str, path: str, cookies: list[Any], size: Size
) -> Figures:
    visits = [visit(chromium, url + path, cookies) for _ in range(size.visits)]
    header = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in cookies)
    alone = Reader(url, path, header)
    alone.read()
    times = [alone.read() for _ in range(size.alone)]
    until = perf_counter() + size.seconds
    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(Reader(url, path, header).read_until, until) for _ in range(READERS)]
    crowded = [time for reader in readers for time in reader.result()]
    return Figures(
        name,
        requests=visits[0]["requests"],
        size=visits[0]["size"],
        fcp=median(each["fcp"] for each in visits),
        lcp=median(each["lcp"] for each in visits),
        alone=median(times),
        crowded=median(crowded),
        crowded_p95=quantiles(crowded, n=20)[-1],
    )


def visit(chromium: Browser, url: str, cookies: list[Any]) -> dict[str, Any]:
    """Open a page with an empty cache, and return what the browser says of it."""
    with window(chromium, cookies) as context:
        page = context.new_page()
        response = page.goto(url, wait_until="networkidle")
        assert response
        assert response.ok, f"{url} answers {response.status}."
        assert page.url == url, f"{url} leads to {page.url}."
        found: dict[str, Any] = page.evaluate(FIGURES)
        return found


class Reader:
    """Reads one page again and again over one connection."""

    def __init__(self, url: str, path: str, cookies: str) -> None:
        self.connection = HTTPConnection(url.removeprefix("http://"), timeout=60)
        self.path = path
        self.headers = {**HEADERS, "Cookie": cookies}

    def read(self) -> float:
        """Return the seconds until the page is there."""
        begun = perf_counter()
        self.connection.request("GET", self.path, headers=self.headers)
        response = self.connection.getresponse()
        response.read()
        assert response.status == 200, f"{self.path} answers {response.status}."
        return perf_counter() - begun

    def read_until(self, end: float) -> list[float]:
        times = [self.read()]
        while perf_counter() < end:
            times.append(self.read())
        return times


def text(pages: list[Figures], size: Size) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        f"Django {django.get_version()}, Python {platform.python_version()}, one process of "
        f"uvicorn; server, database, browser and readers share {os.cpu_count()} processors; "
        f"paints are medians of {size.visits} visits, and the server's times of {size.alone} "
        f"requests alone and of {size.seconds:g} s with {READERS} readers.",
        "",
        "| page | requests | KB | FCP ms | LCP ms | alone ms | 20 readers ms | 95 % under ms |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for page in pages:
        alone = f"{page.alone * 1000:.0f}" + ("" if page.is_met else " (missed)")
        lines.append(
            f"| {page.name} | {page.requests} | {page.size / 1000:.0f} | {page.fcp:.0f} |"
            f" {page.lcp:.0f} | {alone} | {page.crowded * 1000:.0f} |"
            f" {page.crowded_p95 * 1000:.0f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
