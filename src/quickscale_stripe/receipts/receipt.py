"""What a receipt says: the payment with its lines, buyer and seller.

Lines and buyer are kept with the payment as Stripe had them when it was paid, so a later change of
the customer or the catalogue changes no receipt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import stripe
from django.utils import timezone
from django.utils.translation import gettext as _

from quickscale.formats import format_day, in_credits
from quickscale.internal.brand import brand_name
from quickscale.owner import owner_email
from quickscale_stripe.conf import app_settings
from quickscale_stripe.internal.sdk import at, optional
from quickscale_stripe.models import Payment, Refund

MAX_LINES = 20
MAX_REFUNDS = 20
TIMES = "×"


@dataclass(frozen=True)
class Party:
    """A seller or a buyer, with the address in lines."""

    name: str
    email: str = ""
    address: tuple[str, ...] = ()
    tax_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One thing that was paid for; the amount is in minor units, below 0 for a credit.

    An empty description stands for the lines beyond the limit.
    """

    description: str
    quantity: int
    amount: int
    credits: str = ""
    period: tuple[datetime, datetime] | None = None

    @property
    def title(self) -> str:
        """The description, with the quantity unless Stripe already put it there."""
        text = " ".join(self.description.split())
        if not text or self.quantity == 1 or f"{self.quantity} {TIMES}" in text:
            return text
        return f"{self.quantity} {TIMES} {text}"


@dataclass(frozen=True)
class Sum:
    """A line below the things that were paid for."""

    label: str
    amount: int
    is_total: bool = False


@dataclass(frozen=True)
class Receipt:
    """All amounts are minor units of ``payment.currency``.

    ``tax_is_included`` says whether the lines contain the tax. ``carried`` is what the lines don't
    explain: a credit balance that was used, or made.
    """

    payment: Payment
    seller: Party
    buyer: Party
    lines: list[Line]
    discount: int
    tax_is_included: bool
    refunds: list[Refund]

    @property
    def sums(self) -> list[Sum]:
        """The sums between the lines and the total, what was paid, and what is left of it."""
        payment, sums = self.payment, []
        if self.discount:
            sums.append(Sum(_("Discount"), -self.discount))
        if payment.tax and not self.tax_is_included:
            sums.append(Sum(_("Tax"), payment.tax))
        if others := settled(payment):
            sums += [Sum(_("Total"), payment.total, is_total=True), *others]
            sums.append(Sum(_("Paid"), payment.amount, is_total=True))
        else:
            sums.append(Sum(_("Total paid"), payment.amount, is_total=True))
        if payment.tax and self.tax_is_included:
            sums.append(Sum(_("Tax included"), payment.tax))
        for refund in self.refunds:
            text = _("Refunded on %(date)s") % {"date": local_date(refund.created_at)}
            sums.append(Sum(text, -refund.amount))
        if payment.amount_refunded:
            sums.append(Sum(_("Total after refunds"), payment.amount - payment.amount_refunded))
        return sums


def receipt_of(payment: Payment) -> Receipt:
    """Return the receipt of a paid payment, by one query and without asking Stripe."""
    details: dict[str, Any] = payment.receipt_details
    lines = [_line(line) for line in details.get("lines", [])]
    if not lines:
        lines = [Line(payment.title, 1, payment.total - payment.tax)]
    if len(lines) == 1 and payment.credits:
        lines = [_with_credits(lines[0], payment)]
    discount = details.get("discount", 0)
    refunds = payment.refunds.filter(status=Refund.Status.SUCCEEDED).order_by("created_at", "id")
    return Receipt(
        payment=payment,
        seller=seller(),
        buyer=buyer_of(payment),
        lines=lines,
        discount=discount,
        tax_is_included=sum(line.amount for line in lines) - discount == payment.total,
        refunds=list(refunds[:MAX_REFUNDS]),
    )


def settled(payment: Payment) -> list[Sum]:
    """Return the sums between the total and the money that moved; empty if they are the same.

    A balance is the customer's at Stripe: money held from before, or owed from before.
    """
    details: dict[str, int] = payment.receipt_details
    balance, credited = details.get("balance", 0), details.get("credited", 0)
    if payment.total < 0:
        label = _("Added to your balance")
    else:
        label = _("Paid from your balance") if balance > 0 else _("Owed from before")
    found = [
        Sum(label, -balance),
        Sum(_("Credit note"), -credited),
        Sum(_("Paid in another way"), payment.amount - payment.total + balance + credited),
    ]
    return [line for line in found if line.amount]


def seller() -> Party:
    """Return the seller that the settings name."""
    return Party(
        name=app_settings.seller_name or brand_name(),
        address=tuple(app_settings.seller_address),
        tax_ids=(app_settings.seller_tax_id,) if app_settings.seller_tax_id else (),
    )


def details_of_session(session: stripe.checkout.Session) -> dict[str, Any]:
    """Return what ``Payment.receipt_details`` keeps of a Checkout session with its line items."""
    customer, totals = session.customer_details, session.total_details
    items = session.line_items
    lines = [
        {
            "description": item.description or "",
            "quantity": item.quantity or 1,
            "amount": item.amount_subtotal,
        }
        for item in (items.data if items else [])
    ]
    return {
        "lines": _bounded(lines, session.amount_subtotal or 0),
        "discount": totals.amount_discount if totals else 0,
        "buyer": {
            "name": (customer and (customer.business_name or customer.name)) or "",
            "email": (customer and customer.email) or "",
            "address": _address(customer.address if customer else None),
            "tax_ids": _tax_ids((customer.tax_ids if customer else None) or []),
        },
    }


def details_of_invoice(invoice: stripe.Invoice) -> dict[str, Any]:
    """Return what ``Payment.receipt_details`` keeps of an invoice."""
    lines = [
        {
            "description": line.description or "",
            "quantity": line.quantity or 1,
            "amount": line.amount,
            "period": [line.period.start, line.period.end],
        }
        for line in invoice.lines.data
    ]
    return {
        "lines": _bounded(lines, invoice.subtotal),
        "discount": sum(part.amount for part in invoice.total_discount_amounts or []),
        "balance": (invoice.ending_balance or 0) - invoice.starting_balance,
        "credited": invoice.pre_payment_credit_notes_amount,
        "buyer": {
            "name": invoice.customer_name or "",
            "email": invoice.customer_email or "",
            "address": _address(invoice.customer_address),
            "tax_ids": _tax_ids(invoice.customer_tax_ids or []),
        },
    }


def local_date(moment: datetime) -> str:
    """Format a date in the site's time zone, so that a receipt is the same for everybody."""
    with timezone.override(None):
        return format_day(moment)


def _bounded(lines: list[dict[str, Any]], subtotal: int) -> list[dict[str, Any]]:
    """Return the first lines, and one for all others. Stripe, too, gives only the first ones."""
    kept = lines[:MAX_LINES]
    rest = subtotal - sum(line["amount"] for line in kept)
    return [*kept, {"description": "", "quantity": 1, "amount": rest}] if rest else kept


def _line(kept: dict[str, Any]) -> Line:
    begins, ends = kept.get("period") or (0, 0)
    return Line(
        description=kept["description"],
        quantity=kept["quantity"],
        amount=kept["amount"],
        period=(at(begins), at(ends)) if begins < ends else None,
    )


def _with_credits(line: Line, payment: Payment) -> Line:
    return Line(
        line.description, line.quantity, line.amount, in_credits(payment.credits), line.period
    )


def buyer_of(payment: Payment) -> Party:
    """Return who paid, as Stripe had them then."""
    kept: dict[str, Any] = payment.receipt_details.get("buyer", {})
    return Party(
        name=kept.get("name") or ("" if kept.get("email") else payment.owner_name),
        email=kept.get("email") or owner_email(payment.owner),
        address=tuple(kept.get("address", ())),
        tax_ids=tuple(kept.get("tax_ids", ())),
    )


def _address(address: Any) -> list[str]:
    """Return the lines for street, place and country, in the order of Stripe's fields."""
    if address is None:
        return []
    place = " ".join(
        part for name in ("postal_code", "city", "state") if (part := optional(address, name))
    )
    lines = (optional(address, "line1"), optional(address, "line2"), place)
    return [line for line in (*lines, optional(address, "country")) if line]


def _tax_ids(tax_ids: Iterable[Any]) -> list[str]:
    return [tax_id.value for tax_id in tax_ids if tax_id.value]
