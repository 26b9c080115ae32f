"""Factories and a movable ledger clock for a site's own tests. Needs factory-boy."""

from __future__ import annotations

from typing import Any

import factory
from factory.django import DjangoModelFactory

from quickscale_credits.internal import outbox
from quickscale_credits.internal.clock import Clock, ledger_clock
from quickscale_credits.models import CreditAccount, CreditEvent, Service
from quickscale_credits.pricing import set_price

__all__ = ["Clock", "CreditAccountFactory", "ServiceFactory", "deliver_events", "ledger_clock"]


def deliver_events(*, using: str | None = None) -> int:
    """Call the receivers of all waiting events, and return the number of events delivered.

    In a ``TestCase`` nothing is committed, so nothing is delivered. A test of a receiver calls this
    after the write and does not need ``captureOnCommitCallbacks``.

    Raises:
        AssertionError: a receiver raised an exception. Outside tests, the exception is logged and
            the receiver is tried again.
    """
    delivered = outbox.deliver_due(using=using)
    failed = CreditEvent.objects.using(using).exclude(last_error="").filter(delivered_at=None)
    if errors := list(failed.values_list("last_error", flat=True)):
        raise AssertionError("; ".join(errors))
    return delivered


class CreditAccountFactory(DjangoModelFactory):  # type: ignore[misc]
    """The account of the given ``owner``; ``credits=100`` adds pay-as-you-go credits."""

    class Meta:
        model = CreditAccount
        skip_postgeneration_save = True

    @classmethod
    def _create(cls, model_class: type[CreditAccount], *args: Any, **kwargs: Any) -> CreditAccount:
        return model_class.objects.for_owner(kwargs["owner"])

    @factory.post_generation  # type: ignore[untyped-decorator]
    def credits(self: CreditAccount, create: bool, extracted: Any, **kwargs: Any) -> None:
        if extracted:
            self.add_credits(extracted, "Credits of a test", **kwargs)


class ServiceFactory(DjangoModelFactory):  # type: ignore[misc]
    """An active service; each unit costs ``cost`` credits, by default 1."""

    class Meta:
        model = Service
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Service {n}")
    slug = factory.Sequence(lambda n: f"service-{n}")

    @factory.post_generation  # type: ignore[untyped-decorator]
    def cost(self: Service, create: bool, extracted: Any, **kwargs: Any) -> None:
        if create:
            set_price(self, 1 if extracted is None else extracted)
