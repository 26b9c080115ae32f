from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from quickscale_dashboard.registry import NavItem, register

register(NavItem(_("Dashboard"), "quickscale_dashboard:dashboard", order=10))
