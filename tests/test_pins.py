"""QuickScale can be installed beside the pins of sites that exist.

The pins of each site are those of public projects in November 2026.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NO_INDEX = ("Failed to fetch", "error sending request", "dns error", "Network", "timed out")

SITES = {
    "a monitoring service, psycopg 3": (
        "3.12",
        "credits,stripe,dashboard",
        ["Django==6.1", "psycopg[binary]==3.3.4", "django-compressor==4.6.0"],
    ),
    "a bakery on Wagtail, django-csp 3": (
        "3.12",
        "credits,stripe,accounts,dashboard",
        ["Django>=6.0,<6.1", "django-csp>=3.8,<4", "psycopg[binary]>=3.2,<4", "wagtail>=7.4,<7.5"],
    ),
    "an API with a driver of its own": (
        "3.12",
        "credits,stripe",
        ["Django==5.2.7", "djangorestframework>=3.16"],  # also psycopg2, built from source
    ),
    "a generated project, allauth 65.19.1": (
        "3.13",
        "credits,stripe,dashboard,accounts",
        [
            "django>=6.0,<6.1",
            "django-allauth[mfa]==65.19.1",
            "psycopg[c]==3.3.4",
            "whitenoise>=6.9",
            "djangorestframework>=3.16",
        ],
    ),
}


@pytest.mark.parametrize("site", SITES)
def test_it_resolves_beside_what_a_site_pins(site, tmp_path):
    uv = shutil.which("uv", path=Path(sys.executable).parent) or shutil.which("uv")
    if not uv:
        pytest.skip("uv, which resolves the pins, is not installed")
    python, extras, pins = SITES[site]
    wanted = tmp_path / "requirements.in"
    wanted.write_text("\n".join([f"quickscale[{extras}] @ {ROOT.as_uri()}", *pins]))
    command = [uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", str(wanted)]
    done = subprocess.run(
        [*command, "--python-version", python], capture_output=True, text=True, timeout=300
    )
    if done.returncode and any(words in done.stderr for words in NO_INDEX):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    chosen = {line.partition("==")[0] for line in done.stdout.splitlines()}
    assert "quickscale" in {name.partition(" ")[0] for name in chosen}
    assert "psycopg2-binary" not in chosen
    assert {"environs", "dj-database-url"}.isdisjoint(chosen)
