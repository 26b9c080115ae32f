"""The bridge to ``quickscale_credits``: money in, credits in; money back, credits back."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from django.db.models import F, Q, QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from quickscale.formats import format_money, in_credits
from quickscale.links import find_page_url, has_page
from quickscale_credits import allotments, ledger, origins, shop
from quickscale_credits.models import CreditAccount, CreditAllocation, CreditLot, CreditTransaction
from quickscale_stripe.client import payments_are_on
from quickscale_stripe.conf import app_settings
from quickscale_stripe.fulfilment import Entry, Fulfilment, PlanCredits
from quickscale_stripe.internal.wording import convertible, price_terms
from quickscale_stripe.models import Payment, StripePrice, Subscription
from quickscale_stripe.receipts import receipt

_Kind = CreditTransaction.Kind
_OF_PAYMENTS = (_Kind.GRANT, _Kind.REVOKE, _Kind.REVERSE)
_MOST_ENTRIES = 50


def connect() -> None:
    """Link the pages of credits to those that sell them, and to the payments."""
    shop.register(buy_url, find_purchase=find_purchase)
    origins.register(payment_of)


def buy_url() -> str:
    """Return the address of the page that sells credits; empty while payments are off."""
    return "quickscale_stripe:buy_credits" if payments_are_on() else ""


def find_purchase(*, request: HttpRequest, owner: Any, needed: Decimal) -> shop.Purchase | None:
    """Return the cheapest package that brings as many credits, or else the cheapest such plan.

    An owner who has a subscription is offered no other plan.
    """
    offered = StripePrice.objects.offered(owner=owner)
    price = _cheapest(offered.one_time(), needed)
    if price is None and not Subscription.objects.for_owner(owner).live().exists():
        price = _cheapest(offered.recurring(), needed)
    if price is None:
        return None
    page, label = (
        ("quickscale_stripe:subscribe", _("Subscribe for %(price)s"))
        if price.is_subscription
        else ("quickscale_stripe:checkout", _("Buy %(credits)s for %(price)s"))
    )
    url = find_page_url(request, page)
    if not url:
        return None
    texts = {"credits": in_credits(price.credits), "price": price_terms(price)}
    return shop.Purchase(
        name=price.product.name,
        credits=_first_credits(price),
        price=texts["price"],
        label=label % texts,
        url=url,
        fields={"price": str(price.pk), "reference": str(uuid.uuid4())},
    )


def _cheapest(prices: Iterable[StripePrice], needed: Decimal) -> StripePrice | None:
    """Return the cheapest price that brings enough, in the currency that is displayed first."""
    enough = [price for price in prices if _first_credits(price) >= needed]
    comparable = [price for price in enough if price.currency == enough[0].currency]
    return min(comparable, key=lambda price: price.unit_amount or 0, default=None)


def _first_credits(price: StripePrice) -> Decimal:
    """Return how many credits come at once; a yearly plan may bring them in monthly parts."""
    if not price.credits_come_monthly or price.months < 2:
        return price.credits
    return (price.credits / price.months).quantize(Decimal("0.0001"), ROUND_DOWN)


class CreditsFulfilment(Fulfilment):
    """Adds credits for payments, and takes them back for refunds."""

    def fulfil(
        self,
        *,
        owner: Any,
        payment: Payment,
        price: StripePrice | None,
        amount: Decimal,
        source: tuple[str, str],
        period: tuple[datetime, datetime] | None,
    ) -> None:
        """Add the credits: permanent ones for a purchase, a subscription's for a period.

        The lot's source makes a second call change nothing. The credits of a price that come
        monthly are spread over its period's months.
        """
        if not amount:
            return
        description = _of_period(payment.title, period) if period else payment.title
        if period and price and price.credits_come_monthly:
            allotments.spread_credits(
                account=CreditAccount.objects.for_owner(owner),
                amount=amount,
                description=description,
                anchor=period[0],
                until=period[1],
                source=source,
                cost=(max(0, payment.total), payment.currency),
                metadata={"receipt": payment.receipt_number},
            )
            return
        # An event that comes after the period's end is still recorded: added, and ended.
        begins = min(period[0], timezone.now()) if period else None
        ledger.add_credits(
            account=CreditAccount.objects.for_owner(owner),
            amount=amount,
            description=description,
            credit_type="subscription" if period else "payg",
            effective_at=begins,
            expires_at=period[1] if period else None,
            period=period,
            source=source,
            cost=(max(0, payment.total), payment.currency),
            metadata={"receipt": payment.receipt_number},
        )

    def change_plan(
        self,
        *,
        payment: Payment,
        before: list[Payment],
        excess: Decimal,
        returned: Decimal,
        paid_share: Decimal,
    ) -> Decimal:
        """Take back credits whose money was returned, or apply the policy to left-over credits.

        ``QUICKSCALE_STRIPE_PLAN_CHANGE_POLICY`` is for paid changes that bring credits, and only
        for lots that money was paid for, each once: a cycle of plans can't make the same credits
        permanent twice. The share that becomes permanent is the share of a whole period that was
        paid, so a change in the last minute keeps next to nothing.
        """
        if excess:
            return _take_back(payment, before, excess, returned)
        if payment.total > 0 and payment.credits:
            _follow_policy(
                payment, [earlier for earlier in before if earlier.total > 0], paid_share
            )
        return Decimal(0)

    def left_over(self, *, payments: list[Payment]) -> Decimal:
        """Return the payments' credits that the policy of a paid plan change applies to."""
        now = timezone.now()
        return sum(
            (
                lot.remaining
                for payment in payments
                if payment.total > 0
                for lot in _usable(payment, now)
            ),
            Decimal(0),
        )

    def end_subscription(self, *, subscription: Subscription, key: str) -> None:
        """Take away what is left of each lot, if ``QUICKSCALE_STRIPE_ENDED_POLICY`` says so.

        Bought credits stay, including those that were converted.
        """
        if app_settings.ended_policy != "expire":
            return
        now = timezone.now()
        for payment in Payment.objects.paid().filter(subscription=subscription).order_by("pk"):
            own = _lots(payment)
            left = CreditLot.objects.filter(Q(pk__in=own) | Q(parent__in=own)).filter(
                remaining__gt=0, expires_at__gt=now
            )
            for lot in left.order_by("pk"):
                lot_key = f"{key}:{lot.pk}"
                if not _taken(payment, lot_key).exists():
                    _expire(lot, reason=_("End of the subscription"), key=lot_key)

    def revoke(self, *, payment: Payment, amount: Decimal, key: str, reason: str) -> None:
        """Take credits back from the lots of the payment, the newest first.

        What is already spent is a shortfall, for ``QUICKSCALE_CREDITS_SHORTFALL_POLICY``.
        """
        if _taken(payment, key).exists():
            return
        for number, lot in enumerate(_lots(payment).order_by("-pk")):
            part = min(amount, _left(lot))
            if part > 0:
                ledger.revoke(
                    lot=lot, amount=part, reason=reason, idempotency_key=_numbered(key, number)
                )
            amount -= part

    def restore(self, *, payment: Payment, key: str, reason: str) -> None:
        """Give back exactly the credits that were taken under ``key``."""
        for transaction in _taken(payment, key).exclude(amount=0, shortfall=0):
            ledger.reverse(
                transaction=transaction,
                reason=reason,
                idempotency_key=f"{transaction.idempotency_key}:returned",
            )

    def refusal(self, *, owner: Any) -> str:
        """A closed account takes no credits, so nothing is sold for it."""
        is_closed = CreditAccount.objects.filter(owner=owner, status=CreditAccount.Status.CLOSED)
        return _("This account is closed.") if is_closed.exists() else ""

    def balance(self, *, owner: Any) -> Decimal | None:
        """Return the credits that the owner can use now."""
        return CreditAccount.objects.to_read(owner).get_available_balance()

    def next_credits(self, *, owner: Any) -> tuple[Decimal, datetime] | None:
        """Return the next monthly part that has not begun."""
        lots = CreditLot.objects.filter(
            account__owner=owner, remaining__gt=0, effective_at__gt=timezone.now()
        )
        return lots.order_by("effective_at", "pk").values_list("remaining", "effective_at").first()

    def next_step(self, *, owner: Any, payment: Payment) -> tuple[str, str] | None:
        """Lead on to the services, if the site has their pages."""
        services = "quickscale_credits_services:list"
        return (_("Use your credits"), services) if has_page(services) else None

    def plan_credits(self, *, subscription: Subscription) -> PlanCredits | None:
        """Return the credits of the subscription's latest payments that can be used now."""
        paid = Payment.objects.paid().filter(subscription=subscription, credits__gt=0)
        sources = Q(pk=None)
        for invoice_id in paid.order_by("-created_at").values_list("invoice_id", flat=True)[:10]:
            sources |= Q(source_id__startswith=f"{invoice_id}:")
        now = timezone.now()
        lots = CreditLot.objects.filter(
            sources,
            account__owner=subscription.owner_id,
            source_type="invoice",
            effective_at__lte=now,
            expires_at__gt=now,
        )
        sums = lots.aggregate(brought=Sum("amount"), left=Sum("remaining"))
        if sums["brought"] is None:
            return None
        return PlanCredits(brought=sums["brought"], left=max(sums["left"], Decimal(0)))

    def entries(self, *, payment: Payment) -> list[Entry]:
        """Return the entries of the payer's own account that moved the payment's credits."""
        own = CreditAllocation.objects.filter(
            lot__in=_lots(payment), account__owner=payment.owner_id
        )
        moved = CreditTransaction.objects.filter(
            pk__in=own.values("transaction"), kind__in=_OF_PAYMENTS
        ).exclude(reverses__kind=_Kind.CONSUME)
        return [
            Entry(
                at=entry.created_at,
                amount=entry.amount,
                description=entry.description,
                url_name="quickscale_credits:transaction",
                url_kwargs={"sequence": entry.sequence},
            )
            for entry in moved.order_by("sequence")[:_MOST_ENTRIES]
        ]


def payment_of(entry: CreditTransaction) -> origins.Origin | None:
    """Return the page of the payment that an entry's credits came from, or went back to."""
    if entry.kind not in _OF_PAYMENTS:
        return None
    payments = Payment.objects.for_owner(entry.account.owner_id)
    for allocation in entry.allocations.all():
        source = allocation.lot.source_id.partition(":")[0]
        found = payments.filter(Q(invoice_id=source) | Q(checkout_session_id=source))
        if source and (payment := found.first()):
            label = f"{payment.title}, {format_money(payment.amount, payment.currency)}"
            return origins.Origin(
                _("Payment"), label, "quickscale_stripe:payment", {"pk": payment.pk}
            )
    return None


def _of_period(title: str, period: tuple[datetime, datetime]) -> str:
    """Name what was paid for, with the days of its period."""
    begins, ends = (receipt.local_date(moment) for moment in period)
    names = {"plan": title, "begins": begins, "ends": ends}
    return _("%(plan)s, %(begins)s – %(ends)s") % names


def _follow_policy(payment: Payment, before: list[Payment], paid_share: Decimal) -> None:
    """Apply the policy. Months that have not begun stay: the new plan's credits add to them."""
    policy = app_settings.plan_change_policy
    if policy == "keep":
        return
    now, cap = timezone.now(), app_settings.plan_change_cap
    kept = _("Kept after a plan change")
    ends = payment.subscription.current_period_end if payment.subscription else None
    for earlier in before:
        for lot in _usable(earlier, now):
            if policy == "convert":
                most = convertible(lot.remaining, paid_share)
                ledger.convert(lot=lot, description=kept, cap=most)
            elif policy == "rollover":
                lot_ends = lot.expires_at or now
                ledger.roll_over(
                    lot=lot, expires_at=max(lot_ends, ends or lot_ends), description=kept, cap=cap
                )
            else:
                key = f"plan_change:{payment.invoice_id}:{lot.pk}"
                _expire(lot, reason=_("Plan change"), key=key)


def _expire(lot: CreditLot, *, reason: str, key: str) -> None:
    """Take everything that is left of a lot, except credits on hold."""
    ledger.revoke(
        lot=lot, amount=lot.remaining, reason=reason, policy="write_off", idempotency_key=key
    )


def _take_back(
    payment: Payment, before: list[Payment], excess: Decimal, returned: Decimal
) -> Decimal:
    """Take credits that have not begun, then unspent ones; the rest is a shortfall.

    Returns:
        how many were taken.
    """
    now, taken, number = timezone.now(), Decimal(0), 0
    lots = [lot for earlier in before for lot in _lots(earlier)]
    lots.sort(key=lambda lot: (lot.effective_at, lot.pk), reverse=True)
    coming = [lot for lot in lots if lot.effective_at > now]
    for some, count, most in (
        (coming, _free, returned),
        (lots, _free, excess),
        (lots, _left, excess),
    ):
        for lot in some:
            part = min(most - taken, count(lot))
            if part > 0:
                revoked = ledger.revoke(
                    lot=lot,
                    amount=part,
                    reason=_("Plan change"),
                    idempotency_key=f"plan_change:{payment.invoice_id}:{number}",
                )
                taken, number = taken - revoked.amount, number + 1
    return taken


def _taken(payment: Payment, key: str) -> QuerySet[CreditTransaction]:
    return CreditTransaction.objects.filter(
        Q(idempotency_key=key) | Q(idempotency_key__startswith=f"{key}:part-"),
        account__in=_lots(payment).values("account"),
        kind=CreditTransaction.Kind.REVOKE,
    )


def _left(lot: CreditLot) -> Decimal:
    """Return what a lot brought, spent or not, less what is gone for good."""
    lost: Decimal = _family(lot).aggregate(lost=Sum(F("lost") + F("owed")))["lost"]
    return max(lot.amount - lost, Decimal(0))


def _free(lot: CreditLot) -> Decimal:
    """Return what could be taken now from a lot and the lots that were made from it."""
    free: Decimal = _family(lot).aggregate(free=Sum(F("remaining") - F("held")))["free"]
    return min(free, _left(lot))


def _family(lot: CreditLot) -> QuerySet[CreditLot]:
    return CreditLot.objects.filter(Q(pk=lot.pk) | Q(parent=lot))


def _usable(payment: Payment, now: datetime) -> QuerySet[CreditLot]:
    usable = _lots(payment).filter(remaining__gt=0, effective_at__lte=now, expires_at__gt=now)
    return usable.order_by("pk")


def _lots(payment: Payment) -> QuerySet[CreditLot]:
    """Return the payment's lots, with what was transferred from them to another account."""
    lots = CreditLot.objects.filter(account__owner=payment.owner_id)
    if payment.invoice_id:
        own = lots.filter(source_type="invoice", source_id__startswith=f"{payment.invoice_id}:")
    else:
        own = lots.filter(source_type="checkout", source_id=payment.checkout_session_id)
    return own.with_transfers()


def _numbered(key: str, number: int) -> str:
    return f"{key}:part-{number}" if number else key
