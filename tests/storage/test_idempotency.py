"""A one-time key: one effect and one answer, however often and however close together."""

from dataclasses import replace
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import update

from tests.support.fixtures import Clock, MakeEvent
from tests.support.tools import figures, fill, rows, statuses, together
from webapp.booking import batch, decisions
from webapp.booking.change import BookingDetails
from webapp.booking.codes import new_reference, new_ticket_code
from webapp.booking.commands import BookTickets, CancelBooking, ChangeTickets, Outcome
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.errors import AlreadyBooked, IdempotencyConflict, SoldOut
from webapp.storage import idempotency
from webapp.storage.engines import write_engine
from webapp.storage.idempotency import IdempotencyKey, bind_key
from webapp.storage.tables import used_keys


def key_for(key: str = "k1", *, caller: str = "page", **content: object) -> IdempotencyKey:
    return bind_key("book", caller=caller, key=key, **content)


def test_same_key_and_content_give_the_same_answer_and_one_booking(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    fill(event_id, 1)
    key = key_for(user="ada")
    first = book_tickets(event_id, attendee_id="ada", key=key)
    assert (first.rank, first.repeated) == (1, False)
    cancel_booking(event_id, position=1)
    again = book_tickets(event_id, attendee_id="ada", key=key)
    assert again == replace(first, repeated=True)
    assert statuses(event_id) == ["cancelled", "confirmed"]


def test_same_key_with_other_content_is_refused_and_changes_nothing(make_event: MakeEvent) -> None:
    event_id = make_event()
    book_tickets(event_id, attendee_id="ada", key=key_for(user="ada", tickets=1))
    with pytest.raises(IdempotencyConflict):
        book_tickets(event_id, attendee_id="bob", key=key_for(user="bob", tickets=1))
    assert figures(event_id) == (1, 0, 2)


def test_keys_of_other_callers_operations_and_events_are_others(make_event: MakeEvent) -> None:
    event_id, other_id = make_event(), make_event()
    book_tickets(event_id, attendee_id="ada", key=key_for(user="ada"))
    book_tickets(event_id, attendee_id="bob", key=key_for(caller="client:1", user="bob"))
    book_tickets(other_id, attendee_id="bob", key=key_for(user="bob"))
    cancel = bind_key("cancel", caller="page", key="k1", user="ada")
    assert cancel_booking(event_id, position=1, key=cancel).position == 1
    assert len(rows("SELECT operation FROM idempotency_key")) == 4


def test_order_of_the_content_does_not_matter() -> None:
    assert key_for(a=1, b="2") == key_for(b="2", a=1)
    assert key_for(a=1) != key_for(a="1")
    assert key_for(a=None) != key_for()


@pytest.mark.parametrize("other", ["K1", "k1.", " k1", "k1 ", "kü1", "k" * 5000])
def test_keys_are_told_apart_exactly(make_event: MakeEvent, other: str) -> None:
    event_id = make_event()
    book_tickets(event_id, attendee_id="ada", key=key_for("k1"))
    assert book_tickets(event_id, attendee_id="bob", key=key_for(other)).position == 2


@pytest.mark.race
def test_twenty_at_once_get_one_booking_and_equal_answers(
    in_app: Flask, make_event: MakeEvent
) -> None:
    event_id = make_event(capacity=50)
    call = partial(book_tickets, event_id, attendee_id="ada", tickets=2, key=key_for())
    answers = together(in_app, [call] * 20)
    told = [answer for answer in answers if isinstance(answer, Outcome)]
    assert len(told) == 20
    assert [answer.repeated for answer in told].count(False) == 1
    assert len({str(replace(answer, repeated=True)) for answer in told}) == 1
    assert figures(event_id) == (2, 0, 48)


def request(event_id: int, name: str, key: IdempotencyKey) -> decisions.Request:
    command = BookTickets(name, 1, new_reference())
    details = BookingDetails(new_ticket_code())
    return decisions.Request(event_id, command, key=key, details=details)


def test_repeat_within_one_batch_is_answered_from_the_first(make_event: MakeEvent) -> None:
    event_id, key = make_event(), key_for(user="ada")
    first, again = batch.run_one_event(event_id, [request(event_id, "ada", key) for _ in range(2)])
    assert isinstance(first, Outcome)
    assert isinstance(again, Outcome)
    assert not first.repeated
    assert again == replace(first, repeated=True)
    assert statuses(event_id) == ["confirmed"]


def test_repeated_change_is_not_told_whom_a_cancel_behind_it_promoted(
    make_event: MakeEvent,
) -> None:
    event_id = make_event(capacity=1)
    fill(event_id, 1, 1)
    key = bind_key("change", caller="page", key="c", tickets=1)
    change = decisions.Request(event_id, ChangeTickets(1, 1), key=key)
    cancel = decisions.Request(event_id, CancelBooking(1))
    first, again, cancelled = batch.run_one_event(event_id, [change, change, cancel])
    assert isinstance(first, Outcome)
    assert isinstance(cancelled, Outcome)
    assert (first.promoted, list(cancelled.promoted)) == ({}, [2])
    assert again == first


def test_other_content_within_one_batch_is_refused(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = make_event()
    # The unique key behind the check would mend it too, request by request.
    monkeypatch.delattr(batch, "_run_alone")
    first, conflict = batch.run_one_event(
        event_id,
        [request(event_id, name, key_for(user=name)) for name in ("ada", "bob")],
    )
    assert isinstance(first, Outcome)
    assert isinstance(conflict, IdempotencyConflict)
    assert statuses(event_id) == ["confirmed"]


def test_refusal_is_not_kept(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1, waiting_list_limit=0)
    fill(event_id, 1)
    with pytest.raises(SoldOut):
        book_tickets(event_id, attendee_id="ada", key=key_for())
    with pytest.raises(AlreadyBooked):
        book_tickets(event_id, attendee_id="guest1", key=key_for("k2"))
    cancel_booking(event_id, position=1)
    assert book_tickets(event_id, attendee_id="ada", key=key_for()).position == 2


def test_repeated_cancel_and_change_name_the_same_promoted(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=3)
    fill(event_id, 3, 1, 1, 1)
    fewer = bind_key("change", caller="page", key="c", tickets=2)
    changed = change_tickets(event_id, position=1, tickets=2, key=fewer)
    gone = bind_key("cancel", caller="page", key="x")
    cancelled = cancel_booking(event_id, position=1, key=gone)
    assert (list(changed.promoted), list(cancelled.promoted)) == ([2], [3, 4])
    cancel_booking(event_id, position=2)
    again = change_tickets(event_id, position=1, tickets=2, key=fewer)
    assert again == replace(changed, repeated=True)
    assert cancel_booking(event_id, position=1, key=gone) == replace(cancelled, repeated=True)


def test_new_key_for_a_cancel_that_was_made_names_the_same_promoted(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    fill(event_id, 1, 1)
    first = cancel_booking(event_id, position=1)
    key, same = bind_key("cancel", caller="page", key="later"), replace(first, repeated=True)
    assert cancel_booking(event_id, position=1, key=key) == same
    assert cancel_booking(event_id, position=1, key=key) == same


def test_answers_that_the_release_before_stored_are_still_given(make_event: MakeEvent) -> None:
    """It stored no references, and of a cancel that was made before not who was promoted."""
    event_id = make_event(capacity=1)
    first = book_tickets(event_id, attendee_id="ada", key=key_for(user="ada"))
    fill(event_id, 1)
    gone, later = (bind_key("cancel", caller="page", key=key) for key in ("gone", "later"))
    cancelled = cancel_booking(event_id, position=1, key=gone)
    cancel_booking(event_id, position=1, key=later)
    stored: dict[IdempotencyKey, dict[str, object]] = {
        key_for(user="ada"): {"position": 1, "status": "confirmed", "tickets": 1, "rank": None},
        gone: {"position": 1, "tickets": 1, "promoted": [2]},
        later: {"position": 1, "tickets": 1, "promoted": None},
    }
    with write_engine().begin() as connection:
        for key, answer in stored.items():
            of_key = update(used_keys).where(used_keys.c.key == key.key)
            connection.execute(of_key.values(answer=answer))
    again = book_tickets(event_id, attendee_id="ada", key=key_for(user="ada"))
    assert again == replace(first, repeated=True)
    for key in (gone, later):
        again = cancel_booking(event_id, position=1, key=key)
        assert (again.position, again.reference) == (cancelled.position, cancelled.reference)
        assert (again.tickets, again.promoted) == (1, cancelled.promoted)


def test_keys_are_forgotten_after_a_day(make_event: MakeEvent, now: Clock) -> None:
    event_id = make_event()
    book_tickets(event_id, attendee_id="ada", key=key_for("old"))
    now.go(hours=1)
    book_tickets(event_id, attendee_id="bob", key=key_for("young"))
    now.go(hours=23)
    assert idempotency.forget_old() == 0
    now.go(microseconds=1)
    assert idempotency.forget_old() == 1
    assert [row.key for row in rows("SELECT * FROM idempotency_key")] == [key_for("young").key]
