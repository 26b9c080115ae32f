from __future__ import annotations

from decimal import Decimal
from typing import Any

from babel.numbers import list_currencies
from django import forms
from django.core.validators import URLValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from quickscale_stripe import refunds, reversals
from quickscale_stripe.conf import app_settings
from quickscale_stripe.models import Payment, StripePrice, StripeProduct
from quickscale_stripe.money import format_money, minor_digits, to_major
from quickscale_stripe.publishing import PriceFields, ProductFields

MAX_IMAGES = 8
MAX_FEATURES = 15
MAX_FEATURE = 80


def to_minor(amount: Decimal, currency: str) -> int:
    """An amount of the currency's own unit in minor units.

    Stripe wants a zero as the last of three decimals, and two for the currencies that it counts
    with decimals although they have none (docs.stripe.com/currencies).

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


class Lines(forms.CharField):
    """A list of texts, one on each line."""

    widget = forms.Textarea({"rows": 4, "cols": 60})

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else "\n".join(value or ())

    def clean(self, value: Any) -> Any:
        lines = super().clean(value).splitlines()
        return tuple(line.strip() for line in lines if line.strip())


class PublishForm(forms.Form):
    """What products and prices have in common."""

    active = forms.BooleanField(label=gettext_lazy("Active"), required=False, initial=True)
    display_order = forms.IntegerField(
        label=gettext_lazy("Display order"),
        initial=0,
        min_value=-(2**31) + 1,
        max_value=2**31 - 1,
        help_text=gettext_lazy("Smaller comes first."),
    )
    credits = forms.DecimalField(
        label=gettext_lazy("Credits"),
        required=False,
        min_value=0,
        max_digits=19,
        decimal_places=4,
    )
    credits_interval = forms.ChoiceField(label=gettext_lazy("Credits come"), required=False)
    # Sent twice, the form counts once.
    reference = forms.UUIDField(widget=forms.HiddenInput)
    # What the editor saw, to tell whether it was changed meanwhile.
    seen = forms.CharField(widget=forms.HiddenInput, required=False)


class ProductForm(PublishForm):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=250)
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        max_length=5000,
        widget=forms.Textarea({"rows": 4, "cols": 60}),
    )
    images = Lines(
        label=gettext_lazy("Images"),
        required=False,
        help_text=gettext_lazy("Up to 8 web addresses, one on each line."),
    )
    features = Lines(
        label=gettext_lazy("Features"),
        required=False,
        help_text=gettext_lazy("Up to 15, one on each line; the page of plans lists them."),
    )
    field_order = [
        "name", "description", "images", "features", "credits", "credits_interval",
        "display_order", "active",
    ]  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["credits"].help_text = _("For those of its prices that name none.")
        self.fields["credits_interval"].choices = [  # type: ignore[attr-defined]
            ("", _("at once")),
            ("month", _("in equal monthly parts")),
        ]

    def clean_images(self) -> tuple[str, ...]:
        images: tuple[str, ...] = self.cleaned_data["images"]
        if len(images) > MAX_IMAGES:
            raise forms.ValidationError(_("Give at most 8."))
        for image in images:
            URLValidator(["https", "http"])(image)
        return images

    def clean_features(self) -> tuple[str, ...]:
        features: tuple[str, ...] = self.cleaned_data["features"]
        if len(features) > MAX_FEATURES or any(len(text) > MAX_FEATURE for text in features):
            raise forms.ValidationError(_("Give at most 15, each of at most 80 characters."))
        return features

    @property
    def edited(self) -> ProductFields:
        names = ProductFields.__dataclass_fields__
        return ProductFields(**{name: self.cleaned_data[name] for name in names})


class PriceForm(PublishForm):
    product = forms.ModelChoiceField(StripeProduct.objects.none(), label=gettext_lazy("Product"))
    amount = forms.DecimalField(
        label=gettext_lazy("Amount"),
        min_value=0,
        max_digits=15,
        decimal_places=3,
        help_text=gettext_lazy("In the currency's own unit: 12.50 for dollars, 1200 for yen."),
    )
    currency = forms.CharField(
        label=gettext_lazy("Currency"),
        min_length=3,
        max_length=3,
        help_text=gettext_lazy("Three letters, such as USD."),
    )
    interval = forms.ChoiceField(
        label=gettext_lazy("Charged"),
        required=False,
        choices=[("", gettext_lazy("once")), *StripePrice.Interval.choices],
    )
    interval_count = forms.IntegerField(
        label=gettext_lazy("Every"),
        initial=1,
        min_value=1,
        max_value=1095,
        help_text=gettext_lazy("So many days, weeks, months or years."),
    )
    nickname = forms.CharField(
        label=gettext_lazy("Nickname"),
        required=False,
        max_length=500,
        help_text=gettext_lazy("Customers don't see it."),
    )
    lookup_key = forms.CharField(
        label=gettext_lazy("Lookup key"),
        required=False,
        max_length=200,
        help_text=gettext_lazy(
            "A name by which code finds the price; the price that replaces it takes it over."
        ),
    )
    field_order = [
        "product", "amount", "currency", "interval", "interval_count", "credits",
        "credits_interval", "nickname", "lookup_key", "display_order", "active",
    ]  # fmt: skip

    def __init__(self, *args: Any, price: StripePrice | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if price:
            del self.fields["product"]
            # With tiers or a fraction of a minor unit there is none; the rest can be edited.
            self.fields["amount"].required = price.unit_amount is not None
        else:
            mode = StripeProduct.objects.filter(livemode=app_settings.live_mode)
            self.fields["product"].queryset = mode  # type: ignore[attr-defined]
        self.fields["credits"].help_text = _(
            "Empty: what the product says. A change counts from the next payment on, also for "
            "those who are subscribed."
        )
        self.fields["credits_interval"].choices = [  # type: ignore[attr-defined]
            ("", _("as the product says")),
            ("period", _("at once, with each payment")),
            ("month", _("in equal monthly parts")),
        ]

    @staticmethod
    def values_of(fields: PriceFields) -> dict[str, Any]:
        """The form's values for a price."""
        amount = fields.unit_amount
        return {
            **vars(fields),
            "amount": None if amount is None else to_major(amount, fields.currency),
            "currency": fields.currency.upper(),
        }

    def clean_currency(self) -> str:
        currency: str = self.cleaned_data["currency"].lower()
        if currency.upper() not in list_currencies():
            raise forms.ValidationError(_("There is no such currency."))
        return currency

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        data["unit_amount"] = None
        if data.get("amount") is not None and data.get("currency"):
            try:
                data["unit_amount"] = to_minor(data["amount"], data["currency"])
            except forms.ValidationError as error:
                self.add_error("amount", error)
        if not data.get("interval"):
            if data.get("credits_interval") == "month":
                self.add_error(
                    "credits_interval", _("Only credits of a price that recurs come monthly.")
                )
            data["interval_count"] = 1
        return data

    @property
    def edited(self) -> PriceFields:
        names = PriceFields.__dataclass_fields__
        return PriceFields(**{name: self.cleaned_data[name] for name in names})


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
    # Sent twice, the form counts once.
    reference = forms.UUIDField(widget=forms.HiddenInput)
    # What was left when the form was opened.
    left = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, payment: Payment, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.payment = payment
        left, currency = reversals.left_of(payment), payment.currency
        self.fields["amount"].initial = to_major(left, currency)
        self.fields["amount"].help_text = _("%(currency)s; at most %(left)s is left.") % {
            "currency": currency.upper(),
            "left": format_money(left, currency),
        }

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        left = reversals.left_of(self.payment)
        if data.get("left") != left:
            raise forms.ValidationError(
                _("Money of this payment went back meanwhile. Open the form again, please.")
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
