"""What this app tells the registries of the foundation; loaded when the app is ready."""

from __future__ import annotations

from django.apps import apps
from django.contrib.auth import get_user_model
from django.utils.translation import gettext_lazy as _

from quickscale import audit, notifications, privacy
from quickscale.audit import Action
from quickscale.notifications import Kind
from quickscale.privacy import PersonalData

ALLAUTH = "signal:allauth.account.signals"
SOCIAL = "signal:allauth.socialaccount.signals"
WITH_ACCOUNT = _("Until the user is deleted")

audit.actions.register(
    Action("accounts.signed_up", _("Signed up"), (f"{ALLAUTH}.user_signed_up",)),
    Action("accounts.signed_in", _("Signed in"), (f"{ALLAUTH}.user_logged_in",)),
    Action("accounts.signed_out", _("Signed out"), (f"{ALLAUTH}.user_logged_out",)),
    Action(
        "accounts.sign_in_failed",
        _("Failed to sign in"),
        ("signal:django.contrib.auth.signals.user_login_failed",),
    ),
    Action(
        "accounts.locked_out",
        _("Locked out after too many failed sign-ins"),
        ("method:quickscale_accounts.adapter.AccountAdapter.pre_authenticate",),
    ),
    Action(
        "accounts.password_changed",
        _("Changed the password"),
        (f"{ALLAUTH}.password_changed", "admin:user.auth_user_password_change"),
    ),
    Action("accounts.password_set", _("Set a password"), (f"{ALLAUTH}.password_set",)),
    Action("accounts.password_reset", _("Reset the password"), (f"{ALLAUTH}.password_reset",)),
    Action("accounts.email_added", _("Added an email address"), (f"{ALLAUTH}.email_added",)),
    Action(
        "accounts.email_confirmed", _("Confirmed an email address"), (f"{ALLAUTH}.email_confirmed",)
    ),
    Action("accounts.email_changed", _("Changed the email address"), (f"{ALLAUTH}.email_changed",)),
    Action("accounts.email_removed", _("Removed an email address"), (f"{ALLAUTH}.email_removed",)),
    Action(
        "accounts.social_account_added",
        _("Connected an account of another service"),
        (f"{SOCIAL}.social_account_added",),
    ),
    Action(
        "accounts.social_account_removed",
        _("Disconnected an account of another service"),
        (f"{SOCIAL}.social_account_removed",),
    ),
    Action("accounts.user_added", _("Added a user"), ("admin:user.add",)),
    Action("accounts.user_changed", _("Changed a user"), ("admin:user.change",)),
    Action(
        "accounts.user_deleted",
        _("Deleted a user"),
        ("admin:user.delete", "admin:user.delete_selected"),
    ),
    Action(
        "accounts.users_prepared",
        _("Prepared users for signing in with an email address"),
        ("command:prepare_users",),
    ),
    Action(
        "accounts.starter_users_created",
        _("Created users for development"),
        ("command:create_starter_users",),
    ),
)

user_fields = {field.name for field in get_user_model()._meta.concrete_fields}
privacy.stored.register(
    PersonalData(
        name="accounts.user",
        label=_("Email address, name and dates of the account"),
        model=get_user_model()._meta.label,
        fields=tuple(
            name
            for name in (
                get_user_model().get_email_field_name(),
                "username",
                "first_name",
                "last_name",
                "date_joined",
                "last_login",
            )
            if name in user_fields
        ),
        purpose=_("To let people sign in, and to write to them."),
        kept_for=WITH_ACCOUNT,
        user="pk",
    ),
    PersonalData(
        name="accounts.email_addresses",
        label=_("Email addresses, and whether they are confirmed"),
        model="account.EmailAddress",
        fields=("email", "verified", "primary"),
        purpose=_("To make sure that an address belongs to the person who signs in with it."),
        kept_for=WITH_ACCOUNT,
        user="user",
    ),
)
if apps.is_installed("allauth.socialaccount"):
    privacy.stored.register(
        PersonalData(
            name="accounts.social_accounts",
            label=_("Connected accounts of other services"),
            model="socialaccount.SocialAccount",
            fields=("provider", "uid", "extra_data", "date_joined", "last_login"),
            purpose=_("To let people sign in with them."),
            kept_for=WITH_ACCOUNT,
            user="user",
        )
    )

notifications.kinds.register(
    *(
        Kind(f"accounts.{mail}", label, audience="user", channels=("mail",), mandatory=True)
        for mail, label in {
            "email_confirm": _("Your email address was confirmed"),
            "email_changed": _("Your email address was changed"),
            "email_deleted": _("An email address was removed"),
            "password_changed": _("Your password was changed"),
            "password_set": _("A password was set"),
            "password_reset": _("Your password was reset"),
        }.items()
    )
)
