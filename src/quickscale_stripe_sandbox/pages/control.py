"""The control page at ``/_sandbox/``, also as JSON for tests in other processes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from quickscale.formats import format_money
from quickscale_stripe_sandbox.internal.errors import ApiError
from quickscale_stripe_sandbox.internal.responses import (
    Request,
    SandboxResponse,
    answer_json,
    redirect,
)
from quickscale_stripe_sandbox.internal.world import Object, World, public
from quickscale_stripe_sandbox.pages import render

if TYPE_CHECKING:
    from quickscale_stripe_sandbox.internal.engine import Sandbox

_SHOWN = 50
_MODES = {
    "after": "After the response",
    "first": "Before the response",
    "hold": "Not until released",
}


def respond(sandbox: Sandbox, request: Request) -> SandboxResponse:
    name = request.path.removeprefix("/_sandbox/")
    if request.method == "POST":
        return _act(sandbox, request, name)
    if name in {"style.css", "icon.svg"}:
        return render.asset(name)
    if name in _READS:
        return answer_json(_READS[name](sandbox))
    return _control_page(sandbox, request)


# Actions -----------------------------------------------------------------------------------------


def _advance(sandbox: Sandbox, form: Object) -> None:
    sandbox.advance(days=int(form.get("days", 0)), seconds=int(form.get("seconds", 0)))


def _delivery(sandbox: Sandbox, form: Object) -> None:
    when = form.get("when", "after")
    if when not in _MODES:
        raise ValueError(f"when must be one of {', '.join(_MODES)}")
    sandbox.set_delivery(when, copies=int(form.get("copies", 1)), delay=float(form.get("delay", 0)))


def _release(sandbox: Sandbox, form: Object) -> None:
    sandbox.release(backwards=_truth(form.get("backwards")))


def _resend(sandbox: Sandbox, form: Object) -> None:
    sandbox.resend(form["event"])


def _deliver(sandbox: Sandbox, form: Object) -> Object:
    return {"delivered": sandbox.deliver()}


def _settle(sandbox: Sandbox, form: Object) -> None:
    sandbox.settle(form["payment_intent"])


def _endpoint(sandbox: Sandbox, form: Object) -> Object:
    secret = sandbox.add_endpoint(
        form["url"], secret=form.get("secret") or None, thin=_truth(form.get("thin"))
    )
    return {"secret": secret}


def _pay(sandbox: Sandbox, form: Object) -> Object:
    step = sandbox.pay(form["session"], form.get("method", "card"))
    return {"url": step.url, "error": step.error}


def _truth(value: Any) -> bool:
    return str(value).lower() == "true"


def _refund(sandbox: Sandbox, form: Object) -> Object:
    amount = int(form["amount"]) if form.get("amount") else None
    return {"refund": sandbox.refund(form["charge"], amount=amount)}


def _dispute(sandbox: Sandbox, form: Object) -> Object:
    inquiry = _truth(form.get("inquiry"))
    return {"dispute": sandbox.dispute(form["charge"], inquiry=inquiry)}


def _close_dispute(sandbox: Sandbox, form: Object) -> None:
    sandbox.close_dispute(form["dispute"], won=_truth(form["won"]))


def _fail_refund(sandbox: Sandbox, form: Object) -> None:
    sandbox.fail_refund(form["refund"])


def _seed(sandbox: Sandbox, form: Object) -> None:
    sandbox.seed()


_ACTIONS: dict[str, Callable[[Sandbox, Object], Object | None]] = {
    "advance": _advance,
    "deliver": _deliver,
    "delivery": _delivery,
    "dispute": _dispute,
    "close_dispute": _close_dispute,
    "endpoint": _endpoint,
    "fail_refund": _fail_refund,
    "pay": _pay,
    "refund": _refund,
    "release": _release,
    "resend": _resend,
    "seed": _seed,
    "settle": _settle,
}


def _act(sandbox: Sandbox, request: Request, name: str) -> SandboxResponse:
    action = _ACTIONS.get(name)
    if action is None:
        return answer_json({"error": f"No action {name!r}; use one of {', '.join(_ACTIONS)}."}, 404)
    try:
        result = action(sandbox, request.form)
    except (ApiError, KeyError, ValueError) as error:
        return answer_json({"error": str(error)}, 400)
    return answer_json(result or {}) if request.is_json else redirect(f"{request.base}/_sandbox/")


# Reading -----------------------------------------------------------------------------------------


def _state(sandbox: Sandbox) -> Object:
    with sandbox.world() as world:
        return {
            "now": world.now,
            "delivery": _mode(world),
            "endpoints": _endpoints(world),
        }


_READS: dict[str, Callable[[Sandbox], Any]] = {
    "deliveries": lambda sandbox: sandbox.deliveries(),
    "events": lambda sandbox: sandbox.events(),
    "state": _state,
}


def _mode(world: World) -> Object:
    chosen: Object = world.rows.setting("delivery", {})
    return {"when": "after", "copies": 1, "delay": 0} | chosen


def _endpoints(world: World) -> list[Object]:
    return [
        {"url": endpoint["url"], "secret": endpoint["_secret"], "thin": endpoint["_thin"]}
        for endpoint in world.all("webhook_endpoint")
    ]


def _control_page(sandbox: Sandbox, request: Request) -> SandboxResponse:
    deliveries = sandbox.deliveries()[:_SHOWN]
    with sandbox.world(request.base) as world:
        mode = _mode(world)
        return render.page(
            request,
            "control",
            charges=[_shown_charge(world, charge) for charge in world.all("charge")[:_SHOWN]],
            clock=_time(world.now),
            copies=str(mode["copies"]),
            delay=f"{mode['delay']:g}",
            deliveries=[_shown_delivery(world, row) for row in deliveries],
            endpoints=_endpoints(world),
            events=[_shown_event(event) for event in world.all("event")[:_SHOWN]],
            modes=list(_MODES.items()),
            sessions=[
                _shown_session(world, session) for session in world.all("checkout.session")[:_SHOWN]
            ],
            when=mode["when"],
        )


def _time(timestamp: int) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%d %B %Y, %H:%M:%S} UTC"


def _shown_delivery(world: World, row: Object) -> Object:
    event, endpoint = world.find(row["event"]) or {}, world.find(row["endpoint"]) or {}
    shown = {"type": event.get("type", ""), "url": endpoint.get("url", "(removed)")}
    return row | shown | {"attempts": str(row["attempts"])}


def _shown_event(event: Object) -> Object:
    value = public(event)["data"]["object"]
    return {
        "type": event["type"],
        "object": value.get("id", ""),
        "id": event["id"],
        "time": _time(event["created"]),
    }


def _shown_charge(world: World, charge: Object) -> Object:
    [dispute] = world.all("dispute", charge=charge["id"])[:1] or [{}]
    refunds = world.all("refund", charge=charge["id"])
    left = charge["amount"] - charge["amount_refunded"]
    return {
        "id": charge["id"],
        "amount": format_money(charge["amount"], charge["currency"]),
        "status": charge["status"],
        "refunded": format_money(charge["amount_refunded"], charge["currency"])
        if charge["amount_refunded"]
        else "",
        "can_refund": charge["paid"] and left > 0,
        "can_dispute": charge["paid"] and not dispute,
        "dispute": dispute.get("id", ""),
        "dispute_status": dispute.get("status", "").replace("_", " "),
        "dispute_is_open": "response" in dispute.get("status", ""),
        "refund": next((one["id"] for one in refunds if one["status"] != "failed"), ""),
    }


def _shown_session(world: World, session: Object) -> Object:
    intent = world.find(session["payment_intent"])
    processing = intent is not None and intent["status"] == "processing"
    amount = session["amount_total"]
    return {
        "id": session["id"],
        "amount": "" if amount is None else format_money(amount, session["currency"]),
        "status": session["status"],
        "payment_status": session["payment_status"],
        "processing": session["payment_intent"] if processing else "",
        "url": session["url"] or "",
    }
