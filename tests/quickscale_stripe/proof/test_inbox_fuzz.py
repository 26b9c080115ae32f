"""Nothing that is sent to the webhook raises an exception, and nothing unsigned is stored."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from stripe import WebhookSignature

from quickscale_stripe.models import StripeEvent
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.internal import thin
from tests.quickscale_stripe.proof.stories import STORIES
from tests.quickscale_stripe.proof.world import World
from tests.quickscale_stripe.shopping import SECRET

pytestmark = pytest.mark.django_db

Event = dict[str, Any]
Path = tuple[str | int, ...]

fuzz = hypothesis_settings(
    max_examples=120,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def real(shop: Sandbox, owner: Any) -> list[Event]:
    """Stripe's own events, one of each type and format."""
    for name in ("refunded_in_parts", "changed_in_the_portal"):
        for _ in STORIES[name].tell(World(shop, owner)):
            pass
    snapshots = {event["type"]: event for event in shop.events()}.values()
    return [*snapshots, *map(thin.notification, snapshots)]


def send(body: bytes, signature: str | None, **extra: Any) -> HttpResponse:
    """Send a request; an exception that the view raises fails the test."""
    headers = {} if signature is None else {"Stripe-Signature": signature}
    request = {"content_type": "application/json", "headers": headers, **extra}
    return Client().generic("POST", "/stripe/webhook/", body, **request)


def sign(body: bytes) -> str:
    text = body.decode(errors="replace")
    return WebhookSignature.generate_signature_header(text, SECRET, int(time.time()))


def check_signed(body: bytes) -> None:
    """Check that the event is refused and not stored, or stored with its outcome."""
    with transaction.atomic():
        status = send(body, sign(body)).status_code
        kept = list(StripeEvent.objects.values_list("status", "error"))
        transaction.set_rollback(True)
    if status == 400:
        assert kept == []
    elif status == 200:
        assert [state for state, _ in kept] in (["processed"], ["ignored"])
    else:
        # Stripe has no such object, or another event has to come first, so it is tried again.
        assert status == 500
        [(state, error)] = kept
        assert state == "failed"
        assert error.startswith(("StripeRefusedError", "NotYetKnownError")), error


def check_unsigned(body: bytes, signature: str | None) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert send(body, signature).status_code in (400, 413)
    assert len(queries) == 0


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every member of a JSON value."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in members:
        yield (*path, key)
        if isinstance(member, dict | list):
            yield from places(member, (*path, key))


def put(event: Event, path: Path, value: Any) -> Event:
    changed = deepcopy(event)
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


awkward = st.sampled_from(
    ["", "\0", "\ud800", "é" * 400, "x" * 70_000, 0, -1, 10**30, -(10**300), 1e308, True, None,
     float("nan"), float("-inf"), [], {}, [[]], {"": {}}, {"\0": 1}, {"id": "\0"}, {"id": 5}]
)  # fmt: skip
json_values = awkward | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def test_real_events_with_any_member_replaced(real: list[Event]) -> None:
    @fuzz
    @given(data=st.data())
    def replaced(data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(real))
        path = data.draw(st.sampled_from(list(places(event))))
        changed = put(event, path, data.draw(json_values))
        check_signed(json.dumps(changed).encode())

    replaced()


def test_the_members_that_are_read_with_each_awkward_value(real: list[Event]) -> None:
    """All of them are tried, since a random choice may leave one out."""
    read = [
        ("id",), ("object",), ("type",), ("created",), ("livemode",), ("api_version",), ("data",),
        ("data", "object"), ("data", "object", "id"), ("related_object",),
        ("related_object", "id"), ("snapshot_event",),
    ]  # fmt: skip
    values = ["", "\0", "\ud800", "x" * 300, 0, -1, 10**30, True, None, float("nan"), [], {}, [1]]
    for event in (real[0], real[-1]):
        known = set(places(event)) | {("snapshot_event",)}
        for path in read:
            for value in values if path in known else []:
                check_signed(json.dumps(put(event, path, value)).encode())


def test_real_events_cut_off_and_damaged(real: list[Event]) -> None:
    @fuzz
    @given(data=st.data())
    def damaged(data: st.DataObject) -> None:
        body = json.dumps(data.draw(st.sampled_from(real))).encode()
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(len(body), start + 20)))
        put_in = data.draw(st.binary(max_size=8))
        cut_off = data.draw(st.booleans())
        check_signed(body[:start] + put_in + (b"" if cut_off else body[end:]))

    damaged()


DEPTHS = [50, 300, 600, 900, 985, 1_000, 3_000, 20_000, 100_000]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids="[{")
def test_deep_nesting_within_an_event(
    real: list[Event], depth: int, opening: str, closing: str
) -> None:
    deep = opening * depth + "1" + closing * depth
    whole = json.dumps(put(real[0], ("data", "previous_attributes"), "DEEP"))
    check_signed(whole.replace('"DEEP"', deep).encode())


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "9" * 4_000, "9" * 5_000, "1." + "9" * 5_000, "0e0", "1E-9999"]
)
def test_numbers_that_fit_nowhere(real: list[Event], number: str) -> None:
    for path in (("created",), ("data", "previous_attributes")):
        body = json.dumps(put(real[0], path, "NUMBER")).replace('"NUMBER"', number)
        check_signed(body.encode())


def test_a_member_that_occurs_twice_counts_once(real: list[Event]) -> None:
    body = json.dumps(real[0])
    check_signed((body[:-1] + ', "id": "evt_other"}').encode())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_other_encodings(real: list[Event], encoding: str) -> None:
    text = json.dumps(real[0] | {"request": "é"}, ensure_ascii=False)
    check_signed(text.encode(encoding))


def test_almost_too_large_and_too_large(real: list[Event], settings: Any) -> None:
    event = real[0] | {"request": "x" * (1024 * 1024 - 10_000)}
    check_signed(json.dumps(event).encode())
    too_large = json.dumps(event | {"more": "x" * 20_000}).encode()
    check_unsigned(too_large, sign(too_large))


# Not signed by Stripe ----------------------------------------------------------------------------

headers = (
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60)
    | st.builds("t={},v1={}".format, st.integers(), st.text(st.characters(max_codepoint=255)))
    | st.from_regex(r"(t=[0-9]{0,12}|v1=[0-9a-f]{0,64}|v0=.{0,9})(,(t|v1)=.{0,70}){0,4}")
)


@fuzz
@given(body=st.binary(max_size=300), signature=st.none() | headers)
@example(b"{}", "t=1,v1=\xe9")
@example(b"{}", f"t={int(time.time())},v1={'é' * 64}")
@example(b"{}", f"t={'9' * 400},v1=a")
@example(b"{}", f"t={'9' * 5000},v1=a")
@example(b"{}", ",")
@example(b"{}", "t=,v1")
def test_an_unsigned_request_leaves_no_trace(
    sandbox: Sandbox, body: bytes, signature: str | None
) -> None:
    check_unsigned(body, signature)


def test_a_real_event_with_any_other_signature(real: list[Event]) -> None:
    @fuzz
    @given(signature=headers | st.none(), data=st.data())
    def refused(signature: str | None, data: st.DataObject) -> None:
        check_unsigned(json.dumps(data.draw(st.sampled_from(real))).encode(), signature)

    refused()


def test_a_signature_is_good_for_one_body(real: list[Event]) -> None:
    @fuzz
    @given(data=st.data())
    def refused(data: st.DataObject) -> None:
        body = json.dumps(real[0]).encode()
        at = data.draw(st.integers(0, len(body) - 1))
        changed = body[:at] + data.draw(st.binary(min_size=1, max_size=3)) + body[at + 1 :]
        if changed != body:
            check_unsigned(changed, sign(body))

    refused()


@pytest.mark.parametrize("length", ["", "0", "1", "99999999999"])
def test_a_wrong_content_length(real: list[Event], length: str) -> None:
    """A server already refuses a length that isn't a number."""
    response = send(json.dumps(real[0]).encode(), "t=1,v1=a", CONTENT_LENGTH=length)
    assert response.status_code in (400, 413)
    assert not StripeEvent.objects.exists()
