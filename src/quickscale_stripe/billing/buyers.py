"""The customers of owners who pay: adopted by email address where the site allows it, or made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from quickscale.owner import owner_email
from quickscale_stripe.billing import adoption, customers
from quickscale_stripe.conf import app_settings
from quickscale_stripe.exceptions import StripeRefusedError
from quickscale_stripe.models import StripeCustomer

T = TypeVar("T")


def ensure(owner: Any) -> StripeCustomer:
    """Return the owner's customer, as :func:`quickscale_stripe.billing.customers.ensure` does.

    If ``ADOPT_BY_EMAIL`` is on, a customer with the owner's address is adopted before one is made.

    Raises:
        NotAdoptableError, StripeUnavailableError, StripeRefusedError
    """
    if app_settings.adopt_by_email and owner is not None and (email := owner_email(owner)):
        has_one = StripeCustomer.objects.for_owner(owner).usable().exists()
        if not has_one and (found := adoption.only_match(email)):
            return adoption.link(owner, found)
    return customers.ensure(owner)


def ask(owner: Any, request: Callable[[StripeCustomer], T]) -> T:
    """Return a request's result for the owner's customer; replace one that Stripe lacks.

    Raises:
        NotAdoptableError, StripeUnavailableError, StripeRefusedError
    """
    customer = ensure(owner)
    try:
        return request(customer)
    except StripeRefusedError as error:
        if not (error.is_missing and error.param == "customer"):
            raise
    customers.detach(customer.stripe_id or "")
    return request(ensure(owner))
