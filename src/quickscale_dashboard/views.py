from __future__ import annotations

from django.contrib.auth.mixins import LoginRequiredMixin
from django.views.generic import TemplateView


class HomeView(TemplateView):
    template_name = "quickscale_dashboard/home.html"


class DashboardView(LoginRequiredMixin, TemplateView):
    template_name = "quickscale_dashboard/dashboard.html"
