from __future__ import annotations

import logging
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.templatetags.static import static
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.generic import FormView, RedirectView, View

from quickscale.brand import get_brand
from quickscale.clients import client_network
from quickscale.links import PageView, find_page_url, page_url
from quickscale.login import LoginRequiredMixin
from quickscale_dashboard import registry
from quickscale_dashboard.pages.contact import make_contact_mail, may_send
from quickscale_dashboard.pages.forms import ContactForm
from quickscale_dashboard.pages.health import readiness
from quickscale_dashboard.registry import everyone

logger = logging.getLogger(__name__)


class HomeView(PageView):
    """The public home page, with the panels that the installed apps register for ``public``."""

    template_name = "quickscale_dashboard/home.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(panels=registry.panels(self.request, "public"), **kwargs)


class AboutView(PageView):
    """The page that says what the site is about."""

    template_name = "quickscale_dashboard/about.html"


class ContactView(FormView):  # type: ignore[type-arg]
    """A form that sends a mail to the site."""

    template_name = "quickscale_dashboard/contact.html"
    form_class = ContactForm

    def get_initial(self) -> dict[str, Any]:
        return {"email": getattr(self.request.user, "email", "")}

    def get_success_url(self) -> str:
        return page_url(self.request, "quickscale_dashboard_public:contact")

    def form_valid(self, form: ContactForm) -> HttpResponse:
        if not form.is_spam:
            if not may_send(client_network(self.request)):
                form.add_error(
                    None, _("You have sent many messages in a short time. Please try again later.")
                )
                return self.render_to_response(self.get_context_data(form=form), status=429)
            fields = form.cleaned_data
            try:
                make_contact_mail(
                    name=fields["name"], email=fields["email"], message=fields["message"]
                ).send()
            except OSError:  # the base of smtplib's errors and those of most services
                logger.exception("A message of the contact form could not be sent.")
                form.add_error(None, _("We could not send your message. Please try again later."))
                return self.render_to_response(self.get_context_data(form=form), status=503)
        messages.success(self.request, _("Thank you. Your message is on its way to us."))
        return super().form_valid(form)


class FaviconView(RedirectView):
    """The icon for pages that name none: the admin, a server's error pages, other sites' links."""

    def get_redirect_url(self, *args: Any, **kwargs: Any) -> str:
        return static(get_brand().logo or "quickscale_dashboard/mark.svg")


class RobotsView(PageView):
    """What a search engine may read, namely all that a visitor may, and where the sitemap is."""

    template_name = "quickscale_dashboard/robots.txt"
    content_type = "text/plain"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        sitemap = page_url(self.request, "quickscale_dashboard_public:sitemap")
        return super().get_context_data(sitemap=self.request.build_absolute_uri(sitemap), **kwargs)


class SitemapView(PageView):
    """The public pages for search engines: those of this app, and the links that everyone sees."""

    template_name = "quickscale_dashboard/sitemap.xml"
    content_type = "application/xml"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        own = [f"quickscale_dashboard_public:{name}" for name in ("home", "about", "contact")]
        links = [each.url_name for each in registry.all_nav_items() if each.access is everyone]
        paths = [find_page_url(self.request, name) for name in dict.fromkeys([*own, *links])]
        urls = [self.request.build_absolute_uri(path) for path in paths if path]
        return super().get_context_data(urls=urls, **kwargs)


class DashboardView(LoginRequiredMixin, PageView):
    """The customer's home: the panels that the installed apps register for the page ``home``."""

    template_name = "quickscale_dashboard/dashboard.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(panels=registry.panels(self.request, "home"), **kwargs)


class PanelView(LoginRequiredMixin, PageView):
    """A single panel, which HTMX swaps in place of the old one."""

    template_name = "quickscale_dashboard/_panel.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        for panel in registry.panels(request, kwargs["page"]):
            if panel.name == kwargs["name"]:
                return self.render_to_response({"panel": panel, "loaded": True})
        raise Http404


@method_decorator(never_cache, name="dispatch")
class HealthView(View):
    """Return 200 while the process is alive, without any other check."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("ok", content_type="text/plain")


@method_decorator(never_cache, name="dispatch")
class ReadinessView(View):
    """Return JSON with 200, or 503 while the database is down or migrations are pending."""

    def get(self, request: HttpRequest) -> HttpResponse:
        states = readiness()
        ready = all(state == "ok" for state in states.values())
        return JsonResponse(states, status=200 if ready else 503)
