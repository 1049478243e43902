"""Whatever is sent, it is answered within the contract, and no rule is broken afterwards."""

import io
import json
import logging
import re
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.support.busy import Busy, fill
from webapp.verify.services import verify

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
small = st.integers(0, 4)
few = st.one_of(small, values)
items = st.lists(
    st.fixed_dictionaries({"type": few, "tickets": small}, optional={"price": numbers}), max_size=5
)
codes = st.one_of(st.sampled_from(["code", " Code", "stra\xdfe"]), texts)
# (path, body) of calls about ticket types and codes.
TYPED_CALLS = st.one_of(
    st.tuples(
        st.just("/api/events/{event_id}/types"),
        st.fixed_dictionaries(
            {"name": texts},
            optional={
                **{"quota": few, "minTickets": few, "maxTickets": few, "hidden": scalars},
                **{"description": texts, "salesOpenAt": values, "salesCloseAt": values},
            },
        ),
    ),
    st.tuples(
        st.just("/api/events/{event_id}/codes"),
        st.fixed_dictionaries(
            {"code": codes},
            optional={
                **{"types": st.one_of(st.lists(small, max_size=3), values), "unlocks": scalars},
                **{"limit": few, "maxPerBooking": few, "validFrom": values, "note": texts},
            },
        ),
    ),
    st.tuples(
        st.just("/api/events/book"),
        st.fixed_dictionaries(
            {"userId": st.integers(1, 2**40), "items": st.one_of(items, values)},
            optional={"code": codes, "tickets": few},
        ),
    ),
)
headers: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.just({}),
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=300).map(
        lambda key: {"Idempotency-Key": key}
    ),
)


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(RATELIMIT_ENABLED="false")


@pytest.fixture(autouse=True)
def nothing_goes_wrong_unseen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No traceback and no error in the log, whatever the answer was."""
    yield
    wrong = [
        r.getMessage()
        for r in caplog.get_records("call")
        if r.exc_info or r.levelno >= logging.ERROR
    ]
    assert wrong == []


@pytest.fixture
def made(app: Flask) -> Busy:
    # An exception that nobody handled becomes a 500 here as it does for a client.
    app.testing = False
    app.config["WTF_CSRF_ENABLED"] = False
    with app.app_context():
        return fill()


@pytest.mark.every_database
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


def test_any_types_and_codes_are_answered_within_the_contract(app: Flask, made: Busy) -> None:
    client = app.test_client()

    @calm
    @given(call=TYPED_CALLS)
    @example(call=("/api/events/{event_id}/types", {"name": "Hidden", "hidden": True}))
    @example(call=("/api/events/{event_id}/codes", {"code": "code", "limit": 3}))
    @example(call=("/api/events/book", {"userId": 0, "items": [{"type": 1, "tickets": 1}]}))
    def send(call: tuple[str, dict[str, Any]]) -> None:
        path, body = call
        if path.endswith("book"):
            body["eventId"] = made.hot
        auth = None if path.endswith("book") else LOGIN
        path = path.format(event_id=made.hot)
        hold(client.post(path, data=json.dumps(body), content_type="application/json", auth=auth))

    assert {201, 400} <= _run(send)
    with app.app_context():
        assert verify().broken == []


def test_any_bytes_are_refused_within_the_contract(app: Flask, made: Busy) -> None:
    client = app.test_client()

    @settings(calm, max_examples=3 * calm.max_examples)
    @given(path=st.sampled_from([*BODIES]), raw=st.binary(max_size=200))
    def send(path: str, raw: bytes) -> None:
        hold(client.post(path, data=raw, content_type="application/json"))

    assert 201 not in _run(send)


@pytest.mark.every_database
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


# Every field of the organizer's forms with something that it takes, now and then.
FORM_FIELDS = {
    "eventName": st.sampled_from(["Fair", "مهرجان", "🎉" * 60]),
    "totalTickets": st.integers(1, 20).map(str),
    "description": st.sampled_from(
        ["", "# Food", "<script>alert(1)</script>", "[x](javascript:1)"]
    ),
    "location": st.sampled_from(["", "Old Mill"]),
    "timeZone": st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Mars/Base"]),
    "startsAt": st.sampled_from(["", "2031-03-30T02:30", "2031-10-26T02:30", "9999-12-31T23:59"]),
    "endsAt": st.sampled_from(["", "2031-10-27T02:30", "0001-01-01T00:00"]),
    "salesOpenAt": st.sampled_from(["", "2026-01-01T00:00"]),
    "salesCloseAt": st.sampled_from(["", "2031-01-01T00:00"]),
    "cancelUntil": st.sampled_from(["", "2031-01-01T00:00"]),
    "maxTicketsPerBooking": st.integers(1, 10).map(str),
    "waitingListLimit": st.sampled_from(["", "0", "5"]),
    "status": st.sampled_from(["published", "draft", "cancelled"]),
    "like": st.integers(0, 9).map(str),
    "name": st.sampled_from(["Ada", "שרה"]),
    "email": st.sampled_from(["ada@example.org", "grace@example.org", "a@b"]),
    "tickets": st.integers(0, 4).map(str),
    "audience": st.sampled_from(["all", "confirmed", "waiting"]),
    "subject": st.sampled_from(["News", "a\r\nBcc: b@example.org"]),
    "text": st.sampled_from(["Bring a fork.", "x" * 10_001]),
    "reminds": st.sampled_from(["yes", "no"]),
    "wants_sold_out": st.just("yes"),
    "wants_summary": st.just("yes"),
    "requestKey": st.sampled_from(["k" * 22, "l" * 22]),
    "username": st.just("olga"),
    "carried": st.just('{"path": "/organizer/events/new", "typed": {"eventName": "x"}}'),
    "next": st.sampled_from(["/organizer", "//evil.example"]),
}
typed = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
any_form = st.fixed_dictionaries(
    {}, optional={name: st.one_of(good, good, typed) for name, good in FORM_FIELDS.items()}
)
# What every form can be sent with.
right_form = st.fixed_dictionaries(
    {
        "eventName": st.just("Fair"),
        "totalTickets": st.integers(9, 20).map(str),
        "status": st.sampled_from(["published", "draft"]),
        "name": st.just("Ada"),
        "email": st.sampled_from(["ada@example.org", "grace@example.org"]),
        "tickets": st.integers(1, 2).map(str),
        "audience": st.just("all"),
        "subject": st.just("News"),
        "text": st.just("Bring a fork."),
    },
    optional={"like": FORM_FIELDS["like"], "description": FORM_FIELDS["description"]},
)
FORMS = st.one_of(any_form, right_form)
FILES = st.one_of(
    st.none(),
    st.binary(max_size=300),
    st.binary(max_size=60).map(lambda end: b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + end),
    st.binary(max_size=60).map(lambda end: b"\xff\xd8\xff\xe0" + end),
    st.binary(max_size=60).map(lambda end: b"RIFF\x40\x00\x00\x00WEBPVP8X" + end),
    st.binary(max_size=60).map(lambda end: b"GIF89a" + end),
)
ORGANIZERS_ANSWERS = {200, 204, 303, 400, 401, 404, 409, 413, 422}


@pytest.mark.parametrize(
    "logged_in",
    [True, pytest.param(False, marks=pytest.mark.long)],
    ids=["logged in", "logged out"],
)
def test_any_form_of_an_organizer_is_answered_with_a_page(
    app: Flask, made: Busy, logged_in: bool
) -> None:
    client = app.test_client()
    if logged_in:
        answer = client.post("/login", data=dict(zip(("username", "password"), LOGIN, strict=True)))
        assert answer.status_code == 303
    rules = [
        rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("organizer.") and "POST" in (rule.methods or ())
    ]
    assert len(rules) > 12
    # Chance seldom hits on a form that is right in every field.
    named = {rule.endpoint: rule for rule in rules}
    page = client.get(f"/organizer/events/{made.hot}/edit").text
    seen = re.findall(r'name="seen" value="(\d+)"', page)
    right = {"eventName": "Right", "totalTickets": "5000", "timeZone": "UTC", "seen": "".join(seen)}
    numbers_of_paths = st.one_of(st.integers(0, 12), st.just(2**31 - 1))
    met: set[tuple[str, int]] = set()

    @settings(calm, max_examples=320)
    @given(
        rule=st.sampled_from(rules),
        event_id=st.one_of(st.sampled_from([made.hot, made.started, made.draft]), numbers_of_paths),
        number=numbers_of_paths,
        form=FORMS,
        file=FILES,
        partial=st.booleans(),
    )
    @example(named["organizer.create_event"], 1, 1, right, None, False)
    @example(named["organizer.save"], made.hot, 1, right, None, False)
    def send(
        rule: Rule,
        event_id: int,
        number: int,
        form: dict[str, str],
        file: bytes | None,
        partial: bool,
    ) -> None:
        values = {
            "event_id": event_id,
            "position": number,
            "delivery_id": number,
            "token_id": number,
            "pass_id": number,
            "number": number,
        }
        path = app.url_map.bind("").build(
            rule.endpoint, {name: values[name] for name in rule.arguments}, method="POST"
        )
        data: dict[str, Any] = dict(form)
        if file is not None:
            data["picture"] = (io.BytesIO(file), "picture.png")
        headers = {"HX-Request-Type": "partial"} if partial else {}
        answer = client.post(path, data=data, headers=headers)
        met.add((rule.endpoint, answer.status_code))
        assert answer.status_code in ORGANIZERS_ANSWERS, (rule, answer.status_code)
        if answer.status_code in (303, 204):
            place = answer.location or json.loads(answer.headers["HX-Location"])["path"]
            assert place.startswith("/organizer"), place
            page = client.get(place, follow_redirects=True)
            assert page.status_code in (200, 404), place

    send()
    if logged_in:
        done = {endpoint for endpoint, status in met if status in (204, 303)}
        assert {"organizer.create_event", "organizer.save"} <= done
        assert {status for _, status in met} >= {303, 400, 404}
    else:
        assert {status for _, status in met} == {401}
    with app.app_context():
        assert verify().broken == []


QUERIES = ("search", "after", "before", "status", "next", "tickets", "form", "cursor", "limit")


@pytest.mark.parametrize(
    "logged_in",
    [True, pytest.param(False, marks=pytest.mark.long)],
    ids=["logged in", "logged out"],
)
def test_any_address_is_answered(app: Flask, made: Busy, logged_in: bool) -> None:
    client = app.test_client()
    if logged_in:
        client.post("/login", data=dict(zip(("username", "password"), LOGIN, strict=True)))
    rules = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    numbers_of_paths = st.one_of(st.sampled_from([made.hot, made.ended, made.draft]), numbers)
    words = st.one_of(st.sampled_from(awkward), st.text(max_size=80))

    @settings(calm, max_examples=600)
    @given(data=st.data(), rule=st.sampled_from(rules), partial=st.booleans())
    def send(data: st.DataObject, rule: Rule, partial: bool) -> None:
        path = rule.rule
        for name in rule.arguments:
            wanted = st.just("large") if name == "size" else words
            value = data.draw(numbers_of_paths if name.endswith("_id") else wanted)
            path = re.sub(rf"<[^<>]*\b{name}>", quoted(value).replace("\\", ""), path, count=1)
        asked = data.draw(st.dictionaries(st.sampled_from(QUERIES), words, max_size=3))
        query = "&".join(f"{name}={quoted(value)}" for name, value in asked.items())
        headers = {"HX-Request-Type": "partial"} if partial else {}
        answer = client.get(f"{path}?{query}", headers=headers, buffered=True)
        assert answer.status_code < 500, (path, query)

    send()


@pytest.mark.every_database
def test_any_reference_is_answered(app: Flask, made: Busy) -> None:
    for path in ("/bookings/{}", "/bookings/{}/cancel", "/messages/1/1/{}"):
        for reference in (*awkward, "a" * 3000):
            asked = path.format(quoted(reference))
            assert app.test_client().post(asked, data={"tickets": "1"}).status_code == 404, asked


def quoted(value: object) -> str:
    return urllib.parse.quote(str(value), safe="", errors="surrogatepass")


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
