"""Health checks for a supervisor."""

from __future__ import annotations

from django.urls import path

from quickscale_dashboard.pages import views

app_name = "quickscale_dashboard_health"
urlpatterns = [
    path("healthz", views.HealthView.as_view(), name="health"),
    path("readyz", views.ReadinessView.as_view(), name="readiness"),
]
