from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("services/", include("quickscale_credits.urls_services")),
    path("credits/", include("quickscale_credits.urls")),
    path("admin/", admin.site.urls),
]
