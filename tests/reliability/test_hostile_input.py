"""Whatever is sent, it is answered within the contract, and no rule is broken afterwards."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.support.busy import Busy, fill
from webapp.services.verify import verify

LOGIN = ("olga", "a password for tests")
REFUSALS = {400, 401, 404, 409, 413, 415, 422}

# Derived from the code alone, so that a run that passed here passes everywhere.
calm = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
awkward = ["\x00", "\ud800", "\u202e", "\uff21\uff22", "\xe9", "e\u0301", "' OR 1=1 --", "%s"]
texts = st.one_of(st.text(max_size=300), st.sampled_from([*awkward, "a" * 70, "b@c.de"]))
numbers = st.one_of(
    st.integers(-3, 12),
    st.sampled_from([2**31, 2**63, 2**64, -(2**63), 10**400]),
    st.floats(),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=5,
)
fields = st.sampled_from(
    [
        *("eventId", "userId", "tickets", "name", "email", "bookingReference", "eventName"),
        *("totalTickets", "startsAt", "timeZone", "cancelUntil", "waitingListLimit", "status"),
    ]
)
nearly_right = st.fixed_dictionaries(
    {"eventId": st.integers(1, 8), "userId": st.one_of(texts, st.integers())},
    optional={"tickets": st.one_of(st.integers(1, 3), values), "name": texts},
)
new_events = st.fixed_dictionaries(
    {"eventName": texts, "totalTickets": st.one_of(st.integers(1, 9), numbers)},
    optional={"timeZone": texts, "startsAt": values, "waitingListLimit": values},
)
anything = st.one_of(st.dictionaries(fields, values, max_size=8), values)
BODIES = {
    "/api/events/book": st.one_of(nearly_right, anything),
    "/api/events/cancel": st.one_of(nearly_right, anything),
    "/api/events/initialize": st.one_of(new_events, anything),
}
headers: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.just({}),
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=300).map(
        lambda key: {"Idempotency-Key": key}
    ),
)


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(RATELIMIT_ENABLED="false")


@pytest.fixture
def made(app: Flask) -> Busy:
    # An exception that nobody handled becomes a 500 here as it does for a client.
    app.testing = False
    app.config["WTF_CSRF_ENABLED"] = False
    with app.app_context():
        return fill()


@pytest.mark.parametrize("path", BODIES)
def test_any_json_is_answered_within_the_contract(app: Flask, made: Busy, path: str) -> None:
    client = app.test_client()
    auth = LOGIN if path.endswith("initialize") else None

    @calm
    @given(body=BODIES[path], headers=headers)
    def send(body: Any, headers: dict[str, str]) -> None:
        if isinstance(body, dict) and body.get("eventId") == 1:
            body["eventId"] = made.hot
        data = json.dumps(body)
        hold(
            client.post(
                path, data=data, content_type="application/json", headers=headers, auth=auth
            )
        )

    statuses = _run(send)
    assert statuses & {400, 404}
    assert (201 in statuses) == (path != "/api/events/cancel")
    with app.app_context():
        assert verify().broken == []


@pytest.mark.parametrize("path", BODIES)
def test_any_bytes_are_refused_within_the_contract(app: Flask, made: Busy, path: str) -> None:
    client = app.test_client()

    @calm
    @given(raw=st.binary(max_size=200))
    def send(raw: bytes) -> None:
        hold(client.post(path, data=raw, content_type="application/json"))

    assert 201 not in _run(send)


def test_any_form_is_answered_with_a_page(app: Flask, made: Busy) -> None:
    client = app.test_client()
    sendable = st.one_of(texts.filter(lambda text: text.isprintable()), numbers.map(str))
    forms = st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("name", "email", "tickets", "requestKey", "other"), sendable),
    )

    @calm
    @given(form=forms, partial=st.booleans())
    def send(form: dict[str, str], partial: bool) -> None:
        headers = {"HX-Request-Type": "partial"} if partial else {}
        answer = client.post(f"/events/{made.hot}", data=form, headers=headers)
        assert answer.status_code in {200, 204, 303, 400, 409, 422}

    send()
    with app.app_context():
        assert verify().broken == []


seen: set[int] = set()


def hold(answer: TestResponse) -> None:
    """Hold an answer of the API against the contract."""
    seen.add(answer.status_code)
    if answer.status_code in (200, 201):
        assert answer.mimetype == "application/json"
    else:
        assert answer.status_code in REFUSALS
        assert answer.mimetype == "application/problem+json"
        assert answer.get_json()["status"] == answer.status_code


def _run(send: Callable[[], None]) -> set[int]:
    """The statuses that a run of examples met."""
    seen.clear()
    send()
    return set(seen)
