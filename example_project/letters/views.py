from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse_lazy
from django.utils import timezone
from django.views.decorators.http import require_POST
from django.views.generic import CreateView, ListView

from letters.models import Letter
from quickscale_credits.metering import metered
from quickscale_credits.pages.views import HistoryView


class LetterListView(ListView):
    def get_queryset(self) -> QuerySet[Letter]:
        return Letter.objects.filter(author_id=self.request.user.pk)


class LetterCreateView(LoginRequiredMixin, CreateView):
    model = Letter
    fields = ("subject", "body")
    success_url = reverse_lazy("letters:list")

    def form_valid(self, form) -> HttpResponse:
        form.instance.author = self.request.user
        return super().form_valid(form)


@require_POST
@metered("print-letter")
def print_letter(request: HttpRequest, pk: int) -> HttpResponse:
    """Seam: a view of the site that costs credits; failed work costs nothing."""
    letter = get_object_or_404(Letter, pk=pk, author=request.user, printed_at=None)
    letter.printed_at = timezone.now()
    letter.save()
    messages.success(request, f"“{letter}” is on its way to the press.")
    return redirect("letters:list")


class LongHistoryView(HistoryView):
    """Seam: a subclass of one of QuickScale's views, mounted in its place."""

    page_size = 100
