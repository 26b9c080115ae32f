from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import django
from django import forms, template
from django.conf import settings
from django.contrib.auth.password_validation import (
    MinimumLengthValidator,
    get_default_password_validators,
)
from django.forms.boundfield import BoundField
from django.template.context import Context
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from quickscale_accounts.conf import app_settings
from quickscale_accounts.internal import waiting

register = template.Library()


@dataclass(frozen=True)
class Tab:
    label: str | Promise
    url: str


ACCOUNT_PAGES: dict[str, str | Promise] = {
    "quickscale_accounts:overview": _("Account"),
    "account_email": _("Email"),
    "account_change_password": _("Password"),
    "mfa_index": _("Two-factor authentication"),
    "usersessions_list": _("Sessions"),
    "socialaccount_connections": _("Connections"),
}


@register.simple_tag
def account_tabs() -> list[Tab]:
    """Return the pages of a user's own account that the site has mounted and switched on."""
    return [
        Tab(label, url)
        for name, label in ACCOUNT_PAGES.items()
        if (url := _reverse_or_empty(name))
        and (app_settings.social_login or not name.startswith("socialaccount"))
    ]


def _reverse_or_empty(url_name: str) -> str:
    try:
        return reverse(url_name)
    except NoReverseMatch:
        return ""


@register.simple_tag(takes_context=True)
def wanted_page(context: Context) -> str:
    """Return the page to which a sign-up leads once the address is confirmed."""
    return waiting.next_page(context["request"])


@register.simple_tag(takes_context=True)
def expired_code(context: Context) -> dict[str, Any]:
    """Return whether a ``code`` has ended, and its ``next`` page; a second call says no."""
    ended = waiting.code_has_ended(context["request"])
    return {"code": ended, "next": waiting.end(context["request"]) if ended else None}


BACKENDS = "django.core.mail.backends"
PLACES_OF_MAILS: dict[str, str | Promise] = {
    f"{BACKENDS}.console.EmailBackend": _("The mail is printed in the terminal of the server."),
    f"{BACKENDS}.filebased.EmailBackend": _("The mail is a file in the folder for mails."),
}


@register.simple_tag
def place_of_mails() -> str | Promise:
    """Return where a developer finds the mails, or an empty string if they are really sent."""
    if not settings.DEBUG:
        return ""
    if django.VERSION >= (6, 1):
        backend = settings.MAILERS["default"].get("BACKEND", "")
    else:
        backend = settings.EMAIL_BACKEND
    return PLACES_OF_MAILS.get(backend, "")


def password_rules() -> SafeString:
    """Return the least length of a password, and the rules that the site itself added.

    Django's other rules are explained by their errors, because most people never break them.
    """
    rules = []
    for validator in get_default_password_validators():
        if isinstance(validator, MinimumLengthValidator):
            least = validator.min_length
            text = ngettext("At least %d character", "At least %d characters", least) % least
            rules.append(
                format_html('<span class="qs-least" data-least="{}">{}</span>', least, text)
            )
        elif not type(validator).__module__.startswith("django."):
            rules.append(conditional_escape(validator.get_help_text()))
    return format_html_join(mark_safe("<br>"), "{}", ((rule,) for rule in rules))


# Only in English are allauth's labels not in sentence case.
LABELS = {
    "Remember Me": "Remember me",
    "Current Password": "Current password",
    "New Password": "New password",
    "New Password (again)": "New password (again)",
}


@register.filter
def as_ours(field: BoundField) -> BoundField:
    """Return a field of allauth as our pages show it.

    It has no placeholder, because allauth's only repeat the label. A page that only asks for a code
    starts with the focus in the field, and phones offer the digits of a numeric code.
    """
    attrs = field.field.widget.attrs
    attrs.pop("placeholder", None)
    field.label = LABELS.get(str(field.label), field.label)
    if field.widget_type == "password":  # which may be shown as text
        attrs |= {"autocapitalize": "none", "spellcheck": "false"}
    if field.name == "password1":
        field.help_text = password_rules()
    elif field.name == "password" and "login" in field.form.fields:
        field.help_text = ""  # the link to a reset stands below the button
    if attrs.get("autocomplete") == "one-time-code":
        attrs |= {"autofocus": True, "autocapitalize": "characters", "spellcheck": "false"}
        if str(getattr(field.form, "expected_code", "")).isdigit():
            attrs["inputmode"] = "numeric"
        attrs["class"] = "qs-code"
    return field


TONES = ("success", "warning", "danger", "primary")


@register.filter
def tone(tags: Collection[str]) -> str:
    """Return the tone of our elements that the tags of an allauth element ask for."""
    return next((tone for tone in TONES if tone in tags), "")


@register.filter
def button_look(tags: Collection[str]) -> dict[str, bool]:
    """Return the arguments of our button that the tags of an allauth button ask for."""
    given = set(tags)
    if given & {"danger", "delete"}:
        kind = "danger"
    elif given & {"link", "cancel"}:
        kind = "text"
    elif given & {"outline", "secondary"}:
        kind = ""
    else:
        kind = "primary"
    return {kind: True, "small": "minor" in given, "wide": "prominent" in given}


CONTROL_ATTRIBUTES = ("id", "autocomplete", "placeholder", "readonly", "rows")


@register.filter
def bound_field(attrs: Mapping[str, Any], slots: Mapping[str, Sequence[SafeString]]) -> BoundField:
    """Return the field that the arguments and slots of allauth's element ``field`` describe."""
    name, kind = attrs.get("name", ""), attrs["type"]
    label, value, help_text = (slots.get(slot, [""])[0] for slot in ("label", "value", "help_text"))
    html = {key: attrs[key] for key in CONTROL_ATTRIBUTES if attrs.get(key)}
    widget: forms.Widget
    if kind == "textarea":
        widget = forms.Textarea(html)
    elif kind in {"checkbox", "radio"}:
        widget = forms.CheckboxInput({**html, "type": kind}, lambda _: bool(attrs.get("checked")))
    else:
        widget = forms.TextInput({**html, "type": kind})
    field = forms.Field(
        label=label,
        help_text=help_text,
        initial=value or attrs.get("value"),
        required=bool(attrs.get("required")),
        disabled=bool(attrs.get("disabled")),
        widget=widget,
    )
    form = forms.Form()
    if attrs.get("errors"):
        form.errors[name] = attrs["errors"]
    return BoundField(form, field, name)
