from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from quickscale_dashboard.registry import NavItem, register, staff

register(NavItem(_("Dashboard"), "quickscale_dashboard:dashboard", order=10))
register(
    NavItem(_("Admin"), "admin:index", order=900, section="staff", access=staff, optional=True)
)
