"""Whatever is sent, the answer is the right 4xx, names the field, and leaks nothing."""

import json
from io import BytesIO
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.api.conftest import Api
from webapp.extensions import db
from webapp.storage.engines import write_engine
from webapp.web.schemas import MAX_DESCRIPTION

JSON = "application/json"
HUGE = "9" * 5000
SURROGATE = '"\\ud800"'

NOT_AN_OBJECT = {
    "nothing": "",
    "white space": "  ",
    "not JSON": "{",
    "text": "hello",
    "list": "[]",
    "list of an object": '[{"userId": 1, "eventId": 1}]',
    "number": "1",
    "string": '"x"',
    "null": "null",
    "true": "true",
    "trailing": '{"userId": 1, "eventId": 1} x',
    "two objects": "{}{}",
    "single quotes": "{'userId': 1}",
    "NaN": '{"userId": NaN, "eventId": 1}',
    "Infinity": '{"userId": 1, "eventId": -Infinity}',
    "field twice": '{"userId": 1, "userId": 2, "eventId": 1}',
    "deep list": "[" * 100_000,
    "deep object": '{"a":' * 20_000,
    "endless number": f'{{"userId": {HUGE}, "eventId": 1}}',
    "control character": '{"userId": "a\nb", "eventId": 1}',
    "byte order mark": "\ufeff{}",
}
NOT_UTF8 = {
    "latin-1": '{"userId": "é", "eventId": 1}'.encode("latin-1"),
    "utf-16": '{"userId": 1, "eventId": 1}'.encode("utf-16"),
    "zeros": b"\0" * 100,
    "surrogate bytes": b'{"userId": "\xed\xa0\x80", "eventId": 1}',
}
BOOK: dict[str, list[str]] = {
    "userId": [
        "null", "true", "false", "2.5", "1.0", "1e999", "-1", str(2**63), "[]", "{}", '""', '" "',
        '" x"', '"x "', '"a\\u0000b"', SURROGATE, '"a\\nb"', json.dumps("x" * 65),
        json.dumps("x" * 10_000),
    ],
    "eventId": [
        "null", "true", '"7"', "2.5", "1.0", "0", "-5", str(2**63), "1e3", "[]", "{}", '""',
        SURROGATE,
    ],
    "tickets": ["null", "true", '"7"', "2.5", "0", "-5", str(10**12), "[]"],
    "name": ["null", "7", "true", "[]", json.dumps("x" * 10_000), SURROGATE, '"a\\u0000b"'],
    "email": ["7", '"nobody"', '"a@b@c.org"', json.dumps("x" * 10_000 + "@example.org"), SURROGATE],
    "language": ["7", "true", "[]", '""', '"xx"', '"DE"', '"de "', '"de-AT"', SURROGATE],
    "isAdmin": ["true"],
    "event_id": ["1"],
}  # fmt: skip
INITIALIZE: dict[str, list[str]] = {
    "eventName": [
        "null", "true", "7", '""', '"  "', json.dumps("x" * 10_000), SURROGATE, '"a\\u0000b"',
        '"a\\nb"', "[]", "{}",
    ],
    "totalTickets": [
        "null", "true", '"7"', "2.5", "100.0", "0", "-5", str(10**12), "[]", '""', "1e2",
    ],
    "timeZone": ['"Nowhere/Town"', "7", "null", SURROGATE],
    "startsAt": ['"tomorrow"', "7", "true", '"0001-01-01T00:00"', '"9999-12-31T23:59-12:00"'],
    "endsAt": ['"2027-05-03T19:30"'],
    "maxTicketsPerBooking": ["0", "-1", '"3"', "1.5", "true"],
    "waitingListLimit": ["-1", '"3"', "1.5", "true"],
    "status": ['"cancelled"', "7", "null"],
    "id": ["1"],
    "confirmed": ["0"],
    "organizerId": ["1"],
}  # fmt: skip


def body_of(valid: dict[str, Any], field: str, value: str) -> str:
    """A valid body in which one field has another value, given as JSON."""
    parts = {name: json.dumps(part) for name, part in valid.items()}
    parts[field] = value
    return "{" + ",".join(f'"{name}": {part}' for name, part in parts.items()) + "}"


def answered(response: TestResponse) -> tuple[int, set[str]]:
    """The status, and the fields that are named as wrong."""
    return response.status_code, set(response.get_json().get("errors", ()))


@pytest.mark.parametrize("path", ["/events/book", "/events/cancel", "/events/initialize"])
def test_body_that_is_no_object_is_refused(api: Api, organizer: dict[str, str], path: str) -> None:
    for what, body in NOT_AN_OBJECT.items():
        response = api.post(path, data=body, content_type=JSON, headers=organizer)
        assert answered(response) == (400, {"body"}), what


def test_body_that_is_not_utf8_is_refused(api: Api) -> None:
    for what, body in NOT_UTF8.items():
        response = api.post("/events/book", data=body, content_type=JSON)
        assert answered(response) == (400, {"body"}), what


@pytest.mark.parametrize("field", BOOK)
def test_wrong_field_of_a_booking_is_named(api: Api, organizer: dict[str, str], field: str) -> None:
    valid = {"userId": 1, "eventId": api.event(organizer)}
    for value in BOOK[field]:
        body = body_of(valid, field, value)
        response = api.post("/events/book", data=body, content_type=JSON)
        assert answered(response) == (400, {field}), value[:50]


@pytest.mark.parametrize("field", INITIALIZE)
def test_wrong_field_of_an_event_is_named(api: Api, organizer: dict[str, str], field: str) -> None:
    named = "startsAt" if field == "endsAt" else field
    for value in INITIALIZE[field]:
        body = body_of({"eventName": "x", "totalTickets": 1}, field, value)
        response = api.post("/events/initialize", data=body, content_type=JSON, headers=organizer)
        assert answered(response) == (400, {named}), value[:50]


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("/events/book", {}, {"userId", "eventId"}),
        ("/events/book", {"userId": 1}, {"eventId"}),
        ("/events/book", {"eventId": 1}, {"userId"}),
        ("/events/initialize", {}, {"eventName", "totalTickets"}),
        ("/events/initialize", {"eventName": "x"}, {"totalTickets"}),
        ("/events/cancel", {}, {"userId"}),
        ("/events/cancel", {"userId": 1}, {"eventId"}),
        ("/events/cancel", {"bookingReference": "x y"}, {"bookingReference"}),
        ("/events/cancel", {"bookingReference": 7}, {"bookingReference"}),
        ("/events/cancel", {"bookingReference": "x" * 22, "userId": 1}, {"bookingReference"}),
    ],
)
def test_missing_field_is_named(
    api: Api, organizer: dict[str, str], path: str, body: dict[str, Any], fields: set[str]
) -> None:
    response = api.post(path, body, headers=organizer)
    assert response.status_code == 400
    assert response.get_json()["errors"].keys() == fields


def test_same_text_in_upper_case_is_another_field(api: Api) -> None:
    response = api.post("/events/book", {"userid": 1, "eventid": 1})
    assert response.get_json()["errors"].keys() == {"userid", "eventid", "userId", "eventId"}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_other_content_type_is_refused(api: Api, content_type: str | None) -> None:
    response = api.post(
        "/events/book", data=b'{"userId": 1, "eventId": 1}', content_type=content_type
    )
    assert response.status_code == 415


def test_charset_beside_the_content_type_is_fine(api: Api, organizer: dict[str, str]) -> None:
    body = json.dumps({"userId": 1, "eventId": api.event(organizer)})
    response = api.post("/events/book", data=body, content_type="application/json; charset=utf-8")
    assert response.status_code == 201


def test_body_of_ten_megabytes_is_refused(api: Api) -> None:
    body = b'{"userId": "' + b"x" * 10_000_000 + b'", "eventId": 1}'
    response = api.post("/events/book", data=body, content_type=JSON)
    assert (response.status_code, response.get_json()["code"]) == (413, "body_too_large")


def test_large_body_that_hides_its_length_is_refused(api: Api) -> None:
    for size, status in ((10_000_000, 413), (1_000, 400)):
        response = api.post(
            "/events/book",
            input_stream=BytesIO(b"x" * size),
            content_type=JSON,
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert response.status_code == status


@pytest.mark.every_database
def test_longest_description_fits_however_it_is_escaped(
    api: Api, organizer: dict[str, str]
) -> None:
    text = "🎟" * MAX_DESCRIPTION
    event_id = api.event(organizer, description=text)
    assert api.get(f"/events/{event_id}").get_json()["description"] == text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/events/book", "POST"),
        ("DELETE", "/events/cancel", "POST"),
        ("PUT", "/events/initialize", "POST"),
        ("POST", "/events/status/1", "GET"),
        ("PUT", "/events/1", "PATCH"),
    ],
)
def test_wrong_method_is_refused_with_those_that_work(
    api: Api, method: str, path: str, allowed: str
) -> None:
    response = api.call(method, path)
    assert (response.status_code, response.get_json()["code"]) == (405, "method_not_allowed")
    assert allowed in response.headers["Allow"].split(", ")


def test_unknown_path_is_not_found(api: Api) -> None:
    for path in ("/nothing", "/events/book/", "/events/1/nothing", "/"):
        response = api.get(path)
        assert (response.status_code, response.get_json()["code"]) == (404, "not_found")


def test_mistake_of_ours_tells_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("webapp.api.events.find_event", broken)
    api.app.testing = False
    response = api.get("/events/status/1")
    assert (response.status_code, response.get_json()["code"]) == (500, "internal_error")
    assert "secret" not in response.get_data(as_text=True)


@pytest.mark.every_database
def test_a_thousand_bad_requests_leave_no_connection_behind(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, totalTickets=1)
    api.book(event_id, 1)
    bad = [
        {"data": "", "content_type": JSON},
        {"data": "{", "content_type": JSON},
        {"data": "x", "content_type": "text/plain"},
        {"json": {"userId": True, "eventId": event_id}},
        {"json": {"userId": 1, "eventId": 999_999}},
        {"json": {"userId": 1, "eventId": event_id}},
        {"json": {"userId": 2, "eventId": event_id, "tickets": 11}},
        {"data": body_of({"userId": 1, "eventId": event_id}, "name", SURROGATE),
         "content_type": JSON},
    ]  # fmt: skip
    for number in range(1000):
        response = api.client.post("/api/events/book", **bad[number % len(bad)])  # type: ignore[arg-type]
        assert 400 <= response.status_code < 500
    with api.app.app_context():
        in_use = {engine.pool.checkedout() for engine in (db.engine, write_engine())}  # type: ignore[attr-defined]
    assert in_use == {0}
    assert api.book(event_id, 3)["waitingListPosition"] == 1
