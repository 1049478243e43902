"""Booking while an event runs: the waiting list has ended, and the first sale says so."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from flask import Flask

from tests.support.fixtures import Clock, MakeEvent
from tests.support.tools import figures, fill, history, rows, statuses, together
from webapp.booking import save
from webapp.booking.commands import Outcome, organizer
from webapp.booking.inventory import Inventory
from webapp.booking.line import InconsistentLedger, Line, Walk
from webapp.booking.queries import find_booking
from webapp.booking.ranks import rank_of
from webapp.booking.services import book_tickets, cancel_booking, change_tickets, take_free
from webapp.errors import DomainError, EventClosed, SoldOut
from webapp.verify.services import verify


@pytest.fixture
def running(make_event: MakeEvent, now: Clock) -> int:
    """It has begun, and tickets are sold for another hour: 3 of 4 are taken, two wait for 2."""
    hours = {"starts_at": 1, "sales_close_at": 3, "ends_at": 4}
    times = {name: now.at(hours=each) for name, each in hours.items()}
    event_id = make_event(capacity=4, **times)
    fill(event_id, 3, 2, 2)
    now.go(hours=2)
    return event_id


def test_newcomer_gets_what_is_free_though_somebody_waits(running: int) -> None:
    assert figures(running) == (3, 2, 1)
    assert rank_of(running, 3) == 2
    booked = book_tickets(running, attendee_id="late", email="late@example.org")
    assert booked.status == "confirmed"
    assert figures(running) == (4, 0, 0)
    assert statuses(running) == ["confirmed", "lapsed", "lapsed", "confirmed"]
    assert rank_of(running, 3) is None
    told = [(line.what, line.position, line.cause) for line in history(running)[:3]]
    assert told == [("booked", 4, None), ("lapsed", 3, 4), ("lapsed", 2, 4)]
    # Who waited in vain learns nothing new by mail.
    assert [row.recipient for row in rows("SELECT recipient FROM delivery")] == ["late@example.org"]
    assert verify().broken == []


def test_what_finds_no_room_is_refused_and_changes_nothing(running: int) -> None:
    with pytest.raises(SoldOut) as refused:
        book_tickets(running, attendee_id="late", tickets=2)
    assert refused.value.reason == "started"
    with pytest.raises(EventClosed):
        take_free(running, position=2, tickets=1)
    with pytest.raises(EventClosed):
        change_tickets(running, position=2, tickets=3)
    assert statuses(running) == ["confirmed", "waiting", "waiting"]


def test_who_waited_books_again_and_the_old_place_is_gone(running: int) -> None:
    again = book_tickets(running, attendee_id="guest2", tickets=1)
    assert (again.status, again.position) == ("confirmed", 4)
    assert find_booking(again.reference).booking.attendee_id == "guest2"
    assert statuses(running) == ["confirmed", "lapsed", "lapsed", "confirmed"]
    assert verify().broken == []


def test_tickets_given_back_while_it_runs_are_for_sale_again(
    running: int, organizer_id: int, now: Clock
) -> None:
    cancel_booking(running, position=1, actor=organizer(organizer_id))
    assert figures(running) == (0, 2, 4)
    change = book_tickets(running, attendee_id="late", tickets=1)
    change_tickets(running, position=change.position, tickets=3)
    assert figures(running) == (3, 0, 1)
    now.go(hours=1)
    with pytest.raises(EventClosed) as closed:
        book_tickets(running, attendee_id="later")
    assert closed.value.reason == "closed"
    now.go(hours=1)
    with pytest.raises(EventClosed) as over:
        book_tickets(running, attendee_id="later")
    assert over.value.reason == "over"
    assert verify().broken == []


@pytest.mark.race
def test_many_buy_at_once_and_the_list_ends_once(
    app: Flask, make_event: MakeEvent, now: Clock
) -> None:
    event_id = make_event(capacity=6, starts_at=now.at(hours=1), sales_close_at=now.at(hours=3))
    fill(event_id, 2, *[6] * 30)
    now.go(hours=2)
    buyers = ["guest2", "guest3", *(f"late{number}" for number in range(6))]
    calls: list[Callable[[], Outcome]] = [
        *(partial(book_tickets, event_id, attendee_id=buyer) for buyer in buyers),
        partial(cancel_booking, event_id, position=20),
        partial(change_tickets, event_id, position=21, tickets=5),
    ]
    results = together(app, calls)[: len(buyers)]
    sold = [one for one in results if isinstance(one, Outcome)]
    refused = [one for one in results if not isinstance(one, Outcome)]
    assert [one.status for one in sold] == ["confirmed"] * 4
    assert [type(one) for one in refused] == [SoldOut] * 4
    assert figures(event_id) == (6, 0, 0)
    assert statuses(event_id).count("waiting") == 0
    ends = {line.revision for line in history(event_id, limit=200) if line.what == "lapsed"}
    assert len(ends) == 1
    assert verify().broken == []


def problems(event_id: int) -> list[str]:
    """What is wrong after a sale and a refusal."""
    try:
        return [*doors(event_id), *(broken.rule for broken in verify().broken)]
    except (DomainError, InconsistentLedger) as error:
        return [type(error).__name__]


def doors(event_id: int) -> Iterator[str]:
    try:
        book_tickets(event_id, attendee_id="two", tickets=2)
        yield "joined an ended list"
    except SoldOut:
        pass
    book_tickets(event_id, attendee_id="one", tickets=1)


def leaving_the_list_as_it_is(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(save, "_end_list", lambda *_: None)


def joining_an_ended_list(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Inventory, "has_place_in_list", property(lambda _: True))


def counting_who_waits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Line, "walk_to_end", lambda _, here: Walk(here, is_stopped=here.waiting > 0))


MUTANTS: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    leaving_the_list_as_it_is: "confirmed before waiting",
    joining_an_ended_list: "nobody joins the list after the start",
    counting_who_waits: "SoldOut",
}


def test_sale_while_it_runs_is_right(running: int) -> None:
    assert problems(running) == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_missing_guard_is_noticed(
    running: int, monkeypatch: pytest.MonkeyPatch, mutant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    mutant(monkeypatch)
    assert MUTANTS[mutant] in problems(running)
