from __future__ import annotations

import django_filters
from django import forms
from django.utils.translation import gettext_lazy as _

from quickscale_stripe.models import Payment


class PaymentFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Filters of the payments page; a value that isn't valid filters nothing."""

    status = django_filters.ChoiceFilter(choices=Payment.Status, empty_label=_("All"))
    kind = django_filters.ChoiceFilter(choices=Payment.Kind, empty_label=_("All"))
    since = django_filters.DateFilter(
        field_name="created_at",
        lookup_expr="date__gte",
        label=_("From"),
        widget=forms.DateInput({"type": "date"}),
    )
    until = django_filters.DateFilter(
        field_name="created_at",
        lookup_expr="date__lte",
        label=_("To"),
        widget=forms.DateInput({"type": "date"}),
    )

    class Meta:
        model = Payment
        fields = ["status", "kind"]
