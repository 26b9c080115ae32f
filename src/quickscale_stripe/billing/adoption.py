"""Customers that Stripe had before this site: each is linked to its owner here.

A customer's subscriptions that have not ended are mirrored. Past invoices bring no credits; the
next one does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import stripe
from django.db import IntegrityError, transaction

from quickscale.owner import get_owner_model, owner_email
from quickscale_stripe.billing import customers, payment_methods, subscriptions
from quickscale_stripe.client import get_client
from quickscale_stripe.exceptions import NotAdoptableError, stripe_errors
from quickscale_stripe.internal import clock
from quickscale_stripe.models import StripeCustomer

logger = logging.getLogger(__name__)


def adopt(*, owner: Any, stripe_id: str, take_over: bool = False) -> StripeCustomer:
    """Make a Stripe customer the owner's, and mirror its running subscriptions.

    The customer gets this site's mark in its metadata. It keeps its address and name until the
    owner's own change. ``take_over`` is for a customer with the mark of a database that no longer
    exists: the customer and its subscriptions get the new mark.

    Raises:
        NotAdoptableError: Stripe doesn't have it, it belongs to somebody else, or the owner has
            another customer.
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    remote = examine(owner=owner, stripe_id=stripe_id, take_over=take_over)
    customer = link(owner, remote)
    if take_over:
        _mark_subscriptions(customer)
    subscriptions.sync_all_of(customer)
    return customer


def examine(*, owner: Any, stripe_id: str, take_over: bool = False) -> stripe.Customer:
    """Fetch a customer that an owner may adopt, without writing. For ``take_over`` see
    :func:`adopt`.

    Raises:
        NotAdoptableError, PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    own = StripeCustomer.objects.for_owner(owner).first()
    if own and own.is_usable and own.stripe_id != stripe_id:
        raise NotAdoptableError(f"{owner} already has the customer {own.stripe_id}.")
    other = StripeCustomer.objects.known_as(stripe_id).exclude(owner=owner).first()
    if other:
        raise NotAdoptableError(f"{stripe_id} belongs to {other.owner_name}.")
    remote = customers.fetch(stripe_id)
    if remote is None:
        raise NotAdoptableError(f"Stripe has no customer {stripe_id}.")
    if not take_over and _mark_of(remote) not in ("", str(own.reference) if own else ""):
        raise NotAdoptableError(
            f"{stripe_id} is marked as another site's customer. If that site no longer exists, "
            "adopt it with --take-over."
        )
    return remote


def link(owner: Any, remote: stripe.Customer) -> StripeCustomer:
    """Mark an examined customer as the owner's, and store it.

    Raises:
        NotAdoptableError, StripeUnavailableError, StripeRefusedError
    """
    asked_at = clock.database_now()
    customer, _made = StripeCustomer.objects.for_owner(owner).get_or_create(owner=owner)
    with stripe_errors():
        get_client().v1.customers.update(remote.id, {"metadata": customers.metadata_for(customer)})
    method = payment_methods.charged_next(remote)
    with transaction.atomic():
        customer = StripeCustomer.objects.select_for_update().get(pk=customer.pk)
        if customer.stripe_id != remote.id:
            customer.attach(remote.id, livemode=remote.livemode)
        customer.sent_email, customer.sent_name = customers.contact(owner)
        customer.email, customer.name = remote.email or "", remote.name or ""
        payment_methods.put(customer, remote, method)
        customer.deleted_at, customer.synced_at = None, asked_at
        try:
            with transaction.atomic():
                customer.save()
        except IntegrityError as error:
            raise NotAdoptableError(f"{remote.id} was adopted by somebody else.") from error
    customer.owner = owner
    return customer


def _mark_subscriptions(customer: StripeCustomer) -> None:
    """Put the customer's mark on its running subscriptions; it identifies their invoices."""
    client = get_client().v1.subscriptions
    metadata = customers.metadata_for(customer)
    with stripe_errors():
        running = client.list({"customer": customer.stripe_id or ""})
        for subscription in running.auto_paging_iter():
            key = f"take over {subscription.id} {customer.reference}"
            client.update(subscription.id, {"metadata": metadata}, {"idempotency_key": key})


def only_match(email: str) -> stripe.Customer | None:
    """Return the only customer at Stripe with this address that nobody here has yet.

    Return ``None`` if there is none, or several to choose from.

    Raises:
        StripeUnavailableError, StripeRefusedError
    """
    with stripe_errors():
        listed = get_client().v1.customers.list({"email": email, "limit": 100})
        found = [each for each in listed.auto_paging_iter() if _is_free(each)]
    if len(found) > 1:
        logger.warning("Stripe has %s customers with the address %s.", len(found), email)
    return customers.fetch(found[0].id) if len(found) == 1 else None


def matches() -> Iterator[tuple[Any, list[str]]]:
    """Yield owners without a customer, each with the free Stripe customers with the same address.

    Case doesn't matter. Owners without such a customer are left out.

    Raises:
        PaymentsOffError, StripeUnavailableError, StripeRefusedError
    """
    by_email: dict[str, list[str]] = {}
    with stripe_errors():
        for remote in get_client().v1.customers.list({"limit": 100}).auto_paging_iter():
            if remote.email and _is_free(remote):
                by_email.setdefault(remote.email.lower(), []).append(remote.id)
    has_one = StripeCustomer.objects.usable().exclude(owner=None).values("owner")
    for owner in get_owner_model()._default_manager.exclude(pk__in=has_one).iterator():
        if found := by_email.get(owner_email(owner).lower()):
            yield owner, found


def _mark_of(remote: stripe.Customer) -> str:
    metadata: dict[str, str] = remote.metadata.to_dict() if remote.metadata else {}
    return metadata.get(customers.REFERENCE_KEY, "")


def _is_free(remote: stripe.Customer) -> bool:
    return not _mark_of(remote) and not StripeCustomer.objects.known_as(remote.id).exists()
