"""Subscription schedules: the phases that change a plan when its period ends.

Phases are declarative. An update replaces all of them, and what a phase doesn't list is removed
from the subscription, at once for the current phase. So the phases of a change list everything that
the subscription has (docs.stripe.com/api/subscription_schedules/update).
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import stripe

from quickscale_stripe.internal.sdk import id_of, optional
from quickscale_stripe.models import StripePrice

_Shape: TypeAlias = dict[str, Any]
_Params: TypeAlias = dict[str, Any]

_VALUE = "value"
#: An object, or a list of objects, that a request names by id.
_ID = "id"
#: Keys without fixed names.
_METADATA = "metadata"

_LIABLE: _Shape = {"account": _ID, "type": _VALUE}

#: The settings of a phase for the subscription as a whole, in the shape of the parameters.
SETTINGS: _Shape = {
    "application_fee_percent": _VALUE,
    "automatic_tax": {"enabled": _VALUE, "liability": _LIABLE},
    "billing_cycle_anchor": _VALUE,
    "billing_thresholds": {"amount_gte": _VALUE, "reset_billing_cycle_anchor": _VALUE},
    "collection_method": _VALUE,
    "currency": _VALUE,
    "default_payment_method": _ID,
    "default_tax_rates": _ID,
    "description": _VALUE,
    "invoice_settings": {
        "account_tax_ids": _ID,
        "custom_fields": {"name": _VALUE, "value": _VALUE},
        "days_until_due": _VALUE,
        "description": _VALUE,
        "footer": _VALUE,
        "issuer": _LIABLE,
    },
    "metadata": _METADATA,
    "on_behalf_of": _ID,
    "proration_behavior": _VALUE,
    "transfer_data": {"amount_percent": _VALUE, "destination": _ID},
}
#: What the items of phases and of subscriptions have in common, except discounts.
ITEM: _Shape = {
    "billing_thresholds": {"usage_gte": _VALUE},
    "metadata": _METADATA,
    "price": _ID,
    "quantity": _VALUE,
    "tax_rates": _ID,
}
# How the current phase was entered. The next phase would repeat it: it would reset metadata that
# was changed since, and restart the billing cycle.
_OF_ENTERING = {"billing_cycle_anchor", "metadata", "proration_behavior"}


def change_at_period_end(
    schedule: stripe.SubscriptionSchedule,
    subscription: stripe.Subscription,
    item: stripe.SubscriptionItem,
    price: StripePrice,
) -> list[stripe.params.SubscriptionScheduleUpdateParamsPhase]:
    """Return two phases: the current state until the period of ``item`` ends, then ``price``.

    Items, discounts and trial are those that the subscription has now. A phase can name a coupon
    instead of a discount, but then the coupon is redeemed again: one for three months would
    restart, and one for a single invoice would come back. The settings are those of the current
    phase, where null stands for the schedule's own. ``add_invoice_items`` were charged when that
    phase began.

    Args:
        schedule: the subscription's active schedule.
        item: the item of the subscription that changes.
    """
    phase = _running(schedule)
    running: _Params = settings_of(phase) | {
        "items": [item_of(each) for each in subscription.items.data],
        # Stripe: "You can not modify the start date of the current phase."
        "start_date": phase.start_date,
        "end_date": item.current_period_end,
    }
    # Without discounts, the customer's is inherited, as it is without a schedule.
    if subscription.discounts:
        running["discounts"] = _kept(subscription.discounts)
    coming: _Params = {
        name: value
        for name, value in running.items()
        if name not in _OF_ENTERING | {"start_date", "end_date"}
    } | {
        "items": [
            item_of(each) | ({"price": price.stripe_id} if each.id == item.id else {})
            for each in subscription.items.data
        ],
        "proration_behavior": "none",
        "duration": {"interval": price.interval, "interval_count": price.interval_count},
    }
    if subscription.status == "trialing" and subscription.trial_end:
        running["trial_end"] = subscription.trial_end
    return [
        cast("stripe.params.SubscriptionScheduleUpdateParamsPhase", each)
        for each in (running, coming)
    ]


def brings(
    schedule: stripe.SubscriptionSchedule, item: stripe.SubscriptionItem, price: StripePrice
) -> bool:
    """Return whether a price is already due to start when the period of ``item`` ends."""
    return any(
        phase.start_date == item.current_period_end
        and price.stripe_id in [id_of(each.price) for each in phase.items]
        for phase in schedule.phases
    )


def settings_of(phase: stripe.SubscriptionSchedule.Phase) -> _Params:
    """Return a phase's settings for the subscription as a whole, as parameters."""
    return _params(phase, SETTINGS)


def item_of(item: stripe.SubscriptionItem) -> _Params:
    """Return an item with its discounts, as the parameters of a phase's item."""
    params = _params(item, ITEM)
    return params | {"discounts": _kept(item.discounts)} if item.discounts else params


def _running(schedule: stripe.SubscriptionSchedule) -> stripe.SubscriptionSchedule.Phase:
    """Return the current phase, which is the first only until the second begins."""
    start = schedule.current_phase and schedule.current_phase.start_date
    return next(phase for phase in schedule.phases if phase.start_date == start)


def _kept(discounts: list[str | stripe.Discount]) -> list[_Params]:
    return [{"discount": id_of(discount)} for discount in discounts]


def _params(value: stripe.StripeObject, shape: _Shape) -> _Params:
    """Return the fields of an object that have a value, as parameters of the same names."""
    params = {name: _param(optional(value, name), shape[name]) for name in shape}
    return {name: param for name, param in params.items() if param not in (None, [], {})}


def _param(value: Any, shape: _Shape | str) -> Any:
    if value is None or shape == _VALUE:
        return value
    if isinstance(value, list):
        return [_param(member, shape) for member in value]
    if isinstance(shape, dict):
        return _params(value, shape)
    return value.to_dict() if shape == _METADATA else id_of(value)
