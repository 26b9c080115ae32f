"""The pages below a URL that names a project, and the site's own pages."""

from __future__ import annotations

from django.urls import include, path
from django.views.generic import TemplateView

pages = [
    path("", include("quickscale_dashboard.urls")),
    path("credits/", include("quickscale_credits.urls")),
    path("services/", include("quickscale_credits.urls_services")),
    path("billing/", include("quickscale_stripe.urls")),
]
urlpatterns = [
    path("", include("quickscale_stripe.urls_public")),
    path("projects/<slug:project>/<uuid:code>/", include(pages)),
    path("projects/<slug:project>/<uuid:code>/members/", TemplateView.as_view(), name="members"),
    # Again for users who act for themselves, and below a parameter named like a template variable.
    path("own/services/", include("quickscale_credits.urls_services", namespace="own_services")),
    path("<slug:balance>/credits/", include("quickscale_credits.urls", namespace="named")),
    path("<slug:state>/checkout/", include("quickscale_stripe.urls", namespace="named_payments")),
    path("<slug:tenant>/", include("quickscale_dashboard.urls_public", namespace="tenant_public")),
    path("accounts/", include("allauth.urls")),
    path("users/", include("quickscale_accounts.urls")),
    path("stripe/", include("quickscale_stripe.urls_webhook")),
    path("", include("quickscale_dashboard.urls_public")),
]
