"""Webhook endpoints and events."""

from __future__ import annotations

from quickscale_stripe_sandbox.internal.errors import invalid
from quickscale_stripe_sandbox.internal.routes import serves
from quickscale_stripe_sandbox.internal.world import (
    API_VERSION,
    Object,
    World,
    merge_metadata,
    token,
)


def new_endpoint(
    world: World, url: str, events: list[str], secret: str | None = None, **fields: object
) -> Object:
    """Make an endpoint whose object has a ``secret``, as only the response to its creation does."""
    secret = secret or f"whsec_{token(32)}"
    endpoint = world.new(
        "webhook_endpoint",
        "we",
        _secret=secret,
        enabled_events=events,
        status="enabled",
        url=url,
        **{"_thin": False, "api_version": API_VERSION} | fields,
    )
    return endpoint | {"secret": secret}


@serves("webhook_endpoints.create")
def create(world: World, params: Object) -> Object:
    if params.get("api_version", API_VERSION) != API_VERSION:
        raise invalid(f"The sandbox only speaks {API_VERSION}.", "api_version")
    if not params["url"].startswith(("http://", "https://")):
        raise invalid("Invalid URL: An explicit scheme (such as https) must be provided.", "url")
    return new_endpoint(
        world,
        params["url"],
        params["enabled_events"],
        description=params.get("description") or None,
        metadata=params.get("metadata", {}) or {},
    )


@serves("webhook_endpoints.retrieve")
def retrieve(world: World, params: Object, endpoint_id: str) -> Object:
    return world.get("webhook_endpoint", endpoint_id)


@serves("webhook_endpoints.update")
def update(world: World, params: Object, endpoint_id: str) -> Object:
    endpoint = world.get("webhook_endpoint", endpoint_id)
    merge_metadata(endpoint, params)
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    for key in {"description", "enabled_events", "url"} & params.keys():
        endpoint[key] = params[key] or None
    return world.save(endpoint)


@serves("webhook_endpoints.delete")
def delete(world: World, params: Object, endpoint_id: str) -> Object:
    world.get("webhook_endpoint", endpoint_id)
    world.rows.remove(endpoint_id)
    return {"id": endpoint_id, "object": "webhook_endpoint", "deleted": True}


@serves("webhook_endpoints.list")
def listing(world: World, params: Object) -> Object:
    return world.page(world.all("webhook_endpoint"), params, "/v1/webhook_endpoints")


@serves("events.retrieve")
def retrieve_event(world: World, params: Object, event_id: str) -> Object:
    return world.get("event", event_id)


@serves("events.list")
def list_events(world: World, params: Object) -> Object:
    events = world.all("event", type=params.get("type"))
    if "types" in params:
        events = [event for event in events if event["type"] in params["types"]]
    if "delivery_success" in params:
        undelivered = {
            row["event"]
            for row in world.rows.execute("SELECT event FROM delivery WHERE state != 'delivered'")
        }
        wanted = params["delivery_success"]
        events = [event for event in events if (event["id"] not in undelivered) == wanted]
    return world.page(events, params, "/v1/events")
