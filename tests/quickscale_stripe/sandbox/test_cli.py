"""Stripe's own command line, a client that nobody here wrote; skipped where it isn't installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import stripe

from quickscale_stripe.sandbox import Sandbox

CLI = os.environ.get("STRIPE_CLI") or shutil.which("stripe")

pytestmark = pytest.mark.skipif(
    CLI is None, reason="No Stripe CLI: npm package @stripe/cli, or STRIPE_CLI names the binary"
)


@pytest.mark.parametrize(
    ("trigger", "also"),
    [
        ("customer.updated", "customer.created"),
        ("customer.deleted", "customer.created"),
        ("product.updated", "product.created"),
        ("price.updated", "price.created"),
        ("payment_intent.succeeded", "charge.succeeded"),
        ("payment_intent.payment_failed", "charge.failed"),
        ("charge.refunded", "refund.created"),
        ("charge.dispute.created", "charge.succeeded"),
        ("customer.subscription.created", "invoice.paid"),
        ("customer.subscription.updated", "customer.subscription.created"),
        ("customer.subscription.deleted", "customer.subscription.created"),
        ("invoice.paid", "invoice.finalized"),
        ("invoice.payment_failed", "charge.failed"),
        ("invoice.voided", "invoice.created"),
        ("setup_intent.succeeded", "setup_intent.created"),
    ],
)
def test_its_triggers_run(
    served: stripe.StripeClient, sandbox: Sandbox, tmp_path: Path, trigger: str, also: str
) -> None:
    done = subprocess.run(
        [
            str(CLI),
            "trigger",
            trigger,
            *("--api-base", sandbox.base_url),
            *("--api-key", "sk_test_123456789012"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"HOME": str(tmp_path), "STRIPE_CLI_TELEMETRY_OPTOUT": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sandbox.advance(seconds=1)
    assert sandbox.events(trigger)
    assert sandbox.events(also)
