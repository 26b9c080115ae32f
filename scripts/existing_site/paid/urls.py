from __future__ import annotations

from django.urls import path

from paid.views import ReportApi, ReportView

urlpatterns = [path("report/", ReportView.as_view()), path("api/", ReportApi.as_view())]
