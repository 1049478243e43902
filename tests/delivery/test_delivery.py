"""Who takes up what, and when: leases, several deliverers, floods, bulk."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Row, insert, select, update

from tests.delivery.conftest import Book, Clock, Drain, MakeEvent
from tests.support.mail import Mailbox
from webapp.errors import Unavailable
from webapp.extensions import db
from webapp.models import deliveries
from webapp.services import bookings, clock, delivery, idempotency, news, transaction
from webapp.services.delivery import LEASE, Deliverer, NothingToTell, take


class Memory:
    """A receiver that only notes what it gets."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.rested = 0

    def send(self, row: Row[Any]) -> None:
        self.got.append(row.id)

    def rest(self) -> None:
        self.rested += 1


def rows() -> Sequence[Row[Any]]:
    with db.engine.connect() as connection:
        return connection.execute(select(deliveries).order_by(deliveries.c.id)).all()


def put(
    count: int,
    *,
    receiver: str = "memory",
    bulk: bool = False,
    ago: float = 1,
    once: str | None = None,
) -> None:
    """Have so many rows delivered to a receiver."""
    then = clock.now() - timedelta(seconds=ago)
    line = {
        "receiver": receiver, "what": "links", "recipient": "ada@example.org", "bulk": bulk,
        "state": "pending", "attempts": 0, "next_try_at": then, "created_at": then, "once": once,
    }  # fmt: skip
    with db.engine.begin() as connection:
        connection.execute(insert(deliveries), [line] * count)


def test_taken_rows_are_nobody_elses(app: Flask, the_clock: Clock) -> None:
    put(3)
    assert len(take("memory").rows) == 3
    assert not take("memory").rows
    the_clock.ahead += LEASE - timedelta(seconds=1)
    assert not take("memory").rows
    the_clock.ahead += timedelta(seconds=2)
    assert [row.attempts for row in take("memory").rows] == [2, 2, 2]


def test_receivers_do_not_see_each_others_rows(app: Flask) -> None:
    put(2)
    put(1, receiver="other")
    assert len(take("other").rows) == 1
    assert len(take("memory").rows) == 2


def test_late_deliverer_changes_nothing(app: Flask, the_clock: Clock) -> None:
    put(1)
    (late,) = take("memory").rows
    the_clock.ahead += LEASE + timedelta(seconds=1)
    (current,) = take("memory").rows
    delivery._park(late, "too late")
    delivery.give_back([late])
    assert (rows()[0].state, rows()[0].attempts) == ("pending", 2)
    delivery._sent(current)
    assert rows()[0].state == "sent"


def test_two_deliverers_share_the_work_without_doubles(app: Flask) -> None:
    put(400)
    receivers = [Memory() for _ in range(4)]
    threads = [
        threading.Thread(target=in_context, args=(app, Deliverer("memory", receiver)))
        for receiver in receivers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = Counter(row for receiver in receivers for row in receiver.got)
    assert len(got) == 400
    assert set(got.values()) == {1}
    assert {row.state for row in rows()} == {"sent"}


@pytest.mark.parametrize("guarded", ["by the lock", "without the lock"])
def test_row_is_taken_by_one_of_two(
    app: Flask, monkeypatch: pytest.MonkeyPatch, guarded: str
) -> None:
    """Locks do not reach across the nodes of a cluster; that a row is still due does."""
    put(delivery.BATCH)
    take("other")  # nothing; the pace of memory is not written yet, either
    if guarded == "without the lock":
        monkeypatch.setattr(delivery, "_turn", lambda connection, receiver: clock.now())
    both = threading.Barrier(2)
    real = delivery._due

    def due_for_both(connection: Any, receiver: str, **limit: int) -> Sequence[int]:
        ids = real(connection, receiver, **limit)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.5)
        return ids

    monkeypatch.setattr(delivery, "_due", due_for_both)
    taken: list[int] = []

    def take_one() -> None:
        with app.app_context():
            taken.extend(row.id for row in take("memory").rows)

    threads = [threading.Thread(target=take_one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [row.id for row in rows()]
    assert {row.attempts for row in rows()} == {1}


def test_deliverers_keep_one_pace_together(app: Flask) -> None:
    put(60)
    receivers = [Memory() for _ in range(3)]
    threads = [
        threading.Thread(target=in_context, args=(app, Deliverer("memory", receiver, 100)))
        for receiver in receivers
    ]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each at a pace of its own would be done in 0.2 seconds.
    assert time.monotonic() - started > 59 / 100
    assert sum(len(receiver.got) for receiver in receivers) == 60


def test_bulk_goes_at_a_fifth_of_the_pace(app: Flask) -> None:
    put(6, bulk=True)
    started = time.monotonic()
    Deliverer("memory", Memory(), 50).drain()
    assert time.monotonic() - started > 5 / 10


def test_clock_that_was_wrong_holds_up_nothing_for_long(app: Flask, the_clock: Clock) -> None:
    the_clock.put_forward(hours=1)
    put(1, ago=7200)
    assert take("memory").rows
    the_clock.put_forward(hours=-1)
    put(1)
    portion = take("memory", per_second=1)
    assert len(portion.rows) == 1
    assert portion.wait <= delivery.LONGEST_TURN.total_seconds()


def in_context(app: Flask, deliverer: Deliverer) -> None:
    with app.app_context():
        while any(row.state == "pending" for row in rows()):
            deliverer.work_off()


def test_tickets_overtake_bulk(app: Flask) -> None:
    put(30, bulk=True, ago=100)
    put(5, ago=1)
    receiver = Memory()
    Deliverer("memory", receiver).drain()
    assert [row.id for row in rows() if not row.bulk] == receiver.got[:5]
    assert len(receiver.got) == 35


def test_stop_gives_back_what_was_taken(app: Flask) -> None:
    put(5)
    receiver = Memory()
    deliverer = Deliverer("memory", receiver)

    def send_one(row: Row[Any]) -> None:
        receiver.got.append(row.id)
        deliverer.stop.set()

    receiver.send = send_one  # type: ignore[method-assign]
    deliverer.run()
    assert [row.state for row in rows()] == ["sent", *["pending"] * 4]
    assert [row.attempts for row in rows()] == [1, 0, 0, 0, 0]
    assert len(take("memory").rows) == 4


def test_short_lease_is_not_stretched(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    put(3)
    monkeypatch.setattr(delivery, "LONGEST_SEND", LEASE)
    receiver = Memory()
    Deliverer("memory", receiver).work_off()
    assert receiver.got == []
    assert [row.attempts for row in rows()] == [0, 0, 0]


def test_sent_mail_is_noted_though_the_database_was_away(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(1)
    monkeypatch.setattr(delivery, "LOOK_SECONDS", 0.01)
    real, faults = transaction.write, iter([Unavailable(), Unavailable()])
    receiver = Memory()

    def write_at_last(work: Any) -> Any:
        if receiver.got:
            for fault in faults:
                raise fault
        return real(work)

    monkeypatch.setattr(delivery, "write", write_at_last)
    Deliverer("memory", receiver).drain()
    assert receiver.got == [rows()[0].id]
    assert rows()[0].state == "sent"


def test_internal_error_is_tried_again(app: Flask, capfd: pytest.CaptureFixture[str]) -> None:
    put(2)
    receiver = Memory()

    def fail_once(row: Row[Any]) -> None:
        receiver.got.append(row.id)
        if len(receiver.got) == 1:
            raise ZeroDivisionError("told about ada@example.org")

    receiver.send = fail_once  # type: ignore[method-assign]
    Deliverer("memory", receiver).drain()
    assert [row.state for row in rows()] == ["pending", "sent"]
    assert "log has the details" in rows()[0].problem
    assert "ada@" not in capfd.readouterr().err


def test_what_turns_out_to_be_nothing_leaves_its_dedupe_key_behind(
    app: Flask, the_clock: Clock
) -> None:
    put(1)
    put(1, once="a notice")
    receiver = Memory()

    def find_nothing(row: Row[Any]) -> None:
        receiver.got.append(row.id)
        raise NothingToTell

    receiver.send = find_nothing  # type: ignore[method-assign]
    Deliverer("memory", receiver).drain()
    assert len(receiver.got) == 2
    (kept,) = rows()
    assert (kept.once, kept.state, kept.sent_at) == ("a notice", "sent", None)
    the_clock.put_forward(days=1)
    assert not take("memory").rows, "nobody looks at it again"
    the_clock.put_forward(days=30)
    delivery.forget_old("memory")
    assert not rows()


def test_old_rows_are_forgotten_with_their_addresses(app: Flask, the_clock: Clock) -> None:
    put(3)
    Deliverer("memory", Memory()).drain()
    put(1, receiver="other")
    delivery.forget_old("memory")
    assert len(rows()) == 4
    the_clock.put_forward(days=31)
    delivery.forget_old("memory")
    assert [row.receiver for row in rows()] == ["other"]


def test_repeat_after_a_crash_carries_the_same_message_id(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, the_clock: Clock
) -> None:
    book(make_event(tickets=5), "ada")
    book(make_event(tickets=5), "ada")
    drain()
    with db.engine.begin() as connection:  # as if the process had died before it took note
        connection.execute(update(deliveries).values(state="pending", next_try_at=clock.now()))
    drain()
    ids = [message["Message-ID"] for message in mailbox.messages]
    assert len(ids) == 4
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


def test_nobody_is_flooded_by_bookings(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    for _ in range(news.MOST_BOOKINGS + 5):
        book(make_event(), "ada")
        drain()
    assert len(mailbox.contents) == news.MOST_BOOKINGS
    parked = [row for row in rows() if row.state == "parked"]
    assert len(parked) == 5
    assert "within an hour" in parked[0].problem


def test_nobody_is_flooded_by_changes_of_a_booking(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=30, max_tickets_per_booking=30)
    position = book(event_id, "ada", 30).position
    for tickets in range(29, 5, -1):
        bookings.change_tickets(event_id, position=position, tickets=tickets)
        drain()
    assert len(mailbox.contents) == news.MOST_MAILS_OF_BOOKING


def test_old_keys_are_forgotten_a_few_at_a_time(
    make_event: MakeEvent, the_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "FORGOTTEN_AT_ONCE", 3)
    event_id = make_event(tickets=20)
    for number in range(8):
        once = idempotency.once("book", caller="page", key=f"key {number}")
        bookings.book_tickets(event_id, attendee_id=f"guest{number}", once=once)
    the_clock.put_forward(hours=25)
    once = idempotency.once("book", caller="page", key="fresh")
    bookings.book_tickets(event_id, attendee_id="guest", once=once)
    assert idempotency.forget_old() == 8
    assert idempotency.forget_old() == 0
