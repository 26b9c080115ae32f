"""Stripe's own command line, a client that we did not write."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CLI = os.environ.get("STRIPE_CLI") or shutil.which("stripe")

needs_cli = pytest.mark.skipif(
    CLI is None, reason="No Stripe CLI: npm package @stripe/cli, or STRIPE_CLI names the binary"
)


def run_cli(base_url: str, home: Path, *arguments: str) -> str:
    """Run a command that has to succeed; return its output. ``home`` is a folder for its files."""
    done = subprocess.run(
        [str(CLI), *arguments, "--api-base", base_url, "--api-key", "sk_test_123456789012"],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"HOME": str(home), "STRIPE_CLI_TELEMETRY_OPTOUT": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
