"""Select and order the entries of a history."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
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


# value: (label, kinds)
_KIND = CreditTransaction.Kind
GROUPS = {
    "used": (_("Used"), {_KIND.CONSUME}),
    "added": (_("Added"), {_KIND.GRANT}),
    "other": (_("Expired and other"), set(_KIND) - {_KIND.CONSUME, _KIND.GRANT}),
}

PERIODS = {
    "7": _("The last 7 days"),
    "30": _("The last 30 days"),
    "90": _("The last 90 days"),
    "365": _("The last 365 days"),
}


class HistoryFilter(django_filters.FilterSet):  # type: ignore[misc]
    """The filters of the history. An invalid value filters nothing and is shown as an error."""

    text = django_filters.CharFilter(
        label=_("Search"), field_name="description", lookup_expr="icontains", max_length=100
    )
    period = django_filters.ChoiceFilter(
        label=_("Period"),
        choices=list(PERIODS.items()),
        empty_label=_("Any time"),
        method="of_period",
    )
    show = django_filters.ChoiceFilter(
        choices=[(value, label) for value, (label, _kinds) in GROUPS.items()], method="of_group"
    )
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
    def has_advanced(self) -> bool:
        """Whether a field is filled in or invalid that the page does not show at first."""
        simple = {"text", "period", "show"}
        filled = {name for name, value in self.values.items() if value}
        return bool((filled | set(self.form.errors)) - simple)

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

    def of_group(
        self, entries: QuerySet[CreditTransaction], name: str, value: str
    ) -> QuerySet[CreditTransaction]:
        _label, kinds = GROUPS[value]
        return entries.filter(kind__in=kinds)

    def of_period(
        self, entries: QuerySet[CreditTransaction], name: str, value: str
    ) -> QuerySet[CreditTransaction]:
        first = timezone.localdate() - timedelta(days=int(value) - 1)
        return entries.filter(created_at__gte=timezone.make_aware(datetime.combine(first, time())))

    def unchanged(
        self, entries: QuerySet[CreditTransaction], name: str, value: str
    ) -> QuerySet[CreditTransaction]:
        return entries
