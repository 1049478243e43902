"""Requests for several events in one batch: one commit, and no event waits for another's lock."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, update
from sqlalchemy.event import listen, remove
from sqlalchemy.exc import IntegrityError

from tests.conftest import DATABASES
from tests.storage.test_transaction import losing_commit
from tests.support.fixtures import MakeEvent
from tests.support.tools import LONG, booking_at, figures, fill, history, rows, statuses, together
from webapp.booking import batch, load, queue
from webapp.booking.batch import run_one_event, run_unlocked_events
from webapp.booking.change import BookingDetails, EventChange
from webapp.booking.codes import new_reference, new_ticket_code
from webapp.booking.commands import BookTickets, CancelBooking, Outcome
from webapp.booking.decisions import Request
from webapp.booking.queue import SHARED_QUEUE_TRIES, submit
from webapp.booking.save import save
from webapp.booking.services import book_tickets
from webapp.errors import AlreadyBooked, EventNotFound, IdempotencyConflict
from webapp.extensions import PerApp
from webapp.storage import idempotency
from webapp.storage.batcher import Batcher
from webapp.storage.engines import write_engine
from webapp.storage.idempotency import IdempotencyKey
from webapp.storage.rows import LockedEvent
from webapp.storage.tables import events

ABSENT = 999_999

# SQLite has one writer, and so nobody who could hold an event meanwhile.
several_writers = pytest.mark.parametrize(
    "database_url", [name for name in DATABASES if name != "sqlite"], indirect=True
)


def booking(
    event_id: int,
    attendee_id: str,
    *,
    reference: str = "",
    email: str | None = None,
    language: str | None = None,
    key: IdempotencyKey | None = None,
) -> Request:
    command = BookTickets(attendee_id, 1, reference or new_reference())
    details = BookingDetails(new_ticket_code(), "", email, language)
    return Request(event_id, command, key=key, details=details)


def key_for(attendee_id: str) -> IdempotencyKey:
    return idempotency.bind_key("book", caller="page", key="one key", user=attendee_id)


@contextmanager
def held_elsewhere(event_id: int) -> Iterator[None]:
    """Another writer has the event and is in no hurry."""
    with write_engine().begin() as connection:
        load.lock_event(connection, event_id)
        yield


def test_requests_for_several_events_share_one_commit(make_event: MakeEvent) -> None:
    first, second, third = (make_event(capacity=1) for _ in range(3))
    fill(second, 1)
    fill(third, 1, 1)
    results = run_unlocked_events(
        [
            booking(third, "ada", email="ada@example.org"),
            booking(first, "ada"),
            booking(second, "guest1"),
            Request(third, CancelBooking(1)),
            booking(first, "bob", email="bob@example.org"),
            booking(second, "ada"),
        ],
    )
    assert isinstance(results[2], AlreadyBooked)
    assert [isinstance(result, Outcome) for result in results].count(True) == 5
    cancelled = results[3]
    assert isinstance(cancelled, Outcome)
    assert list(cancelled.promoted) == [2]
    assert statuses(first) == ["confirmed", "waiting"]
    assert statuses(second) == ["confirmed", "waiting"]
    assert statuses(third) == ["cancelled", "confirmed", "waiting"]
    assert [figures(event_id) for event_id in (first, second, third)] == [(1, 1, 0)] * 3
    latest = {event_id: history(event_id)[0] for event_id in (first, second, third)}
    assert len({line.batch for line in latest.values()}) == 1
    assert {event_id: line.revision for event_id, line in latest.items()} == {
        first: 2, second: 3, third: 4,
    }  # fmt: skip
    told = rows("SELECT event_id, position, what FROM delivery ORDER BY event_id, position")
    assert [tuple(row) for row in told] == [(first, 2, "waiting"), (third, 3, "waiting")]


def test_bookings_of_one_batch_have_each_their_language(make_event: MakeEvent) -> None:
    event_id = make_event()
    for languages in (("de", None), (None, "de"), (None, None)):
        run_one_event(
            event_id, [booking(event_id, new_reference(), language=code) for code in languages]
        )
    told = rows("SELECT language FROM booking ORDER BY position")
    assert [row[0] for row in told] == ["de", None, None, "de", None, None]


def test_booking_without_a_language_does_not_name_the_column(make_event: MakeEvent) -> None:
    event_id, inserts = make_event(), []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith("INSERT INTO booking"):
            inserts.append(statement)

    engine = write_engine()
    listen(engine, "before_cursor_execute", note)
    try:
        for number, code in enumerate((None, "de")):
            run_one_event(event_id, [booking(event_id, f"guest{number}", language=code)])
    finally:
        remove(engine, "before_cursor_execute", note)
    assert ["language" in statement for statement in inserts] == [False, True]


def test_only_bookings_for_several_events_are_told_with_the_right_revision(
    make_event: MakeEvent,
) -> None:
    first, second = make_event(), make_event()
    fill(second, 1)
    run_unlocked_events([booking(second, "ada"), booking(first, "ada"), booking(first, "bob")])
    lines = {
        event_id: [
            (line.what, line.revision, line.position)
            for line in history(event_id)
            if line.position is not None
        ]
        for event_id in (first, second)
    }
    assert lines == {
        first: [("booked", 2, 2), ("booked", 2, 1)],
        second: [("booked", 3, 2), ("booked", 2, 1)],
    }


def test_same_attendee_and_position_in_other_events_are_others(make_event: MakeEvent) -> None:
    first, second = make_event(), make_event()
    fill(first, 1)
    [booked, cancelled] = run_unlocked_events(
        [booking(second, "guest1"), Request(first, CancelBooking(attendee_id="guest1"))]
    )
    assert isinstance(booked, Outcome)
    assert isinstance(cancelled, Outcome)
    assert (statuses(first), statuses(second)) == (["cancelled"], ["confirmed"])


def test_one_key_means_something_else_in_each_event(make_event: MakeEvent) -> None:
    first, second = make_event(), make_event()
    one, other, again, conflict = run_unlocked_events(
        [
            booking(first, "ada", key=key_for("ada")),
            booking(second, "ada", key=key_for("ada")),
            booking(first, "ada", key=key_for("ada")),
            booking(second, "bob", key=key_for("bob")),
        ],
    )
    assert isinstance(one, Outcome)
    assert isinstance(other, Outcome)
    assert isinstance(again, Outcome)
    assert (one.repeated, other.repeated, again.repeated) == (False, False, True)
    assert isinstance(conflict, IdempotencyConflict)
    [repeated] = run_unlocked_events([booking(second, "ada", key=key_for("ada"))])
    assert isinstance(repeated, Outcome)
    assert repeated.repeated
    assert (statuses(first), statuses(second)) == (["confirmed"], ["confirmed"])


@several_writers
def test_event_that_another_writer_holds_is_left_out(make_event: MakeEvent) -> None:
    held, free = make_event(), make_event()
    with held_elsewhere(held):
        results = run_unlocked_events([booking(held, "ada"), booking(free, "ada")])
    assert results[0] is None
    assert isinstance(results[1], Outcome)
    assert (statuses(held), statuses(free)) == ([], ["confirmed"])


@several_writers
def test_nobody_waits_for_an_event_that_another_writer_holds_but_its_own_attendees(
    app: Flask, make_event: MakeEvent
) -> None:
    held, free = make_event(), make_event()
    done: list[str] = []

    def attend(event_id: int, name: str) -> Callable[[], None]:
        def call() -> None:
            with app.app_context():
                book_tickets(event_id, attendee_id=name)
            done.append(name)

        return call

    waiting = threading.Thread(target=attend(held, "ada"))
    with held_elsewhere(held):
        waiting.start()
        while not queue.own_queues.own.is_running(held):
            assert waiting.is_alive()
        for number in range(3):
            attend(free, f"bob{number}")()
        assert done == ["bob0", "bob1", "bob2"]
    waiting.join(LONG)
    assert done[3:] == ["ada"]
    assert statuses(held) == ["confirmed"]


@pytest.mark.parametrize("left_out", [1, SHARED_QUEUE_TRIES - 1, SHARED_QUEUE_TRIES])
def test_who_is_left_out_has_other_chances_before_a_batch_of_their_own(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch, left_out: int
) -> None:
    event_id = make_event()
    runs: list[str] = []

    def run_shared(_: None, requests: list[Request]) -> Sequence[Outcome | Exception | None]:
        runs.append("shared")
        if len(runs) <= left_out:
            return [None] * len(requests)
        return run_unlocked_events(requests)

    def run_own(event_id: int, requests: list[Request]) -> Sequence[Outcome | Exception]:
        runs.append("own")
        return run_one_event(event_id, requests)

    monkeypatch.setattr(queue, "shared_queue", PerApp(lambda: Batcher(run_shared)))
    monkeypatch.setattr(queue, "own_queues", PerApp(lambda: Batcher(run_own)))
    submit(booking(event_id, "ada"))
    last = "own" if left_out == SHARED_QUEUE_TRIES else "shared"
    assert runs == ["shared"] * left_out + [last]
    assert statuses(event_id) == ["confirmed"]


def test_who_was_in_a_batch_that_failed_is_run_for_their_event_at_once(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = make_event()
    failed: list[int] = []

    def fail(_: None, requests: list[Request]) -> Sequence[Outcome | Exception | None]:
        failed.append(len(requests))
        raise RuntimeError("somebody else's fault")

    monkeypatch.setattr(queue, "shared_queue", PerApp(lambda: Batcher(fail)))
    submit(booking(event_id, "ada"))
    assert failed == [1]
    assert statuses(event_id) == ["confirmed"]


def test_unknown_event_is_not_taken_for_a_held_one(make_event: MakeEvent) -> None:
    event_id = make_event()
    results = run_unlocked_events([booking(ABSENT, "ada"), booking(event_id, "ada")])
    assert results[0] is None
    assert isinstance(results[1], Outcome)
    with pytest.raises(EventNotFound):
        submit(booking(ABSENT, "ada"))


def test_poisonous_request_harms_no_other_event(make_event: MakeEvent) -> None:
    """It breaks a constraint that no check of ours foresaw, in a batch with others."""
    first, second = make_event(), make_event()
    taken = book_tickets(first, attendee_id="first").reference
    requests = [
        booking(first, "a"),
        booking(second, "b", reference=taken),
        booking(second, "c"),
    ]
    with pytest.raises(IntegrityError):
        run_unlocked_events(requests)
    assert (statuses(first), statuses(second)) == (["confirmed"], [])
    submit(requests[0])
    with pytest.raises(IntegrityError):
        submit(requests[1])
    submit(requests[2])
    assert (statuses(first), statuses(second)) == (["confirmed"] * 2, ["confirmed"])


def test_batch_that_was_overtaken_changes_nothing_and_is_left_out(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a cluster the guard of one event fails, and the others go back with it."""
    first, second = make_event(), make_event()
    seen: list[int] = []

    def save_too_late(connection: Connection, changes: list[EventChange], **more: Any) -> None:
        ahead = update(events).where(events.c.id == second)
        connection.execute(ahead.values(revision=events.c.revision + 1))
        seen.append(len(changes))
        save(connection, changes, **more)

    monkeypatch.setattr(batch, "save", save_too_late)
    assert run_unlocked_events([booking(first, "a"), booking(second, "a")]) == [None, None]
    assert seen == [2]
    assert (statuses(first), statuses(second)) == ([], [])


@pytest.mark.parametrize("already_committed", [True, False])
def test_lost_commit_of_several_events_is_settled_by_what_landed(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch, already_committed: bool
) -> None:
    first, second = make_event(), make_event()
    requests = [booking(second, "ada"), booking(first, "ada")]
    with losing_commit(monkeypatch, already_committed=already_committed):
        results = run_unlocked_events(requests)
    for request, result in zip(requests, results, strict=True):
        assert isinstance(result, Outcome)
        assert (result.position, result.repeated) == (1, False)
        assert booking_at(request.event_id, 1).reference == result.reference
    assert (statuses(first), statuses(second)) == (["confirmed"], ["confirmed"])


def test_after_a_lost_commit_nothing_that_may_have_landed_is_left_out(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has the event when the batch comes again: it waits, for it may be there already."""
    event_id = make_event()
    lock_unlocked_events = load.lock_unlocked_events
    looks: list[int] = []

    def held_the_second_time(connection: Connection, wanted: set[int]) -> dict[int, LockedEvent]:
        looks.append(1)
        return lock_unlocked_events(connection, wanted) if len(looks) == 1 else {}

    monkeypatch.setattr(load, "lock_unlocked_events", held_the_second_time)
    with losing_commit(monkeypatch, already_committed=False):
        [result] = run_unlocked_events([booking(event_id, "ada")])
    assert isinstance(result, Outcome)
    assert statuses(event_id) == ["confirmed"]


def test_storm_over_many_events_keeps_each_book(
    make_app: Callable[..., Flask], make_event: MakeEvent
) -> None:
    """Every attendee wants every event, all at once, through the front door."""
    event_ids = [make_event(capacity=4) for _ in range(6)]
    app = make_app(THREADS="32")

    def attend(name: str, event_id: int) -> Callable[[], str]:
        return lambda: book_tickets(event_id, attendee_id=name).status

    calls = [attend(f"a{number}", event_id) for number in range(8) for event_id in event_ids]
    answers = together(app, calls)
    assert sorted(str(answer) for answer in answers) == ["confirmed"] * 24 + ["waiting"] * 24
    for event_id in event_ids:
        assert figures(event_id) == (4, 4, 0)
        assert statuses(event_id) == ["confirmed"] * 4 + ["waiting"] * 4
