"""An organizer books past the doors of sale, and so does who sells for them once it has started."""

from collections.abc import Callable
from functools import partial

import pytest
from flask import Flask

from tests.support.fixtures import Clock, MakeEvent
from tests.support.tools import figures, fill, history, rows, statuses, together
from webapp.booking.commands import ATTENDEE, Actor, Outcome, organizer
from webapp.booking.inventory import Inventory
from webapp.booking.line import Line, Walk
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.errors import DomainError, EventClosed, EventNotFound, NotFree, SoldOut
from webapp.verify.services import verify

DOOR = Actor("door", 1)


@pytest.fixture
def mine(organizer_id: int) -> Actor:
    return organizer(organizer_id)


def refused(event_id: int, attendee_id: str, actor: Actor, *, tickets: int = 1) -> str:
    """The kind of error that a booking past the doors of sale is refused with."""
    with pytest.raises(DomainError) as error:
        book_tickets(
            event_id,
            attendee_id=attendee_id,
            tickets=tickets,
            actor=actor,
            past_sale=True,
            only_now=True,
        )
    return error.value.kind


def test_organizer_adds_whoever_it_is_before_during_and_after_the_sale(
    make_event: MakeEvent, now: Clock, mine: Actor
) -> None:
    hours = {"sales_open_at": 1, "sales_close_at": 2, "starts_at": 3, "ends_at": 4}
    event_id = make_event(capacity=9, **{name: now.at(hours=at) for name, at in hours.items()})
    for hour in range(4):
        attendee = f"guest{hour}"
        for actor in (ATTENDEE, DOOR):
            if hour != 1 and not (hour == 3 and actor is DOOR):
                with pytest.raises(EventClosed):
                    book_tickets(event_id, attendee_id=attendee, actor=actor, past_sale=True)
        if hour != 1:
            with pytest.raises(EventClosed):
                book_tickets(event_id, attendee_id=attendee, actor=mine)
        added = book_tickets(event_id, attendee_id=attendee, actor=mine, past_sale=True)
        assert added.status == "confirmed"
        change_tickets(event_id, position=added.position, tickets=2, actor=mine, past_sale=True)
        now.go(hours=1)
    assert figures(event_id) == (8, 0, 1)
    assert refused(event_id, "too late", mine) == "event_closed.over"
    assert verify().broken == []


def test_draft_is_filled_by_its_organizer_and_by_nobody_else(
    make_event: MakeEvent, now: Clock, mine: Actor
) -> None:
    event_id = make_event(capacity=2, published=False, starts_at=now.at(hours=1))
    book_tickets(event_id, attendee_id="a", actor=mine, past_sale=True)
    assert statuses(event_id) == ["confirmed"]
    now.go(hours=2)
    for actor in (ATTENDEE, DOOR, organizer(4711)):
        with pytest.raises(EventNotFound):
            book_tickets(event_id, attendee_id="b", actor=actor, past_sale=True)
    assert verify().broken == []


def test_organizers_guest_waits_behind_whoever_waits(
    make_event: MakeEvent, now: Clock, mine: Actor
) -> None:
    event_id = make_event(capacity=4, sales_close_at=now.at(hours=1), starts_at=now.at(hours=2))
    fill(event_id, 3, 2)
    now.go(hours=1)
    late = book_tickets(event_id, attendee_id="late", actor=mine, past_sale=True)
    assert (late.status, late.rank) == ("waiting", 2)
    assert refused(event_id, "later", mine) == "sold_out.others_wait"
    with pytest.raises(NotFree):
        change_tickets(event_id, position=1, tickets=4, actor=mine, past_sale=True)
    assert statuses(event_id) == ["confirmed", "waiting", "waiting"]


def test_door_sells_only_what_is_there_and_the_first_sale_ends_the_list(
    make_event: MakeEvent, now: Clock, mine: Actor
) -> None:
    event_id = make_event(capacity=4, starts_at=now.at(hours=1))
    fill(event_id, 3, 2, 2)
    assert refused(event_id, "early", DOOR) == "sold_out.others_wait"
    now.go(hours=1)
    assert refused(event_id, "two", DOOR, tickets=2) == "not_free.at_once"
    assert statuses(event_id) == ["confirmed", "waiting", "waiting"]
    sale = partial(book_tickets, event_id, actor=DOOR, past_sale=True, only_now=True)
    assert sale(attendee_id="walk-in", email="walk-in@example.org", is_told=False).position == 4
    assert statuses(event_id) == ["confirmed", "lapsed", "lapsed", "confirmed"]
    told = [(line.what, line.position, line.cause, line.actor) for line in history(event_id)[:3]]
    assert told == [
        ("booked", 4, None, "door:1"),
        ("lapsed", 3, 4, "system"),
        ("lapsed", 2, 4, "system"),
    ]
    assert refused(event_id, "later", mine) == "sold_out.started"
    assert rows("SELECT recipient FROM delivery WHERE what = 'confirmed'") == []
    assert verify().broken == []


def test_who_would_not_wait_is_told_that_nothing_is_free(
    make_event: MakeEvent, mine: Actor
) -> None:
    event_id = make_event(capacity=1)
    fill(event_id, 1)
    assert refused(event_id, "b", mine) == "sold_out.at_once"
    assert statuses(event_id) == ["confirmed"]


@pytest.mark.race
def test_sales_at_the_moment_of_the_start_while_people_wait(
    app: Flask, make_event: MakeEvent, now: Clock, mine: Actor
) -> None:
    event_id = make_event(capacity=6, starts_at=now.at(seconds=1))
    fill(event_id, 3, 3, *[2] * 20)
    calls: list[Callable[[], Outcome | None]] = [
        partial(cancel_booking, event_id, position=1, actor=mine),
        *(
            partial(book_tickets, event_id, attendee_id=f"by hand {n}", actor=mine, past_sale=True)
            for n in range(4)
        ),
        partial(now.go, seconds=2),
        *(
            partial(
                book_tickets,
                event_id,
                attendee_id=f"at the door {n}",
                actor=DOOR,
                past_sale=True,
                only_now=True,
            )
            for n in range(8)
        ),
        partial(cancel_booking, event_id, position=2, actor=mine),
    ]
    results = together(app, calls)
    assert all(
        result is None or isinstance(result, Outcome | SoldOut | EventClosed) for result in results
    ), results
    confirmed, waiting, _ = figures(event_id)
    assert confirmed <= 6
    # Whether anybody bought after the start or not, the first who does ends the list.
    ends = {line.revision for line in history(event_id, limit=200) if line.what == "lapsed"}
    assert len(ends) == (waiting == 0)
    assert verify().broken == []


@pytest.mark.race
def test_two_add_the_last_ticket_at_once(app: Flask, make_event: MakeEvent, mine: Actor) -> None:
    event_id = make_event(capacity=2, published=False)
    added = together(
        app,
        [
            partial(book_tickets, event_id, attendee_id=name, tickets=2, actor=mine, past_sale=True)
            for name in ("a", "b")
        ],
    )
    assert sorted(str(one.status) for one in added if isinstance(one, Outcome)) == [
        "confirmed",
        "waiting",
    ]
    assert verify().broken == []


def letting_everybody_in(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Inventory, "is_closed_to", lambda *_, **__: False)


def selling_ahead_of_who_waits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Line, "walk_to_end", lambda _, inventory: Walk(inventory))


MUTANTS: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    letting_everybody_in: "attendees book while booking is open",
    selling_ahead_of_who_waits: "confirmed before waiting",
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_missing_guard_is_noticed(
    make_event: MakeEvent,
    now: Clock,
    mine: Actor,
    monkeypatch: pytest.MonkeyPatch,
    mutant: Callable[[pytest.MonkeyPatch], None],
) -> None:
    mutant(monkeypatch)
    event_id = make_event(capacity=4, sales_close_at=now.at(hours=1), starts_at=now.at(hours=2))
    fill(event_id, 3, 2)
    now.go(hours=1)
    book_tickets(event_id, attendee_id="by hand", actor=mine, past_sale=True)
    if mutant is letting_everybody_in:
        book_tickets(event_id, attendee_id="stranger", past_sale=True)
    assert MUTANTS[mutant] in [broken.rule for broken in verify().broken]
