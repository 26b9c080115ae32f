"""What an operation works with: the account's objects, the clock and the events."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypeAlias

import stripe

from quickscale_stripe_sandbox.internal import shapes
from quickscale_stripe_sandbox.internal.errors import invalid, missing
from quickscale_stripe_sandbox.internal.store import Rows

Object: TypeAlias = dict[str, Any]

API_VERSION: str = stripe.api_version
_ALPHABET = string.ascii_letters + string.digits
#: Fields that only ``expand`` adds: (kind, field) -> function that returns the value.
INCLUDED: dict[tuple[str, str], Callable[[World, Object], Any]] = {}
#: What the clock triggers: name -> function of the world and the object's id.
TASKS: dict[str, Callable[[World, str], None]] = {}


def token(length: int = 24) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def task(function: Callable[[World, str], None]) -> Callable[[World, str], None]:
    """Register a function that ``World.schedule`` may name."""
    TASKS[function.__name__] = function
    return function


def included(
    kind: str, field: str
) -> Callable[[Callable[[World, Object], Any]], Callable[[World, Object], Any]]:
    """Register a function that makes a field that Stripe only sends when it is expanded."""

    def register(function: Callable[[World, Object], Any]) -> Callable[[World, Object], Any]:
        INCLUDED[kind, field] = function
        return function

    return register


def public(value: Any) -> Any:
    """Return a copy without the sandbox's own notes, whose keys start with an underscore."""
    if isinstance(value, dict):
        return {key: public(member) for key, member in value.items() if key[0] != "_"}
    if isinstance(value, list):
        return [public(member) for member in value]
    return value


def part(kind: str, **fields: Any) -> Object:
    """Return a complete object that is stored within another one, such as an invoice's line."""
    value: Object = {"object": kind} | fields
    declared = shapes.declared_fields(kind)
    for key, default in (("livemode", False), ("metadata", {})):
        if key in declared:
            value.setdefault(key, default)
    if "created" not in declared:
        value.pop("created", None)
    return shapes.complete(value)


class World:
    """The account as one request sees and changes it, in one transaction.

    ``base_url`` is the address of the hosted pages, without a slash at its end.
    """

    def __init__(
        self, rows: Rows, base_url: str, *, request: str | None = None, key: str | None = None
    ) -> None:
        self.rows = rows
        self.base_url = base_url
        self.request = request
        self.idempotency_key = key
        # The clock stands still for a request: a period must start at its subscription's anchor.
        self._opened = int(time.time())
        self._now: int | None = None

    # time

    @property
    def now(self) -> int:
        """Seconds since the epoch by the sandbox's clock, which can be ahead of the real one."""
        return self._now or self._opened + int(self.rows.setting("clock_offset", 0))

    def schedule(self, at: int, function: Callable[[World, str], None], object_id: str) -> None:
        """Run a ``task`` when the clock reaches ``at``."""
        self.rows.schedule(at, function.__name__, object_id)

    def unschedule(self, function: Callable[[World, str], None], object_id: str) -> None:
        self.rows.unschedule(object_id, function.__name__)

    def tick(self) -> None:
        """Run all tasks that are due, each at its own time."""
        until = self.now
        while row := self.rows.next_due(until):
            self._now = row["at"]
            TASKS[row["task"]](self, row["object_id"])
            self._now = None

    def advance(self, seconds: int) -> None:
        """Move the clock forward and run the tasks that fall due on the way."""
        self.rows.set("clock_offset", int(self.rows.setting("clock_offset", 0)) + seconds)
        self.tick()

    # objects

    def new(self, kind: str, prefix: str, **fields: Any) -> Object:
        """Return a complete, stored object. ``fields`` give everything that isn't null."""
        value: Object = {"id": f"{prefix}_{token()}", "object": kind, "created": self.now}
        value |= fields
        notes = {key: value.pop(key) for key in list(value) if key[0] == "_"}
        value = part(value.pop("object"), **value) | notes
        self.rows.put(value)
        return value

    def find(self, object_id: str | None) -> Object | None:
        return self.rows.get(object_id) if object_id else None

    def get(self, kind: str, object_id: str, param: str = "id", *, deleted: bool = False) -> Object:
        """Return the object, or raise Stripe's error if there is none.

        ``param`` names the parameter that the id came in; ``"id"`` means the address. A deleted
        object is only returned if ``deleted`` is true.
        """
        value = self.find(object_id)
        gone = value is not None and value.get("deleted") and not deleted
        if value is None or gone or value["object"] != kind:
            raise missing(kind.split(".")[-1].replace("_", " "), object_id, param)
        return value

    def all(self, kind: str, **where: Any) -> list[Object]:
        """Return objects of a kind with these values, newest first; None matches anything."""
        return [
            value
            for value in self.rows.of_kind(kind)
            if all(wanted is None or value.get(key) == wanted for key, wanted in where.items())
        ]

    def save(self, value: Object, event: str | None = None) -> Object:
        """Store a changed object and send an event, unless nothing changed."""
        before = self.find(value["id"])
        if before == value:
            return value
        self.rows.put(value)
        if event and before:
            previous = {
                key: member for key, member in public(before).items() if value.get(key) != member
            }
            if previous:
                self.emit(event, value, previous if event.endswith("updated") else None)
        return value

    # events

    def emit(self, event_type: str, value: Object, previous: Object | None = None) -> Object:
        """Store an event and its deliveries."""
        data: Object = {"object": public(value)}
        if previous is not None:
            data["previous_attributes"] = previous
        endpoints = [
            endpoint
            for endpoint in reversed(self.rows.of_kind("webhook_endpoint"))
            if endpoint["status"] == "enabled"
            and {"*", event_type} & set(endpoint["enabled_events"])
        ]
        event = self.new(
            "event",
            "evt",
            api_version=API_VERSION,
            data=data,
            pending_webhooks=len(endpoints),
            request={"id": self.request, "idempotency_key": self.idempotency_key},
            type=event_type,
        )
        mode = self.rows.setting("delivery", {})
        for endpoint in endpoints:
            for _ in range(mode.get("copies", 1)):
                self.rows.execute(
                    "INSERT INTO delivery (event, endpoint, state, at) VALUES (?, ?, ?, ?)",
                    [
                        event["id"],
                        endpoint["id"],
                        "held" if mode.get("when") == "hold" else "pending",
                        time.time() + mode.get("delay", 0),
                    ],
                )
        return event

    # answers

    def page(self, values: list[Object], params: Object, url: str) -> Object:
        """Return one page of a list, by Stripe's cursors."""
        limit = params.get("limit", 10)
        if not 1 <= limit <= 100:
            raise invalid("Invalid integer: limit must be between 1 and 100", "limit")
        created = params.get("created")
        if isinstance(created, int):
            created = {"gte": created, "lte": created}
        for relation, bound in (created or {}).items():
            values = [value for value in values if _RELATIONS[relation](value["created"], bound)]
        if after := params.get("starting_after"):
            values = values[self._position(values, after, "starting_after") + 1 :]
            more, values = len(values) > limit, values[:limit]
        elif before := params.get("ending_before"):
            values = values[: self._position(values, before, "ending_before")]
            more, values = len(values) > limit, values[-limit:]
        else:
            more, values = len(values) > limit, values[:limit]
        return {"object": "list", "data": values, "has_more": more, "url": url}

    def _position(self, values: list[Object], object_id: str, param: str) -> int:
        for index, value in enumerate(values):
            if value["id"] == object_id:
                return index
        raise missing("object", object_id, param)

    def expand(self, value: Object, paths: list[str]) -> Object:
        """Return a copy for a response, with the objects at these dotted paths instead of their
        ids."""
        result: Object = deepcopy(value)
        for path in paths:
            if path.count(".") > 3:
                raise invalid("You cannot expand more than 4 levels of a property.", "expand")
            self._expand(result, path.split("."), path)
        return public(result)  # type: ignore[no-any-return]

    def _expand(self, value: Any, names: list[str], path: str) -> None:
        if isinstance(value, list):
            for member in value:
                self._expand(member, names, path)
            return
        if not names or value is None:
            return
        name, *rest = names
        kind = value.get("object", "") if isinstance(value, dict) else ""
        if (kind, name) in INCLUDED:
            if name not in value:
                value[name] = INCLUDED[kind, name](self, value)
        elif not isinstance(value, dict) or name not in value:
            raise invalid(f"This property cannot be expanded ({path}).", "expand")
        elif isinstance(value[name], str):
            target = self.find(value[name])
            if target is None or name == "id":
                raise invalid(f"This property cannot be expanded ({path}).", "expand")
            value[name] = target
        elif isinstance(value[name], list) and value[name] and isinstance(value[name][0], str):
            value[name] = [self.find(member) or member for member in value[name]]
        self._expand(value[name], rest, path)


_RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "gt": int.__gt__,
    "gte": int.__ge__,
    "lt": int.__lt__,
    "lte": int.__le__,
}


def merge_metadata(value: Object, params: Object) -> None:
    """Stripe's rule: keys are added or replaced, an empty value unsets one, "" unsets all."""
    given = params.pop("metadata", None)
    if given == "":
        value["metadata"] = {}
    elif given is not None:
        merged = value["metadata"] | given
        value["metadata"] = {key: text for key, text in merged.items() if text != ""}
