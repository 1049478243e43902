"""A one-time key: one effect and one answer, however often and however close together."""

from collections.abc import Callable
from functools import partial

import pytest
from flask import Flask

from tests.services.conftest import Clock, MakeEvent
from tests.services.tools import figures, fill, rows, statuses, together
from webapp.errors import AlreadyBooked, IdempotencyConflict, SoldOut
from webapp.services import batch, book, idempotency
from webapp.services.bookings import book_tickets, cancel_booking, change_tickets
from webapp.services.commands import Book
from webapp.services.idempotency import Once, once
from webapp.services.record import Particulars


def key_for(key: str = "k1", *, caller: str = "page", **content: object) -> Once:
    return once("book", caller=caller, key=key, **content)


def test_same_key_and_content_give_the_same_answer_and_one_booking(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    fill(event_id, 1)
    key = key_for(user="ada")
    first = book_tickets(event_id, attendee_id="ada", once=key)
    assert first.rank == 1
    cancel_booking(event_id, position=1)
    assert book_tickets(event_id, attendee_id="ada", once=key) == first
    assert statuses(event_id) == ["cancelled", "confirmed"]


def test_same_key_with_other_content_is_refused_and_changes_nothing(make_event: MakeEvent) -> None:
    event_id = make_event()
    book_tickets(event_id, attendee_id="ada", once=key_for(user="ada", tickets=1))
    with pytest.raises(IdempotencyConflict):
        book_tickets(event_id, attendee_id="bob", once=key_for(user="bob", tickets=1))
    assert figures(event_id) == (1, 0, 2)


def test_keys_of_other_callers_operations_and_events_are_others(make_event: MakeEvent) -> None:
    event_id, other_id = make_event(), make_event()
    book_tickets(event_id, attendee_id="ada", once=key_for(user="ada"))
    book_tickets(event_id, attendee_id="bob", once=key_for(caller="client:1", user="bob"))
    book_tickets(other_id, attendee_id="bob", once=key_for(user="bob"))
    cancel = once("cancel", caller="page", key="k1", user="ada")
    assert cancel_booking(event_id, position=1, once=cancel).position == 1
    assert len(rows("SELECT operation FROM idempotency_key")) == 4


def test_order_of_the_content_does_not_matter() -> None:
    assert key_for(a=1, b="2") == key_for(b="2", a=1)
    assert key_for(a=1) != key_for(a="1")
    assert key_for(a=None) != key_for()


@pytest.mark.parametrize("other", ["K1", "k1.", " k1", "k1 ", "kü1", "k" * 5000])
def test_keys_are_told_apart_exactly(make_event: MakeEvent, other: str) -> None:
    event_id = make_event()
    book_tickets(event_id, attendee_id="ada", once=key_for("k1"))
    assert book_tickets(event_id, attendee_id="bob", once=key_for(other)).position == 2


@pytest.mark.race
def test_twenty_at_once_get_one_booking_and_equal_answers(
    make_app: Callable[..., Flask], make_event: MakeEvent
) -> None:
    event_id = make_event(capacity=50)
    # Each that is told again reads the booking's reference, on a connection of its own.
    app = make_app(THREADS="64")
    call = partial(book_tickets, event_id, attendee_id="ada", tickets=2, once=key_for())
    answers = together(app, [call] * 20)
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert len({str(answer) for answer in answers}) == 1
    assert figures(event_id) == (2, 0, 48)


def request(event_id: int, name: str, key: Once) -> batch.Request:
    command = Book(name, 1, book.new_reference())
    return batch.Request(event_id, command, None, key, Particulars(book.new_ticket_code()))


def test_repeat_within_one_batch_is_answered_from_the_first(make_event: MakeEvent) -> None:
    event_id, key = make_event(), key_for(user="ada")
    first, again = batch.run(event_id, [request(event_id, "ada", key) for _ in range(2)])
    assert isinstance(first, batch.Settled)
    assert isinstance(again, batch.Settled)
    assert (first.repeated, again.repeated) == (False, True)
    assert first.outcome == again.outcome
    assert statuses(event_id) == ["confirmed"]


def test_other_content_within_one_batch_is_refused(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = make_event()
    # The unique key behind the check would mend it too, request by request.
    monkeypatch.delattr(batch, "_run_alone")
    first, conflict = batch.run(
        event_id,
        [request(event_id, name, key_for(user=name)) for name in ("ada", "bob")],
    )
    assert isinstance(first, batch.Settled)
    assert isinstance(conflict, IdempotencyConflict)
    assert statuses(event_id) == ["confirmed"]


def test_refusal_is_not_kept(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1, waiting_list_limit=0)
    fill(event_id, 1)
    with pytest.raises(SoldOut):
        book_tickets(event_id, attendee_id="ada", once=key_for())
    with pytest.raises(AlreadyBooked):
        book_tickets(event_id, attendee_id="guest1", once=key_for("k2"))
    cancel_booking(event_id, position=1)
    assert book_tickets(event_id, attendee_id="ada", once=key_for()).position == 2


def test_repeated_cancel_and_change_name_the_same_promoted(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=3)
    fill(event_id, 3, 1, 1, 1)
    fewer = once("change", caller="page", key="c", tickets=2)
    changed = change_tickets(event_id, position=1, tickets=2, once=fewer)
    gone = once("cancel", caller="page", key="x")
    cancelled = cancel_booking(event_id, position=1, once=gone)
    assert (list(changed.promoted), list(cancelled.promoted)) == ([2], [3, 4])
    cancel_booking(event_id, position=2)
    assert change_tickets(event_id, position=1, tickets=2, once=fewer) == changed
    assert cancel_booking(event_id, position=1, once=gone) == cancelled


def test_new_key_for_a_cancel_that_was_made_names_the_same_promoted(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    fill(event_id, 1, 1)
    first = cancel_booking(event_id, position=1)
    key = once("cancel", caller="page", key="later")
    assert cancel_booking(event_id, position=1, once=key) == first
    assert cancel_booking(event_id, position=1, once=key) == first


def test_keys_are_forgotten_after_a_day(make_event: MakeEvent, now: Clock) -> None:
    event_id = make_event()
    book_tickets(event_id, attendee_id="ada", once=key_for("old"))
    now.go(hours=1)
    book_tickets(event_id, attendee_id="bob", once=key_for("young"))
    now.go(hours=23)
    assert idempotency.forget_old() == 0
    now.go(microseconds=1)
    assert idempotency.forget_old() == 1
    assert [row.key for row in rows("SELECT * FROM idempotency_key")] == [key_for("young").key]
