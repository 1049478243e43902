"""Give back late, have more tickets, take what is free: through the services, on every database."""

from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy.exc import DBAPIError

from tests.support.fixtures import Clock, MakeEvent
from tests.support.tools import booking_at, figures, fill, history, rows, statuses, together
from webapp.booking import batch
from webapp.booking.change import BookingDetails
from webapp.booking.codes import new_reference, new_ticket_code
from webapp.booking.commands import (
    Actor,
    BookTickets,
    CancelBooking,
    ChangeTickets,
    Claim,
    Outcome,
    TakeFree,
    organizer,
)
from webapp.booking.decisions import Request
from webapp.booking.inventory import TIME_TO_GIVE_BACK, Inventory
from webapp.booking.ledger import Ledger
from webapp.booking.queries import find_event, may_leave_until
from webapp.booking.services import book_tickets, cancel_booking, change_tickets, take_free
from webapp.errors import BookingClosed, EventClosed, InvalidInput, NotFree
from webapp.verify.services import verify

MOMENT = timedelta(microseconds=1)


def told_until(event_id: int, position: int) -> object:
    """Until when a page says that a booking may be given back."""
    return may_leave_until(booking_at(event_id, position), find_event(event_id))


def test_who_waits_leaves_at_any_time(make_event: MakeEvent, now: Clock) -> None:
    event_id = make_event(starts_at=now.at(hours=3), cancel_until=now.at(hours=1))
    fill(event_id, 3, 3, 1, 2)
    now.go(hours=2)
    change_tickets(event_id, position=2, tickets=2)
    cancel_booking(event_id, position=2)
    now.go(hours=2)
    assert told_until(event_id, 3) is None
    cancel_booking(event_id, position=3)
    assert statuses(event_id) == ["confirmed", "cancelled", "cancelled", "waiting"]
    with pytest.raises(BookingClosed, match="too_late"):
        cancel_booking(event_id, position=1)


def test_who_moved_up_gives_back_for_a_day_whatever_the_deadline_says(
    make_event: MakeEvent, organizer_id: int, now: Clock
) -> None:
    event_id = make_event(starts_at=now.at(days=9), cancel_until=now.at(hours=1))
    fill(event_id, 3, 2, 1, 1, 1)
    assert told_until(event_id, 1) == now.at(hours=1)
    now.go(hours=2)
    moment = now.moment
    cancel_booking(event_id, position=1, actor=organizer(organizer_id))
    assert statuses(event_id) == ["cancelled", "confirmed", "confirmed", "waiting", "waiting"]
    for position in (2, 3):
        assert told_until(event_id, position) == moment + TIME_TO_GIVE_BACK
    now.moment = moment + TIME_TO_GIVE_BACK - MOMENT
    assert change_tickets(event_id, position=2, tickets=1).promoted.keys() == {4}
    first = cancel_booking(event_id, position=3)
    assert first.promoted.keys() == {5}
    now.go(microseconds=1)
    with pytest.raises(BookingClosed, match="too_late"):
        cancel_booking(event_id, position=2)
    again = cancel_booking(event_id, position=3)
    assert (again.promoted, again.repeated) == (first.promoted, True)
    assert told_until(event_id, 4) == moment + 2 * TIME_TO_GIVE_BACK - MOMENT


def test_nobody_gives_back_past_the_start_however_lately_they_moved_up(
    make_event: MakeEvent, organizer_id: int, now: Clock
) -> None:
    start = now.at(hours=5)
    event_id = make_event(capacity=1, starts_at=start, cancel_until=now.at(hours=1))
    fill(event_id, 1, 1)
    now.go(hours=4)
    cancel_booking(event_id, position=1, actor=organizer(organizer_id))
    assert told_until(event_id, 2) == start
    now.moment = start
    with pytest.raises(BookingClosed, match="too_late"):
        cancel_booking(event_id, position=2)


def test_deadline_that_is_later_than_a_day_stays(make_event: MakeEvent, now: Clock) -> None:
    event_id = make_event(capacity=1, starts_at=now.at(days=9), cancel_until=now.at(days=5))
    fill(event_id, 1, 1)
    cancel_booking(event_id, position=1)
    assert told_until(event_id, 2) == now.at(days=5)
    now.go(days=4, hours=1)
    assert told_until(event_id, 2) == now.at(hours=23)
    cancel_booking(event_id, position=2)


def test_more_tickets_are_had_at_once_while_nobody_waits_and_there_is_room(
    make_event: MakeEvent,
) -> None:
    event_id = make_event(capacity=6, max_tickets_per_booking=4)
    book_tickets(event_id, attendee_id="a@example.org", tickets=2, email="a@example.org")
    raised = change_tickets(event_id, position=1, tickets=4)
    assert (raised.tickets, raised.promoted, figures(event_id)) == (4, {}, (4, 0, 2))
    assert booking_at(event_id, 1).tickets == 4
    with pytest.raises(InvalidInput, match="too_many"):
        change_tickets(event_id, position=1, tickets=5)
    fill(event_id, 1)
    with pytest.raises(NotFree) as refused:
        change_tickets(event_id, position=2, tickets=3)
    assert refused.value.parameters == {"free": 1}
    book_tickets(event_id, attendee_id="party", tickets=3)
    for position in (2, 3):
        with pytest.raises(NotFree, match="others_wait"):
            change_tickets(event_id, position=position, tickets=4)
    assert [booking_at(event_id, position).tickets for position in (1, 2, 3)] == [4, 1, 3]
    line = history(event_id, position=1)[0]
    assert (line.what, line.tickets_before, line.tickets_after) == ("raised", 2, 4)
    query = "SELECT what FROM delivery WHERE event_id = :id ORDER BY id"
    assert [row.what for row in rows(query, id=event_id)] == ["confirmed", "raised"]
    assert verify().broken == []


def test_more_tickets_are_had_only_while_booking_is_open(make_event: MakeEvent, now: Clock) -> None:
    event_id = make_event(sales_close_at=now.at(hours=2), cancel_until=now.at(hours=1))
    fill(event_id, 1)
    now.go(hours=1)
    change_tickets(event_id, position=1, tickets=2)
    now.go(hours=1)
    with pytest.raises(EventClosed, match="closed"):
        change_tickets(event_id, position=1, tickets=3)


def test_head_of_the_list_takes_what_is_free_and_is_told_once(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=4)
    fill(event_id, 2)
    book_tickets(event_id, attendee_id="b@example.org", tickets=4, email="b@example.org")
    single = book_tickets(event_id, attendee_id="single")
    with pytest.raises(NotFree, match="not_next"):
        take_free(event_id, position=3, tickets=1)
    with pytest.raises(NotFree) as refused:
        take_free(event_id, position=2, tickets=3)
    assert refused.value.parameters == {"free": 2}
    taken = take_free(event_id, position=2, tickets=1)
    assert (taken.status, taken.tickets) == ("confirmed", 1)
    assert taken.promoted.keys() == {2, 3}
    assert taken.promoted[3] == single.reference
    again = take_free(event_id, position=2, tickets=1)
    assert (again.reference, again.tickets, again.repeated) == (taken.reference, 1, True)
    with pytest.raises(BookingClosed, match="not_waiting"):
        take_free(event_id, position=2, tickets=2)
    assert figures(event_id) == (4, 0, 0)
    told = [(line.what, line.position) for line in reversed(history(event_id))][-3:]
    assert told == [("reduced", 2), ("promoted", 2), ("promoted", 3)]
    query = "SELECT what FROM delivery WHERE event_id = :id ORDER BY id"
    assert [row.what for row in rows(query, id=event_id)] == ["waiting", "promoted"]
    assert verify().broken == []


def test_nothing_is_taken_once_the_event_has_started(make_event: MakeEvent, now: Clock) -> None:
    event_id = make_event(starts_at=now.at(hours=1))
    fill(event_id, 2, 3)
    now.go(hours=1)
    with pytest.raises(EventClosed, match="started"):
        take_free(event_id, position=2, tickets=1)


def alone(event_id: int, command: object) -> Outcome:
    """Run a command in a transaction of its own, beside those of others, as a process would."""
    details = BookingDetails(new_ticket_code()) if isinstance(command, BookTickets) else None
    request = Request(event_id, command, details=details)  # type: ignore[arg-type]
    [result] = batch.run_one_event(event_id, [request])
    if isinstance(result, Exception):
        raise result
    return result


# In the first the connections are made, one after the other.
ROUNDS = 3


@pytest.mark.race
def test_head_takes_two_while_a_cancel_makes_more_free(
    in_app: Flask, make_event: MakeEvent
) -> None:
    """Whichever comes first counts: it has the two, or all that it waited for."""
    for _ in range(ROUNDS):
        event_id = make_event(capacity=5)
        fill(event_id, 3, 4, 1)
        commands = [TakeFree(2, 2), CancelBooking(1)] * 3
        answers = together(in_app, [partial(alone, event_id, command) for command in commands])
        assert {type(answer) for answer in answers[1::2]} == {Outcome}
        tickets = booking_at(event_id, 2).tickets
        if tickets == 2:
            assert {answer.tickets for answer in answers[::2] if isinstance(answer, Outcome)} == {2}
        else:
            assert tickets == 4
            assert {type(answer) for answer in answers[::2]} == {BookingClosed}
        assert statuses(event_id) == ["cancelled", "confirmed", "confirmed"]
        assert figures(event_id) == (tickets + 1, 0, 4 - tickets)
    assert verify().broken == []


@pytest.mark.race
def test_last_ticket_is_had_by_a_newcomer_or_by_who_wants_more(
    in_app: Flask, make_event: MakeEvent
) -> None:
    for _ in range(ROUNDS):
        event_id = make_event(capacity=5)
        fill(event_id, 2, 2)
        newcomers = [BookTickets(f"newcomer {n}", 1, new_reference()) for n in range(4)]
        commands = [*newcomers, ChangeTickets(1, 3), ChangeTickets(2, 3)]
        answers = together(in_app, [partial(alone, event_id, command) for command in commands])
        assert {type(answer) for answer in answers[:4]} == {Outcome}
        assert {type(answer) for answer in answers[4:]} <= {Outcome, NotFree}
        confirmed = [a for a in answers if isinstance(a, Outcome) and a.status == "confirmed"]
        assert len(confirmed) == 1
        assert figures(event_id) == (5, 4 - (confirmed[0].position > 2), 0)
    assert verify().broken == []


def test_more_tickets_past_who_waits_would_be_noticed(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger with its guard taken out: the history tells of it for ever."""
    raise_to = Ledger._raise

    def blind_to_who_waits(
        ledger: Ledger, claim: Claim, command: ChangeTickets, wants: str, actor: Actor
    ) -> object:
        waiting, ledger.inventory.waiting = ledger.inventory.waiting, 0
        try:
            return raise_to(ledger, claim, command, wants, actor)
        finally:
            ledger.inventory.waiting = waiting

    event_id = make_event(capacity=4)
    fill(event_id, 2, 3)
    monkeypatch.setattr(Ledger, "_raise", blind_to_who_waits)
    change_tickets(event_id, position=1, tickets=3)
    cancel_booking(event_id, position=2)
    assert {broken.rule for broken in verify().broken} == {"more only while nobody waits"}


def test_more_tickets_than_there_are_would_be_refused_by_the_database(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = make_event(capacity=4)
    fill(event_id, 2, 2)
    monkeypatch.setattr(Inventory, "free", property(lambda i: i.capacity - i.confirmed + 1))
    with pytest.raises(DBAPIError, match="confirmed"):
        change_tickets(event_id, position=1, tickets=3)
    assert booking_at(event_id, 1).tickets == 2
