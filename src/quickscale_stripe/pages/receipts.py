from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from quickscale.links import PageView, page_url
from quickscale.login import OwnerRequiredMixin
from quickscale_stripe.models import Payment
from quickscale_stripe.receipts import pdf
from quickscale_stripe.receipts.receipt import Receipt, receipt_of


class ReceiptMixin(OwnerRequiredMixin):
    """Views of a receipt, which only the owner's paid payments have."""

    def receipt(self) -> Receipt:
        payments = Payment.objects.for_owner(self.owner).paid().select_related("owner")
        return receipt_of(get_object_or_404(payments, pk=self.kwargs["pk"]))


class ReceiptView(ReceiptMixin, PageView):
    """A receipt to read and to print."""

    template_name = "quickscale_stripe/receipt.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        receipt = self.receipt()
        return super().get_context_data(
            receipt=receipt,
            payment=receipt.payment,
            pdf_is_available=pdf.is_available(),
            **kwargs,
        )


@method_decorator(never_cache, name="dispatch")
class ReceiptPdfView(ReceiptMixin):
    """The receipt as a PDF; without the extra ``pdf`` it redirects to the page, for printing."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        receipt = self.receipt()
        if not pdf.is_available():
            messages.info(request, _("This site makes no PDFs. You can print this page instead."))
            return redirect(page_url(request, "quickscale_stripe:receipt", pk=receipt.payment.pk))
        name = f"receipt-{receipt.payment.receipt_number}.pdf"
        return HttpResponse(
            pdf.draw(receipt),
            content_type="application/pdf",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
