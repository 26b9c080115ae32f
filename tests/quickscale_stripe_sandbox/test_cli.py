"""Stripe's own command line against the sandbox; skipped where it isn't installed."""

from __future__ import annotations

from pathlib import Path

import pytest
import stripe

from quickscale_stripe_sandbox import Sandbox

from .cli import needs_cli, run_cli

pytestmark = needs_cli


@pytest.mark.parametrize(
    ("trigger", "also"),
    [
        ("customer.updated", "customer.created"),
        ("customer.deleted", "customer.created"),
        ("customer.created", "customer.created"),
        ("product.created", "product.created"),
        ("product.updated", "product.created"),
        ("product.deleted", "product.created"),
        ("price.created", "product.created"),
        ("price.updated", "price.created"),
        ("payment_intent.succeeded", "charge.succeeded"),
        ("payment_intent.payment_failed", "charge.failed"),
        ("payment_intent.created", "payment_intent.created"),
        ("payment_intent.canceled", "payment_intent.created"),
        ("payment_intent.requires_action", "payment_intent.created"),
        ("customer.subscription.trial_will_end", "customer.subscription.created"),
        ("charge.succeeded", "payment_intent.succeeded"),
        ("charge.failed", "payment_intent.payment_failed"),
        ("charge.refunded", "refund.created"),
        ("charge.dispute.created", "charge.succeeded"),
        ("customer.subscription.created", "invoice.paid"),
        ("customer.subscription.updated", "customer.subscription.created"),
        ("customer.subscription.deleted", "customer.subscription.created"),
        ("invoice.paid", "invoice.finalized"),
        ("invoice.payment_failed", "charge.failed"),
        ("invoice.voided", "invoice.created"),
        ("invoice.created", "invoiceitem.created"),
        ("invoice.finalized", "invoice.created"),
        ("invoice.marked_uncollectible", "invoice.finalized"),
        ("coupon.created", "coupon.created"),
        ("setup_intent.succeeded", "setup_intent.created"),
    ],
)
def test_its_triggers_run(
    served: stripe.StripeClient, sandbox: Sandbox, tmp_path: Path, trigger: str, also: str
) -> None:
    run_cli(sandbox.base_url, tmp_path, "trigger", trigger)
    sandbox.advance(seconds=1)
    assert sandbox.events(trigger)
    assert sandbox.events(also)
