"""A site that takes real payments doesn't load the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVE = """
import sys
import django
django.setup()
from django.core.checks import run_checks
from django.urls import get_resolver
run_checks()
assert get_resolver().url_patterns
from quickscale_stripe.client import get_client
get_client()
print(len([name for name in sys.modules if name.startswith("quickscale_stripe.")]))
print(len([name for name in sys.modules if name.startswith("quickscale_stripe_sandbox")]))
"""


def test_production_imports_no_module_of_the_sandbox() -> None:
    code = (
        "from django.conf import settings\n"
        "settings.QUICKSCALE_STRIPE_SECRET_KEY = 'sk_test_x'\n" + SERVE
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.projects.existing_site.settings"},
    )
    of_stripe, of_sandbox = map(int, process.stdout.split())
    assert of_stripe > 20
    assert of_sandbox == 0
