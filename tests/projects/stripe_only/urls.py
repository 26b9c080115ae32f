from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("stripe/", include("quickscale_stripe.urls_webhook")),
    path("dashboard/", include("quickscale_stripe.urls")),
    path("admin/", admin.site.urls),
]
