from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

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


class CancelForm(forms.Form):
    """Why a plan is cancelled, in Stripe's terms (``cancellation_details.feedback``), if told."""

    REASONS = [
        ("", _("I'd rather not say")),
        ("too_expensive", _("It is too expensive")),
        ("unused", _("I don't use it enough")),
        ("missing_features", _("It lacks something that I need")),
        ("switched_service", _("I use another service now")),
        ("too_complex", _("It is too hard to use")),
        ("low_quality", _("It doesn't work well enough")),
        ("customer_service", _("I am not happy with the support")),
        ("other", _("Another reason")),
    ]

    feedback = forms.ChoiceField(
        label=_("Why are you cancelling? (optional)"), choices=REASONS, required=False
    )
    comment = forms.CharField(
        label=_("What could be better? (optional)"),
        max_length=500,
        required=False,
        widget=forms.Textarea({"rows": 3}),
    )
