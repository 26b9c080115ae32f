"""Use QuickScale in existing sites: install it by the docs, sell, meter, delete, uninstall.

    python scripts/existing_site.py [SITE...]

Each site is made by its own generator, in its own environment, with a wheel of this checkout. Its
own tests run before, with and after QuickScale. The script prints how long each step took, and
stops at the first step that fails. See docs/decisions/existing-sites.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from quickscale.postgres.server import Address, address, release

ROOT = Path(__file__).resolve().parents[1]
FILES = Path(__file__).with_name("existing_site")
DATABASE = """

DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "site", "HOST": "{host}", "PORT": "{port}", "USER": "{user}",
    }}
}}
"""
# What docs/start/installation.md, docs/how-to/stripe-setup.md and credits-services.md say.
APPS = """
INSTALLED_APPS = [*INSTALLED_APPS, "quickscale", "quickscale_credits", "quickscale_stripe", "paid"]
LOGIN_URL = "admin:login"
"""
PEOPLE = """
INSTALLED_APPS = [*INSTALLED_APPS, "people"]
AUTH_USER_MODEL = "people.User"
"""
URLS = """
from django.urls import include, path

ours = [
    path("stripe/", include("quickscale_stripe.urls_webhook")),
    path("dashboard/", include("quickscale_stripe.urls")),
    path("credits/", include("quickscale_credits.urls")),
    path("services/", include("quickscale_credits.urls_services")),
    path("paid/", include("paid.urls")),
]
urlpatterns = [*ours, *urlpatterns]
"""
TRACES = """
    WITH names(name) AS (
        SELECT relname FROM pg_class UNION SELECT proname FROM pg_proc UNION
        SELECT tgname FROM pg_trigger UNION SELECT conname FROM pg_constraint UNION
        SELECT app_label FROM django_content_type
    )
    SELECT name FROM names WHERE name LIKE '%quickscale%'
"""
# Wagtail's starter has no block extra_head; the system check says what to write.
EXTRA_CSS = """{% extends "quickscale/base.html" %}
{% block extra_css %}{% block quickscale_head %}{{ block.super }}{% endblock %}{% endblock %}
"""


@dataclass(frozen=True)
class Site:
    """A site: its packages, the command that makes it, and its files.

    ``added`` is added to its settings. ``base`` is its ``quickscale/base.html`` if it needs one.
    """

    packages: list[str]
    generator: list[str]
    settings: str
    added: str = ""
    base: str = ""
    urls: str = "site_of_ours/urls.py"


SITES = {
    "a Wagtail starter": Site(
        packages=["wagtail", "djangorestframework", "psycopg[binary]"],
        generator=["wagtail", "start", "site_of_ours", "."],
        settings="site_of_ours/settings/base.py",
        base=EXTRA_CSS,
    ),
    "a startproject with users of its own": Site(
        packages=["django>=5.2,<5.3", "djangorestframework", "psycopg2-binary"],
        generator=["django-admin", "startproject", "site_of_ours", "."],
        settings="site_of_ours/settings.py",
        added=PEOPLE,
    ),
}


class Work:
    """A site in its folder, with the commands that its owner runs."""

    def __init__(self, site: Site, folder: Path, server: Address) -> None:
        self.site = site
        self.folder = folder / "site"
        self.programs = folder / "venv" / "bin"
        self.server = server
        self.folder.mkdir()
        self.steps: list[tuple[str, float]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        print(f"  {name} ...", end="", flush=True)
        begin = time.monotonic()
        yield
        self.steps.append((name, time.monotonic() - begin))
        print(f" {self.steps[-1][1]:.1f} s", flush=True)

    def run(self, *command: str) -> str:
        program, *rest = command
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DJANGO_")}
        done = subprocess.run(
            [str(self.programs / program), *rest],
            cwd=self.folder, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"\n{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def manage(self, *arguments: str) -> str:
        return self.run("python", "manage.py", *arguments)

    def install(self, *packages: str) -> None:
        environment = os.environ | {"VIRTUAL_ENV": str(self.programs.parent)}
        subprocess.run(["uv", "pip", "install", "-q", *packages], env=environment, check=True)

    def append(self, file: str, text: str) -> str:
        """Add to a file of the site, and return what was there before."""
        path = self.folder / file
        before = path.read_text()
        path.write_text(before + text)
        return before

    def own_tests(self) -> None:
        shown = subprocess.run(
            [str(self.programs / "python"), "manage.py", "test", "--exclude-tag", "quickscale"],
            cwd=self.folder, capture_output=True, text=True,
        )  # fmt: skip
        if shown.returncode or not re.search(r"Ran [1-9]", shown.stderr):
            raise SystemExit(f"\n{shown.stderr}")

    def traces(self) -> list[str]:
        with connect(self.server, "site") as link, link.cursor() as cursor:
            cursor.execute(TRACES)
            return [name for (name,) in cursor.fetchall()]


def prove(site: Site, folder: Path, server: Address) -> Work:
    work = Work(site, folder, server)
    with work.step("the site as it is: install, make, migrate, its own tests"):
        subprocess.run(["uv", "venv", "-q", str(work.programs.parent)], check=True)
        work.install(*site.packages)
        work.run(*site.generator)
        if site.added:
            shutil.copytree(FILES / "people", work.folder / "people")
        work.append(site.settings, site.added + DATABASE.format(**vars(server)))
        if site.added:
            work.manage("makemigrations", "people", "-v", "0")
        work.manage("migrate", "-v", "0")
        work.own_tests()
    with work.step("pip install quickscale, settings, URLs, migrate, check"):
        work.install(f"quickscale[credits,stripe] @ {ROOT.as_uri()}")
        shutil.copytree(FILES / "paid", work.folder / "paid")
        settings = work.append(site.settings, APPS)
        urls = work.append(site.urls, URLS)
        if site.base:
            folder = work.folder / "site_of_ours" / "templates" / "quickscale"
            folder.mkdir()
            (folder / "base.html").write_text(site.base)
        work.manage("makemigrations", "paid", "-v", "0")
        work.manage("migrate", "-v", "0")
        work.manage("check", "--database", "default", "--fail-level", "WARNING")
    with work.step("buy, meter a class, an API and a page, delete a user"):
        work.manage("test", "--tag", "quickscale")
    with work.step("its own tests beside QuickScale"):
        work.own_tests()
    with work.step("uninstall by docs/how-to/uninstall.md, its own tests again"):
        own = ["paid"] if (work.folder / "paid" / "migrations").exists() else []
        for app in (*own, "quickscale_stripe", "quickscale_credits"):
            work.manage("migrate", app, "zero", "-v", "0")
        (work.folder / site.settings).write_text(settings)
        (work.folder / site.urls).write_text(urls)
        shutil.rmtree(work.folder / "paid")
        work.manage("remove_stale_contenttypes", "--include-stale-apps", "--no-input", "-v", "0")
        subprocess.run(
            ["uv", "pip", "uninstall", "-q", "quickscale"],
            env=os.environ | {"VIRTUAL_ENV": str(work.programs.parent)}, check=True,
        )  # fmt: skip
        if left := work.traces():
            raise SystemExit(f"\nLeft in the database: {left}")
        work.own_tests()
    return work


@contextmanager
def connect(server: Address, database: str) -> Iterator[Any]:
    link = psycopg2.connect(host=server.host, port=server.port, user=server.user, dbname=database)
    link.autocommit = True
    yield link
    link.close()


def main() -> None:
    for name in sys.argv[1:] or SITES:
        print(name)
        with tempfile.TemporaryDirectory(prefix="quickscale-") as folder:
            data = Path(folder) / "postgres"
            server = address(data)
            try:
                with connect(server, "postgres") as link, link.cursor() as cursor:
                    cursor.execute("CREATE DATABASE site")
                work = prove(SITES[name], Path(folder), server)
            finally:
                release(data)
        install, use = (seconds for _name, seconds in work.steps[1:3])
        print(f"  from pip install to credits bought and used: {(install + use) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
