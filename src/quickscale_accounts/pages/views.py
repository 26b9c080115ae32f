from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.generic import TemplateView, View

from quickscale.internal import mail_samples
from quickscale.login import LoginRequiredMixin


class OverviewView(LoginRequiredMixin, TemplateView):
    """The user's own account: address and password, with links to change them."""

    template_name = "quickscale_accounts/overview.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        addresses = EmailAddress.objects.filter(user=self.request.user)
        return super().get_context_data(
            email_addresses=addresses.order_by("-primary", "email"), **kwargs
        )


class MailSamplesView(TemplateView):
    """Every mail of every app with sample data; in development only."""

    template_name = "quickscale_accounts/mail_samples.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.DEBUG:
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        samples = [(name, mail_samples.render(self.request, name)) for name in mail_samples.names()]
        return super().get_context_data(samples=samples, **kwargs)


class MailSampleView(View):
    """The HTML part of one mail, for a frame of :class:`MailSamplesView`; in development only."""

    @method_decorator(xframe_options_sameorigin)
    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        if not settings.DEBUG or name not in mail_samples.names():
            raise Http404
        html, _mimetype = mail_samples.render(request, name).alternatives[0]
        response = HttpResponse(str(html))
        # A mail has inline styles, which the site's own policy would forbid.
        response["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'unsafe-inline'; img-src *; frame-ancestors 'self'"
        )
        return response
