"""Forms that are older than what they would overwrite: shown again, with what is there by now."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.pages.conftest import Person, forms_of, text_of
from tests.pages.test_lost_login import log_in_again, lose_login
from tests.pages.test_pictures import drawn, send, upload, urls_on
from tests.support.tools import set_own_address
from webapp.booking.commands import organizer
from webapp.events import services as events
from webapp.events.queries import own_event
from webapp.events.services import details_of, edit_event
from webapp.mail import scheduled

MakeEvent = Callable[..., int]
Book = Callable[..., str]
Change = Callable[..., None]

OVERTAKEN = "This was changed after you opened it, and nothing of yours is saved yet."
START = datetime(2031, 7, 1, 17, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def change(app: Flask, owner_id: int) -> Change:
    """Somebody else saves other details of an event: `change(event_id, capacity=100)`."""

    def change(event_id: int, **details: Any) -> None:
        with app.app_context():
            edit_event(
                event_id,
                lambda event: replace(details_of(event), **details),
                actor=organizer(owner_id),
            )

    return change


def path_of(event_id: int) -> str:
    return f"/organizer/events/{event_id}/edit"


def open_form(owner: Person, path: str) -> dict[str, str]:
    """The fields of a page's form as a browser would send them."""
    fields = forms_of(owner.get(path))[path]
    return {name: re.sub("\r\n?|\n", "\r\n", text) for name, text in fields.items()}


def notes_of(page: TestResponse) -> dict[str, str]:
    """What a page says is wrong with each field."""
    found = re.findall(r'(?s)<p class="error" id="(\w+)-error">(.*?)</p>', page.text)
    return {name: re.sub("<[^>]+>", "", text) for name, text in found}


def history(owner: Person, event_id: int) -> str:
    return text_of(owner.get(f"/organizer/events/{event_id}/history"))


@pytest.mark.parametrize("fragment", [False, True])
def test_form_that_was_overtaken_comes_back_with_what_is_there_now(
    owner: Person, make_event: MakeEvent, change: Change, fragment: bool
) -> None:
    event_id = make_event(tickets=50, location="Barn")
    path = path_of(event_id)
    form = {**open_form(owner, path), "eventName": "Renamed"}
    change(event_id, capacity=100, location="New Hall")
    headers = {"HX-Request-Type": "partial"} if fragment else {}
    answer = owner.client.post(path, data=form, headers=headers)
    assert answer.status_code == 409
    assert ("<html" in answer.text) is not fragment
    assert f'role="alert" tabindex="-1" autofocus>{OVERTAKEN}' in answer.text
    assert "<button>Save mine</button>" in answer.text
    assert notes_of(answer) == {
        "totalTickets": "Meanwhile changed to 100.",
        "location": "Meanwhile changed to New Hall.",
    }
    again = forms_of(answer)[path]
    typed = {name: again[name] for name in ("eventName", "totalTickets", "location")}
    assert typed == {"eventName": "Renamed", "totalTickets": "50", "location": "Barn"}
    assert "Renamed" not in history(owner, event_id)
    assert owner.client.post(path, data=again, headers=headers).status_code in (204, 303)
    told = history(owner, event_id)
    for line in ("Name: Harvest Supper → Renamed", "100 → 50", "New Hall → Barn"):
        assert line in told


def test_third_change_is_noticed_again(
    owner: Person, make_event: MakeEvent, change: Change
) -> None:
    event_id = make_event(tickets=50)
    path = path_of(event_id)
    form = open_form(owner, path)
    change(event_id, capacity=100)
    refused = owner.client.post(path, data=form)
    change(event_id, location="New Hall")
    again = owner.client.post(path, data=forms_of(refused)[path])
    assert again.status_code == 409
    assert notes_of(again) == {"location": "Meanwhile changed to New Hall."}
    assert owner.client.post(path, data=forms_of(again)[path]).status_code == 303
    assert forms_of(owner.get(path))[path]["totalTickets"] == "50"


def test_every_field_says_what_it_is_now(
    owner: Person, make_event: MakeEvent, change: Change
) -> None:
    event_id = make_event(
        description="Old words",
        location="Barn",
        time_zone="Europe/Berlin",
        starts_at=START,
        ends_at=START + DAY,
        cancel_until=START - DAY,
        waiting_list_limit=7,
    )
    path = path_of(event_id)
    form = open_form(owner, path)
    name = "<b>" + "Donaudampfschiff" * 12
    change(
        event_id,
        name=name,
        capacity=12_000,
        description="New & better\n\n- soup",
        location="",
        time_zone="Asia/Tokyo",
        starts_at=START + timedelta(hours=1, seconds=7),
        ends_at=START + 2 * DAY,
        sales_open_at=START - 9 * DAY,
        sales_close_at=START - 3 * DAY,
        cancel_until=None,
        max_tickets_per_booking=1,
        waiting_list_limit=None,
    )
    answer = owner.client.post(path, data=form)
    assert answer.status_code == 409
    assert notes_of(answer) == {
        "eventName": f"Meanwhile changed to {name.replace('<b>', '&lt;b&gt;')}.",
        "totalTickets": "Meanwhile changed to 12,000.",
        "description": "Meanwhile changed. How it reads now is shown below.",
        "location": "Meanwhile emptied.",
        "timeZone": "Meanwhile changed to Asia/Tokyo.",
        "startsAt": "Meanwhile changed to Wed 2 July 2031, 03:30 JST.",
        "endsAt": "Meanwhile changed to Fri 4 July 2031, 02:30 JST.",
        "salesOpenAt": "Meanwhile changed to Mon 23 June 2031, 02:30 JST.",
        "salesCloseAt": "Meanwhile changed to Sun 29 June 2031, 02:30 JST.",
        "cancelUntil": "Meanwhile emptied.",
        "maxTicketsPerBooking": "Meanwhile changed to 1.",
        "waitingListLimit": "Meanwhile emptied.",
    }
    assert " readonly>\nNew &amp; better\n\n- soup</textarea>" in answer.text
    assert "<details open>" in answer.text, "no marked field is out of sight"
    ignored = ("csrf_token", "requestKey", "seen")
    again = {**forms_of(answer)[path]}
    assert [again[key] for key in form if key not in ignored] == [
        form[key] for key in form if key not in ignored
    ]
    assert owner.client.post(path, data=again).status_code == 303
    kept = forms_of(owner.get(path))[path]
    assert (kept["startsAt"], kept["startTime"], kept["duration"]) == (
        "2031-07-01",
        "19:30",
        "1440",
    )


def test_marked_field_is_never_out_of_sight(
    owner: Person, make_event: MakeEvent, change: Change
) -> None:
    event_id = make_event()
    path = path_of(event_id)
    page = owner.get(path)
    assert "<details>" in page.text
    change(event_id, max_tickets_per_booking=2)
    answer = owner.client.post(path, data=forms_of(page)[path])
    assert notes_of(answer) == {"maxTicketsPerBooking": "Meanwhile changed to 2."}
    assert "<details open>" in answer.text


def test_booking_meanwhile_is_no_conflict(owner: Person, make_event: MakeEvent, book: Book) -> None:
    event_id = make_event(tickets=1)
    path = path_of(event_id)
    form = open_form(owner, path)
    book(event_id, "Ada")
    book(event_id, "Grace")
    answer = owner.client.post(path, data={**form, "totalTickets": "2"})
    assert answer.status_code == 303
    assert "Grace moved up" in text_of(owner.get(answer.location))


def test_same_change_saved_twice_is_no_conflict(owner: Person, make_event: MakeEvent) -> None:
    """As by a second click, or by two people who correct the same mistake."""
    event_id = make_event()
    path = path_of(event_id)
    form = {**open_form(owner, path), "location": "Barn", "description": "One\r\nTwo"}
    for _ in range(2):
        assert owner.client.post(path, data=form).status_code == 303
    assert history(owner, event_id).count("edited") == 1


@pytest.mark.parametrize("said", [None, "", "x", "-1", "9" * 30])
def test_form_that_does_not_say_what_it_was_made_from_undoes_no_edit(
    owner: Person, make_event: MakeEvent, change: Change, said: str | None
) -> None:
    event_id = make_event(tickets=50)
    path = path_of(event_id)
    form = {**open_form(owner, path), "location": "Barn"}
    del form["seen"]
    if said is not None:
        form["seen"] = said
    assert owner.client.post(path, data=form).status_code == 303, "there is nothing to undo"
    change(event_id, capacity=100)
    # What is refused for another reason comes back as it was made.
    refused = owner.client.post(path, data={**form, "eventName": ""})
    assert refused.status_code == 400
    answer = owner.client.post(path, data={**forms_of(refused)[path], "eventName": "Renamed"})
    assert answer.status_code == 409
    assert notes_of(answer) == {"totalTickets": "Meanwhile changed to 100."}
    assert owner.client.post(path, data=forms_of(answer)[path]).status_code == 303


def test_refused_form_still_says_what_it_was_made_from(
    owner: Person, make_event: MakeEvent, change: Change
) -> None:
    event_id = make_event(tickets=50)
    path = path_of(event_id)
    form = open_form(owner, path)
    change(event_id, capacity=100)
    refused = owner.client.post(path, data={**form, "eventName": ""})
    assert refused.status_code == 400
    assert "<button>Save</button>" in refused.text
    again = {**forms_of(refused)[path], "eventName": "Renamed"}
    lose_login(owner)
    shown = log_in_again(owner, owner.client.post(path, data=again))
    answer = owner.client.post(path, data=forms_of(shown)[path])
    assert answer.status_code == 409
    assert notes_of(answer) == {"totalTickets": "Meanwhile changed to 100."}
    # Too few tickets are refused after a conflict as before it.
    mine = {**forms_of(answer)[path], "totalTickets": "0"}
    assert owner.client.post(path, data=mine).status_code == 400


def test_event_cancelled_meanwhile_is_not_edited(
    app: Flask, owner: Person, owner_id: int, make_event: MakeEvent
) -> None:
    event_id = make_event()
    path = path_of(event_id)
    form = open_form(owner, path)
    with app.app_context():
        events.cancel_event(event_id, actor=organizer(owner_id))
    answer = owner.client.post(path, data={**form, "eventName": "Renamed"})
    assert answer.status_code == 303
    assert "Renamed" not in history(owner, event_id)


@pytest.mark.parametrize("description", ["One\nTwo\r\nThree", "\n\nIn the middle\n", "Old\rMac"])
def test_line_breaks_of_browsers_are_no_change(
    app: Flask,
    owner: Person,
    owner_id: int,
    make_event: MakeEvent,
    change: Change,
    description: str,
) -> None:
    event_id = make_event(description="Before")
    path = path_of(event_id)
    old = open_form(owner, path)
    change(event_id, description=description)
    shown = open_form(owner, path)["description"]
    answer = owner.client.post(path, data={**old, "description": shown, "location": "Barn"})
    assert answer.status_code == 303, "it is what is there by now"
    told = history(owner, event_id)
    assert (told.count("Description changed"), told.count("Place:")) == (1, 1)
    with app.app_context():
        kept = own_event(event_id, organizer_id=owner_id)
    assert kept.description == description


def test_seconds_that_no_field_shows_are_kept_and_are_no_conflict(
    app: Flask, owner: Person, owner_id: int, make_event: MakeEvent, change: Change
) -> None:
    event_id = make_event(time_zone="Europe/Berlin", starts_at=START + timedelta(seconds=7))
    path = path_of(event_id)
    form = open_form(owner, path)
    change(event_id, starts_at=START + timedelta(seconds=30))
    assert owner.client.post(path, data={**form, "location": "Barn"}).status_code == 303
    with app.app_context():
        event = own_event(event_id, organizer_id=owner_id)
    assert event.starts_at == START + timedelta(seconds=30)


def test_another_picture_is_not_replaced_unseen(owner: Person, make_event: MakeEvent) -> None:
    event_id = make_event()
    path = f"/organizer/events/{event_id}/picture"
    form = open_form(owner, path)
    upload(owner, event_id, drawn(), "A choir")
    theirs = urls_on(owner.get(path))
    mine = drawn((300, 300))
    answer = send(owner, path, mine, **{**form, "description": "A square"})
    assert answer.status_code == 409
    assert OVERTAKEN in text_of(answer)
    assert notes_of(answer) == {
        "picture": "Meanwhile replaced: it is shown above.",
        "description": "Meanwhile changed to A choir.",
    }
    assert urls_on(answer) == theirs
    again = forms_of(answer)[path]
    assert again["description"] == "A square"
    assert send(owner, path, mine, **again).status_code == 303
    assert not {*urls_on(owner.get(path))} & {*theirs}


def test_words_for_one_picture_are_not_given_to_another(
    owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event()
    path = f"/organizer/events/{event_id}/picture"
    upload(owner, event_id, drawn(), "")
    form = open_form(owner, path)
    upload(owner, event_id, drawn((300, 300)), "")
    answer = send(owner, path, b"", **{**form, "description": "A choir"})
    assert answer.status_code == 409
    assert notes_of(answer) == {"picture": "Meanwhile replaced: it is shown above."}
    assert send(owner, path, b"", **forms_of(answer)[path]).status_code == 303
    assert forms_of(owner.get(path))[path]["description"] == "A choir"


def test_words_of_somebody_else_are_not_undone(owner: Person, make_event: MakeEvent) -> None:
    event_id = make_event()
    path = f"/organizer/events/{event_id}/picture"
    upload(owner, event_id, drawn(), "A choir")
    form = open_form(owner, path)
    upload(owner, event_id, b"", "A choir on a stage")
    answer = send(owner, path, b"", **{**form, "description": "A band"})
    assert notes_of(answer) == {"description": "Meanwhile changed to A choir on a stage."}
    assert (
        send(owner, path, b"", **{**form, "description": "A choir on a stage"}).status_code == 303
    )


def test_another_picture_is_not_removed_unseen(owner: Person, make_event: MakeEvent) -> None:
    event_id = make_event()
    page = f"/organizer/events/{event_id}/picture"
    upload(owner, event_id, drawn(), "A choir")
    form = forms_of(owner.get(page))[f"{page}/remove"]
    upload(owner, event_id, drawn((300, 300)), "A square")
    theirs = urls_on(owner.get(page))
    answer = owner.client.post(f"{page}/remove", data=form)
    assert answer.status_code == 409
    assert "The picture was changed after you opened this page." in text_of(answer)
    assert urls_on(answer) == theirs
    again = forms_of(answer)[f"{page}/remove"]
    assert owner.client.post(f"{page}/remove", data=again).status_code == 303
    assert urls_on(owner.get(page)) == []


@pytest.mark.parametrize("says", [True, False])
def test_mails_to_the_organizer_are_not_undone_by_an_old_form(
    app: Flask, owner: Person, owner_id: int, says: bool
) -> None:
    path = "/organizer/settings/mails"
    with app.app_context():
        set_own_address(owner_id, "olga@example.org")
    assert owner.submit(path, wants_summary="yes").status_code == 303
    form = forms_of(owner.get(path))[path]
    if not says:
        form["seen"] = '{"wants_summary": '
    with app.app_context():
        scheduled.set_notices(owner_id, wants_sold_out=True, wants_summary=True)
    answer = owner.client.post(path, data=form)
    assert answer.status_code == 409
    assert OVERTAKEN in text_of(answer)
    assert "<button>Save mine</button>" in answer.text
    assert notes_of(answer) == {"wants_sold_out": "Meanwhile switched on."}
    again = forms_of(answer)[path]
    assert owner.client.post(path, data=again).status_code == 303
    with app.app_context():
        assert tuple(scheduled.notices_of(owner_id)) == (False, True)
