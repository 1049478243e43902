"""What holds up a waiting list while tickets are free, and since when."""

from datetime import datetime

import pytest
from sqlalchemy.event import listen, remove

from tests.support.changes import set_capacity
from tests.support.fixtures import Clock, MakeEvent
from tests.support.tools import fill
from webapp.booking import standstill
from webapp.booking.commands import organizer
from webapp.booking.queries import find_event
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.booking.standstill import standstills
from webapp.booking.type_services import TypeDetails, add_type, edit_type
from webapp.errors import EventNotFound
from webapp.extensions import db


def seen(*event_ids: int) -> dict[int, tuple[int, int, datetime]]:
    """The position of each head that holds up its list, what is free, and since when."""
    found = [find_event(event_id) for event_id in event_ids]
    still = standstills(found, actor=organizer(found[0].organizer_id))
    return {event_id: (one.head.position, one.free, one.since) for event_id, one in still.items()}


def test_list_stands_still_since_its_head_joined_it(make_event: MakeEvent, now: Clock) -> None:
    event_id = make_event(capacity=5)
    fill(event_id, 3)
    now.go(hours=1)
    began = now.moment
    book_tickets(event_id, attendee_id="party", tickets=3)
    now.go(hours=1)
    book_tickets(event_id, attendee_id="behind", tickets=1)
    change_tickets(event_id, position=1, tickets=3)
    assert seen(event_id) == {event_id: (2, 2, began)}


def test_list_stands_still_since_tickets_were_freed(make_event: MakeEvent, now: Clock) -> None:
    event_id = make_event(capacity=5)
    fill(event_id, 3, 2, 4, 1)
    assert seen(event_id) == {}
    now.go(hours=1)
    began = now.moment
    cancel_booking(event_id, position=2)
    now.go(hours=1)
    change_tickets(event_id, position=1, tickets=2)
    assert seen(event_id) == {event_id: (3, 3, began)}
    cancel_booking(event_id, position=1)
    assert seen(event_id) == {}, "all moved up"


def test_list_stands_still_since_there_are_more_tickets(
    make_event: MakeEvent, organizer_id: int, now: Clock
) -> None:
    event_id = make_event(capacity=4)
    fill(event_id, 4, 3)
    now.go(hours=1)
    began = now.moment
    set_capacity(event_id, 5, organizer_id=organizer_id)
    now.go(hours=1)
    set_capacity(event_id, 6, organizer_id=organizer_id)
    assert seen(event_id) == {event_id: (2, 2, began)}


@pytest.mark.parametrize("leaves", [True, False])
def test_list_stands_still_since_the_head_before_left_it(
    make_event: MakeEvent, now: Clock, leaves: bool
) -> None:
    event_id = make_event(capacity=5)
    fill(event_id, 3, 4, 4, 1)
    now.go(hours=1)
    began = now.moment
    if leaves:
        cancel_booking(event_id, position=2)
    else:
        change_tickets(event_id, position=2, tickets=1)
    now.go(hours=1)
    cancel_booking(event_id, position=4)
    assert seen(event_id) == {event_id: (3, 2 if leaves else 1, began)}


def test_several_lists_are_told_by_two_statements_and_none_by_none(
    make_event: MakeEvent, now: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = [make_event(capacity=5) for _ in range(3)]
    full = make_event(capacity=2)
    started = make_event(capacity=5, starts_at=now.at(minutes=1))
    for event_id in (*still, started):
        fill(event_id, 3, 3)
    fill(full, 2, 2)
    now.go(hours=1)
    monkeypatch.setattr(standstill, "LOOK_BACK", 2)
    found = [find_event(event_id) for event_id in (*still, full, started)]
    statements: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if statement.lstrip().startswith("SELECT"):
            statements.append(statement)

    engines = set(db.engines.values())
    for engine in engines:
        listen(engine, "before_cursor_execute", note)
    try:
        actor = organizer(found[0].organizer_id)
        assert standstills(found, actor=actor).keys() == {*still}
        assert len(statements) == 2
        assert standstills(found[3:], actor=actor) == {}
        assert len(statements) == 2
    finally:
        for engine in engines:
            remove(engine, "before_cursor_execute", note)


def test_lists_of_others_are_nobodys_business(make_event: MakeEvent, stranger_id: int) -> None:
    event_id = make_event(capacity=5)
    fill(event_id, 3, 3)
    with pytest.raises(EventNotFound):
        standstills([find_event(event_id)], actor=organizer(stranger_id))


def test_list_stands_still_since_a_type_was_left_that_somebody_wants_more_of(
    make_event: MakeEvent, organizer_id: int, now: Clock
) -> None:
    event_id, me = make_event(capacity=9), organizer(organizer_id)
    add_type(event_id, TypeDetails("VIP", quota=2), actor=me)
    add_type(event_id, TypeDetails("Standard"), actor=me)
    for who, wants in {"a": {1: 2}, "b": {1: 2, 2: 1}, "c": {1: 1}}.items():
        book_tickets(event_id, attendee_id=who, wants=wants)
    assert seen(event_id) == {}, "nothing is kept from anybody"
    now.go(hours=1)
    began = now.moment
    edit_type(event_id, 1, TypeDetails("VIP", quota=3), actor=me)
    now.go(hours=1)
    book_tickets(event_id, attendee_id="d", wants={2: 2})
    assert seen(event_id) == {event_id: (2, 2, began)}
    [still] = standstills([find_event(event_id)], actor=me).values()
    assert (still.wanted, still.offered) == ("2 × VIP, 1 × Standard", "1 × VIP, 1 × Standard")
    now.go(hours=1)
    began = now.moment
    cancel_booking(event_id, position=2)
    assert seen(event_id) == {}, "the next one has it"
    book_tickets(event_id, attendee_id="e", wants={2: 5})
    assert seen(event_id) == {event_id: (5, 4, began)}
