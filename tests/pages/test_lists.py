"""What an organizer takes along: the guest list on paper, and bookings as a file."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, update

from tests.pages.conftest import PASSWORD, Person, text_of
from tests.support.tools import rows
from webapp import clock
from webapp.accounts import services as accounts
from webapp.booking import services as bookings
from webapp.storage.tables import bookings as booking_table
from webapp.storage.transaction import write
from webapp.text.formatting import grouped

MakeEvent = Callable[..., int]
Book = Callable[..., str]

MANY = 2_500


def guests_of(page: str) -> list[Any]:
    """Name and the cell behind the tickets of each row."""
    return re.findall(r'<th scope="row"><bdi>(.*?)</bdi></th><td>(\d+)</td>', page)


def file_of(owner: Person, event_id: int, query: str = "") -> tuple[str, list[dict[str, str]]]:
    answer = owner.get(f"/organizer/events/{event_id}/bookings.csv{query}")
    text = answer.data.decode("utf-8-sig")
    separator = next(one for one in ";,\t" if one in text.splitlines()[0])
    return separator, list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))


@pytest.fixture
def party(app: Flask, make_event: MakeEvent, book: Book) -> int:
    """Guests whose names are spelled as people do, one who gave up and two who wait."""
    event_id = make_event("Supper", tickets=20, max_tickets_per_booking=20)
    for name, tickets in (("zoe", 1), ("Émile", 2), ("eva", 1), ("Ädam", 12), ("Carl", 1)):
        book(event_id, name, tickets)
    with app.app_context():
        bookings.cancel_booking(event_id, position=5)
        bookings.book_tickets(event_id, attendee_id="till-7", tickets=4)
    for name in ("Walter", "Wanda"):
        book(event_id, name, 2)
    return event_id


def test_guest_list_has_everybody_with_tickets_by_name_and_who_waits_in_order(
    app: Flask, owner: Person, party: int
) -> None:
    page = owner.get(f"/organizer/events/{party}/guests")
    names = [name for name, _ in guests_of(page.text)]
    assert names == ["Ädam", "Émile", "eva", "till-7", "zoe", "Walter", "Wanda"]
    assert "Carl" not in page.text
    assert "20 tickets" in text_of(page)
    assert page.headers["Cache-Control"] == "private, no-store"
    # The heading of a column is not the place where it happens.
    headers = {"Accept-Language": "de"}
    in_german = owner.client.get(f"/organizer/events/{party}/guests", headers=headers)
    assert '<th scope="col">Platz</th>' in in_german.text
    # A box for each person, and a number for the rest of a large party.
    first = page.text.partition("Ädam")[2].partition("</tr>")[0]
    assert (first.count("<i>"), "+2" in first) == (10, True)
    with app.app_context():
        codes = rows(
            "SELECT ticket_code, status FROM booking WHERE event_id = "
            f"{party} AND status <> 'cancelled'"
        )
    for code, status in [tuple(row) for row in codes]:
        assert (grouped(code) in page.text) == (status == "confirmed"), "who waits has no ticket"


def test_guest_list_is_for_the_events_organizer_alone_and_may_be_empty(
    app: Flask, owner: Person, person: Person, make_event: MakeEvent
) -> None:
    path = f"/organizer/events/{make_event()}/guests"
    assert "Nobody has tickets yet." in text_of(owner.get(path))
    assert person.get(path).status_code == 303
    with app.app_context():
        accounts.create_organizer(username="other", password=PASSWORD)
    person.log_in("other")
    assert person.get(path).status_code == 404


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["zoe", "Émile", "eva", "Ädam", "Carl", "", "Walter", "Wanda"]),
        ("?status=waiting", ["Walter", "Wanda"]),
        ("?status=cancelled", ["Carl"]),
        ("?search=emile", ["Émile"]),
        ("?search=w&status=waiting&separator=tab", ["Walter", "Wanda"]),
        ("?status=nonsense", ["zoe", "Émile", "eva", "Ädam", "Carl", "", "Walter", "Wanda"]),
        ("?search=nobody-is-called-so", []),
    ],
)
def test_file_has_what_the_list_shows(
    owner: Person, party: int, query: str, names: list[str]
) -> None:
    _, found = file_of(owner, party, query)
    assert [row["Name"] for row in found] == names


def test_file_is_separated_as_the_language_or_the_organizer_wants(
    owner: Person, party: int
) -> None:
    assert file_of(owner, party)[0] == ","
    assert file_of(owner, party, "?separator=semicolon")[0] == ";"
    assert file_of(owner, party, "?separator=%3B")[0] == ";"
    assert file_of(owner, party, "?separator=tab")[0] == "\t"
    assert file_of(owner, party, "?separator=%27")[0] == ","
    german = owner.get(f"/organizer/events/{party}/bookings.csv", Accept_Language="de")
    assert german.data.decode("utf-8-sig").startswith("Buchungsnummer;")
    chosen = owner.get(
        f"/organizer/events/{party}/bookings.csv?separator=comma", Accept_Language="de"
    )
    assert chosen.data.decode("utf-8-sig").startswith("Buchungsnummer,")


def test_codes_stand_in_the_file_as_they_are_looked_up(
    app: Flask, owner: Person, party: int
) -> None:
    reference = "-mCiF0aaaaaaaaaaaaaaaa"
    first = (booking_table.c.event_id == party, booking_table.c.position == 1)
    change = update(booking_table).where(*first).values(reference=reference, name="=1+1")
    with app.app_context():
        write(lambda connection: connection.execute(change).rowcount)
        code = rows(f"SELECT ticket_code FROM booking WHERE event_id = {party} AND position = 1")
    found = file_of(owner, party)[1][0]
    assert (found["Reference"], found["Ticket code"]) == (reference, code[0][0])
    assert found["Name"] == "'=1+1"


def test_long_lists_are_sent_piece_by_piece(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event(tickets=MANY)
    one: dict[str, Any] = {"event_id": event_id, "status": "confirmed", "tickets": 1}
    values = [
        {**one, "position": n, "attendee_id": str(n), "reference": f"r{n}", "ticket_code": f"c{n}"}
        | {"name": f"Guest {n:05}", "created_at": clock.now()}
        for n in range(1, MANY + 1)
    ]
    with app.app_context():
        write(lambda connection: connection.execute(insert(booking_table), values).rowcount)
    here = f"/organizer/events/{event_id}"
    for path, line in ((f"{here}/bookings.csv", "\r\n"), (f"{here}/guests", '<th scope="row">')):
        answer = owner.client.get(path)
        pieces = [piece.decode() for piece in answer.iter_encoded()]
        assert sum(piece.count(line) for piece in pieces) >= MANY, path
        assert max(piece.count(line) for piece in pieces) < MANY / 2, path
        assert pieces[0].count(line) < 2, path
