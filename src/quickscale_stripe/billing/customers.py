"""The customers at Stripe: one for each owner, made on first use and kept in sync both ways."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import stripe
from django.db import transaction
from django.db.models import Q

from quickscale.owner import owner_email
from quickscale_stripe.billing import payment_methods
from quickscale_stripe.client import get_client, payments_are_on
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import (
    NotOursError,
    PaymentsError,
    StripeRefusedError,
    stripe_errors,
)
from quickscale_stripe.internal import clock
from quickscale_stripe.internal.sdk import given, optional
from quickscale_stripe.internal.syncing import Write, synced
from quickscale_stripe.models import StripeCustomer

if TYPE_CHECKING:
    from stripe.params import CustomerCreateParams, CustomerUpdateParams

REFERENCE_KEY = "quickscale_customer"
"""The metadata key under which every object made for an owner carries the reference."""
logger = logging.getLogger(__name__)


def ensure(owner: Any) -> StripeCustomer:
    """Return the owner's customer; create or update it at Stripe where needed.

    The row is saved first, with the reference that makes the idempotency key. So simultaneous
    requests, and one that follows a request that died, get the same customer.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    if owner is None:
        raise StripeRefusedError("The owner of the customer was deleted.")
    customer, _made = StripeCustomer.objects.for_owner(owner).get_or_create(owner=owner)
    customer.owner = owner
    email, name = contact(owner)
    is_there = customer.is_usable and customer.livemode == app_settings.live_mode
    if is_there and customer.was_sent(email, name):
        return customer
    asked_at = clock.database_now()
    remote = _update(customer, email, name) if is_there else None
    if remote is None:
        remote = _create(customer, email, name)
    return _keep(customer, remote, (email, name), asked_at)


def follow(owner: Any) -> None:
    """Send an owner's new address and name to Stripe, if the owner has a customer.

    An error is only logged: the next purchase and ``sync_customers`` send them, too.
    """
    try:
        ensure(owner)
    except PaymentsError as error:
        logger.warning("The new address of %s could not be sent to Stripe: %s", owner, error)


def is_behind(owner: Any) -> bool:
    """Return whether the owner has a customer with an outdated address or name at Stripe."""
    if not payments_are_on():
        return False
    customer = StripeCustomer.objects.for_owner(owner).usable().first()
    return customer is not None and not customer.was_sent(*contact(owner))


def detach(stripe_id: str) -> None:
    """Note that a customer was deleted at Stripe; the next purchase makes a new one."""
    StripeCustomer.objects.filter(stripe_id=stripe_id, deleted_at=None).update(
        deleted_at=clock.database_now()
    )


def erase(owner: Any) -> None:
    """Delete the owner's customer at Stripe, if there is one, and blank what identifies them here.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    customer = StripeCustomer.objects.for_owner(owner).first()
    if customer is None:
        return
    if customer.is_usable and customer.livemode == app_settings.live_mode:
        try:
            with stripe_errors():
                get_client().v1.customers.delete(customer.stripe_id or "")
        except StripeRefusedError as error:
            if not error.is_missing:
                raise
    customer.email = customer.name = customer.sent_email = customer.sent_name = ""
    customer.forget_payment_method()
    customer.deleted_at = customer.deleted_at or clock.database_now()
    customer.save()


def sync(stripe_id: str) -> StripeCustomer | None:
    """Mirror a customer's name, address and payment method from Stripe.

    A customer that Stripe no longer has is detached.

    Returns:
        The customer; ``None`` if it isn't this site's or no longer exists.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    return synced(prepare, stripe_id)


def prepare(stripe_id: str) -> Write[StripeCustomer | None]:
    """Fetch a customer for :func:`sync`, and return what writes it.

    Raises:
        NotOursError, StripeUnavailableError, StripeRefusedError
    """
    known = StripeCustomer.objects.filter(stripe_id=stripe_id).first()
    if known is None:
        raise NotOursError(f"{stripe_id} is not a current customer of this site.")
    fetched_at = clock.database_now()
    remote = fetch(stripe_id)
    if remote is None:
        return partial(detach, stripe_id)
    method = payment_methods.follow_default(known, remote)
    return partial(_mirror, remote, method, fetched_at)


def prepare_of_method(method_id: str) -> Write[object]:
    """Fetch the customer for whom a payment method was added, changed or removed.

    Raises:
        NotOursError, StripeUnavailableError, StripeRefusedError
    """
    with stripe_errors():
        method = get_client().v1.payment_methods.retrieve(method_id)
    holds = Q(payment_method_id=method_id)
    if method.customer:
        holds |= Q(stripe_id=str(method.customer))
    customer = StripeCustomer.objects.usable().filter(holds).first()
    if customer is None:
        raise NotOursError(f"The payment method {method_id} belongs to no customer of this site.")
    return prepare(customer.stripe_id or "")


def fetch(stripe_id: str) -> stripe.Customer | None:
    """Fetch a customer and the payment methods that the site shows; ``None`` if it was deleted.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    try:
        with stripe_errors():
            remote = get_client().v1.customers.retrieve(
                stripe_id, {"expand": payment_methods.EXPAND}
            )
    except StripeRefusedError as error:
        if error.is_missing or _is_deleted(stripe_id):
            return None
        raise
    return None if optional(remote, "deleted") else remote


def _is_deleted(stripe_id: str) -> bool:
    """Return whether a customer that has nothing to expand was deleted."""
    with stripe_errors():
        return bool(optional(get_client().v1.customers.retrieve(stripe_id), "deleted"))


def find(*, metadata: Any = None, stripe_id: str | None = None) -> StripeCustomer | None:
    """Find the customer that a Stripe object is for; ``None`` if it isn't ours.

    Args:
        metadata: the object's; its reference comes first, because it outlives a deleted customer.
        stripe_id: the object's customer, current or former.
    """
    customers = StripeCustomer.objects.select_related("owner")
    if is_marked(metadata):
        try:
            reference = uuid.UUID(metadata[REFERENCE_KEY])
        except ValueError:
            return None
        return customers.filter(reference=reference).first()
    if not stripe_id:
        return None
    return customers.known_as(stripe_id).first()


def contact(owner: Any) -> tuple[str, str]:
    """Return the address and the name of an owner as sent to Stripe."""
    full_name = getattr(owner, "get_full_name", None)
    name = str(full_name() if full_name else getattr(owner, "name", "") or "")
    return owner_email(owner), name


def is_marked(metadata: Any) -> bool:
    """Return whether an object's metadata carries the mark of an owner's customer."""
    return bool(metadata) and REFERENCE_KEY in metadata


def metadata_for(customer: StripeCustomer) -> dict[str, str]:
    """Return the metadata that marks an object as made for this customer's owner."""
    return {REFERENCE_KEY: str(customer.reference), "owner": str(customer.owner_id)}


@transaction.atomic
def _keep(
    seen: StripeCustomer, remote: stripe.Customer, sent: tuple[str, str], asked_at: datetime
) -> StripeCustomer:
    """Save Stripe's response, unless another request made a customer meanwhile."""
    customer = StripeCustomer.objects.select_for_update().get(pk=seen.pk)
    customer.owner = seen.owner
    if customer.is_usable and customer.stripe_id not in (seen.stripe_id, remote.id):
        return customer
    if customer.stripe_id != remote.id:
        customer.attach(remote.id, livemode=remote.livemode)
    customer.sent_email, customer.sent_name = sent
    if customer.synced_at is None or customer.synced_at <= asked_at:
        customer.email, customer.name = remote.email or "", remote.name or ""
        customer.synced_at = asked_at
    customer.save()
    return customer


@transaction.atomic
def _mirror(
    remote: stripe.Customer, method: stripe.PaymentMethod | None, fetched_at: datetime
) -> StripeCustomer | None:
    customer = StripeCustomer.objects.select_for_update().filter(stripe_id=remote.id).first()
    if customer is None or (customer.synced_at and customer.synced_at > fetched_at):
        return customer
    customer.email, customer.name = remote.email or "", remote.name or ""
    payment_methods.put(customer, remote, method)
    customer.synced_at = fetched_at
    customer.save()
    return customer


def _create(customer: StripeCustomer, email: str, name: str) -> stripe.Customer:
    facts = "\n".join([customer.stripe_id or "", str(app_settings.live_mode), email, name])
    key = uuid.uuid5(customer.reference, facts)
    params = given(email=email, name=name, metadata=metadata_for(customer))
    with stripe_errors():
        return get_client().v1.customers.create(
            cast("CustomerCreateParams", params), {"idempotency_key": f"customer:{key}"}
        )


def _update(customer: StripeCustomer, email: str, name: str) -> stripe.Customer | None:
    """Return the updated customer; ``None`` if Stripe no longer has it."""
    params = given(email=email, name=name)
    try:
        with stripe_errors():
            return get_client().v1.customers.update(
                customer.stripe_id or "", cast("CustomerUpdateParams", params)
            )
    except StripeRefusedError as error:
        if error.is_missing:
            return None
        raise
