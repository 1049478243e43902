"""An organizer adds people by hand: one after the other, and whole lists."""

import io
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from tests.pages.conftest import Person, forms_of, text_of
from tests.support.fixtures import Clock
from tests.support.tools import figures, rows, statuses, together
from webapp.booking import batch, lists
from webapp.booking.commands import Outcome, organizer
from webapp.booking.guests import is_guest_id
from webapp.booking.lists import Listed, book_list
from webapp.booking.services import book_tickets
from webapp.errors import AlreadyBooked, Unavailable
from webapp.pages.organizer import whole_list as page
from webapp.verify.services import verify

MakeEvent = Callable[..., int]
Book = Callable[..., str]

GUESTS = """Name;E-Mail;Karten
Ada Wu;ada@example.org;2
Tante Erna;;1
Bo Li;bo@example;1
Cy;cy@example.org;0
Di;di@example.org;11
;;3
ada@example.org;ADA@example.org;1
Ed;ed@example.org;2
Tante  ERNA;;1
Eve;eve@example.org;
"""


def list_path(event_id: int) -> str:
    return f"/organizer/events/{event_id}/bookings/list"


def look(owner: Person, event_id: int, text: str) -> TestResponse:
    return owner.submit(list_path(event_id), text=text, act="look")


def book_looked_at(owner: Person, shown: TestResponse, **fields: str) -> TestResponse:
    [(path, form)] = [one for one in forms_of(shown).items() if "looked" in one[1]]
    return owner.client.post(path, data={**form, "act": "book", **fields})


def upload(owner: Person, path: str, data: bytes, **form: str) -> TestResponse:
    """Send a list as a file."""
    file = FileStorage(io.BytesIO(data), "guests.csv")
    boundary, body = encode_multipart({**form, "act": "look", "file": file})
    return owner.client.post(
        path, data=body, content_type=f"multipart/form-data; boundary={boundary}"
    )


def told(answer: TestResponse) -> list[str]:
    """What becomes of each line, in the order of the list."""
    found = re.findall(
        r'"Line">(\d+)</td>.*?data-label="Status">(.*?)</td>', answer.text, re.DOTALL
    )
    by_line = {
        int(number): " ".join(re.sub(r"<[^>]+>", " ", cell).split()) for number, cell in found
    }
    return [by_line[number] for number in sorted(by_line)]


@pytest.mark.every_database
def test_aunt_without_mail_is_added_and_shown_by_her_name(
    app: Flask, owner: Person, make_event: MakeEvent, person: Person
) -> None:
    event_id = make_event()
    path = f"/organizer/events/{event_id}/bookings/new"
    added = owner.submit(path, name="Tante Erna", email="", tickets=2)
    shown = owner.get(added.location)
    assert "Tante Erna : 2 tickets, confirmed." in text_of(shown)
    assert forms_of(shown)[path]["name"] == ""
    assert re.search(r'name="name"[^>]* autofocus', shown.text)
    [link] = re.findall(r'id="link">http://[^/]+([^<]+)<', shown.text)
    assert "Tante Erna" in person.get(link).text
    pages = [f"/organizer/events/{event_id}", f"/organizer/events/{event_id}/bookings/1"]
    for one in (*pages, f"/organizer/events/{event_id}/bookings.csv"):
        assert "Tante Erna" in owner.get(one).text
        assert "guest:" not in owner.get(one).text
    found = owner.get(f"/organizer/events/{event_id}?search=erna%20tan").text
    assert "Tante Erna" in found
    assert "No booking matches." in owner.get(f"/organizer/events/{event_id}?search=guest").text
    [row] = rows_of(app, "SELECT attendee_id, email FROM booking")
    assert is_guest_id(row.attendee_id)
    assert row.email is None
    assert rows_of(app, "SELECT * FROM delivery") == []
    # Another of that name is somebody else; a form that is sent twice is not.
    form = forms_of(owner.get(path))[path]
    twice = {**form, "name": "Tante Erna", "tickets": "1"}
    assert [owner.client.post(path, data=twice).location for _ in range(2)] == [
        f"{path}?added=2"
    ] * 2
    assert owner.get(f"{path}?added=77").status_code == 200
    answer = person.client.post(
        "/api/events/book", json={"eventId": event_id, "userId": row.attendee_id}
    )
    assert answer.status_code == 400


def test_who_is_added_is_mailed_if_the_organizer_says_so(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event()
    path = f"/organizer/events/{event_id}/bookings/new"
    owner.submit(path, name="Ada", email="ada@example.org")
    form = forms_of(owner.get(path))[path]
    assert form.pop("tells") == "yes"
    owner.client.post(path, data={**form, "name": "Bo", "email": "bo@example.org"})
    with app.app_context():
        assert [row.recipient for row in rows("SELECT recipient FROM delivery")] == [
            "ada@example.org"
        ]


def test_people_are_added_past_the_doors_of_sale_and_told_why(
    app: Flask, now: Clock, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=2, starts_at=now.at(hours=2), ends_at=now.at(hours=3))
    book(event_id, "Ada")
    book(event_id, "Bo", tickets=2)
    path = f"/organizer/events/{event_id}/bookings/new"
    assert "place 2" in text_of(owner.get(path))
    now.go(hours=2)
    shown = text_of(owner.get(path))
    assert "already started. You can add people all the same." in shown
    assert "1 booking still waits." in shown
    assert "with the first ticket that you add it lapses." in shown
    added = owner.submit(path, name="Walk-in", email="")
    assert "Walk-in : 1 ticket, confirmed." in text_of(owner.get(added.location))
    with app.app_context():
        assert statuses(event_id) == ["confirmed", "lapsed", "confirmed"]
    assert "No booking can be added." in text_of(owner.get(path))
    now.go(hours=2)
    assert "This event is over. No booking can be added." in text_of(owner.get(path))
    draft = make_event("Draft", published=False)
    form = forms_of(owner.get(f"/organizer/events/{draft}/bookings/new"))
    assert "tells" not in form[f"/organizer/events/{draft}/bookings/new"]


def test_list_is_looked_at_line_by_line_then_booked_and_again_does_nothing(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=6)
    book(event_id, "Eve")
    shown = look(owner, event_id, GUESTS)
    assert told(shown) == [
        "Confirmed",
        "Confirmed",
        "E-mail: Give an e-mail address such as ada@example.org.",
        "Tickets: Use a number of at least 1.",
        "Tickets: Ask for at most 6.",
        "There is neither a name nor an address.",
        "The same person stands in line 2.",
        "Confirmed",
        "The same person stands in line 3.",
        "Booked already: nothing happens.",
    ]
    assert "Book 3 people" in shown.text
    assert "Tell 2 of them by mail" in shown.text
    assert rows_of(app, "SELECT COUNT(*) FROM booking") == [(1,)]
    done = book_looked_at(owner, shown)
    assert told(done)[:2] == ["Confirmed", "Confirmed"]
    assert told(done)[-1] == "Booked already: nothing happened."
    # What is left over is a list of its own, under the same headings.
    [left] = [form for form in forms_of(done).values() if "text" in form]
    assert left["text"].splitlines()[0] == "Name;E-Mail;Karten"
    assert len(left["text"].splitlines()) == 7
    booked = [("eve", 1), ("ada@example.org", 2), ("Tante Erna", 1), ("ed@example.org", 2)]
    found = rows_of(app, "SELECT email, name, attendee_id, tickets FROM booking ORDER BY position")
    assert [(row.email or row.name or row.attendee_id, row.tickets) for row in found[1:]] == booked[
        1:
    ]
    assert rows_of(app, "SELECT COUNT(*) FROM delivery WHERE what = 'confirmed'") == [(3,)]
    # The form sent twice says the same; the list sent anew books nobody.
    assert told(book_looked_at(owner, shown)) == told(done)
    again = look(owner, event_id, GUESTS)
    assert "There is nobody to book." in again.text
    assert rows_of(app, "SELECT COUNT(*) FROM booking") == [(4,)]
    with app.app_context():
        assert verify().broken == []


def rows_of(app: Flask, query: str) -> list[Any]:
    with app.app_context():
        return list(rows(query))


def test_columns_can_be_put_right_and_nothing_is_booked_unseen(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event(tickets=1)
    text = "Wu,Ada,ada@example.org\nLi,Bo,bo@example.org"
    shown = look(owner, event_id, text)
    [form] = [one for one in forms_of(shown).values() if "looked" in one]
    assert (form["first_name_column"], form["last_name_column"]) == ("1", "2")
    changed = {"first_name_column": "2", "last_name_column": "1", "tells": ""}
    unseen = book_looked_at(owner, shown, **changed)
    assert "Ada Wu" in unseen.text
    assert rows_of(app, "SELECT * FROM booking") == []
    done = book_looked_at(owner, unseen)
    assert told(done) == ["Confirmed", "Waiting place 1"]
    names = rows_of(app, "SELECT name, language FROM booking ORDER BY position")
    assert names == [("Ada Wu", None), ("Bo Li", None)]
    assert rows_of(app, "SELECT * FROM delivery") == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_file_is_read_whatever_its_letters(
    owner: Person, make_event: MakeEvent, encoding: str
) -> None:
    event_id = make_event()
    path = list_path(event_id)
    form = forms_of(owner.get(path))[path]
    text = "Vorname\tName\tMail\r\nJörg\tMüller\tj@example.org\r\n"
    shown = upload(owner, path, text.encode(encoding), **form)
    assert told(shown) == ["Confirmed"]
    assert "<bdi>Jörg Müller</bdi>" in shown.text
    assert told(book_looked_at(owner, shown)) == ["Confirmed"]


def test_what_is_no_list_or_too_long_a_list_is_refused_in_a_sentence(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event()
    path = list_path(event_id)
    assert "Paste a list with at least one line" in look(owner, event_id, " \n ").text
    assert "Paste a list with at least one line" in look(owner, event_id, "Name,E-mail").text
    too_many = look(owner, event_id, "\n".join(f"Guest {n}" for n in range(1001)))
    assert too_many.status_code == 400
    assert "Use at most 1000 lines and 200 kB" in too_many.text
    assert "Guest 1000" in too_many.text, "nothing that was pasted is lost"
    form = forms_of(owner.get(path))[path]
    for data, sentence in (
        (b"PK\x03\x04" + bytes(100), "This is a file of a spreadsheet."),
        (b"Ada\n" * 60_000, "Use at most 1000 lines"),
        (b"Ada\n" * 600_000, "Use at most 1000 lines"),
    ):
        answer = upload(owner, path, data, **form)
        assert answer.status_code in (400, 413)
        assert sentence in answer.text
    odd = look(owner, event_id, 'A\x00b\x07,"' + "x" * 150_000 + "\n=1+1,<script>,\ud7ff")
    assert odd.status_code == 200
    assert "<script>," not in odd.text
    assert rows_of(app, "SELECT * FROM booking") == []


def test_list_that_is_cut_off_is_ended_by_sending_it_again(
    app: Flask, owner: Person, owner_id: int, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = make_event(tickets=500)
    text = "\n".join(f"Guest {n},{f'g{n}@example.org' if n % 2 else ''}" for n in range(120))
    run = batch.run_one_event
    left = iter([True])

    def once(*what: object) -> object:
        if next(left, None):
            return run(*what)  # type: ignore[arg-type]
        raise Unavailable

    monkeypatch.setattr(lists, "run_one_event", once)
    cut = book_looked_at(owner, look(owner, event_id, text))
    assert "Send the same list again" in cut.text
    with app.app_context():
        assert figures(event_id)[0] == lists.PORTION
    monkeypatch.setattr(lists, "run_one_event", run)
    shown = look(owner, event_id, text)
    assert f"Book {120 - lists.PORTION} people" in shown.text
    book_looked_at(owner, shown)
    with app.app_context():
        assert figures(event_id)[0] == 120
        assert verify().broken == []


@pytest.mark.race
@pytest.mark.every_database
def test_list_sent_twice_at_once_beside_the_public_books_each_once_and_in_order(
    app: Flask, owner_id: int, make_event: MakeEvent
) -> None:
    event_id = make_event(tickets=100)
    people = [
        Listed(f"Guest {n}", f"g{n}@example.org" if n % 3 else None, 1 + n % 2) for n in range(120)
    ]
    send = partial(book_list, event_id, people, actor=organizer(owner_id))
    calls: list[Callable[[], object]] = [send, send]
    calls += [partial(book_tickets, event_id, attendee_id=f"public {n}") for n in range(20)]
    one, other, *public = together(app, calls)
    assert all(isinstance(result, Outcome) for result in public), public
    assert isinstance(one, list)
    assert isinstance(other, list)
    for pair in zip(one, other, strict=True):
        assert sorted(map(type, pair), key=str) == sorted([Outcome, AlreadyBooked], key=str)
    with app.app_context():
        assert verify().broken == []
        found = rows("SELECT name FROM booking WHERE name <> '' ORDER BY position")
        assert [row.name for row in found] == [one.name for one in people]


def test_list_of_an_event_of_somebody_else_or_a_cancelled_one_books_nobody(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event()
    shown = look(owner, event_id, "Ada")
    owner.submit(f"/organizer/events/{event_id}/cancel")
    done = book_looked_at(owner, shown)
    assert told(done) == ["This event has been cancelled."]
    assert "No booking can be added." in owner.get(list_path(event_id)).text
    assert page.MOST_LINES == 1_000


def test_question_says_before_who_will_move_up_and_the_answer_who_did(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=6)
    for name, tickets in (("Ada", 6), ("Bo", 1), ("Cy", 2), ("Di", 1), ("Ed", 1)):
        book(event_id, name, tickets)
    one = f"/organizer/events/{event_id}/bookings/1"
    asked = owner.submit(one, tickets=5)
    assert "As things are Bo moves up." in text_of(asked)
    shown = text_of(owner.get(f"{one}/cancel"))
    assert "As things are Bo, Cy, Di and 1 more move up." in shown
    assert rows_of(app, "SELECT COUNT(*) FROM booking WHERE status = 'confirmed'") == [(1,)]
    done = owner.submit(f"{one}/cancel")
    assert "Bo, Cy, Di and 1 more moved up" in text_of(owner.get(done.location))
    assert "move up" not in owner.get(f"/organizer/events/{event_id}/bookings/2/cancel").text
