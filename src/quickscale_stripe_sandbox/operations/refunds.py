"""Refunds and disputes: money that goes back."""

from __future__ import annotations

from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import Object, World, included, merge_metadata, task
from quickscale_stripe_sandbox.operations import payments

_DISPUTE_FEE = 1500
_EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy",
    "cancellation_policy_disclosure", "cancellation_rebuttal", "customer_communication",
    "customer_email_address", "customer_name", "customer_purchase_ip", "customer_signature",
    "duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id",
    "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
    "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address",
    "shipping_carrier", "shipping_date", "shipping_documentation", "shipping_tracking_number",
    "uncategorized_file", "uncategorized_text",
)  # fmt: skip


# Refunds -----------------------------------------------------------------------------------------


@serves("refunds.create")
def create(world: World, params: Object) -> Object:
    charge = payments.charge_of(world, params)
    left = charge["amount"] - charge["amount_refunded"]
    amount = params.get("amount", left)
    if not charge["paid"]:
        raise invalid("This charge has not been captured and cannot be refunded.")
    if left == 0:
        raise invalid(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    if not 1 <= amount <= left:
        raise invalid(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
            "amount",
        )
    kind = charge["payment_method_details"]["type"]
    refund = world.new(
        "refund",
        "re",
        amount=amount,
        balance_transaction=payments.new_balance_transaction(
            world, -amount, charge["currency"], "refund", charge["id"]
        )["id"],
        charge=charge["id"],
        currency=charge["currency"],
        customer=charge["customer"],
        destination_details=_destination(kind),
        metadata=params.get("metadata", {}) or {},
        payment_intent=charge["payment_intent"],
        payment_method=charge["payment_method"],
        reason=params.get("reason"),
        status="succeeded" if kind == "card" else "pending",
    )
    world.emit("refund.created", refund)
    _change_charge(world, charge, amount)
    world.emit("charge.refunded", charge)
    if refund["status"] == "pending":
        world.schedule(world.now + payments.SETTLES_AFTER, arrive, refund["id"])
    return refund


def _destination(kind: str) -> Object:
    if kind != "card":
        unknown = {"reference": None, "reference_status": None}
        return {"type": "us_bank_transfer", "us_bank_transfer": unknown}
    arrival = {
        "reference_status": "pending",
        "reference_type": "acquirer_reference_number",
        "type": "refund",
    }
    return {"type": "card", "card": arrival}


def _change_charge(world: World, charge: Object, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    world.save(charge)


@task
def arrive(world: World, refund_id: str) -> None:
    """A refund to a bank account reaches it."""
    refund = world.get("refund", refund_id)
    if refund["status"] == "pending":
        world.save(refund | {"status": "succeeded"}, "refund.updated")


def fail(world: World, refund: Object) -> Object:
    """Let the bank return a refund: it no longer counts as refunded on the charge."""
    if refund["status"] not in {"pending", "succeeded"}:
        raise invalid(f"This refund is {refund['status']}.")
    charge = world.get("charge", refund["charge"])
    refund |= {
        "failure_balance_transaction": payments.new_balance_transaction(
            world, refund["amount"], refund["currency"], "refund_failure", refund["id"]
        )["id"],
        "failure_reason": "lost_or_stolen_card",
        "status": "failed",
    }
    _change_charge(world, charge, -refund["amount"])
    world.save(refund, "refund.updated")
    world.emit("refund.failed", refund)
    world.emit("charge.refund.updated", refund)
    return refund


@serves("refunds.retrieve")
def retrieve(world: World, params: Object, refund_id: str) -> Object:
    return world.get("refund", refund_id)


@serves("refunds.update")
def update(world: World, params: Object, refund_id: str) -> Object:
    refund = world.get("refund", refund_id)
    merge_metadata(refund, params)
    return world.save(refund, "refund.updated")


@serves("refunds.list")
def listing(world: World, params: Object) -> Object:
    if "charge" in params:
        world.get("charge", params["charge"], "charge")
    found = world.all(
        "refund", charge=params.get("charge"), payment_intent=params.get("payment_intent")
    )
    return world.page(found, params, "/v1/refunds")


@included("charge", "refunds")
def _included_refunds(world: World, charge: Object) -> Object:
    found = world.all("refund", charge=charge["id"])
    return world.page(found, {}, f"/v1/charges/{charge['id']}/refunds")


# Disputes ----------------------------------------------------------------------------------------


def open_dispute(
    world: World, charge: Object, *, amount: int | None = None, inquiry: bool = False
) -> Object:
    """Open a dispute: the buyer's bank takes the money back; an inquiry only asks."""
    if charge["disputed"] or not charge["paid"]:
        raise invalid("This charge can't be disputed.")
    amount = amount or charge["amount"] - charge["amount_refunded"]
    dispute = world.new(
        "dispute",
        "du",
        amount=amount,
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        enhanced_eligibility_types=[],
        evidence=dict.fromkeys(_EVIDENCE) | {"enhanced_evidence": {}},
        evidence_details={
            "due_by": world.now + 7 * 86400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        is_charge_refundable=inquiry,
        payment_intent=charge["payment_intent"],
        payment_method_details={
            "card": {
                "brand": "visa",
                "case_type": "inquiry" if inquiry else "chargeback",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        reason="fraudulent",
        status="warning_needs_response" if inquiry else "needs_response",
    )
    world.save(charge | {"disputed": True})
    world.emit("charge.dispute.created", dispute)
    if not inquiry:
        _move(world, dispute, -1)
        world.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


@task
def dispute_charge(world: World, charge_id: str) -> None:
    open_dispute(world, world.get("charge", charge_id))


@task
def inquire_charge(world: World, charge_id: str) -> None:
    open_dispute(world, world.get("charge", charge_id), inquiry=True)


def close_dispute(world: World, dispute: Object, *, won: bool) -> Object:
    """Apply the bank's decision."""
    inquiry = dispute["status"].startswith("warning_")
    if dispute["status"] in {"won", "lost", "warning_closed"}:
        raise invalid(f"This dispute is {dispute['status']}.")
    dispute["status"] = "warning_closed" if inquiry else "won" if won else "lost"
    world.save(dispute)
    if won and not inquiry:
        _move(world, dispute, 1)
        world.emit("charge.dispute.funds_reinstated", dispute)
    world.emit("charge.dispute.closed", dispute)
    return dispute


def reopen_dispute(world: World, dispute: Object) -> Object:
    """Let the bank appeal a dispute that was won, and take the money again."""
    if dispute["status"] != "won":
        raise invalid(f"This dispute is {dispute['status']}.")
    dispute["status"] = "under_review"
    world.save(dispute, "charge.dispute.updated")
    _move(world, dispute, -1)
    world.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _move(world: World, dispute: Object, sign: int) -> None:
    moved = payments.new_balance_transaction(
        world, sign * dispute["amount"], dispute["currency"], "adjustment", dispute["id"]
    )
    moved |= {"fee": -sign * _DISPUTE_FEE, "net": moved["amount"] + sign * _DISPUTE_FEE}
    world.save(moved)
    dispute["balance_transactions"].append(moved)
    world.save(dispute)


@serves("disputes.retrieve")
def retrieve_dispute(world: World, params: Object, dispute_id: str) -> Object:
    return world.get("dispute", dispute_id)


@serves("disputes.update")
def update_dispute(world: World, params: Object, dispute_id: str) -> Object:
    dispute = world.get("dispute", dispute_id)
    merge_metadata(dispute, params)
    evidence = {key: value or None for key, value in params.get("evidence", {}).items()}
    dispute["evidence"] |= evidence
    dispute["evidence_details"]["has_evidence"] = any(dispute["evidence"].values())
    if params.get("submit", True) and evidence:
        dispute["evidence_details"]["submission_count"] += 1
        dispute["status"] = dispute["status"].replace("needs_response", "under_review")
    return world.save(dispute, "charge.dispute.updated")


@serves("disputes.close")
def accept_dispute(world: World, params: Object, dispute_id: str) -> Object:
    return close_dispute(world, world.get("dispute", dispute_id), won=False)


@serves("disputes.list")
def list_disputes(world: World, params: Object) -> Object:
    found = world.all(
        "dispute", charge=params.get("charge"), payment_intent=params.get("payment_intent")
    )
    return world.page(found, params, "/v1/disputes")
