"""The desk of an event whose tickets are of several types: lists, files, history, its bookings."""

import csv
import html
import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from tests.pages.conftest import Person, forms_of, text_of
from tests.pages.test_by_hand import book_looked_at, list_path, look, told
from tests.support.tools import booking_at, statuses
from webapp import clock
from webapp.booking.commands import organizer
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.booking.type_services import TypeDetails, add_type, edit_type, order_types, remove_type
from webapp.storage.idempotency import bind_key
from webapp.storage.tables import used_keys
from webapp.storage.transaction import read
from webapp.verify.services import verify

MakeEvent = Callable[..., int]
VIP, STANDARD, CREW = 1, 2, 3


@pytest.fixture
def gala(app: Flask, make_event: MakeEvent, owner_id: int) -> int:
    """Eight seats, two of them VIP; a hidden type for the crew. One party waits for a VIP."""
    event_id, me = make_event(tickets=8), organizer(owner_id)
    with app.app_context():
        add_type(event_id, TypeDetails("VIP <b>", quota=2), actor=me)
        add_type(event_id, TypeDetails("Standard"), actor=me)
        add_type(event_id, TypeDetails("Crew", hidden=True), actor=me)
        book(event_id, "Ada", {VIP: 2, STANDARD: 1})
        book(event_id, "Bo", {STANDARD: 1})
        book(event_id, "Cy", {VIP: 1})
        book(event_id, "Di", {CREW: 1}, actor=me)
    return event_id


def book(event_id: int, name: str, wants: dict[int, int], **more: Any) -> Any:
    email = f"{name.lower()}@example.org"
    return book_tickets(event_id, attendee_id=email, email=email, name=name, wants=wants, **more)


def plain(page: TestResponse) -> str:
    """What a person reads, without the gaps that tags leave."""
    return html.unescape(re.sub(r" (?=[,.;:)])|(?<=\() | (?= )", "", text_of(page)))


@pytest.mark.every_database
def test_list_tells_tickets_by_type_and_is_narrowed_to_one(owner: Person, gala: int) -> None:
    path = f"/organizer/events/{gala}"
    shown = owner.get(path)
    assert "2 × <bdi>VIP &lt;b&gt;</bdi>, 1 × <bdi>Standard</bdi>" in shown.text
    assert "1 × <bdi>Crew</bdi>" in shown.text
    assert "place 1" in text_of(shown)

    def names(address: str) -> list[str]:
        return [
            name for name in ("Ada", "Bo", "Cy", "Di") if f">{name}<" in owner.get(address).text
        ]

    assert names(f"{path}?type={VIP}") == ["Ada", "Cy"]
    assert names(f"{path}?type={STANDARD}") == ["Ada", "Bo"]
    assert names(f"{path}?type={STANDARD}&search=bo") == ["Bo"]
    assert names(f"{path}?type={VIP}&status=waiting") == ["Cy"]
    # The links of the list keep what it is narrowed to; a type that is not there narrows nothing.
    assert f"/bookings/1?type={VIP}" in owner.get(f"{path}?type={VIP}").text
    assert names(f"{path}?type=9") == names(f"{path}?type=x") == ["Ada", "Bo", "Cy", "Di"]
    assert "2 × <bdi>VIP" in owner.get(f"{path}/bookings/1").text
    guests = owner.get(f"{path}/guests").text
    assert "2 × <bdi>VIP &lt;b&gt;</bdi>, 1 × <bdi>Standard</bdi></td><td" in guests
    assert "1 × <bdi>VIP &lt;b&gt;</bdi></td><td>1</td>" in guests


def test_files_tell_tickets_by_type(owner: Person, gala: int) -> None:
    def rows(file: str) -> list[dict[str, str]]:
        answer = owner.get(f"/organizer/events/{gala}/{file}")
        return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))

    wanted = [("2", "1", "0"), ("0", "1", "0"), ("1", "0", "0"), ("0", "0", "1")]
    kinds = ("VIP <b>", "Standard", "Crew")
    assert [tuple(row[kind] for kind in kinds) for row in rows("bookings.csv")] == wanted
    assert [row["Name"] for row in rows(f"bookings.csv?type={VIP}")] == ["Ada", "Cy"]
    door = {row["Name"]: tuple(row[kind] for kind in kinds) for row in rows("door.csv")}
    assert door == {"Ada": wanted[0], "Bo": wanted[1], "Di": wanted[3]}


def test_history_tells_of_types_and_what_bookings_wanted(
    app: Flask, owner: Person, gala: int, owner_id: int
) -> None:
    me = organizer(owner_id)
    with app.app_context():
        change_tickets(gala, position=1, wants={VIP: 1, STANDARD: 1}, actor=me)
        cancel_booking(gala, position=4, actor=me)
        details = TypeDetails("VIP", quota=3, description="With a seat")
        edit_type(gala, VIP, details, actor=me)
        number = add_type(gala, TypeDetails("Late", quota=5), actor=me)
        remove_type(gala, number, actor=me)
        order_types(gala, [STANDARD, VIP], actor=me)
    shown = plain(owner.get(f"/organizer/events/{gala}/history"))
    assert "Ticket types put in order by you Standard, VIP, Crew" in shown
    assert "Ticket type Late removed by you" in shown
    assert "Ticket type Late added by you At most: 5" in shown
    edited = (
        "Ticket type VIP <b> edited by you Description changed Name: VIP <b> → VIP At most: 2 → 3"
    )
    assert edited in shown
    assert "cancelled by you (1 × Crew)" in shown
    changed = "(1 × Standard, 2 × VIP → 1 × Standard, 1 × VIP)"
    assert f"changed from 3 to 2 tickets by you {changed}" in shown
    assert "moved up when booking 1 gave tickets back (1 × VIP)" in shown
    assert "made by the attendee: 1 ticket, waiting (1 × VIP)" in shown
    assert "Hidden: yes" in shown
    assert "Event cancelled" not in shown


def rows(wants: dict[int, int]) -> dict[str, Any]:
    return {f"type-{number}": tickets for number, tickets in wants.items()}


def test_booking_is_changed_by_type(app: Flask, owner: Person, gala: int) -> None:
    path = f"/organizer/events/{gala}/bookings/1"
    page = owner.get(path)
    form = forms_of(page)[path]
    assert {name: form[name] for name in form if "type" in name} == {
        "type-1": "2",
        "type-2": "1",
        # The organizer may add what is hidden.
        "type-3": "0",
    }
    assert "3 more are free now." in text_of(page)
    # Nobody waits for these, though somebody waits.
    given = plain(owner.submit(path, **rows({STANDARD: 0})))
    assert "Ada loses 1 ticket for Harvest Supper. Before:" in given
    asked = owner.submit(path, **rows({VIP: 1}))
    shown = plain(asked)
    assert "Take tickets back?" in shown
    assert "Before: 2 × VIP <b>, 1 × Standard. Then: 1 × VIP <b>, 1 × Standard." in shown
    assert "It goes to the next in line at once." in shown
    assert "As things are Cy moves up." in shown
    sure = owner.client.post(path, data=forms_of(asked)[path], follow_redirects=True)
    told = "Changed to 1 × VIP <b>, 1 × Standard. Cy moved up from the waiting list"
    assert told in plain(sure)
    # And by now nobody waits at all.
    assert "It goes on offer again at once." in plain(owner.submit(path, **rows({STANDARD: 0})))
    more = owner.submit(path, **rows({STANDARD: 3, CREW: 1}))
    assert more.status_code == 303
    with app.app_context():
        assert booking_at(gala, 1).wants == "1:1,2:3,3:1"


def test_refused_change_is_told_at_the_row_of_its_type(
    app: Flask, owner: Person, gala: int, owner_id: int
) -> None:
    path = f"/organizer/events/{gala}/bookings/1"
    none = owner.submit(path, **rows({VIP: 0, STANDARD: 0, CREW: 0}))
    assert (none.status_code, "Say of which ticket type" in none.text) == (400, True)
    # Before anything is asked: one of these is given back, and two are wanted more.
    mixed = owner.submit(path, **rows({VIP: 0, STANDARD: 2}))
    assert (mixed.status_code, "one after the other" in mixed.text) == (400, True)
    assert "Take tickets back?" not in mixed.text
    many = owner.submit(path, **rows({VIP: 3}))
    assert many.status_code == 400
    assert re.search(r'id="type-1-error">Choose at most 2 of VIP &lt;b&gt;', many.text)
    text = owner.submit(path, **{**rows({}), "type-2": "x"})
    assert (text.status_code, "type-2-error" in text.text) == (400, True)
    with app.app_context():
        assert booking_at(gala, 1).wants == "1:2,2:1"


def test_party_that_waits_is_given_what_is_free_of_it(app: Flask, owner: Person, gala: int) -> None:
    with app.app_context():
        book(gala, "Ed", {VIP: 1, STANDARD: 2})
    path = f"/organizer/events/{gala}/bookings/5"
    page = owner.get(path)
    offered = "waits for 1 × VIP <b>, 2 × Standard; it can have 2 × Standard now."
    assert offered in plain(page)
    taken = owner.client.post(f"{path}/take", data=forms_of(page)[f"{path}/take"])
    assert taken.status_code == 303
    with app.app_context():
        booking = booking_at(gala, 5)
    assert (booking.status, booking.wants) == ("confirmed", "2:2")
    # One that gives up before it has anything keeps its place.
    waiting = forms_of(owner.get(f"/organizer/events/{gala}/bookings/3"))
    assert f"/organizer/events/{gala}/bookings/3" not in waiting


def test_somebody_is_added_with_tickets_of_types(
    app: Flask, owner: Person, gala: int, owner_id: int
) -> None:
    path = f"/organizer/events/{gala}/bookings/new"
    with app.app_context():
        over = clock.now() - timedelta(hours=1)
        details = TypeDetails("Standard", min_tickets=2, sales_close_at=over)
        edit_type(gala, STANDARD, details, actor=organizer(owner_id))
    shown = plain(owner.get(path))
    assert "VIP <b> None is left: whoever wants it waits" in shown
    assert "Standard 3 are left · not on sale now, but you can add it" in shown
    assert "Crew 3 are left · hidden" in shown
    nothing = owner.submit(path, name="Ed")
    assert (nothing.status_code, "Say of which ticket type" in nothing.text) == (400, True)
    few = owner.submit(path, name="", **rows({STANDARD: 1}))
    assert "Please look at the marked fields." in few.text
    few = owner.submit(path, name="Ed", **rows({STANDARD: 1}))
    assert re.search(r'type-2-error">Choose at least 2 of Standard', few.text)
    added = owner.submit(path, name="Ed", **rows({STANDARD: 2, CREW: 1}))
    assert added.status_code == 303
    assert "Ed: 2 × Standard, 1 × Crew, confirmed." in plain(owner.get(added.location))
    # Now the house is full, so whatever is chosen waits, as the page says.
    assert "the booking joins the waiting list at place 2" in plain(owner.get(path))
    waits = owner.submit(path, name="Fay", **rows({CREW: 1}))
    assert "Fay: 1 × Crew, on the waiting list at place 2." in plain(owner.get(waits.location))


def test_nobody_is_put_on_the_waiting_list_unsaid(app: Flask, owner: Person, gala: int) -> None:
    path = f"/organizer/events/{gala}/bookings/new"
    told = owner.submit(path, name="Ed", **rows({VIP: 1, STANDARD: 1}))
    assert told.status_code == 409
    assert "the booking would join the waiting list. Nothing is booked yet" in told.text
    assert "As things are it waits at place 2." in told.text
    with app.app_context():
        assert len(statuses(gala)) == 4
    again = forms_of(told)[path]
    assert (again["name"], again["type-1"], again["type-2"]) == ("Ed", "1", "1")
    # Another choice has not been told of.
    other = owner.client.post(path, data={**again, **rows({VIP: 2})})
    assert other.status_code == 409
    sent = owner.client.post(path, data=again)
    assert "on the waiting list at place 2." in plain(owner.get(sent.location))


def test_plain_page_left_open_still_books_an_event_with_one_type(
    app: Flask, owner: Person, make_event: MakeEvent, owner_id: int
) -> None:
    event_id = make_event()
    path = f"/organizer/events/{event_id}/bookings/new"
    form = forms_of(owner.get(path))[path]
    assert "type" not in " ".join(form)
    with app.app_context():
        add_type(event_id, TypeDetails("Seat"), actor=organizer(owner_id))
    sent = owner.client.post(path, data={**form, "name": "Ada", "tickets": "2"})
    assert "Ada: 2 × Seat, confirmed." in plain(owner.get(sent.location))


@pytest.mark.every_database
def test_whole_list_is_booked_by_type(app: Flask, owner: Person, gala: int) -> None:
    text = (
        "Name;E-Mail;Karten;Ticketart\n"
        "Ed;ed@example.org;2;standard\nFay;;1; vip <B>\nGus;;1;Balcony\n"
        "Ada;ada@example.org;1;Crew\nHal;;;\nEd;ED@example.org;1;VIP <b>\nIda;;9;Crew\nJo;;1;CREW\n"
    )
    shown = look(owner, gala, text)
    assert told(shown) == [
        "Confirmed",
        "Waiting place 2",
        "Ticket type: There is no such ticket type.",
        "Booked already: nothing happens.",
        "Tickets: Say of which ticket type: there are several.",
        "The same person stands in line 2. Tickets of several types for one person are added by"
        " hand.",
        "Tickets: Ask for at most 8.",
        "Confirmed",
    ]
    assert "Confirmed: 2 × Standard, 1 × Crew" in plain(shown)
    assert "Waiting: 1 × VIP <b>" in plain(shown)
    assert forms_of(shown)[list_path(gala)]["type_column"] == "4"
    done = book_looked_at(owner, shown)
    assert "2 × <bdi>Standard</bdi>" in done.text
    with app.app_context():
        wants = [booking_at(gala, position).wants for position in (5, 6, 7)]
        assert verify().broken == []
    assert wants == ["2:2", "1:1", "3:1"]
    # The same list again books nobody twice.
    assert told(look(owner, gala, text)).count("Booked already: nothing happens.") == 4


def test_list_without_a_column_for_it_is_of_the_only_type(
    app: Flask, owner: Person, make_event: MakeEvent, owner_id: int
) -> None:
    event_id = make_event()
    with app.app_context():
        add_type(event_id, TypeDetails("Seat", hidden=True), actor=organizer(owner_id))
    shown = look(owner, event_id, "Ada Wu\nBo Li\n")
    assert "Confirmed: 2 × Seat" in plain(shown)
    book_looked_at(owner, shown)
    with app.app_context():
        assert [booking_at(event_id, position).wants for position in (1, 2)] == ["1:1", "1:1"]
    # A column is known by what stands in it, too.
    found = look(owner, event_id, "Cy,seat\nDi Da,SEAT\nEd,\n")
    assert forms_of(found)[list_path(event_id)]["type_column"] == "2"
    assert told(found) == ["Confirmed"] * 3


def test_one_time_keys_of_a_plain_event_are_bound_to_what_they_were_before_types(
    app: Flask, owner: Person, make_event: MakeEvent, owner_id: int
) -> None:
    """A form that was sent before an upgrade and is sent again after it is still the same one."""
    event_id, key = make_event(tickets=9), "k" * 22
    base = f"/organizer/events/{event_id}/bookings"
    token = owner.token(f"{base}/new")
    form = {**token, "requestKey": key}
    ada = {"name": "Ada", "email": "ada@example.org"}
    owner.client.post(f"{base}/new", data={**form, **ada, "tickets": "2"})
    owner.client.post(f"{base}/1", data={**form, "tickets": "3"})
    book_looked_at(owner, look(owner, event_id, "Bo Li\n"), requestKey=key)
    who = {"caller": f"organizer:{owner_id}"}
    wanted = [
        bind_key("book", **who, key=key, **ada, tickets=2),
        bind_key("change", **who, key=key, position=1, tickets=3),
        bind_key("list", **who, key=f"{key} 0", name="Bo Li", email=None, tickets=1),
    ]
    with app.app_context():
        query = select(used_keys.c.content_hash)
        kept = read(lambda connection: set(connection.execute(query).scalars()))
    assert kept == {one.content_hash for one in wanted}
