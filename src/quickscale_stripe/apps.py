from __future__ import annotations

from django.apps import AppConfig, apps
from django.db.models.signals import post_save, pre_delete
from django.utils.translation import gettext_lazy as _

from quickscale.internal.owner_key import watch
from quickscale.owner import forgetting_owner, get_owner_model, owner_model_name


class StripeConfig(AppConfig):
    name = "quickscale_stripe"
    verbose_name = _("Stripe")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from quickscale.internal import mail_samples
        from quickscale_stripe import checks, declarations  # noqa: F401
        from quickscale_stripe.internal import mails, receivers  # noqa: F401
        from quickscale_stripe.internal.mail_samples import NAMES, render_sample
        from quickscale_stripe.models import StripeCustomer

        if apps.is_installed("quickscale_credits"):
            from quickscale_stripe.contrib.credits import connect

            connect()
        watch(StripeCustomer)
        mail_samples.register(NAMES, render_sample)
        for owner in apps.get_models():
            if issubclass(owner, get_owner_model()):
                pre_delete.connect(receivers.end_subscriptions, sender=owner)
        forgetting_owner.connect(receivers.forget_customer)
        post_save.connect(
            receivers.owner_saved,
            sender=owner_model_name(),
            dispatch_uid="quickscale_stripe.owner_saved",
        )
