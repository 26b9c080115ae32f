"""The amounts that can be charged: docs.stripe.com/currencies."""

from __future__ import annotations

from quickscale_stripe_sandbox.internal.errors import invalid

#: docs.stripe.com/currencies#minimum-and-maximum-charge-amounts, in minor units. Stripe converts
#: others to the account's currency, which has its own minimum.
_MINIMUM = {
    "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250,
    "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200,
    "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000, "usd": 50,
}  # fmt: skip
#: docs.stripe.com/currencies#three-decimal and #special-cases: amounts are multiples of these.
_STEP = dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 10) | dict.fromkeys(("isk", "ugx"), 100)


def is_below_minimum(amount: int, currency: str) -> bool:
    return 0 < amount < _MINIMUM.get(currency, 1)


def check_charge(amount: int, currency: str, name: str) -> None:
    """Refuse an amount that is too small for a payment.

    Raises:
        ApiError
    """
    if is_below_minimum(amount, currency):
        least = f"{_MINIMUM[currency]} {currency} in its smallest unit"
        raise invalid(f"Amount must be at least {least}.", name, "amount_too_small")


def check_step(amount: int, currency: str, name: str) -> None:
    """Refuse an amount that the currency's networks can't carry.

    Raises:
        ApiError
    """
    step = _STEP.get(currency, 1)
    if amount % step:
        raise invalid(f"Invalid {name}: must be a multiple of {step} in {currency}.", name)
