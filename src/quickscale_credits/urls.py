"""URLs for an owner's credits; ``urls_services.py`` has those of the services."""

from __future__ import annotations

from django.urls import path

from quickscale_credits.pages import usage, views

app_name = "quickscale_credits"
urlpatterns = [
    path("", views.BalanceView.as_view(), name="balance"),
    path("history/", views.HistoryView.as_view(), name="history"),
    path("history/export/", views.HistoryExportView.as_view(), name="history_export"),
    path("usage/", usage.UsageView.as_view(), name="usage"),
    path("usage/export/", usage.UsageExportView.as_view(), name="usage_export"),
    path(
        "usage/meters/",
        usage.UsagePartView.as_view(template_name="quickscale_credits/_usage_meters.html"),
        name="usage_meters",
    ),
    path(
        "usage/chart/",
        usage.UsagePartView.as_view(template_name="quickscale_credits/_usage_chart.html"),
        name="usage_chart",
    ),
    path(
        "usage/summary/",
        usage.UsagePartView.as_view(template_name="quickscale_credits/_usage_summary.html"),
        name="usage_summary",
    ),
    path("history/<int:sequence>/", views.TransactionView.as_view(), name="transaction"),
]
