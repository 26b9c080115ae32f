from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from quickscale_accounts.conf import app_settings
from quickscale_dashboard.registry import NavItem, register


def anonymous(request: HttpRequest) -> bool:
    return not request.user.is_authenticated


def may_sign_up(request: HttpRequest) -> bool:
    return anonymous(request) and app_settings.signup_allowed(request=request)


register(NavItem(_("Sign in"), "account_login", order=10, section="account", access=anonymous))
register(NavItem(_("Sign up"), "account_signup", order=20, section="account", access=may_sign_up))
register(
    NavItem(_("Account"), "quickscale_accounts:overview", order=10, section="account", icon="user")
)
register(NavItem(_("Email"), "account_email", order=20, section="account", icon="mail"))
register(
    NavItem(
        _("Change password"),
        "account_change_password",
        order=30,
        section="account",
        icon="key",
        pages=("account_set_password",),
    )
)
register(NavItem(_("Sign out"), "account_logout", order=900, section="account", icon="log-out"))
