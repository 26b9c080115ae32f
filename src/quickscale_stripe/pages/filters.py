from __future__ import annotations

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from quickscale.filters import SinceFilter, UntilFilter
from quickscale_stripe.models import Payment


class PaymentFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Filters for the payments page; an invalid value filters nothing."""

    text = django_filters.CharFilter(
        label=_("Search"),
        method="containing",
        max_length=100,
        widget=forms.TextInput({"type": "search", "placeholder": _("Receipt number")}),
    )
    status = django_filters.ChoiceFilter(choices=Payment.Status, empty_label=_("All"))
    kind = django_filters.ChoiceFilter(choices=Payment.Kind, empty_label=_("All"))
    since = SinceFilter(field_name="created_at")
    until = UntilFilter(field_name="created_at")

    class Meta:
        model = Payment
        fields = ["text", "status", "kind", "since", "until"]

    def containing(self, payments: QuerySet[Payment], name: str, value: str) -> QuerySet[Payment]:
        return payments.filter(Q(receipt_number__icontains=value) | Q(description__icontains=value))
