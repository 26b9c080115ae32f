from __future__ import annotations

from django.urls import path

from quickscale_credits.pages import views

app_name = "quickscale_credits_services"
urlpatterns = [
    path("", views.ServiceListView.as_view(), name="list"),
    path("uses/<int:pk>/", views.UsageView.as_view(), name="usage"),
    path("<slug:service>/", views.ServiceUseView.as_view(), name="use"),
    path("<slug:service>/quote/", views.QuoteView.as_view(), name="quote"),
]
