"""What this app tells the registries of the foundation; loaded when the app is ready."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from quickscale import audit, notifications, privacy
from quickscale.audit import Action
from quickscale.notifications import Kind
from quickscale.privacy import PersonalData

ALWAYS = _("For as long as the site keeps its books")
JOURNAL = _("The journal proves every balance, and nothing of it may be changed.")
WHO_ACTED = _("To know who changed a balance by hand.")
WITH_ACCOUNT = _("Until the user is deleted")

audit.actions.register(
    Action(
        "credits.added",
        _("Added credits"),
        (
            "admin:creditaccount.add_credits",
            "admin:creditaccount.add_to_selected",
            "command:add_credits",
        ),
        needs_reason=True,
    ),
    Action(
        "credits.imported",
        _("Imported credits"),
        ("admin:creditaccount.import", "command:import_credits"),
    ),
    Action(
        "credits.removed",
        _("Removed credits"),
        ("admin:creditaccount.remove_credits",),
        needs_reason=True,
    ),
    Action(
        "credits.reversed",
        _("Gave credits back"),
        ("admin:credittransaction.reverse",),
        needs_reason=True,
    ),
    Action("credits.revoked", _("Revoked credits"), ("admin:creditlot.revoke",), needs_reason=True),
    Action(
        "credits.transferred",
        _("Transferred credits"),
        ("admin:creditlot.transfer",),
        needs_reason=True,
    ),
    Action("credits.expired", _("Posted what was due"), ("command:expire_credits",)),
    Action(
        "credits.hold_released",
        _("Released a hold"),
        ("admin:credithold.release",),
        needs_reason=True,
    ),
    Action("credits.account_opened", _("Opened an account"), ("admin:creditaccount.add",)),
    Action(
        "credits.account_frozen",
        _("Froze an account"),
        ("admin:creditaccount.freeze",),
        needs_reason=True,
    ),
    Action(
        "credits.account_unfrozen",
        _("Unfroze an account"),
        ("admin:creditaccount.unfreeze",),
        needs_reason=True,
    ),
    Action(
        "credits.account_closed",
        _("Closed an account"),
        ("admin:creditaccount.close",),
        needs_reason=True,
    ),
    Action(
        "credits.overdraft_limit_set",
        _("Set an overdraft limit"),
        ("admin:creditaccount.overdraft_limit",),
        needs_reason=True,
    ),
    Action(
        "credits.low_balance_set",
        _("Set the balance that is announced as low"),
        ("admin:creditaccount.change",),
    ),
    Action("credits.balances_rebuilt", _("Rebuilt balances"), ("command:rebuild_balances",)),
    Action(
        "credits.events_delivered",
        _("Delivered events"),
        ("admin:creditevent.deliver", "command:deliver_credit_events"),
    ),
    Action("credits.service_added", _("Added a service"), ("admin:service.add",)),
    Action(
        "credits.service_changed",
        _("Changed a service or its price"),
        (
            "admin:service.change",
            "admin:service.switch_on",
            "admin:service.switch_off",
            "command:configure_service",
        ),
    ),
    Action("credits.price_added", _("Added a price"), ("admin:serviceprice.add",)),
    Action(
        "credits.price_deleted",
        _("Deleted a price that was not in force yet"),
        ("admin:serviceprice.delete",),
    ),
    Action(
        "credits.exported",
        _("Downloaded rows as CSV"),
        tuple(
            f"admin:{model}.download_csv"
            for model in (
                "accountchange",
                "creditaccount",
                "credittransaction",
                "service",
                "serviceprice",
                "serviceusage",
            )
        ),
    ),
    Action(
        "credits.samples_loaded",
        _("Loaded sample credits for development"),
        ("command:load_sample_credits",),
    ),
)

privacy.stored.register(
    PersonalData(
        name="credits.account",
        label=_("Balance, status and limits"),
        model="quickscale_credits.CreditAccount",
        fields=("posted", "held", "status", "overdraft_limit", "low_balance_threshold"),
        purpose=_("To know what may be used."),
        kept_for=ALWAYS,
        owner="owner",
        keep=JOURNAL,
    ),
    PersonalData(
        name="credits.former_owner",
        label=_("Name of a deleted owner"),
        model="quickscale_credits.CreditAccount",
        fields=("former_owner",),
        purpose=_("To know whose journal it was."),
        kept_for=_("Until the owner is forgotten; a number replaces the name"),
    ),
    PersonalData(
        name="credits.account_changes",
        label=_("Changes of the status and the limits, with the reasons"),
        model="quickscale_credits.AccountChange",
        fields=("kind", "old", "new", "reason", "created_at"),
        purpose=_("To explain what may be used, and why."),
        kept_for=ALWAYS,
        owner="account__owner",
        keep=JOURNAL,
    ),
    PersonalData(
        name="credits.lots",
        label=_("Credits that were bought or given"),
        model="quickscale_credits.CreditLot",
        fields=(
            "credit_type",
            "amount",
            "remaining",
            "effective_at",
            "expires_at",
            "cost_amount",
            "cost_currency",
        ),
        purpose=_("To know which credits are left, and when they end."),
        kept_for=ALWAYS,
        owner="account__owner",
        keep=JOURNAL,
    ),
    PersonalData(
        name="credits.transactions",
        label=_("Credits that came in and were used"),
        model="quickscale_credits.CreditTransaction",
        fields=("kind", "amount", "balance_after", "description", "metadata", "created_at"),
        purpose=_("To prove the balance."),
        kept_for=ALWAYS,
        owner="account__owner",
        keep=JOURNAL,
    ),
    PersonalData(
        name="credits.holds",
        label=_("Credits that were set aside for work in progress"),
        model="quickscale_credits.CreditHold",
        fields=("amount", "captured", "status", "description", "metadata", "created_at"),
        purpose=_("To charge for work only when it is done."),
        kept_for=ALWAYS,
        owner="account__owner",
        keep=JOURNAL,
    ),
    PersonalData(
        name="credits.usage",
        label=_("Services that were used"),
        model="quickscale_credits.ServiceUsage",
        fields=("service", "quantities", "dimension", "cost", "metadata", "created_at"),
        purpose=_("To explain what each use cost."),
        kept_for=ALWAYS,
        owner="account__owner",
        keep=JOURNAL,
    ),
    PersonalData(
        name="credits.events",
        label=_("News about the balance, on its way to the site"),
        model="quickscale_credits.CreditEvent",
        fields=("kind", "payload", "created_at"),
        purpose=_("To tell the site what happened."),
        kept_for=_("As long as QUICKSCALE_CREDITS_EVENT_RETENTION says"),
        owner="account__owner",
        keep=_("They name nobody, and are deleted by themselves."),
    ),
    *(
        PersonalData(
            name=f"credits.{name}",
            label=label,
            model=f"quickscale_credits.{model}",
            fields=("actor",),
            purpose=WHO_ACTED,
            kept_for=WITH_ACCOUNT,
            user="actor",
        )
        for name, label, model in (
            ("account_change_actors", _("Who changed an account"), "AccountChange"),
            ("hold_actors", _("Who set credits aside"), "CreditHold"),
            ("transaction_actors", _("Who moved credits"), "CreditTransaction"),
        )
    ),
)

notifications.kinds.register(
    Kind(
        "credits.balance_low",
        _("Few credits are left"),
        audience="owner",
        cooldown=timedelta(days=7),
    ),
    Kind("credits.balance_depleted", _("No credits are left"), audience="owner"),
    Kind("credits.credits_expiring", _("Credits end soon"), audience="owner", digestible=True),
)
