"""A customer who has a bit of everything, made inside the project that is measured."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from django.contrib.auth import get_user_model
from django.urls import reverse
from stripe.checkout import Session

from quickscale_credits import metering
from quickscale_credits.models import Service
from quickscale_credits.services import create_missing_rows, get_service
from quickscale_stripe.billing import checkout, sessions
from quickscale_stripe.catalogue import mirror
from quickscale_stripe.client import using
from quickscale_stripe.models import Payment, StripePrice
from quickscale_stripe_sandbox import Sandbox, SandboxHTTPClient
from quickscale_stripe_sandbox.conf import app_settings

SERVICE = "reading-time"
TEXT = "Most of the time of a page is spent in its templates. " * 150


def make(email: str, output: Path) -> None:
    """Let a user with sample credits buy a package and a plan and use a service.

    The paths of the customer's pages go to ``output`` as JSON.
    """
    user = get_user_model().objects.get(email=email)
    create_missing_rows()
    with closing(Sandbox(app_settings.path)) as sandbox, using(SandboxHTTPClient(sandbox)):
        sandbox.seed()
        for _row in mirror.sync_all():
            pass
        plan = StripePrice.objects.get(product__name="Basic plan", interval="month")
        _pay(sandbox, checkout.buy, user, mirror.packages()[0].price)
        _pay(sandbox, checkout.subscribe, user, plan)
    service = get_service(SERVICE)
    assert service
    use = metering.use(service, owner=user, data={"text": TEXT}, idempotency_key=str(uuid.uuid4()))
    output.write_text(json.dumps(_paths(user, use.pk)))


def _pay(
    sandbox: Sandbox, open_session: Callable[..., Session], user: object, price: StripePrice
) -> None:
    session = open_session(
        owner=user,
        price=price,
        success_url="http://127.0.0.1/done/?session_id={CHECKOUT_SESSION_ID}",
        cancel_url="http://127.0.0.1/",
        reference=str(uuid.uuid4()),
    )
    sandbox.pay(session.id)
    sessions.sync(session.id)


def _paths(user: object, use: int) -> dict[str, str]:
    payment = Payment.objects.for_owner(user).latest("pk").pk
    upgrade = StripePrice.objects.get(product__name="Pro plan", interval="month").pk
    entry = Service.objects.get(slug=SERVICE).transactions.latest("sequence").sequence
    return {
        "Home": reverse("quickscale_dashboard:dashboard"),
        "Services": reverse("quickscale_credits_services:list"),
        "Service": reverse("quickscale_credits_services:use", args=[SERVICE]),
        "Result": reverse("quickscale_credits_services:usage", args=[use]),
        "Credits": reverse("quickscale_credits:balance"),
        "Usage": reverse("quickscale_credits:usage"),
        "Activity": reverse("quickscale_credits:history"),
        "Entry": reverse("quickscale_credits:transaction", args=[entry]),
        "Billing": reverse("quickscale_stripe:billing"),
        "Plan": reverse("quickscale_stripe:subscription"),
        "Plans": reverse("quickscale_stripe:plans"),
        "Change of plan": f"{reverse('quickscale_stripe:change_plan')}?price={upgrade}",
        "Cancel": reverse("quickscale_stripe:cancel"),
        "Buy credits": reverse("quickscale_stripe:buy_credits"),
        "Payments": reverse("quickscale_stripe:payments"),
        "Payment": reverse("quickscale_stripe:payment", args=[payment]),
        "Receipt": reverse("quickscale_stripe:receipt", args=[payment]),
        "Payment method": reverse("quickscale_stripe:payment_method"),
        "Account": reverse("quickscale_accounts:overview"),
        "Email address": reverse("account_email"),
        "Password": reverse("account_change_password"),
    }
