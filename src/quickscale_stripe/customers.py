"""The owner's customer at Stripe: made at first need, one for each owner, kept in step."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from quickscale.owner import owner_email
from quickscale_stripe.client import get_client
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import StripeRefusedError, stripe_errors
from quickscale_stripe.models import StripeCustomer
from quickscale_stripe.stripe_objects import optional

T = TypeVar("T")
REFERENCE_KEY = "quickscale_customer"
"""The metadata key under which every object made for an owner carries the reference."""


def ensure(owner: Any) -> StripeCustomer:
    """The owner's customer, made or brought up to date at Stripe where needed.

    The row's lock lets one of several requests make the customer. The row is kept before Stripe is
    asked, and with it the reference that makes the idempotency key, so that after a request that
    died the next one finds the same customer.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    StripeCustomer.objects.get_or_create(owner=owner)
    with transaction.atomic():
        return _ensure(owner)


def _ensure(owner: Any) -> StripeCustomer:
    customer = StripeCustomer.objects.select_for_update().get(owner=owner)
    customer.owner = owner
    email, name = owner_email(owner), _name(owner)
    is_there = customer.is_usable and customer.livemode == app_settings.live_mode
    if is_there and (customer.sent_email, customer.sent_name) == (email, name):
        return customer
    if not (is_there and _update(customer, email, name)):
        _create(customer, email, name)
    customer.email = customer.sent_email = email
    customer.name = customer.sent_name = name
    customer.synced_at = timezone.now()
    customer.save()
    return customer


def ask(owner: Any, request: Callable[[StripeCustomer], T]) -> T:
    """The answer to a request for the owner's customer; one that Stripe lacks is made anew.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    customer = ensure(owner)
    try:
        return request(customer)
    except StripeRefusedError as error:
        if not (error.is_missing and error.param == "customer"):
            raise
    detach(customer.stripe_id or "")
    return request(ensure(owner))


def detach(stripe_id: str) -> None:
    """Note that a customer was deleted at Stripe; the next need makes a new one."""
    StripeCustomer.objects.filter(stripe_id=stripe_id, deleted_at=None).update(
        deleted_at=timezone.now()
    )


def sync(stripe_id: str) -> StripeCustomer | None:
    """Mirror a customer's name and address from Stripe; ``None`` when it isn't one of ours."""
    if not StripeCustomer.objects.filter(stripe_id=stripe_id).exists():
        return None
    with stripe_errors():
        remote = get_client().v1.customers.retrieve(stripe_id)
    if optional(remote, "deleted"):
        detach(stripe_id)
        return None
    with transaction.atomic():
        customer = StripeCustomer.objects.select_for_update().filter(stripe_id=stripe_id).first()
        if customer is not None:
            customer.email, customer.name = remote.email or "", remote.name or ""
            customer.synced_at = timezone.now()
            customer.save()
    return customer


def find(*, metadata: Any = None, stripe_id: str | None = None) -> StripeCustomer | None:
    """The customer that an object of Stripe is for, or ``None`` when it isn't ours.

    Args:
        metadata: the object's; its reference counts first, for it outlives a deleted customer.
        stripe_id: the object's customer, the owner's present or a former one.
    """
    customers = StripeCustomer.objects.select_related("owner")
    if metadata and REFERENCE_KEY in metadata:
        try:
            reference = uuid.UUID(metadata[REFERENCE_KEY])
        except ValueError:
            return None
        return customers.filter(reference=reference).first()
    if not stripe_id:
        return None
    return customers.filter(Q(stripe_id=stripe_id) | Q(former_ids__contains=[stripe_id])).first()


def metadata_for(customer: StripeCustomer) -> dict[str, str]:
    """The metadata that marks an object as made for this customer's owner."""
    return {REFERENCE_KEY: str(customer.reference), "owner": str(customer.owner_id)}


def _create(customer: StripeCustomer, email: str, name: str) -> None:
    facts = "\n".join([customer.stripe_id or "", str(app_settings.live_mode), email, name])
    key = uuid.uuid5(customer.reference, facts)
    with stripe_errors():
        remote = get_client().v1.customers.create(
            {"email": email, "name": name, "metadata": metadata_for(customer)},
            {"idempotency_key": f"customer:{key}"},
        )
    if customer.stripe_id:
        customer.former_ids.append(customer.stripe_id)
    customer.stripe_id, customer.livemode, customer.deleted_at = remote.id, remote.livemode, None
    customer.payment_method_id, customer.payment_method = "", {}


def _update(customer: StripeCustomer, email: str, name: str) -> bool:
    """Whether the customer was there to be updated."""
    try:
        with stripe_errors():
            get_client().v1.customers.update(
                customer.stripe_id or "", {"email": email, "name": name}
            )
    except StripeRefusedError as error:
        if error.is_missing:
            return False
        raise
    return True


def _name(owner: Any) -> str:
    full_name = getattr(owner, "get_full_name", None)
    return str(full_name() if full_name else getattr(owner, "name", "") or "")
