"""For a site's own tests: factories, and a ledger whose clock can be moved. Needs factory-boy."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import factory
from factory.django import DjangoModelFactory

from quickscale_credits.clock import Clock, ledger_clock
from quickscale_credits.models import CreditAccount, Service

__all__ = ["Clock", "CreditAccountFactory", "ServiceFactory", "ledger_clock"]


class CreditAccountFactory(DjangoModelFactory):  # type: ignore[misc]
    """The account of ``owner``, which you give; ``credits=100`` puts pay-as-you-go credits in."""

    class Meta:
        model = CreditAccount

    @classmethod
    def _create(cls, model_class: type[CreditAccount], *args: Any, **kwargs: Any) -> CreditAccount:
        return model_class.objects.for_owner(kwargs["owner"])

    @factory.post_generation  # type: ignore[untyped-decorator]
    def credits(self: CreditAccount, create: bool, extracted: Any, **kwargs: Any) -> None:
        if extracted:
            self.add_credits(extracted, "Credits of a test", **kwargs)


class ServiceFactory(DjangoModelFactory):  # type: ignore[misc]
    """An active service that costs 1 credit."""

    class Meta:
        model = Service

    name = factory.Sequence(lambda n: f"Service {n}")
    slug = factory.Sequence(lambda n: f"service-{n}")
    cost = Decimal(1)
