"""The owner's payments."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404

from quickscale.internal.fragments import FragmentMixin
from quickscale.links import PageView
from quickscale.login import OwnerRequiredMixin
from quickscale_stripe.conf import app_settings
from quickscale_stripe.models import Payment
from quickscale_stripe.pages.filters import PaymentFilter
from quickscale_stripe.pages.story import story_of
from quickscale_stripe.receipts import pdf, receipt


class PaymentListView(FragmentMixin, OwnerRequiredMixin, PageView):
    """The owner's payments, filtered and paged."""

    template_name = "quickscale_stripe/payments.html"
    fragment_name = "quickscale_stripe/_payments.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        filters = PaymentFilter(self.request.GET, Payment.objects.for_owner(self.owner))
        pages = Paginator(filters.qs, app_settings.page_size)
        query = self.request.GET.copy()
        query.pop("page", None)
        return super().get_context_data(
            filter=filters,
            page=pages.get_page(self.request.GET.get("page")),
            query=query.urlencode(),
            **kwargs,
        )


class PaymentView(OwnerRequiredMixin, PageView):
    """One payment: its sums, its documents, and what happened with it."""

    template_name = "quickscale_stripe/payment.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        payment = get_object_or_404(Payment.objects.for_owner(self.owner), pk=self.kwargs["pk"])
        return super().get_context_data(
            payment=payment,
            story=story_of(payment, self.request),
            settled=receipt.settled(payment) if payment.is_paid else [],
            pdf_is_available=pdf.is_available(),
            **kwargs,
        )
