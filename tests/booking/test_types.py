"""Tickets of several types, through the services: what is booked, who waits, what is kept."""

from typing import Any

import pytest
from sqlalchemy import select

from tests.support.fixtures import Clock, MakeEvent
from tests.support.terms import ask, go, mails_configured, send_mails
from tests.support.tools import statuses
from webapp.booking import lapses
from webapp.booking.commands import Status, organizer
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.booking.type_queries import read_types
from webapp.booking.type_services import TypeDetails, add_type, edit_type, remove_type
from webapp.errors import (
    ChooseTicketType,
    EditConflict,
    InvalidInput,
    NotFree,
    Problem,
    TypeInUse,
)
from webapp.storage.idempotency import bind_key
from webapp.storage.tables import events, queues, ticket_types
from webapp.storage.transaction import read

VIP, STANDARD = 1, 2


def rows(table: Any, event_id: int) -> list[Any]:
    column = table.c.id if table is events else table.c.event_id
    query = select(table).where(column == event_id)
    return list(read(lambda connection: connection.execute(query).all()))


def waiting(event_id: int) -> dict[str, int]:
    return {row.wants: row.waiting for row in rows(queues, event_id)}


def taken(event_id: int) -> dict[int, int]:
    return {row.number: row.confirmed for row in rows(ticket_types, event_id)}


@pytest.fixture
def gala(make_event: MakeEvent, organizer_id: int) -> int:
    """Ten seats, two of them VIP."""
    event_id = make_event(capacity=10)
    me = organizer(organizer_id)
    assert add_type(event_id, TypeDetails("VIP", quota=2), actor=me) == VIP
    assert add_type(event_id, TypeDetails("Standard"), actor=me) == STANDARD
    return event_id


def book(event_id: int, who: str, wants: dict[int, int], **more: Any) -> Any:
    return book_tickets(event_id, attendee_id=who, wants=wants, **more)


def test_who_lacks_a_type_waits_and_others_go_on(gala: int) -> None:
    book(gala, "a", {VIP: 2})
    assert book(gala, "b", {VIP: 1, STANDARD: 1}).status is Status.WAITING
    assert book(gala, "c", {STANDARD: 3}).status is Status.CONFIRMED
    assert book(gala, "d", {VIP: 1}).status is Status.WAITING
    assert waiting(gala) == {"1:1,2:1": 1, "1:1": 1}
    assert taken(gala) == {VIP: 2, STANDARD: 3}
    cancelled = cancel_booking(gala, position=1)
    assert list(cancelled.promoted) == [2, 4]
    assert waiting(gala) == {"1:1,2:1": 0, "1:1": 0}
    assert taken(gala) == {VIP: 2, STANDARD: 4}


def test_first_type_takes_over_what_is_booked(make_event: MakeEvent, organizer_id: int) -> None:
    event_id, me = make_event(capacity=3), organizer(organizer_id)
    for who, tickets in (("a", 2), ("b", 2), ("c", 1), ("d", 2)):
        book_tickets(event_id, attendee_id=who, tickets=tickets)
    with pytest.raises(InvalidInput) as refused:
        add_type(event_id, TypeDetails("Seat", quota=1), actor=me)
    assert refused.value.problems == {"quota": Problem("quota_too_low", limit=2, type="Seat")}
    add_type(event_id, TypeDetails("Seat", quota=2), actor=me)
    assert (taken(event_id), waiting(event_id)) == ({1: 2}, {"1:2": 2, "1:1": 1})
    assert list(cancel_booking(event_id, position=1).promoted) == [2]
    with pytest.raises(TypeInUse):
        remove_type(event_id, 1, actor=me)


def test_tickets_alone_are_of_the_only_type_on_sale(gala: int, organizer_id: int) -> None:
    with pytest.raises(ChooseTicketType):
        book_tickets(gala, attendee_id="a", tickets=1)
    me = organizer(organizer_id)
    edit_type(gala, VIP, TypeDetails("VIP", quota=2, hidden=True), actor=me)
    assert book_tickets(gala, attendee_id="a", tickets=1).wants == "2:1"
    with pytest.raises(InvalidInput) as refused:
        book(gala, "b", {VIP: 1})
    assert refused.value.problems == {"items": Problem("type_not_on_sale", type="1")}


def test_larger_quota_reaches_who_waits(gala: int, organizer_id: int) -> None:
    book(gala, "a", {VIP: 2})
    book(gala, "b", {VIP: 2})
    me = organizer(organizer_id)
    promoted = edit_type(gala, VIP, TypeDetails("VIP", quota=4), actor=me)
    assert list(promoted) == [2]
    with pytest.raises(InvalidInput) as refused:
        edit_type(gala, VIP, TypeDetails("VIP", quota=3), actor=me)
    assert refused.value.problems == {"quota": Problem("quota_too_low", limit=4, type="VIP")}


def test_party_gives_back_by_type(gala: int) -> None:
    book(gala, "a", {VIP: 2, STANDARD: 1})
    book(gala, "b", {VIP: 1})
    outcome = change_tickets(gala, position=1, wants={VIP: 1, STANDARD: 1})
    assert (outcome.wants, list(outcome.promoted)) == ("1:1,2:1", [2])
    assert change_tickets(gala, position=1, wants={VIP: 1, STANDARD: 3}).tickets == 4
    assert taken(gala) == {VIP: 2, STANDARD: 3}
    assert set(statuses(gala)) == {Status.CONFIRMED}


def test_refusal_of_more_says_what_of_it_is_free(gala: int) -> None:
    book(gala, "a", {VIP: 1})
    book(gala, "b", {VIP: 1})
    with pytest.raises(NotFree) as refused:
        change_tickets(gala, position=1, wants={VIP: 2, STANDARD: 3})
    assert refused.value.parameters == {"free": 3}
    with pytest.raises(NotFree) as refused:
        change_tickets(gala, position=1, wants={VIP: 2})
    assert refused.value.kind == "not_free.none"


def test_what_an_event_with_types_offers(gala: int) -> None:
    book(gala, "a", {VIP: 2})
    book(gala, "b", {VIP: 1})
    found = read_types(gala)
    assert (found.available, found.available_of(VIP), found.available_of(STANDARD)) == (8, 0, 8)
    assert found.waiting_for(VIP) == 1


def test_who_does_not_answer_gives_back_by_type(
    make_event: MakeEvent, organizer_id: int, now: Clock
) -> None:
    with mails_configured():
        event_id, me = make_event(capacity=5, asks_address=True), organizer(organizer_id)
        add_type(event_id, TypeDetails("VIP", quota=2), actor=me)
        ask(event_id, "ada", 2)
        send_mails()
        add_type(event_id, TypeDetails("Standard"), actor=me)
        assert book(event_id, "b", {VIP: 1, STANDARD: 1}, actor=me).status is Status.WAITING
        go(now, minutes=31)
        lapses.settle(event_id)
    assert statuses(event_id) == [Status.LAPSED, Status.CONFIRMED]
    assert (taken(event_id), waiting(event_id)) == ({VIP: 1, STANDARD: 1}, {"1:1,2:1": 0})


def test_type_is_added_once_under_a_key(make_event: MakeEvent, organizer_id: int) -> None:
    event_id, me = make_event(capacity=3), organizer(organizer_id)
    key = bind_key("add_type", caller=str(me), key="k" * 22, name="VIP")
    assert [add_type(event_id, TypeDetails("VIP"), actor=me, key=key) for _ in range(2)] == [1, 1]
    assert taken(event_id) == {1: 0}
    [event] = rows(events, event_id)
    assert (event.types, event.revision) == (1, 2)


def test_edit_that_was_overtaken_changes_nothing(gala: int, organizer_id: int) -> None:
    """What others have changed is told; bookings, and edits of another type, do not matter."""
    me = organizer(organizer_id)
    seen = rows(events, gala)[0].revision
    book(gala, "a", {VIP: 1})
    edit_type(gala, STANDARD, TypeDetails("Seat", quota=5), actor=me)
    edit_type(gala, VIP, TypeDetails("VIP", quota=3), actor=me)
    with pytest.raises(EditConflict) as overtaken:
        edit_type(gala, VIP, TypeDetails("VIP", quota=4), actor=me, seen=seen)
    assert overtaken.value.changed == {"quota": 3}
    now = overtaken.value.row.revision
    edit_type(gala, VIP, TypeDetails("Box", quota=3), actor=me, seen=seen)
    edit_type(gala, VIP, TypeDetails("Box", quota=4), actor=me, seen=now)
    [vip, _] = rows(ticket_types, gala)
    assert (vip.name, vip.quota) == ("Box", 4)
