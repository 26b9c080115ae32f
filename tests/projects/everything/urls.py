from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("users/", include("quickscale_accounts.urls")),
    path("services/", include("quickscale_credits.urls_services")),
    path("dashboard/credits/", include("quickscale_credits.urls")),
    path("stripe/", include("quickscale_stripe.urls_webhook")),
    path("stripe/sandbox/", include("quickscale_stripe_sandbox.urls")),
    path("dashboard/", include("quickscale_stripe.urls")),
    path("admin/", admin.site.urls),
    path("dashboard/", include("quickscale_dashboard.urls")),
    path("quickscale/", include("quickscale.urls")),
    path("language/", include("quickscale.urls_language")),
    path("", include("quickscale_dashboard.urls_health")),
    path("", include("quickscale_stripe.urls_public")),
    path("", include("quickscale_dashboard.urls_public")),
]
