"""Thin events: notifications that only name the object, which Stripe also has for v1 resources."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from quickscale_stripe_sandbox.internal import contract, routes
from quickscale_stripe_sandbox.internal.errors import missing
from quickscale_stripe_sandbox.internal.world import Object, World

_PREFIX = "evt_thin_"
#: Kinds whose service name isn't just their plural.
_SERVICES = {"invoiceitem": "invoice_items"}


def notification(event: Object) -> Object:
    """Return the notification that a thin endpoint gets for a snapshot event."""
    value = event["data"]["object"]
    result: Object = {
        "id": _PREFIX + event["id"].removeprefix("evt_"),
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "livemode": False,
        "created": f"{datetime.fromtimestamp(event['created'], UTC):%Y-%m-%dT%H:%M:%S.000Z}",
        "context": None,
        "reason": _reason(event["request"]),
    }
    if url := _url(value):
        result["related_object"] = {"id": value["id"], "type": value["object"], "url": url}
    return result


def _reason(request: Object) -> Object | None:
    if request["id"] is None:
        return None
    facts = {"id": request["id"], "idempotency_key": request["idempotency_key"] or ""}
    return {"type": "request", "request": facts}


def _url(value: Object) -> str | None:
    service = _SERVICES.get(value["object"], f"{value['object']}s")
    if f"{service}.retrieve" not in routes.operations():
        return None
    return contract.operation(f"{service}.retrieve").path.replace("ID1", value["id"])


def retrieve(world: World, event_id: str) -> dict[str, Any]:
    """Return a complete thin event, which also names the snapshot event for the same change."""
    event = world.find(f"evt_{event_id.removeprefix(_PREFIX)}")
    if event is None or not event_id.startswith(_PREFIX):
        raise missing("event", event_id)
    return notification(event) | {"changes": None, "snapshot_event": event["id"]}
