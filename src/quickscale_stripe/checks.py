"""System checks of payments."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import stripe
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router

from quickscale import checks
from quickscale.conf import load_hook
from quickscale.owner import get_owner_model
from quickscale_stripe.catalogue import metadata
from quickscale_stripe.client import payments_are_on, sends_live_key_in_clear
from quickscale_stripe.conf import MAILS, app_settings
from quickscale_stripe.internal.mails import staff
from quickscale_stripe.models import StripeCustomer, StripeEvent, StripePrice

PLAN_CHANGE_POLICIES = ("convert", "rollover", "keep", "expire")
ENDED_POLICIES = ("keep", "expire")


@register
def check_engine(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the database that payments are written to.

    quickscale_stripe.E001: The database that payments are written to is not PostgreSQL.
    """
    return checks.check_postgresql(
        "quickscale_stripe", "quickscale_stripe.E001", alias=router.db_for_write(StripeCustomer)
    )


@register
def check_owner_model(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the owner model exists.

    quickscale_stripe.E002: ``QUICKSCALE_OWNER_MODEL`` does not name an installed model.
    """
    return checks.check_owner_model("quickscale_stripe.E002")


@register(Tags.models)
def check_owner_email(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that owners have an address for Stripe and for our mails.

    quickscale_stripe.W005: The owner model has neither ``email`` nor ``get_email()``.
    """
    if checks.check_owner_model("quickscale_stripe.E002"):
        return []
    owner = get_owner_model()
    known = {field.name for field in owner._meta.get_fields()}
    if "email" in known or hasattr(owner, "email") or hasattr(owner, "get_email"):
        return []
    return [
        CheckWarning(
            f"{owner._meta.label} has no email address: its customers at Stripe get none, and no "
            "mail reaches the person who pays.",
            hint="Give it a field or a property email, or a method get_email().",
            id="quickscale_stripe.W005",
        )
    ]


@register(Tags.database)
def check_owner_key(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Check that the tables were made for the owner model.

    quickscale_stripe.E003: The database was migrated for another owner model.
    """
    return checks.check_owner(StripeCustomer, databases, "quickscale_stripe.E003")


@register(Tags.security)
def check_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the keys belong to the site's mode, and that a webhook secret is set.

    quickscale_stripe.E004: The secret key belongs to the other mode.
    quickscale_stripe.E005: The public key belongs to the other mode.
    quickscale_stripe.W001: There is no webhook secret, so every event is refused.
    """
    if not payments_are_on() or app_settings.client:
        return []
    mode, other = ("live", "test") if app_settings.live_mode else ("test", "live")
    keys = [
        ("SECRET_KEY", app_settings.secret_key, ("sk", "rk"), "E004"),
        ("PUBLIC_KEY", app_settings.public_key, ("pk",), "E005"),
    ]
    found: list[CheckMessage] = []
    for name, key, kinds, number in keys:
        if key and not key.startswith(tuple(f"{kind}_{mode}_" for kind in kinds)):
            found.append(
                Error(
                    f"QUICKSCALE_STRIPE_{name} is not a {mode} key, and "
                    f"QUICKSCALE_STRIPE_LIVE_MODE is {app_settings.live_mode}.",
                    hint=f"Use a key that begins with {kinds[0]}_{mode}_, or switch to {other}.",
                    id=f"quickscale_stripe.{number}",
                )
            )
    if not app_settings.webhook_secret:
        found.append(
            CheckWarning(
                "QUICKSCALE_STRIPE_WEBHOOK_SECRET is empty, so every event from Stripe is refused.",
                hint="manage.py create_webhook_endpoint makes an endpoint and prints its secret.",
                id="quickscale_stripe.W001",
            )
        )
    return found


@register(Tags.database)
def check_endpoint_version(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Check that events come in the SDK's API version.

    quickscale_stripe.W002: The latest event came in an API version other than the SDK's.
    """
    found: list[CheckMessage] = []
    for alias in databases or ():
        if StripeEvent._meta.db_table not in connections[alias].introspection.table_names():
            continue
        events = StripeEvent.objects.using(alias).exclude(api_version="").order_by("-created_at")
        version = events.values_list("api_version", flat=True).first()
        if version not in (None, stripe.api_version):
            found.append(
                CheckWarning(
                    f"Stripe's webhook endpoint has the API version {version}, and the SDK's is "
                    f"{stripe.api_version}.",
                    hint=(
                        "Events are still understood. Make a new endpoint with "
                        "create_webhook_endpoint, add its secret, and delete the old one."
                    ),
                    id="quickscale_stripe.W002",
                )
            )
    return found


@register(Tags.database)
def check_metadata(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Check that the metadata of active prices can be read.

    quickscale_stripe.W003: A price on sale has metadata that can't be read.
    """
    found: list[CheckMessage] = []
    for alias in databases or ():
        if StripePrice._meta.db_table not in connections[alias].introspection.table_names():
            continue
        wrong = StripePrice.objects.using(alias).filter(active=True, product__active=True)
        for price in wrong.exclude(metadata_errors={}).select_related("product"):
            found += [
                CheckWarning(
                    f"{price.stripe_id} ({price}): {problem}",
                    hint="Correct it in Stripe's dashboard, then run manage.py sync_products.",
                    id="quickscale_stripe.W003",
                )
                for problem in metadata.problems(price.metadata_errors)
            ]
    return found


@register(Tags.security)
def check_client(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the stand-in for Stripe.

    quickscale_stripe.E006: ``QUICKSCALE_STRIPE_CLIENT`` can't be imported, or is set in live mode.
    """
    if not app_settings.client:
        return []
    problem = ""
    try:
        load_hook("QUICKSCALE_STRIPE_CLIENT", "")
    except ImproperlyConfigured as error:
        problem = str(error)
    if app_settings.live_mode:
        problem = "QUICKSCALE_STRIPE_CLIENT is set while QUICKSCALE_STRIPE_LIVE_MODE is on."
    hint = "Leave it out. It is for the sandbox and other stand-ins, in development."
    return [Error(problem, hint=hint, id="quickscale_stripe.E006")] if problem else []


@register(Tags.security, deploy=True)
def check_api_base(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that nothing stands in for Stripe in production.

    quickscale_stripe.E012: ``QUICKSCALE_STRIPE_API_BASE`` is not Stripe's address, and
        ``DEBUG`` is off.
    """
    address = urlsplit(app_settings.api_base)
    is_stripe = address.scheme == "https" and f".{address.hostname}".endswith(".stripe.com")
    if settings.DEBUG or not app_settings.api_base or is_stripe:
        return []
    return [
        Error(
            f"QUICKSCALE_STRIPE_API_BASE is {app_settings.api_base}, which isn't Stripe's address, "
            "and DEBUG is off.",
            hint="Leave it empty. It is for the sandbox and other stand-ins, in development.",
            id="quickscale_stripe.E012",
        )
    ]


@register(Tags.security)
def check_live_key_is_sent_by_https(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that a live key is not sent by plain HTTP.

    quickscale_stripe.E013: ``QUICKSCALE_STRIPE_API_BASE`` would take a live key over plain
        HTTP. The client refuses, too.
    """
    if not sends_live_key_in_clear():
        return []
    return [
        Error(
            f"QUICKSCALE_STRIPE_API_BASE is {app_settings.api_base}, and the secret key is a live "
            "one, which is never sent by plain HTTP.",
            hint="Leave the address empty, or use a test key.",
            id="quickscale_stripe.E013",
        )
    ]


@register(Tags.security)
def check_networks(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the networks that may send events.

    quickscale_stripe.E014: ``QUICKSCALE_STRIPE_WEBHOOK_NETWORKS`` names something that is not a
        network.
    """
    try:
        _networks = app_settings.webhook_networks
    except ImproperlyConfigured as error:
        return [
            Error(
                str(error),
                hint='Write networks like "192.0.2.0/24", or addresses.',
                id="quickscale_stripe.E014",
            )
        ]
    return []


@register(deploy=True)
def check_staff(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that somebody reads the mails to the staff.

    quickscale_stripe.W004: Nobody is notified of disputes and of dead events.
    """
    if not payments_are_on() or staff():
        return []
    return [
        CheckWarning(
            "Nobody is notified of disputes, which have a deadline, or of dead events.",
            hint="Set QUICKSCALE_STRIPE_STAFF_EMAILS, or Django's MANAGERS or ADMINS.",
            id="quickscale_stripe.W004",
        )
    ]


@register
def check_fulfilment(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the class that delivers what was paid for.

    quickscale_stripe.E007: ``QUICKSCALE_STRIPE_FULFILMENT`` can't be imported, or is not a
        subclass of ``Fulfilment``.
    """
    try:
        _fulfilment = app_settings.fulfilment
    except ImproperlyConfigured as error:
        return [Error(str(error), id="quickscale_stripe.E007")]
    return []


@register
def check_policies(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the policies.

    quickscale_stripe.E008: The policy for plan changes or for subscriptions that end is unknown.
    """
    return [
        Error(
            f"QUICKSCALE_STRIPE_{name} is {policy!r}.",
            hint=f"Use one of {', '.join(allowed)}.",
            id="quickscale_stripe.E008",
        )
        for name, policy, allowed in (
            ("PLAN_CHANGE_POLICY", app_settings.plan_change_policy, PLAN_CHANGE_POLICIES),
            ("ENDED_POLICY", app_settings.ended_policy, ENDED_POLICIES),
        )
        if policy not in allowed
    ]


@register
def check_fonts(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the fonts of receipts.

    quickscale_stripe.E009: A font of ``QUICKSCALE_STRIPE_RECEIPT_FONTS`` is not a file.
    """
    return [
        Error(
            f"QUICKSCALE_STRIPE_RECEIPT_FONTS names {path}, which doesn't exist.",
            id="quickscale_stripe.E009",
        )
        for path in app_settings.receipt_fonts
        if not Path(path).is_file()
    ]


@register
def check_mails(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the names of mails.

    quickscale_stripe.E010: ``QUICKSCALE_STRIPE_MAILS`` names a mail that does not exist.
    """
    return [
        Error(
            f"QUICKSCALE_STRIPE_MAILS names {name!r}.",
            hint=f"Choose from {', '.join(MAILS)}.",
            id="quickscale_stripe.E010",
        )
        for name in app_settings.mails
        if name not in MAILS
    ]


@register
def check_tasks(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that Django has tasks when they are to handle events.

    quickscale_stripe.E011: ``QUICKSCALE_STRIPE_WEBHOOK_TASKS`` is on, and Django is older than
        6.0.
    """
    if not app_settings.webhook_tasks or find_spec("django.tasks"):
        return []
    return [
        Error(
            "QUICKSCALE_STRIPE_WEBHOOK_TASKS needs Django 6.0.",
            hint="Upgrade Django, or switch it off to handle events in Stripe's request.",
            id="quickscale_stripe.E011",
        )
    ]
