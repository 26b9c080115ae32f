"""Select and order the entries of a history."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _

from quickscale.errors import MissingExtraError
from quickscale_credits.models import CreditAllocation, CreditLot, CreditTransaction, Service

try:
    import django_filters
except ImportError as error:
    raise MissingExtraError("quickscale_credits.urls", "credits") from error

from quickscale.filters import SinceFilter, UntilFilter

# value: (label, field, descending)
SORTS = {
    "newest": (_("Newest"), "sequence", True),
    "oldest": (_("Oldest"), "sequence", False),
    "added": (_("Most added"), "amount", True),
    "used": (_("Most used"), "amount", False),
}


class HistoryFilter(django_filters.FilterSet):  # type: ignore[misc]
    """The filters of the history. An invalid value filters nothing and is shown as an error."""

    kind = django_filters.ChoiceFilter(
        label=_("Kind"), choices=CreditTransaction.Kind.choices, empty_label=_("All")
    )
    type = django_filters.ChoiceFilter(
        label=_("Type of credits"),
        choices=CreditLot.CreditType.choices,
        empty_label=_("All"),
        method="of_type",
    )
    service = django_filters.ModelChoiceFilter(
        label=_("Service"),
        queryset=Service.objects.all(),
        to_field_name="slug",
        empty_label=_("All"),
    )
    text = django_filters.CharFilter(
        label=_("Text"), field_name="description", lookup_expr="icontains", max_length=100
    )
    since = SinceFilter(field_name="created_at")
    until = UntilFilter(field_name="created_at")
    sort = django_filters.ChoiceFilter(
        label=_("First"),
        choices=[(value, label) for value, (label, *_rest) in SORTS.items()],
        empty_label=None,
        method="unchanged",
    )

    class Meta:
        model = CreditTransaction
        fields: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """The valid values by field name."""
        self.form.is_valid()
        return dict(self.form.cleaned_data)

    @property
    def is_filtering(self) -> bool:
        return any(value for name, value in self.values.items() if name != "sort")

    @property
    def ordering(self) -> tuple[str, bool]:
        """The field to sort by, and whether the largest comes first."""
        _label, field, descending = SORTS[self.values.get("sort") or "newest"]
        return field, descending

    def of_type(
        self, entries: QuerySet[CreditTransaction], name: str, value: str
    ) -> QuerySet[CreditTransaction]:
        of_type = CreditAllocation.objects.filter(
            transaction=OuterRef("pk"),
            lot__account=OuterRef("account"),  # saves reading the lots of other accounts
            lot__credit_type=value,
        )
        return entries.filter(Exists(of_type))

    def unchanged(
        self, entries: QuerySet[CreditTransaction], name: str, value: str
    ) -> QuerySet[CreditTransaction]:
        return entries
