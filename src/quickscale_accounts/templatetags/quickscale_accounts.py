from __future__ import annotations

from dataclasses import dataclass

from django import template
from django.forms.boundfield import BoundField
from django.template import Context
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from quickscale_accounts.conf import app_settings

register = template.Library()


@dataclass(frozen=True)
class Tab:
    label: str | Promise
    url: str
    current: bool


ACCOUNT_PAGES: dict[str, str | Promise] = {
    "quickscale_accounts:overview": _("Account"),
    "account_email": _("Email"),
    "account_change_password": _("Password"),
    "mfa_index": _("Two-factor authentication"),
    "usersessions_list": _("Sessions"),
    "socialaccount_connections": _("Connections"),
}


@register.simple_tag(takes_context=True)
def account_tabs(context: Context) -> list[Tab]:
    """Return the pages of a user's own account that the site has mounted and switched on."""
    return [
        Tab(label, url, current=url == context["request"].path)
        for name, label in ACCOUNT_PAGES.items()
        if (url := _reverse_or_empty(name))
        and (app_settings.social_login or not name.startswith("socialaccount"))
    ]


def _reverse_or_empty(url_name: str) -> str:
    try:
        return reverse(url_name)
    except NoReverseMatch:
        return ""


@register.filter
def is_new_password(field: BoundField) -> bool:
    """Whether a person chooses a password in this field, not whether it is typed again."""
    return field.name == "password1"


@register.filter
def without_placeholder(field: BoundField) -> BoundField:
    """Return the field without its placeholder, because allauth's only repeat the label."""
    field.field.widget.attrs.pop("placeholder", None)
    return field
