from __future__ import annotations

from django import forms

from quickscale_stripe.models import StripePrice


class PurchaseForm(forms.Form):
    """What to buy; ``reference`` names the purchase, so that a double click buys once."""

    price = forms.ModelChoiceField(StripePrice.objects.none())
    reference = forms.UUIDField()

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["price"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101
        field.queryset = StripePrice.objects.offered().one_time()
