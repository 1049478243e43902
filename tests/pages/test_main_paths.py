"""The main paths of an evening, from page to page, on every database."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.pages.conftest import Person, text_of
from webapp.verify.services import verify

pytestmark = pytest.mark.every_database

NAME = "Sommerfest: Größe & Glück 🎟 音楽"
GUESTS = ("Zoë Müller", "Ada Lovelace", "عائشة", "Grace 🎟 Hopper")
Book = Callable[..., str]


def publish_event(owner: Person) -> int:
    answer = owner.submit(
        "/organizer/events/new",
        eventName=NAME,
        totalTickets=2,
        location="Büro 50%_",
        description="**Zwei** Tage\n🎟",
        timeZone="Europe/Berlin",
        startsAt="2031-07-01T19:30",
        status="published",
    )
    assert answer.status_code == 303
    return int(answer.location.rpartition("/")[2])


def test_organizer_makes_an_event_fills_it_changes_it_and_cancels_it(
    app: Flask, owner: Person, person: Person
) -> None:
    event_id = publish_event(owner)
    page = f"/organizer/events/{event_id}"
    assert "1 July 2031, 19:30 CEST" in text_of(owner.get(page))
    for number, name in enumerate(GUESTS):
        guest: dict[str, Any] = {"name": name, "email": f"guest{number}@example.org", "tickets": 1}
        assert owner.submit(f"{page}/bookings/new", **guest).status_code == 303
    dashboard = text_of(owner.get(page))
    assert all(name in dashboard for name in GUESTS)
    for search, found in (("müller", 0), ("LOVELACE", 1), ("guest3@", 3), ("Hopper", 3)):
        page_found = text_of(owner.get(f"{page}?search={search}"))
        assert [name in page_found for name in GUESTS] == [n == found for n in range(4)], search
    waiting = text_of(owner.get(f"{page}?status=waiting"))
    assert [name in waiting for name in GUESTS] == [False, False, True, True]

    edited = owner.submit(f"{page}/edit", totalTickets=3)
    assert f"{GUESTS[2]} moved up" in text_of(owner.get(edited.location))
    cancelled = owner.submit(f"{page}/bookings/1/cancel")
    assert f"{GUESTS[3]} moved up" in text_of(owner.get(cancelled.location))
    export = owner.get(f"{page}/bookings.csv").data.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(export, newline="")))
    assert [(row["Name"], row["Status"]) for row in rows] == [
        (name, "cancelled" if number == 0 else "confirmed") for number, name in enumerate(GUESTS)
    ]
    assert owner.submit(f"{page}/cancel").status_code == 303
    history = text_of(owner.get(f"{page}/history"))
    assert "Booking 1 cancelled by you" in history
    assert "has been cancelled" in text_of(
        person.client.get(f"/events/{event_id}", follow_redirects=True)
    )
    with app.app_context():
        assert verify().broken == []


def test_attendee_finds_an_event_waits_moves_up_and_gives_back(
    app: Flask, owner: Person, person: Person
) -> None:
    event_id = publish_event(owner)
    for search, found in (("SOMMER", 1), ("glück 🎟", 1), ("50%_", 1), ("500_", 0), ("🎟 音", 1)):
        shown = person.client.get("/", query_string={"search": search}).text
        assert (f"/events/{event_id}-" in shown) == bool(found), search
    first, second = (
        Person(app).book(event_id, name="x", email=f"{who}@example.org", tickets=2).location
        for who in ("first", "second")
    )
    assert "You are next." in text_of(person.get(second))
    mine = person.book(event_id, name=GUESTS[0], email="mine@example.org").location
    waiting = text_of(person.get(mine))
    assert "1 ahead of you." in waiting
    assert GUESTS[0] in waiting
    assert person.submit(f"{first}/cancel").status_code == 303
    assert "Confirmed" in text_of(person.get(second))
    assert "You are next." in text_of(person.get(mine))
    assert person.submit(second, tickets=1, sure="yes").status_code == 303
    assert "Confirmed" in text_of(person.get(mine))
    assert "Sommerfest" in person.get("/bookings").text
    assert person.submit(f"{mine}/cancel").location == mine
    assert "1 of 2 tickets left" in text_of(
        person.client.get(f"/events/{event_id}", follow_redirects=True)
    )
    with app.app_context():
        assert verify().broken == []
