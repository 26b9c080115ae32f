"""URLs of the customer's home. ``urls_public.py`` and ``urls_health.py`` have optional pages."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from quickscale_dashboard.pages import views

app_name = "quickscale_dashboard"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.DashboardView.as_view(), name="dashboard"),
    path("panels/<str:page>/<str:name>/", views.PanelView.as_view(), name="panel"),
]

if settings.DEBUG:
    urlpatterns += [path("elements/", include("quickscale.urls_elements"))]
