"""A call of each public function of ``ledger`` and ``allotments``, for tests that cover all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from quickscale_credits import allotments, ledger
from quickscale_credits.models import CreditAccount
from tests.owners import make_owner

DAY = timedelta(days=1)
SOURCE = ("plan", "order")


class Stage:
    """An account that has something for each operation to work on, and an empty one."""

    def __init__(self) -> None:
        self.owner = make_owner()
        self.account = CreditAccount.objects.for_owner(self.owner)
        self.other = CreditAccount.objects.for_owner(make_owner())
        end = timezone.now() + 10 * DAY
        bought = self.account.add_credits(100, "Bought", source=("checkout", str(self.account.pk)))
        self.bought = bought.allocations.get().lot
        plan = self.account.add_credits(
            100, "Plan", credit_type="subscription", expires_at=end, cost=(900, "eur")
        )
        self.plan = plan.allocations.get().lot
        self.used = self.account.consume_credits(5, "Work")
        self.hold = self.account.hold_credits(1, "Work", ttl=DAY)
        self.source = (SOURCE[0], f"{SOURCE[1]}-{self.account.pk}")
        self.schedule()

    def schedule(self) -> None:
        self.terms = {"anchor": timezone.now() - DAY, "until": timezone.now() + 80 * DAY}
        allotments.schedule_allotment(
            account=self.account,
            amount=10,
            description="Plan",
            source=self.source,
            **self.terms,
        )

    def read_again(self, using: str | None = None) -> None:
        """Fetch the rows again, from the given database or from the one that the router reads."""
        for name in ("owner", "account", "other", "bought", "plan", "used", "hold"):
            row = getattr(self, name)
            setattr(self, name, type(row)._default_manager.using(using).get(pk=row.pk))


class Arguments(NamedTuple):
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def call(*args: Any, **kwargs: Any) -> Arguments:
    return Arguments(args, kwargs)


LEDGER: dict[str, Callable[[Stage], Arguments]] = {
    "add_credits": lambda s: call(account=s.account, amount=1, description="Bought"),
    "capture": lambda s: call(hold=s.hold),
    "close": lambda s: call(account=s.other),
    "consume_credits": lambda s: call(account=s.account, amount=1, description="Work"),
    "consume_many": lambda s: call([{"account": s.account, "amount": 1, "description": "Work"}]),
    "convert": lambda s: call(lot=s.plan, description="Change of plan"),
    "expire_due": lambda s: call(),
    "freeze": lambda s: call(account=s.account),
    "hold_credits": lambda s: call(account=s.account, amount=1, description="Work", ttl=DAY),
    "lock": lambda s: call(s.account, s.other),
    "open_account": lambda s: call(owner=make_owner()),
    "prolong": lambda s: call(hold=s.hold, ttl=2 * DAY),
    "rebuild": lambda s: call(s.account),
    "release": lambda s: call(hold=s.hold),
    "remove_credits": lambda s: call(account=s.account, amount=1, description="Mistake"),
    "reverse": lambda s: call(transaction=s.used, reason="It failed"),
    "revoke": lambda s: call(lot=s.bought, amount=1, reason="Refund"),
    "roll_over": lambda s: call(
        lot=s.plan, expires_at=timezone.now() + 20 * DAY, description="Renewal"
    ),
    "set_low_balance": lambda s: call(account=s.account, threshold=10),
    "set_overdraft_limit": lambda s: call(account=s.account, limit=10),
    "settle": lambda s: call(account=s.account, amount=2, description="Work", hold=s.hold),
    "sweep": lambda s: call(),
    "transfer": lambda s: call(lot=s.bought, to=s.other, amount=1, description="Merged"),
    "unfreeze": lambda s: call(account=s.account),
    "verify": lambda s: call(s.account),
    "verify_in_parts": lambda s: call(),
}
ALLOTMENTS: dict[str, Callable[[Stage], Arguments]] = {
    "cancel_allotment": lambda s: call(account=s.account, source=s.source, reason="Cancelled"),
    "change_allotment": lambda s: call(
        account=s.account,
        source=s.source,
        new_source=(SOURCE[0], f"{s.source[1]}-more"),
        amount=20,
        description="More",
    ),
    "schedule_allotment": lambda s: call(
        account=s.account,
        amount=1,
        description="Plan",
        source=("plan", f"second-{s.account.pk}"),
        **s.terms,
    ),
    "spread_credits": lambda s: call(
        account=s.account,
        amount=9,
        description="Plan",
        source=("plan", f"third-{s.account.pk}"),
        **s.terms,
    ),
}
OPERATIONS = [
    *((ledger, name, arguments) for name, arguments in LEDGER.items()),
    *((allotments, name, arguments) for name, arguments in ALLOTMENTS.items()),
]
