"""What a token may do: every call against every level."""

import pytest

from tests.api.conftest import Api, bearer
from webapp.accounts import services as accounts
from webapp.accounts.services import Level
from webapp.accounts.tokens import create_token
from webapp.api.openapi import CALLS


@pytest.fixture
def tokens(api: Api) -> dict[Level, str]:
    with api.app.app_context():
        organizer_id = accounts.create_organizer(username="ada", password="a long password")
        return {level: create_token(organizer_id, name="x", level=level) for level in Level}


def test_every_call_is_open_to_its_level_and_to_no_lower_one(
    api: Api, tokens: dict[Level, str]
) -> None:
    """The calls are wrong in themselves: what matters is whether the level stops them."""
    walked = 0
    for rule in api.app.url_map.iter_rules():
        call = CALLS.get(api.app.view_functions[rule.endpoint])
        if call is None:
            continue
        [method] = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        assert call.who == "anybody" or method == "GET" or call.level is not Level.READ, rule
        values = dict.fromkeys(rule.arguments, "1")
        path = api.app.url_map.bind("localhost").build(rule.endpoint, values)
        for level, token in tokens.items():
            browser = api.app.test_client()
            answer = browser.open(path, method=method, json={}, headers=bearer(token))
            problem = answer.get_json(silent=True) or {}
            refused = problem.get("code") == "insufficient_access"
            needed = call.who != "anybody" and not level.includes(call.level)
            assert refused == needed, (rule, level)
            if refused:
                assert answer.status_code == 403
                assert call.level.value in problem["detail"]
            walked += 1
    assert walked >= 3 * 15


def test_document_tells_the_level_of_each_call(api: Api) -> None:
    paths = api.get("/openapi.json").get_json()["paths"]
    for path, method, level in (
        ("/api/events/initialize", "post", "manage"),
        ("/api/events/book", "post", "book"),
        ("/api/organizer/events", "get", "read"),
    ):
        ways = paths[path][method]["security"]
        assert {"token": [level]} in ways
        assert "403" in paths[path][method]["responses"]


def test_book_token_books_cancels_and_makes_no_event(api: Api, tokens: dict[Level, str]) -> None:
    event_id = api.event(bearer(tokens[Level.MANAGE]))
    book = bearer(tokens[Level.BOOK])
    made = api.post("/events/book", {"userId": 1, "eventId": event_id}, headers=book)
    assert made.status_code == 201
    gone = api.post("/events/cancel", {"userId": 1, "eventId": event_id}, headers=book)
    assert gone.status_code == 200
    answer = api.post("/events/initialize", {"eventName": "x", "totalTickets": 1}, headers=book)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "insufficient_access")
    assert answer.get_json()["detail"] == "This token may not do this: it needs the level manage."
    read = bearer(tokens[Level.READ])
    assert api.get(f"/events/{event_id}/bookings", headers=read).status_code == 200
    answer = api.post("/events/book", {"userId": 2, "eventId": event_id}, headers=read)
    assert answer.status_code == 403
