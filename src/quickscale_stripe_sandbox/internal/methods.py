"""The test payment methods, and what happens when somebody pays with each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """``outcome`` is ``succeed``, ``authenticate``, ``settle`` or ``bounce`` (a debit that is
    confirmed or refused later), ``succeed_once``, ``dispute`` or ``inquiry`` (paid, and then
    the bank asks), or the code of a decline. ``modes`` are the Checkout modes that offer it.
    """

    name: str
    token: str
    label: str
    hint: str
    outcome: str
    brand: str = "visa"
    last4: str = "4242"
    type: str = "card"
    modes: frozenset[str] = frozenset({"payment", "subscription", "setup"})


_ONCE = frozenset({"payment"})
#: In the order of the payment page; the names are the form's values.
METHODS = [
    Method("card", "pm_card_visa", "Card", "Visa •••• 4242, pays at once", "succeed"),
    Method(
        "declined",
        "pm_card_chargeDeclined",
        "Card that is declined",
        "Visa •••• 0002",
        "generic_decline",
        last4="0002",
    ),
    Method(
        "insufficient_funds",
        "pm_card_chargeDeclinedInsufficientFunds",
        "Card without enough funds",
        "Visa •••• 9995",
        "insufficient_funds",
        last4="9995",
        modes=frozenset({"payment", "subscription"}),
    ),
    Method(
        "authenticate",
        "pm_card_authenticationRequired",
        "Card with 3-D Secure",
        "Visa •••• 3184, asks the bank first",
        "authenticate",
        last4="3184",
    ),
    Method(
        "bank_success",
        "pm_usBankAccount",
        "Bank debit",
        "Test Bank •••• 6789, confirmed later",
        "settle",
        last4="6789",
        type="us_bank_account",
        modes=_ONCE,
    ),
    Method(
        "bank_failure",
        "pm_usBankAccount_insufficientFunds",
        "Bank debit that fails",
        "Test Bank •••• 2222, refused later",
        "bounce",
        last4="2222",
        type="us_bank_account",
        modes=_ONCE,
    ),
    Method(
        "renewal_declined",
        "pm_card_sandboxWorksOnce",
        "Card that works once",
        "Visa •••• 0077, declined from the second charge on",
        "succeed_once",
        last4="0077",
        modes=frozenset({"subscription", "setup"}),
    ),
]
_BY_NAME = {method.name: method for method in METHODS}
_BY_TOKEN = {method.token: method for method in METHODS} | {
    "pm_card_mastercard": Method(
        "mastercard", "pm_card_mastercard", "", "", "succeed", brand="mastercard", last4="4444"
    ),
    "pm_card_visa_chargeDeclined": _BY_NAME["declined"],
    "pm_card_chargeCustomerFail": Method(
        "customer_fail", "pm_card_chargeCustomerFail", "", "", "generic_decline", last4="0341"
    ),
    "pm_card_threeDSecure2Required": _BY_NAME["authenticate"],
    "pm_card_createDispute": Method(
        "disputed", "pm_card_createDispute", "", "", "dispute", last4="0259"
    ),
    "pm_card_createDisputeInquiry": Method(
        "inquired", "pm_card_createDisputeInquiry", "", "", "inquiry", last4="1976"
    ),
}


def find_token(token: str) -> Method | None:
    """Find a method by Stripe's test token, such as ``pm_card_visa``."""
    return _BY_TOKEN.get(token)


def find_method(name: str) -> Method | None:
    """Find a method by its name on the page (``card``) or by its test token (``pm_card_visa``)."""
    return _BY_NAME.get(name) or _BY_TOKEN.get(name)
