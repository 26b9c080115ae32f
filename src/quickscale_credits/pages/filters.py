"""The part of a history that is shown, and its order."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

from django import forms
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from quickscale_credits.models import CreditAllocation, CreditLot, CreditTransaction, Service

ALL = ("", _("All"))
# value: (label, field, descending)
SORTS = {
    "newest": (_("Newest"), "sequence", True),
    "oldest": (_("Oldest"), "sequence", False),
    "added": (_("Most added"), "amount", True),
    "used": (_("Most used"), "amount", False),
}


class HistoryFilter(forms.Form):
    """The filters of the history. What isn't valid filters nothing and is shown as an error."""

    kind = forms.ChoiceField(
        label=_("Kind"), required=False, choices=[ALL, *CreditTransaction.Kind.choices]
    )
    type = forms.ChoiceField(
        label=_("Type of credits"), required=False, choices=[ALL, *CreditLot.CreditType.choices]
    )
    service = forms.ModelChoiceField(
        Service.objects.all(),
        label=_("Service"),
        required=False,
        to_field_name="slug",
        empty_label=_("All"),
    )
    text = forms.CharField(label=_("Text"), required=False, max_length=100)
    since = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )
    until = forms.DateField(
        label=_("To"), required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )
    sort = forms.ChoiceField(
        label=_("First"),
        required=False,
        choices=[(value, label) for value, (label, *_rest) in SORTS.items()],
    )

    @property
    def is_filtering(self) -> bool:
        return any(self.values[name] for name in self.fields if name != "sort")

    @property
    def values(self) -> dict[str, Any]:
        """The valid values; ``None`` or empty for the rest."""
        self.is_valid()
        return {name: self.cleaned_data.get(name) for name in self.fields}

    @property
    def ordering(self) -> tuple[str, bool]:
        """The field to sort by, and whether the greatest comes first."""
        _label, field, descending = SORTS[self.values["sort"] or "newest"]
        return field, descending

    def apply(self, transactions: QuerySet[CreditTransaction]) -> QuerySet[CreditTransaction]:
        values = self.values
        if values["kind"]:
            transactions = transactions.filter(kind=values["kind"])
        if values["type"]:
            of_type = CreditAllocation.objects.filter(
                transaction=OuterRef("pk"),
                lot__account=OuterRef("account"),  # spares PostgreSQL the lots of all others
                lot__credit_type=values["type"],
            )
            transactions = transactions.filter(Exists(of_type))
        if values["service"]:
            transactions = transactions.filter(service=values["service"])
        if values["text"]:
            transactions = transactions.filter(description__icontains=values["text"])
        if values["since"]:
            transactions = transactions.filter(created_at__gte=_moment(values["since"], time.min))
        if values["until"]:
            transactions = transactions.filter(created_at__lte=_moment(values["until"], time.max))
        return transactions


def _moment(day: date, of_day: time) -> datetime:
    return timezone.make_aware(datetime.combine(day, of_day))
