from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from quickscale_dashboard.registry import NavItem, everyone, register, staff

register(NavItem(_("Home"), "quickscale_dashboard:dashboard", order=10, icon="house"))
register(
    NavItem(
        _("Admin"),
        "admin:index",
        order=900,
        section="staff",
        access=staff,
        optional=True,
        icon="wrench",
    )
)
for order, name, label in ((80, "about", _("About")), (90, "contact", _("Contact"))):
    register(
        NavItem(
            label,
            f"quickscale_dashboard_public:{name}",
            order=order,
            section="public",
            access=everyone,
            optional=True,
        )
    )
