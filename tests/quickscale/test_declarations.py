"""The apps' entries in the registries are complete, and name what exists."""

from __future__ import annotations

from pkgutil import resolve_name

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.management import get_commands
from django.dispatch import Signal
from django.utils.functional import Promise

from quickscale import audit, notifications, privacy
from quickscale.owner import get_owner_model
from quickscale_accounts.internal.mail_samples import SAMPLES
from quickscale_accounts.user_admin import EmailUserAdmin
from quickscale_credits import signals as credits_signals
from quickscale_stripe import signals as stripe_signals
from quickscale_stripe.conf import MAILS

OURS = [app for app in apps.get_app_configs() if app.name.startswith("quickscale")]
ENTRIES = [*audit.actions, *privacy.stored, *notifications.kinds]

NOT_PERSONAL = {
    "quickscale_credits.CreditAllocation": "Figures that belong to a transaction.",
    "quickscale_credits.CreditClaim": "Figures that belong to a transaction.",
    "quickscale_credits.CreditHoldAllocation": "Figures that belong to a hold.",
    "quickscale_credits.Service": "What the site offers.",
    "quickscale_credits.ServicePrice": "What the site offers.",
    "quickscale_stripe.StripePrice": "What the site offers.",
    "quickscale_stripe.StripeProduct": "What the site offers.",
}
READING_COMMANDS = {
    "check_credits",
    "check_webhook_endpoints",
    "export_products",
    "stripe_sandbox",  # serves a stand-in, which isn't the site's
    "verify_ledger",
    "verify_mrr",
}
READING_PAGES = {"usage"}
#: Pages that do what an action begins.
PAGES_OF_ACTIONS = {"bulk", "bulk_run", "run", "take"}
DJANGO_PAGES = {"add", "change", "changelist", "delete", "history"}
#: Mails that a visitor has just asked for, which nobody would switch off.
ASKED_FOR = {
    "account_already_exists",
    "email_confirmation",
    "email_confirmation_signup",
    "login_code",
    "password_reset_code",
    "password_reset_key",
    "unknown_account",
}


def sources(kind):
    found = [source for action in audit.actions for source in action.sources]
    return [source.removeprefix(kind) for source in found if source.startswith(kind)]


def texts(entry):
    fields = ("label", "purpose", "kept_for", "keep")
    return [text for name in fields if (text := getattr(entry, name, ""))]


def signals_of(module):
    return {name for name, value in vars(module).items() if isinstance(value, Signal)}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_declaration_is_named_after_its_app_and_translated(entry):
    assert entry.name.partition(".")[0] in {
        app.label.removeprefix("quickscale_") for app in OURS if app.label != "quickscale"
    }
    assert texts(entry)
    assert all(isinstance(text, Promise) for text in texts(entry))


# Personal data -----------------------------------------------------------------------------------


def test_every_table_is_declared_or_holds_nothing_personal():
    ours = {model._meta.label for app in OURS for model in app.get_models()}
    declared = {entry.model for entry in privacy.stored}
    assert ours - declared == set(NOT_PERSONAL)


@pytest.mark.parametrize("entry", list(privacy.stored), ids=lambda entry: entry.name)
def test_personal_data_names_fields_and_leads_to_a_person(entry):
    model = apps.get_model(entry.model)
    for name in entry.fields:
        model._meta.get_field(name)
    for path, person in ((entry.owner, get_owner_model()), (entry.user, get_user_model())):
        reached = model
        for name in path.split("__") if path not in ("", "pk") else ():
            reached = reached._meta.get_field(name).related_model
        assert not path or reached is person


def test_fields_are_declared_once():
    fields = [(entry.model, name) for entry in privacy.stored for name in entry.fields]
    assert len(fields) == len(set(fields))


# Actions -----------------------------------------------------------------------------------------


def done_in_the_admin(rf):
    """``model.name`` of each action, page and form of our admins, except those that only show."""
    request = rf.get("/admin/")
    request.user = get_user_model()(is_superuser=True, is_staff=True)
    admins = [each for each in admin.site._registry.values() if is_ours(each)]
    for model_admin in (*admins, EmailUserAdmin(get_user_model(), admin.site)):
        model = model_admin.opts.model_name
        prefix = f"{model_admin.opts.app_label}_{model}_"
        for verb in ("add", "change", "delete"):
            if getattr(model_admin, f"has_{verb}_permission")(request):
                yield f"{model}.{verb}"
        for name in model_admin.get_actions(request):
            yield f"{model}.{name}"
        pages = {(url.name or "").removeprefix(prefix) for url in model_admin.get_urls()}
        for name in pages - DJANGO_PAGES - READING_PAGES - PAGES_OF_ACTIONS - {""}:
            yield f"{model}.{name}"


def is_ours(model_admin):
    return type(model_admin).__module__.startswith("quickscale")


def test_every_act_in_the_admin_is_declared_once(rf):
    declared = sources("admin:")
    # Only a price that is not in force yet can be deleted.
    assert sorted(declared) == sorted({*done_in_the_admin(rf), "serviceprice.delete"})


def test_every_command_that_writes_is_declared_once():
    ours = {name for name, app in get_commands().items() if app.startswith("quickscale")}
    assert sorted(sources("command:")) == sorted(ours - READING_COMMANDS)
    assert ours >= READING_COMMANDS


def test_other_sources_exist():
    known = ("admin:", "command:", "method:", "signal:")
    for action in audit.actions:
        assert action.sources
        assert all(source.startswith(known) for source in action.sources)
    for path in (*sources("signal:"), *sources("method:")):
        resolve_name(path)


# Notifications -----------------------------------------------------------------------------------


def test_a_kind_is_a_mail_or_a_signal_of_today():
    sent = {
        "accounts": set(SAMPLES),
        "credits": signals_of(credits_signals),
        "stripe": {*MAILS, *signals_of(stripe_signals)},
    }
    for kind in notifications.kinds:
        app, _dot, name = kind.name.partition(".")
        assert name in sent[app]


def test_every_mail_is_a_kind():
    names = {kind.name for kind in notifications.kinds}
    assert names >= {f"stripe.{mail}" for mail in MAILS}
    assert {f"accounts.{mail}" for mail in set(SAMPLES) - ASKED_FOR} <= names
    assert set(SAMPLES) >= ASKED_FOR
