"""Seam: signals, sent after commit."""

from __future__ import annotations

from typing import Any

from django.core.mail import send_mail
from django.dispatch import receiver

from quickscale_stripe.models import Payment
from quickscale_stripe.signals import payment_succeeded


@receiver(payment_succeeded, dispatch_uid="letters.tell_the_press")
def tell_the_press(payment: Payment, **kwargs: Any) -> None:
    send_mail(
        "Paper may be needed", f"{payment.description} was sold.", None, ["press@example.com"]
    )
