"""The pages below a URL that carries a project, and the same site's own ones."""

from __future__ import annotations

from django.urls import include, path

pages = [
    path("", include("quickscale_dashboard.urls")),
    path("credits/", include("quickscale_credits.urls")),
    path("services/", include("quickscale_credits.urls_services")),
    path("billing/", include("quickscale_stripe.urls")),
]
urlpatterns = [
    path("projects/<slug:project>/<uuid:code>/", include(pages)),
    path("accounts/", include("allauth.urls")),
    path("users/", include("quickscale_accounts.urls")),
    path("stripe/", include("quickscale_stripe.urls_webhook")),
    path("", include("quickscale_dashboard.urls_public")),
]
