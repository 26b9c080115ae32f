from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from quickscale.formats import format_money
from quickscale.internal.money import minor_digits, to_major
from quickscale_stripe.billing import refunds
from quickscale_stripe.models import Payment


def to_minor(amount: Decimal, currency: str) -> int:
    """Convert an amount in the currency's own unit to minor units.

    Stripe wants a zero as the last of three decimals. It also counts some currencies with two
    decimals although they have none (docs.stripe.com/currencies).

    Raises:
        forms.ValidationError: it has more decimals than the currency.
    """
    digits = minor_digits(currency)
    minor = amount.scaleb(digits)
    step = {"isk": 100, "ugx": 100}.get(currency, 10 if digits == 3 else 1)
    if minor % step:
        raise forms.ValidationError(
            _("%(currency)s has fewer decimals.") % {"currency": currency.upper()}
        )
    return int(minor)


REASONS = {
    "requested_by_customer": gettext_lazy("Requested by the customer"),
    "duplicate": gettext_lazy("Paid twice"),
    "fraudulent": gettext_lazy("Fraudulent: Stripe blocks the card and the address"),
}


class RefundForm(forms.Form):
    """How much of a payment goes back, and why."""

    amount = forms.DecimalField(label=gettext_lazy("Amount"), min_value=0, max_digits=15)
    reason = forms.ChoiceField(
        label=gettext_lazy("Reason"),
        required=False,
        choices=[
            ("", gettext_lazy("None of these")),
            *((reason, REASONS[reason]) for reason in refunds.REASONS),
        ],
    )
    # A form that is sent twice counts once.
    reference = forms.UUIDField(widget=forms.HiddenInput)
    # The amount that was left when the form was opened.
    left = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, payment: Payment, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.payment = payment
        left, currency = payment.amount_left, payment.currency
        self.fields["amount"].initial = to_major(left, currency)
        self.fields["amount"].help_text = _("%(currency)s; at most %(left)s is left.") % {
            "currency": currency.upper(),
            "left": format_money(left, currency),
        }

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        left = self.payment.amount_left
        if data.get("left") != left:
            raise forms.ValidationError(
                _("Money from this payment went back meanwhile. Please open the form again.")
            )
        if data.get("amount") is not None:
            try:
                data["unit_amount"] = to_minor(data["amount"], self.payment.currency)
            except forms.ValidationError as error:
                self.add_error("amount", error)
            else:
                if not 0 < data["unit_amount"] <= left:
                    self.add_error("amount", self.fields["amount"].help_text)
        return data
