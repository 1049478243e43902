"""What an organizer takes away from an event: its bookings as a file, or a new event like it."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select

from tests.pages.conftest import PASSWORD, Person, forms_of
from webapp.accounts import services as accounts
from webapp.booking import queries
from webapp.booking import services as bookings
from webapp.extensions import db
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
        "Summer", tickets=7, time_zone="Europe/Berlin", starts_at=starts_at, waiting_list_limit=0
    )
    book(event_id, "Ada", tickets=5)
    page = f"/organizer/events/new?like={event_id}"
    typed = forms_of(owner.get(page))["/organizer/events/new"]
    assert typed["eventName"] == "Summer"
    assert typed["totalTickets"] == "7"
    assert typed["startsAt"] == "2031-07-01T19:30"
    assert typed["waitingListLimit"] == "0"
    answer = owner.submit(page, "/organizer/events/new", eventName="Autumn", status="draft")
    assert answer.status_code == 303
    assert rows_of(owner, int(answer.location.rpartition("/")[2])) == []
    edit = forms_of(owner.get(f"{answer.location}/edit"))[
        f"{answer.location.removeprefix('http://localhost')}/edit"
    ]
    assert edit["timeZone"] == "Europe/Berlin"
    assert edit["totalTickets"] == "7"
