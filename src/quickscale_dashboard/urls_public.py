"""Public pages for a site that has none of its own."""

from __future__ import annotations

from django.urls import path

from quickscale_dashboard.pages import views

app_name = "quickscale_dashboard_public"
urlpatterns = [
    path("", views.HomeView.as_view(), name="home"),
    path("about/", views.AboutView.as_view(), name="about"),
    path("contact/", views.ContactView.as_view(), name="contact"),
    path("favicon.ico", views.FaviconView.as_view(), name="favicon"),
    path("robots.txt", views.RobotsView.as_view(), name="robots"),
    path("sitemap.xml", views.SitemapView.as_view(), name="sitemap"),
]
