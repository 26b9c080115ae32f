"""Every mail of every app with sample data; in development only."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django import forms
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.generic import TemplateView, View

from quickscale.internal import languages, mail_samples

SCHEMES = {"light": "not all", "dark": "all"}
"""What stands for the query of the reader's colours in a mail that is shown light or dark."""


class LanguageForm(forms.Form):
    """The language of the samples; by default the one of the page."""

    language = forms.ChoiceField(label=_("Language"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"].choices = languages.offered()  # type: ignore[attr-defined]
        self.fields["language"].initial = _language_of_page()

    def chosen(self) -> str:
        language = self.cleaned_data["language"] if self.is_valid() else ""
        return str(language or _language_of_page())


def _language_of_page() -> str:
    """Return the active language as ``LANGUAGES`` names it: ``"en"`` for ``"en-us"``."""
    active = translation.get_language() or settings.LANGUAGE_CODE
    with suppress(LookupError):
        return translation.get_supported_language_variant(active)
    return active


class DevelopmentOnlyMixin(View):
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.DEBUG or kwargs.get("name") not in (None, *mail_samples.names()):
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def render_sample(self, name: str) -> EmailMultiAlternatives:
        """Make a mail in the language that the request asks for."""
        with translation.override(self.form().chosen()):
            return mail_samples.render(self.request, name)

    def form(self) -> LanguageForm:
        has_choice = "language" in self.request.GET
        return LanguageForm(self.request.GET if has_choice else None)


class MailSamplesView(DevelopmentOnlyMixin, TemplateView):
    """The list of all mails."""

    template_name = "quickscale_accounts/mail_samples.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        samples = [(name, mail_samples.render(self.request, name)) for name in mail_samples.names()]
        return super().get_context_data(samples=samples, **kwargs)


class MailSampleView(DevelopmentOnlyMixin, TemplateView):
    """One mail: as HTML, light and dark, and as text."""

    template_name = "quickscale_accounts/mail_sample.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        form = self.form()
        return super().get_context_data(
            message=self.render_sample(self.kwargs["name"]),
            form=form if len(settings.LANGUAGES) > 1 else None,
            chosen=form.chosen(),
            schemes=SCHEMES,
            **kwargs,
        )


class MailSampleHTMLView(DevelopmentOnlyMixin):
    """The HTML part of a mail, for a frame of :class:`MailSampleView`."""

    @method_decorator(xframe_options_sameorigin)
    def get(self, request: HttpRequest, name: str, scheme: str) -> HttpResponse:
        if scheme not in SCHEMES:
            raise Http404
        html, _mimetype = self.render_sample(name).alternatives[0]
        response = HttpResponse(str(html).replace("(prefers-color-scheme: dark)", SCHEMES[scheme]))
        # A mail has inline styles, which the site's own policy would forbid.
        response["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'unsafe-inline'; img-src * data:; sandbox;"
            " frame-ancestors 'self'"
        )
        return response
