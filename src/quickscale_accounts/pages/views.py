from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.views.generic import TemplateView

from quickscale.login import LoginRequiredMixin


class OverviewView(LoginRequiredMixin, TemplateView):
    """The user's own account: address and password, with links to change them."""

    template_name = "quickscale_accounts/overview.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        addresses = EmailAddress.objects.filter(user=self.request.user)
        return super().get_context_data(
            email_addresses=addresses.order_by("-primary", "email"), **kwargs
        )
