from __future__ import annotations

from django.urls import path

from quickscale_dashboard import views

app_name = "quickscale_dashboard"
urlpatterns = [
    path("", views.HomeView.as_view(), name="home"),
    path("dashboard/", views.DashboardView.as_view(), name="dashboard"),
]
