from __future__ import annotations

from typing import Any

from django import forms

from quickscale_stripe.managers import StripePriceQuerySet
from quickscale_stripe.models import StripePrice


class PriceForm(forms.Form):
    """A price on sale to the owner."""

    price = forms.ModelChoiceField(StripePrice.objects.none())

    def __init__(self, *args: Any, owner: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offered = StripePrice.objects.offered(owner=owner)
        field = self.fields["price"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101
        field.queryset = self.on_sale()

    def on_sale(self) -> StripePriceQuerySet:
        return self.offered.one_time()


class ReferenceForm(forms.Form):
    """``reference`` names the request, so that a double click makes it once."""

    reference = forms.UUIDField()


class PurchaseForm(ReferenceForm, PriceForm):
    """The package to buy."""


class SignupForm(PurchaseForm):
    def on_sale(self) -> StripePriceQuerySet:
        return self.offered.recurring()


class PlanForm(PriceForm):
    def on_sale(self) -> StripePriceQuerySet:
        return self.offered.recurring()


class PlanChangeForm(PlanForm):
    """The plan change that was shown."""

    token = forms.CharField()
