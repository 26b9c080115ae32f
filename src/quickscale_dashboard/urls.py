"""URLs of the customer's home. ``urls_public.py`` and ``urls_health.py`` have optional pages."""

from __future__ import annotations

from django.urls import path

from quickscale_dashboard.pages import views

app_name = "quickscale_dashboard"
urlpatterns = [
    path("", views.DashboardView.as_view(), name="dashboard"),
    path("panels/<str:page>/<str:name>/", views.PanelView.as_view(), name="panel"),
]
