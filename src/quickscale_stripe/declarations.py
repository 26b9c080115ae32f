"""What this app tells the registries of the foundation; loaded when the app is ready."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from quickscale import audit, notifications, privacy
from quickscale.audit import Action
from quickscale.notifications import Kind
from quickscale.privacy import PersonalData

ALWAYS = _("For as long as the site keeps its books")
BOOKS = _("The site must be able to account for its money, also for refunds and disputes.")

audit.actions.register(
    Action(
        "stripe.customer_adopted",
        _("Linked a customer at Stripe to an owner"),
        ("admin:stripecustomer.adopt", "command:adopt_customers"),
    ),
    Action(
        "stripe.customer_synced",
        _("Synced a customer"),
        ("admin:stripecustomer.sync", "command:sync_customers"),
    ),
    Action(
        "stripe.subscription_cancelled",
        _("Cancelled a subscription"),
        ("admin:subscription.cancel", "admin:subscription.cancel-now"),
    ),
    Action(
        "stripe.subscription_reactivated",
        _("Undid the cancellation of a subscription"),
        ("admin:subscription.reactivate",),
    ),
    Action("stripe.subscription_synced", _("Synced a subscription"), ("admin:subscription.sync",)),
    Action("stripe.payment_refunded", _("Refunded a payment"), ("admin:payment.refund",)),
    Action(
        "stripe.payment_synced",
        _("Synced a payment, a refund or a dispute"),
        ("admin:payment.sync", "admin:refund.sync", "admin:dispute.sync"),
    ),
    Action("stripe.reconciled", _("Reconciled payments"), ("command:reconcile_stripe",)),
    Action(
        "stripe.archived",
        _("Archived a product or a price"),
        ("admin:stripeproduct.archive", "admin:stripeprice.archive"),
    ),
    Action(
        "stripe.restored",
        _("Put a product or a price on sale again"),
        ("admin:stripeproduct.restore", "admin:stripeprice.restore"),
    ),
    Action("stripe.catalogue_pushed", _("Changed the catalogue"), ("command:push_products",)),
    Action(
        "stripe.catalogue_synced",
        _("Synced the catalogue"),
        (
            "admin:stripeproduct.sync",
            "admin:stripeproduct.sync_all",
            "admin:stripeprice.sync",
            "command:sync_products",
        ),
    ),
    Action(
        "stripe.event_replayed",
        _("Processed events again"),
        ("admin:stripeevent.replay", "command:replay_events"),
    ),
    Action("stripe.payloads_purged", _("Dropped payloads of events"), ("command:purge_events",)),
    Action(
        "stripe.webhook_endpoint_created",
        _("Made a webhook endpoint"),
        ("command:create_webhook_endpoint",),
    ),
)

privacy.stored.register(
    PersonalData(
        name="stripe.customer",
        label=_("Name, address and payment method, as Stripe has them"),
        model="quickscale_stripe.StripeCustomer",
        fields=(
            "email",
            "name",
            "sent_email",
            "sent_name",
            "payment_method",
            "payment_method_id",
            "default_payment_method_id",
        ),
        purpose=_("To show what is charged, and to keep Stripe up to date."),
        kept_for=_("Until the owner is forgotten"),
        owner="owner",
    ),
    PersonalData(
        name="stripe.customer_ids",
        label=_("Identifiers of the customer at Stripe"),
        model="quickscale_stripe.StripeCustomer",
        fields=("stripe_id", "former_ids", "reference"),
        purpose=_("To know whose payment an event is about."),
        kept_for=ALWAYS,
        owner="owner",
        keep=BOOKS,
    ),
    PersonalData(
        name="stripe.subscriptions",
        label=_("Subscriptions"),
        model="quickscale_stripe.Subscription",
        fields=("price", "quantity", "status", "created_at", "cancel_at", "ended_at"),
        purpose=_("To give what was subscribed to."),
        kept_for=ALWAYS,
        owner="owner",
        keep=BOOKS,
    ),
    PersonalData(
        name="stripe.movements",
        label=_("Changes of the monthly revenue"),
        model="quickscale_stripe.MrrMovement",
        fields=("kind", "before", "after", "currency", "at"),
        purpose=_("To know how the revenue develops."),
        kept_for=ALWAYS,
        owner="owner",
        keep=BOOKS,
    ),
    PersonalData(
        name="stripe.payments",
        label=_("Payments"),
        model="quickscale_stripe.Payment",
        fields=(
            "kind",
            "status",
            "description",
            "total",
            "amount",
            "currency",
            "failure_message",
            "created_at",
            "paid_at",
        ),
        purpose=_("To give what was paid for."),
        kept_for=ALWAYS,
        owner="owner",
        keep=BOOKS,
    ),
    PersonalData(
        name="stripe.receipts",
        label=_("Receipts, with the buyer's name, address and tax ID"),
        model="quickscale_stripe.Payment",
        fields=("receipt_number", "receipt_details", "receipt_url", "invoice_url", "invoice_pdf"),
        purpose=_("To give receipts."),
        kept_for=ALWAYS,
        owner="owner",
        keep=_("Tax law asks for receipts as they were issued."),
    ),
    PersonalData(
        name="stripe.charges",
        label=_("Charges"),
        model="quickscale_stripe.Charge",
        fields=("payment_intent_id", "charge_id", "amount"),
        purpose=_("To know which payment a refund or a dispute is about."),
        kept_for=ALWAYS,
        owner="payment__owner",
        keep=BOOKS,
    ),
    PersonalData(
        name="stripe.refunds",
        label=_("Refunds"),
        model="quickscale_stripe.Refund",
        fields=("amount", "currency", "status", "reason", "created_at"),
        purpose=_("To take back what was paid for with the money."),
        kept_for=ALWAYS,
        owner="payment__owner",
        keep=BOOKS,
    ),
    PersonalData(
        name="stripe.disputes",
        label=_("Disputes"),
        model="quickscale_stripe.Dispute",
        fields=("amount", "currency", "status", "reason", "created_at"),
        purpose=_("To answer them in time."),
        kept_for=ALWAYS,
        owner="payment__owner",
        keep=BOOKS,
    ),
    PersonalData(
        name="stripe.events",
        label=_("Events as Stripe sent them, with names and addresses"),
        model="quickscale_stripe.StripeEvent",
        fields=("payload", "error", "traceback"),
        purpose=_("To find out what happened when something went wrong."),
        kept_for=_("As long as QUICKSCALE_STRIPE_EVENT_RETENTION_DAYS says"),
        keep=_("They are dropped by themselves."),
    ),
)

notifications.kinds.register(
    Kind("stripe.purchase", _("A payment was received"), audience="owner", mandatory=True),
    Kind("stripe.payment_failed", _("A payment failed"), audience="owner", mandatory=True),
    Kind("stripe.payment_refunded", _("Money was returned"), audience="owner"),
    Kind("stripe.refund_failed", _("A refund did not arrive"), audience="owner", mandatory=True),
    Kind(
        "stripe.subscription_changed", _("A subscription began, changed or ends"), audience="owner"
    ),
    *(
        Kind(f"stripe.{mail}", label, audience="owner", mandatory=True)
        for mail, label in {
            "cancellation_scheduled": _("A subscription was cancelled"),
            "cancellation_withdrawn": _("A cancellation was undone"),
            "plan_change_scheduled": _("A change of plan was scheduled"),
            "subscription_ended": _("A subscription ended"),
        }.items()
    ),
    *(
        Kind(f"stripe.{mail}", label, audience="staff")
        for mail, label in {
            "dispute": _("A payment was disputed"),
            "invoice_problem": _("An invoice will not be paid"),
            "event_died": _("An event could not be processed"),
            "catalogue_problem": _("A price can't be read"),
            "missing_credits": _("A paid plan brought no credits"),
            "fulfilment_failed": _("A payment brought nothing, because a hook failed"),
            "refund_problem": _("A refund came back"),
        }.items()
    ),
)
