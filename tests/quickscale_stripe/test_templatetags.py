from __future__ import annotations

import pytest
from django.template import Context, Template

from quickscale_stripe.models import Payment


@pytest.mark.parametrize("status", Payment.Status)
def test_the_status_of_a_payment_has_a_tone(status: str) -> None:
    template = Template("{% load quickscale_stripe %}{{ payment|payment_tone }}")
    tones = {
        "succeeded": "success",
        "pending": "info",
        "failed": "danger",
        "disputed": "danger",
        "refunded": "info",
        "partially_refunded": "info",
    }
    tone = template.render(Context({"payment": Payment(status=status)}))
    assert tone == tones.get(status, "")


def test_a_payment_without_a_description_is_called_by_its_kind() -> None:
    assert Payment(kind="subscription").title == "Subscription"
    assert Payment(kind="subscription", description="Pro plan").title == "Pro plan"
