"""The door of an event whose tickets are of several types."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from tests.pages.conftest import Person, text_of
from tests.pages.test_door_calls import Device
from tests.support.door import code_of, new_pass
from tests.support.tools import booking_at
from webapp import clock
from webapp.booking.commands import organizer
from webapp.booking.services import book_tickets
from webapp.booking.type_services import TypeDetails, add_type, edit_type
from webapp.storage.tables import events
from webapp.storage.transaction import write
from webapp.verify.services import verify

MakeEvent = Callable[..., int]
VIP, STANDARD, CREW = 1, 2, 3


@pytest.fixture
def gala(app: Flask, make_event: MakeEvent, owner_id: int) -> int:
    """A family with two types of ticket, somebody with one, and a hidden type for the crew."""
    event_id, me = make_event(tickets=8), organizer(owner_id)
    with app.app_context():
        add_type(event_id, TypeDetails("VIP", quota=2), actor=me)
        add_type(event_id, TypeDetails("Standard"), actor=me)
        add_type(event_id, TypeDetails("Crew", hidden=True), actor=me)
        book(event_id, "Ada", {VIP: 2, STANDARD: 1})
        book(event_id, "Bo", {STANDARD: 2})
    return event_id


def book(event_id: int, name: str, wants: dict[int, int]) -> Any:
    return book_tickets(event_id, attendee_id=f"{name}@example.org", name=name, wants=wants)


@pytest.fixture
def device(app: Flask, gala: int) -> Device:
    with app.app_context():
        token = new_pass(gala, may_sell=True)
    return Device(app, token).with_form_token(app, token)


def begin(event_id: int) -> None:
    past = clock.now() - timedelta(minutes=5)
    statement = update(events).where(events.c.id == event_id).values(starts_at=past)
    write(lambda connection: connection.execute(statement).rowcount)


def item(number: int, name: str, tickets: int) -> dict[str, object]:
    return {"type": number, "name": name, "tickets": tickets}


def test_scan_tells_which_tickets_a_party_has(app: Flask, device: Device, gala: int) -> None:
    with app.app_context():
        code = code_of(gala, 1)
    entry = {"id": str(uuid.uuid4()), "code": code, "count": 2}
    told = device.scan(**entry)
    assert told["items"] == [item(VIP, "VIP", 2), item(STANDARD, "Standard", 1)]
    assert (told["admitted"], told["of"]) == (2, 3)
    # Once more, it is the same answer.
    assert device.scan(**entry) == told
    assert "items" not in device.scan(code="NOBODYS")
    form = {"csrf_token": device.headers["X-CSRF-Token"], "code": code}
    shown = device.client.post("/door", data=form).text
    assert '<p class="kinds">2 × <bdi>VIP</bdi>, 1 × <bdi>Standard</bdi></p>' in shown


@pytest.mark.every_database
def test_list_of_a_device_knows_the_types(
    app: Flask, device: Device, gala: int, owner_id: int
) -> None:
    listed: Any = device.get("/list").json
    assert [guest["w"] for guest in listed["guests"]] == ["1:2,2:1", "2:2"]
    types = [
        {"t": VIP, "n": "VIP", "s": True},
        {"t": STANDARD, "n": "Standard", "s": True},
        {"t": CREW, "n": "Crew", "s": False},
    ]
    assert listed["types"] == types
    found: Any = device.get("/search?q=ada").json
    assert found["guests"][0]["w"] == "1:2,2:1"
    with app.app_context():
        closed = TypeDetails("VIP", quota=2, sales_close_at=clock.now() - timedelta(hours=1))
        edit_type(gala, VIP, closed, actor=organizer(owner_id))
    news: Any = device.get(f"/list?since={listed['revision']}").json
    assert (news["whole"], news["guests"]) == (False, [])
    assert [one["s"] for one in news["types"]] == [False, True, False]


def test_device_hears_of_it_when_an_event_gets_its_first_type(
    app: Flask, make_event: MakeEvent, book: Callable[..., str], owner_id: int
) -> None:
    event_id = make_event()
    book(event_id, "Ada")
    with app.app_context():
        token = new_pass(event_id)
    device = Device(app, token).with_form_token(app, token)
    plain: Any = device.get("/list").json
    assert {"types"}.isdisjoint(plain)
    assert {"w"}.isdisjoint(plain["guests"][0])
    with app.app_context():
        add_type(event_id, TypeDetails("Seat"), actor=organizer(owner_id))
    news: Any = device.get(f"/list?since={plain['revision']}").json
    assert [guest["w"] for guest in news["guests"]] == ["1:1"]
    later: Any = device.get(f"/list?since={news['revision']}").json
    assert (later["whole"], later["guests"]) == (False, [])


def test_walk_in_chooses_a_type_that_is_sold(
    app: Flask, device: Device, gala: int, owner_id: int
) -> None:
    def sell(**body: object) -> Any:
        return device.post("/walk-ins", {"id": str(uuid.uuid4()), **body})

    chosen = {"id": str(uuid.uuid4()), "type": STANDARD, "tickets": 2, "name": "Cy"}
    sold = device.post("/walk-ins", chosen)
    assert sold.json["items"] == [item(STANDARD, "Standard", 2)]  # type: ignore[index]
    assert device.post("/walk-ins", chosen).json == sold.json
    assert device.post("/walk-ins", {**chosen, "type": VIP}).status_code == 422
    assert sell(type=VIP).json["code"] == "sold_out"
    assert sell().json["code"] == "choose_ticket_type"
    # What is hidden is not sold at the door, and told like what is not there.
    hidden, missing = sell(type=CREW).json, sell(type=9).json
    assert hidden["errors"]["items"] == missing["errors"]["items"].replace("9", "3")
    assert sell(type="x").json["errors"].keys() == {"type"}
    with app.app_context():
        me = organizer(owner_id)
        closed = TypeDetails("Standard", sales_close_at=clock.now() - timedelta(hours=1))
        edit_type(gala, STANDARD, closed, actor=me)
    assert sell(type=STANDARD).status_code == 400
    with app.app_context():
        begin(gala)
    # Once it has started the door sells what is no longer on sale.
    assert device.get("/list").json["types"][1]["s"] is True  # type: ignore[index]
    assert sell(type=STANDARD).status_code == 200
    with app.app_context():
        assert booking_at(gala, 4).wants == "2:1"
        assert verify().broken == []


@pytest.mark.every_database
def test_desk_tells_by_type_who_is_in_as_far_as_it_is_known(
    app: Flask, owner: Person, device: Device, gala: int
) -> None:
    path = f"/organizer/events/{gala}/door"
    with app.app_context():
        codes = [code_of(gala, position) for position in (1, 2)]
    device.scan(code=codes[0], count=2)
    device.scan(code=codes[1])
    shown = text_of(owner.get(path))
    assert "VIP 0 of 2 Standard 1 of 3 Crew 0 of 0" in shown
    assert "2 more are in, of parties with several types that are not complete" in shown
    assert "2 × VIP , 1 × Standard" in shown
    device.scan(code=codes[0])
    shown = text_of(owner.get(path))
    assert "VIP 2 of 2 Standard 2 of 3" in shown
    assert "with several types" not in shown
