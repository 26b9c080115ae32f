from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from quickscale.forms import OwnerField
from quickscale_credits import ledger
from quickscale_credits.internal.arguments import GRANTABLE_TYPES
from quickscale_credits.models import CreditAccount, CreditLot

TYPES = [choice for choice in CreditLot.CreditType.choices if choice[0] in GRANTABLE_TYPES]


class OpenAccountForm(forms.ModelForm):  # type: ignore[type-arg]
    """Open the account of an owner who has not needed one yet."""

    owner = OwnerField()

    class Meta:
        model = CreditAccount
        fields: tuple[str, ...] = ()

    #: Whether the account is new.
    has_opened = False

    def save_m2m(self) -> None:
        """Do nothing: the admin calls this after ``save()``, but an account has no such fields."""

    def save(self, commit: bool = True) -> CreditAccount:
        owner = self.cleaned_data["owner"]
        self.has_opened = CreditAccount.objects.to_read(owner).pk == 0
        return ledger.open_account(owner=owner)


class ReasonForm(forms.Form):
    """How many credits, and why."""

    amount = forms.DecimalField(
        label=_("Credits"), max_digits=19, decimal_places=4, min_value=0, required=True
    )
    description = forms.CharField(
        label=_("Reason"), max_length=500, help_text=_("The owner reads it in the history.")
    )
    # A form that is sent twice counts once.
    key = forms.UUIDField(widget=forms.HiddenInput)

    def clean_amount(self) -> Any:
        amount = self.cleaned_data["amount"]
        if not amount:
            raise forms.ValidationError(_("Give a number above zero."))
        return amount


class GrantForm(ReasonForm):
    """Which credits to add, and how long they last."""

    credit_type = forms.ChoiceField(label=_("Type"), choices=TYPES, initial="adjustment")
    expires_at = forms.DateTimeField(
        label=_("End"),
        required=False,
        widget=forms.DateTimeInput({"type": "datetime-local"}),
        help_text=_(
            "Empty for no end. Subscription credits need one; pay-as-you-go credits have none."
        ),
    )
    field_order = ["amount", "credit_type", "expires_at", "description", "key"]

    @property
    def grant(self) -> dict[str, Any]:
        """Return the form's values as arguments of ``ledger.add_credits``."""
        names = ("amount", "description", "credit_type", "expires_at")
        return {name: self.cleaned_data[name] for name in names}

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        end: datetime | None = data.get("expires_at")
        if data.get("credit_type") == CreditLot.CreditType.SUBSCRIPTION and not end:
            self.add_error("expires_at", _("Subscription credits need an end."))
        if data.get("credit_type") == CreditLot.CreditType.PAYG and end:
            self.add_error("expires_at", _("Pay-as-you-go credits never end."))
        return data


class ImportForm(forms.Form):
    """A CSV file, or its text after the preview."""

    file = forms.FileField(label=_("CSV file"), required=False)
    content = forms.CharField(widget=forms.HiddenInput, required=False, strip=False)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        file = data.get("file")
        if file:
            try:
                data["content"] = file.read().decode()
            except UnicodeDecodeError:
                self.add_error("file", _("The file is not UTF-8 text."))
        elif not data.get("content"):
            self.add_error("file", _("Choose a file."))
        return data
