from __future__ import annotations

from django.urls import path

from quickscale_dashboard import views

app_name = "quickscale_dashboard"
urlpatterns = [
    path("", views.HomeView.as_view(), name="home"),
    path("about/", views.AboutView.as_view(), name="about"),
    path("contact/", views.ContactView.as_view(), name="contact"),
    path("dashboard/", views.DashboardView.as_view(), name="dashboard"),
    path("dashboard/panels/<str:page>/<str:name>/", views.PanelView.as_view(), name="panel"),
    path("healthz", views.HealthView.as_view(), name="health"),
    path("readyz", views.ReadinessView.as_view(), name="readiness"),
]
