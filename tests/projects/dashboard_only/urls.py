from __future__ import annotations

from django.contrib.auth.views import LoginView
from django.urls import include, path

urlpatterns = [
    path("login/", LoginView.as_view(template_name="login.html"), name="login"),
    path("dashboard/", include("quickscale_dashboard.urls")),
    path("", include("quickscale_dashboard.urls_health")),
    path("", include("quickscale_dashboard.urls_public")),
]
