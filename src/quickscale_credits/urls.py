"""URLs for an owner's credits; ``urls_services.py`` has those of the services."""

from __future__ import annotations

from django.urls import path

from quickscale_credits.pages import views

app_name = "quickscale_credits"
urlpatterns = [
    path("", views.BalanceView.as_view(), name="balance"),
    path("history/", views.HistoryView.as_view(), name="history"),
    path("history/export/", views.HistoryExportView.as_view(), name="history_export"),
    path("history/<int:sequence>/", views.TransactionView.as_view(), name="transaction"),
]
