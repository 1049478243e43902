"""The desk of an event: its tabs and bookings, the file of them, a new event like it."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import insert, select
from werkzeug.test import TestResponse

from tests.pages.conftest import PASSWORD, Person, forms_of, text_of
from webapp.accounts import services as accounts
from webapp.booking import queries
from webapp.booking import services as bookings
from webapp.extensions import db
from webapp.pages.organizer import bookings as organizer_bookings
from webapp.pages.spreadsheet import harmless
from webapp.storage.tables import bookings as booking_table
from webapp.storage.transaction import write

MakeEvent = Callable[..., int]
Book = Callable[..., str]


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PORTION", 2)


def rows_of(person: Person, event_id: int) -> list[dict[str, str]]:
    answer = person.get(f"/organizer/events/{event_id}/bookings.csv")
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


def test_no_cell_is_a_formula_whatever_a_spreadsheet_takes_for_a_separator(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event(tickets=1000)
    before = ["", " ", "  ", '"', ' " ', "\N{NO-BREAK SPACE}", "\N{ZERO WIDTH NO-BREAK SPACE}"]
    separators = ["", *";,|:\t\n\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", '";', ";;"]
    starts = [*"=+-@", *"＝＋－＠"]  # noqa: RUF001
    names = {
        f"{first}{separator}{blank}{start}cmd|'/C calc'!A0;"
        for first in ("Bob", "")
        for separator in separators
        for blank in before
        for start in starts
        if first == "" or separator
    }
    with app.app_context():
        values = [
            {
                "event_id": event_id,
                "position": position,
                "attendee_id": str(position),
                "status": "cancelled",
                "tickets": 1,
                "reference": str(position),
                "ticket_code": str(position),
                "name": name,
                "created_at": datetime(2027, 1, 1, tzinfo=UTC),
            }
            for position, name in enumerate(sorted(names), 1)
        ]
        write(lambda connection: connection.execute(insert(booking_table), values).rowcount)
    file = owner.get(f"/organizer/events/{event_id}/bookings.csv").data.decode("utf-8-sig")
    cells = [
        cell
        for separator in ";,|:\t"
        for lines in (io.StringIO(file, newline=""), file.splitlines())
        for row in csv.reader(lines, delimiter=separator)
        for cell in row
    ]
    assert len(cells) > 5 * len(names)
    risky = {cell for cell in cells if cell.lstrip(' "\xa0\ufeff\t\r\n').startswith(tuple(starts))}
    assert risky == set()


@pytest.mark.every_database
@pytest.mark.usefixtures("small_portions")
def test_export_equals_the_database(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event('Fair, "big"; größe', tickets=4, time_zone="Europe/Berlin")
    book(make_event("Another"), "Stranger")
    names = ["Ada", "Zoë, the 2nd", 'Quo"te', "عائشة", "new\u2028line"]
    with app.app_context():
        for number, name in enumerate(names):
            bookings.book_tickets(
                event_id, attendee_id=f"id {number}", tickets=1, name=name, email=None
            )
        bookings.cancel_booking(event_id, position=2)
        query = select(booking_table).where(booking_table.c.event_id == event_id)
        stored = db.session.execute(query.order_by(booking_table.c.position)).all()
    rows = rows_of(owner, event_id)
    assert len(rows) == 5
    for row, booking in zip(rows, stored, strict=True):
        assert row["Number"] == str(booking.position)
        assert row["Status"] == booking.status
        assert row["Tickets"] == str(booking.tickets)
        assert row["Name"] == booking.name
        assert row["E-mail"] == (booking.email or "")
        assert row["Attendee id"] == booking.attendee_id
        assert row["Reference"].removeprefix("'") == booking.reference
        assert datetime.fromisoformat(row["Booked"]) == booking.created_at.replace(microsecond=0)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_cell_is_never_a_formula(start: str) -> None:
    assert harmless(f"{start}1+1") == f"'{start}1+1"
    assert harmless(f"1{start}1") == f"1{start}1"


def test_formula_in_a_name_stays_text(app: Flask, owner: Person, make_event: MakeEvent) -> None:
    event_id = make_event()
    name = '=HYPERLINK("http://example.org","x")'
    form: dict[str, Any] = {"name": name, "email": "eve@example.org", "tickets": 1}
    owner.submit(f"/events/{event_id}", None, **form)
    assert rows_of(owner, event_id)[0]["Name"] == f"'{name}"


def test_export_has_a_safe_name_and_is_kept_nowhere(owner: Person, make_event: MakeEvent) -> None:
    for name, file in (('../a "b"\\c', "a-b-c-bookings.csv"), ("夏祭り", None)):
        event_id = make_event(name)
        answer = owner.get(f"/organizer/events/{event_id}/bookings.csv")
        file = file or f"event-{event_id}-bookings.csv"
        assert answer.headers["Content-Disposition"] == f"attachment; filename={file}"
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.mimetype == "text/csv"


def test_strangers_export_nothing(app: Flask, person: Person, make_event: MakeEvent) -> None:
    event_id = make_event()
    path = f"/organizer/events/{event_id}/bookings.csv"
    assert person.get(path).status_code == 303
    with app.app_context():
        accounts.create_organizer(username="other", password=PASSWORD)
    person.log_in("other")
    assert person.get(path).status_code == 404
    assert person.get(f"/organizer/events/new?like={event_id}").status_code == 404


def test_event_like_another_has_its_details_and_none_of_its_bookings(
    owner: Person, make_event: MakeEvent, book: Book
) -> None:
    starts_at = datetime(2031, 7, 1, 17, 30, tzinfo=UTC)
    event_id = make_event(
        "Summer",
        tickets=7,
        time_zone="Europe/Berlin",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=3),
        cancel_until=starts_at - timedelta(days=3),
        waiting_list_limit=0,
    )
    book(event_id, "Ada", tickets=5)
    page = f"/organizer/events/new?like={event_id}"
    typed = forms_of(owner.get(page))["/organizer/events/new"]
    assert typed["eventName"] == "Summer"
    assert typed["totalTickets"] == "7"
    assert (typed["startsAt"], typed["startTime"], typed["duration"]) == ("", "19:30", "180")
    assert typed["waitingListLimit"] == "0"
    new: dict[str, Any] = {"eventName": "Autumn", "status": "draft"}
    refused = owner.submit(page, "/organizer/events/new", **new)
    assert "Fill in this field" in refused.text.partition('id="startsAt-error"')[2][:40]
    answer = owner.submit(page, "/organizer/events/new", startsAt="2031-12-01", **new)
    assert answer.status_code == 303
    assert rows_of(owner, int(answer.location.rpartition("/")[2])) == []
    edit = forms_of(owner.get(f"{answer.location}/edit"))[
        f"{answer.location.removeprefix('http://localhost')}/edit"
    ]
    assert edit["timeZone"] == "Europe/Berlin"
    assert edit["totalTickets"] == "7"
    assert (edit["startsAt"], edit["startTime"], edit["duration"]) == ("2031-12-01", "19:30", "180")
    assert edit["cancelUntil"] == ""


def rows_on(page: TestResponse) -> list[str]:
    """The names in the list of bookings."""
    return re.findall(r'<th scope="row"><a[^>]*><bdi>([^<]*)</bdi>', page.text)


def test_every_page_of_an_event_says_which_tab_it_is_and_leads_to_the_others(
    owner: Person, make_event: MakeEvent, book: Book, give_type: Callable[[int], None]
) -> None:
    event_id = make_event("Feast")
    book(event_id, "Ada")
    give_type(event_id)
    path = f"/organizer/events/{event_id}"
    tabs = {"Bookings": "", "Messages": "/mails", "Share": "/share", "Details": "/details"}
    tabs |= {"Tickets": "/types", "History": "/history"}
    pages = {
        **{name: (tab,) for name, tab in tabs.items()},
        "Bookings": ("", "/bookings/1", "/bookings/1/cancel", "/bookings/1/correct"),
        "Tickets": ("/types", "/types/1", "/codes", "/codes/1"),
        "Details": ("/details", "/edit", "/picture", "/cancel"),
    }
    for name, parts in pages.items():
        for part in parts:
            page = owner.get(f"{path}{part}").text
            assert re.findall(r'aria-current="page">([^<]*)', page) == [name], part
            assert page.count("<h1>") == 1
            assert "<h1><bdi>Feast</bdi></h1>" in page
            for tab in tabs.values():
                assert f'<a href="{path}{tab}"' in page
    part = owner.get(f"{path}/share", fragment=True).text
    assert "<html" not in part
    assert "<h1><bdi>Feast</bdi></h1>" in part


@pytest.mark.every_database
def test_booking_is_found_by_words_code_link_and_address(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=50)
    path = f"/organizer/events/{event_id}"
    with app.app_context():
        for number, name in enumerate(("Ben Haddad", "Zoë Müller", "Benno Zoller"), 1):
            bookings.book_tickets(
                event_id,
                attendee_id=f"{number}@x.org",
                tickets=1,
                name=name,
                email=f"{number}@x.org",
            )
        query = select(booking_table).where(booking_table.c.event_id == event_id)
        ben, zoe, _ = db.session.execute(query.order_by(booking_table.c.position)).all()
    code = ben.ticket_code
    grouped = " ".join(code[start : start + 4] for start in range(0, 16, 4))
    for search, found in (
        ("haddad ben", ["Ben Haddad"]),
        ("MULLER zoe", ["Zoë Müller"]),
        ("3@x", ["Benno Zoller"]),
        (code, ["Ben Haddad"]),
        (grouped.lower(), ["Ben Haddad"]),
        (code[:8].replace("0", "O"), ["Ben Haddad"]),
        (zoe.reference, ["Zoë Müller"]),
        (f"https://tickets.example/bookings/{zoe.reference}", ["Zoë Müller"]),
        ("nobody", []),
    ):
        page = owner.get(f"{path}?search={quote(search)}")
        assert rows_on(page) == found, search


def test_search_filter_and_page_stay_after_an_action(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organizer_bookings, "PAGE", 2)
    event_id = make_event(tickets=50)
    path = f"/organizer/events/{event_id}"
    for name in ("Anna", "Hannah", "Joanna", "Susanna", "Ben"):
        book(event_id, name, tickets=2)
    kept = "?status=confirmed&search=anna&after=2"
    shown = owner.get(f"{path}{kept}")
    assert rows_on(shown) == ["Joanna", "Susanna"]
    here = kept.replace("&", "&amp;")
    for leads in ("", "/cancel", "/correct", "/give"):
        assert f'href="{path}/bookings/3{leads}{here}"' in shown.text

    step = f"{path}/bookings/3/cancel{kept}"
    assert f'href="{path}/bookings/3{here}"' in owner.get(step).text, "No, keep it"
    back = owner.submit(step, step)
    assert back.location == f"{path}{kept}"
    assert rows_on(owner.get(back.location)) == ["Susanna"]

    one = f"{path}/bookings/4{kept}"
    asked = owner.submit(one, one, tickets=1)
    sure = forms_of(asked)[one]
    changed = owner.client.post(one, data=sure)
    assert changed.location == one
    assert f'href="{path}{here}"' in owner.get(one).text, "back to the list"
    corrected = f"{path}/bookings/4/correct{kept}"
    assert owner.submit(corrected, corrected, name="Susanna B").location == one
    given = f"{path}/bookings/4/give{kept}"
    assert owner.submit(given, given, name="Anna C", email="c@example.org").location == one


def test_history_tells_in_the_events_zone_and_in_words(
    owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event(
        time_zone="Europe/Berlin", starts_at=datetime(2031, 1, 10, 8, 0, tzinfo=UTC)
    )
    path = f"/organizer/events/{event_id}"
    changes: dict[str, Any] = {"startsAt": "2031-01-10T19:30", "salesCloseAt": "2031-01-09T12:00"}
    changes |= {"description": "New words", "maxTicketsPerBooking": 4}
    assert owner.submit(f"{path}/edit", **changes).status_code == 303
    told = text_of(owner.get(f"{path}/history"))
    assert "Starts: Fri 10 January 2031, 09:00 CET → Fri 10 January 2031, 19:30 CET" in told
    assert "Booking closes: none → Thu 9 January 2031, 12:00 CET" in told
    assert "Most tickets in one booking: 10 → 4" in told
    assert "Description changed" in told
    assert not re.search(r"\d{4}-\d{2}-\d{2}T|_at\b|New words", told)
    assert owner.submit(f"{path}/edit", timeZone="Asia/Tokyo").status_code == 303
    assert "Time zone: Berlin → Tokyo" in text_of(owner.get(f"{path}/history"))
