"""The login ends in the middle of a form: nothing typed is lost, and nothing is done by itself."""

import json
from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.pages.conftest import PASSWORD, Person, forms_of, text_of
from tests.pages.test_guards import page_rules
from webapp.accounts import services as accounts
from webapp.web.rate_limits import limiter

MakeEvent = Callable[..., int]
Book = Callable[..., str]

# What is typed into each form, and what to look for when it is shown again.
TYPED = {
    "organizer.create_event": {"eventName": "Fair", "totalTickets": "7", "timeZone": "Asia/Tokyo"},
    "organizer.save": {"eventName": "Fair", "description": '<b>"Two"</b>\r\n& é'},
    "organizer.add_booking": {"name": "Ada", "email": "ada@example.org", "type-1": "2"},
    "organizer.change_booking": {"type-1": "1"},
    "organizer.preview_message": {"audience": "all", "subject": "News", "text": "Bring a fork."},
    "organizer.send_message": {"audience": "all", "subject": "News", "text": "Bring a fork."},
    "organizer.set_notices": {"wants_summary": "yes"},
    "organizer.change_address": {"email": "olga@example.org"},
    "organizer.add_type": {"name": "VIP", "quota": "7", "hidden": "true"},
    "organizer.save_type": {"name": "VIP", "salesOpenAt": "2031-05-01T09:00"},
    "organizer.make_code": {"code": "BAND", "limit": "9", "for-1": "yes"},
    "organizer.save_code": {"code": "BAND", "note": "For us"},
    "organizer.make_pass": {"name": "Main entrance", "maySell": "true"},
    "organizer.make_token": {"name": "till", "level": "book", "days": "30"},
}


def lose_login(owner: Person) -> None:
    """The session ends elsewhere, as when the browser drops it or another tab logs out."""
    with owner.client.session_transaction() as session:
        session.clear()


def log_in_again(person: Person, page: TestResponse, **fields: str) -> TestResponse:
    """Fill in the login form of a page that was shown in place of another answer."""
    action, fields_there = next(
        (action, found) for action, found in forms_of(page).items() if "username" in found
    )
    assert action == "/login"
    data = {**fields_there, "username": "owner", "password": PASSWORD, **fields}
    return person.client.post(action, data=data)


def history(owner: Person, event_id: int) -> str:
    return text_of(owner.get(f"/organizer/events/{event_id}/history"))


@pytest.mark.parametrize("fragment", [False, True])
def test_every_form_comes_back_as_it_was_typed_and_nothing_is_done(
    app: Flask,
    owner: Person,
    make_event: MakeEvent,
    book: Book,
    give_type: Callable[[int], None],
    fragment: bool,
) -> None:
    event_id = make_event()
    book(event_id, "Guest", tickets=3)
    give_type(event_id)
    before = history(owner, event_id)
    headers = {"HX-Request-Type": "partial"} if fragment else {}
    values = {"event_id": event_id, "position": 1, "delivery_id": 1, "token_id": 1, "pass_id": 1}
    values |= {"number": 1}
    rules = [rule for rule in page_rules(app, "POST") if rule.endpoint.startswith("organizer.")]
    assert TYPED.keys() < {rule.endpoint for rule in rules}
    for rule in rules:
        typed = TYPED.get(rule.endpoint, {})
        path = app.url_map.bind("").build(
            rule.endpoint, {name: values[name] for name in rule.arguments}, method="POST"
        )
        lose_login(owner)
        limiter.reset()
        refused = owner.client.post(path, data={**typed, "requestKey": "k" * 22}, headers=headers)
        assert refused.status_code == 401, rule
        assert "what you typed is kept" in text_of(refused), rule
        shown = log_in_again(owner, refused)
        assert shown.status_code == 200, rule
        assert "You are logged in again." in text_of(shown), rule
        if typed:
            back = [f for f in forms_of(shown).values() if typed.items() <= f.items()]
            assert [form["requestKey"] for form in back] == ["k" * 22], rule
    assert history(owner, event_id) == before
    assert f"/organizer/events/{event_id + 1}" not in owner.get("/organizer").text


def test_form_that_came_back_is_sent_once(owner: Person, make_event: MakeEvent) -> None:
    event_id = make_event()
    path = f"/organizer/events/{event_id}/bookings/new"
    fields = forms_of(owner.get(path))[path]
    lose_login(owner)
    typed = {**fields, "name": "Ada", "email": "ada@example.org", "tickets": "2"}
    shown = log_in_again(owner, owner.client.post(path, data=typed))
    again = forms_of(shown)[path]
    assert again["requestKey"] == fields["requestKey"]
    assert again["csrf_token"] != fields["csrf_token"]
    for _ in range(2):
        assert owner.client.post(path, data=again).status_code == 303
    assert history(owner, event_id).count("Booking 1 made by you") == 1


def test_wrong_password_and_second_click_lose_nothing(owner: Person, make_event: MakeEvent) -> None:
    path = f"/organizer/events/{make_event()}/edit"
    lose_login(owner)
    refused = owner.client.post(path, data={"location": "Old Mill"})
    wrong = log_in_again(owner, refused, password="not this one")
    assert wrong.status_code == 401
    assert "Name or password is wrong" in text_of(wrong)
    assert 'value="Old Mill"' in log_in_again(owner, wrong).text
    # The page of a moment ago is sent again: its token ended with the login that followed.
    assert 'value="Old Mill"' in log_in_again(owner, wrong).text


def test_password_changed_elsewhere_loses_nothing_either(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    path = f"/organizer/events/{make_event()}/edit"
    fields = forms_of(owner.get(path))[path]
    with app.app_context():
        accounts.set_password(accounts.id_of("owner"), password="another password")
    refused = owner.client.post(path, data={**fields, "location": "Old Mill"})
    shown = log_in_again(owner, refused, password="another password")
    assert forms_of(shown)[path]["location"] == "Old Mill"


def test_password_and_token_are_never_carried(owner: Person, make_event: MakeEvent) -> None:
    lose_login(owner)
    data = {"location": "Old Mill", "password": "secret one", "csrf_token": "token one"}
    page = owner.client.post(f"/organizer/events/{make_event()}/edit", data=data).text
    assert "Old Mill" in page
    assert "secret one" not in page
    assert "token one" not in page


def test_nothing_is_carried_that_another_site_has_sent(
    owner: Person, make_event: MakeEvent
) -> None:
    path = f"/organizer/events/{make_event()}/edit"
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    refused = owner.client.post(path, data={"location": "Old Mill"}, headers=elsewhere)
    assert refused.status_code == 400
    assert "Old Mill" not in refused.text
    lose_login(owner)
    answer = owner.client.post(path, data={"location": "Old Mill"}, headers=elsewhere)
    assert answer.location == "/login"


def test_events_of_others_stay_hidden_when_somebody_else_logs_in(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    lose_login(owner)
    path = f"/organizer/events/{make_event()}/edit"
    refused = owner.client.post(path, data={"location": "Old Mill"})
    with app.app_context():
        accounts.create_organizer(username="stranger", password=PASSWORD)
    answer = log_in_again(owner, refused, username="stranger")
    assert answer.status_code == 404
    assert "Harvest" not in answer.text


@pytest.mark.parametrize(
    "carried",
    [
        "",
        "no json",
        "[1]",
        '{"path": "/organizer/events/new"}',
        json.dumps({"path": "/nowhere", "typed": {}}),
        json.dumps({"path": "//evil.example/organizer/events/new", "typed": {}}),
        json.dumps({"path": "https://evil.example/", "typed": {}}),
        json.dumps({"path": "/logout", "typed": {}}),
        json.dumps({"path": "/organizer", "typed": {}}),
    ],
)
def test_what_carries_no_form_of_ours_leads_to_the_dashboard(
    owner: Person, person: Person, carried: str
) -> None:
    answer = log_in_again(person, person.get("/login"), carried=carried)
    assert answer.status_code == 303
    assert answer.location == "/organizer"


def test_page_that_asks_for_news_is_not_left(owner: Person, make_event: MakeEvent) -> None:
    lose_login(owner)
    path = f"/organizer/events/{make_event()}/mails/progress"
    answer = owner.get(path, fragment=True)
    assert answer.status_code == 401
    assert "HX-Location" not in answer.headers
