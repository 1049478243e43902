"""The desk of an event whose tickets are of several types: lists, files, history, its bookings."""

import csv
import html
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.pages.conftest import Person, text_of
from webapp.booking.commands import organizer
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.booking.type_services import TypeDetails, add_type, edit_type, order_types, remove_type

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
    return html.unescape(re.sub(r" (?=[,.)])|(?<=\() | (?= )", "", text_of(page)))


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
