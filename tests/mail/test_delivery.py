"""Who leases what, and when: several deliverers, bulk, jobs."""

import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Row, insert, update
from sqlalchemy import event as sqlalchemy_event

from tests.mail.conftest import Book, Clock, Drain, MakeEvent
from tests.support.mail import Mailbox
from webapp import clock
from webapp.booking import services as bookings
from webapp.config import current_settings
from webapp.errors import Unavailable
from webapp.extensions import db
from webapp.mail import ahead, worker
from webapp.mail.channel import MailChannel
from webapp.mail.failures import NothingToSend
from webapp.mail.transports import Envelope, FolderTransport
from webapp.mail.worker import Deliverer
from webapp.storage import idempotency, outbox, transaction
from webapp.storage.outbox import LEASE_TIME, lease, whole_rows
from webapp.storage.rows import DeliveryRow
from webapp.storage.tables import deliveries


class Memory:
    """A channel that only notes what it gets."""

    name = "memory"
    repeats_show = False

    def __init__(self) -> None:
        self.got: list[int] = []
        self.rested = 0

    def look_ahead(self, deliveries: Sequence[DeliveryRow]) -> None:
        pass

    def send(self, delivery: DeliveryRow) -> None:
        self.got.append(delivery.id)

    def rest(self) -> None:
        self.rested += 1


def rows() -> Sequence[Row[Any]]:
    with db.engine.connect() as connection:
        return connection.execute(whole_rows.order_by(deliveries.c.id)).all()


def put(
    count: int,
    *,
    channel: str = "memory",
    bulk: bool = False,
    ago: float = 1,
    dedupe_key: str | None = None,
) -> None:
    """Have so many rows delivered through a channel."""
    then = clock.now() - timedelta(seconds=ago)
    line = {
        "channel": channel, "what": "links", "recipient": "ada@example.org", "bulk": bulk,
        "state": "pending", "attempts": 0, "next_try_at": then, "created_at": then,
        "dedupe_key": dedupe_key,
    }  # fmt: skip
    with db.engine.begin() as connection:
        connection.execute(insert(deliveries), [line] * count)


def test_taken_rows_are_nobody_elses(app: Flask, the_clock: Clock) -> None:
    put(3)
    assert len(lease("memory").rows) == 3
    assert not lease("memory").rows
    the_clock.ahead += LEASE_TIME - timedelta(seconds=1)
    assert not lease("memory").rows
    the_clock.ahead += timedelta(seconds=2)
    assert [row.attempts for row in lease("memory").rows] == [2, 2, 2]


def test_channels_do_not_see_each_others_rows(app: Flask) -> None:
    put(2)
    put(1, channel="other")
    assert len(lease("other").rows) == 1
    assert len(lease("memory").rows) == 2


def test_late_deliverer_changes_nothing(app: Flask, the_clock: Clock) -> None:
    put(1)
    (late,) = lease("memory").rows
    the_clock.ahead += LEASE_TIME + timedelta(seconds=1)
    (current,) = lease("memory").rows
    outbox.park(late, "too late")
    outbox.mark_all_sent([late])
    outbox.give_back([late])
    assert (rows()[0].state, rows()[0].attempts) == ("pending", 2)
    outbox.mark_sent(current)
    assert rows()[0].state == "sent"


def test_two_deliverers_share_the_work_without_doubles(app: Flask) -> None:
    put(400)
    channels = [Memory() for _ in range(4)]
    threads = [
        threading.Thread(target=in_context, args=(app, Deliverer(channel))) for channel in channels
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = Counter(row for channel in channels for row in channel.got)
    assert len(got) == 400
    assert set(got.values()) == {1}
    assert {row.state for row in rows()} == {"sent"}


@pytest.mark.parametrize("guarded", ["by the lock", "without the lock"])
def test_row_is_taken_by_one_of_two(
    app: Flask, monkeypatch: pytest.MonkeyPatch, guarded: str
) -> None:
    """Locks do not reach across the nodes of a cluster; that a row is still due does."""
    put(outbox.BATCH)
    lease("other")  # nothing; the pace of memory is not written yet, either
    if guarded == "without the lock":
        monkeypatch.setattr(outbox, "_lock_pace", lambda connection, channel: clock.now())
    both = threading.Barrier(2)
    real = outbox._due

    def due_for_both(connection: Any, channel: str, **limit: int) -> Sequence[int]:
        ids = real(connection, channel, **limit)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.5)
        return ids

    monkeypatch.setattr(outbox, "_due", due_for_both)
    taken: list[int] = []

    def take_one() -> None:
        with app.app_context():
            taken.extend(row.id for row in lease("memory").rows)

    threads = [threading.Thread(target=take_one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [row.id for row in rows()]
    assert {row.attempts for row in rows()} == {1}


def test_deliverers_keep_one_pace_together(app: Flask) -> None:
    put(60)
    channels = [Memory() for _ in range(3)]
    threads = [
        threading.Thread(target=in_context, args=(app, Deliverer(channel, 100)))
        for channel in channels
    ]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each at a pace of its own would be done in 0.2 seconds.
    assert time.monotonic() - started > 59 / 100
    assert sum(len(channel.got) for channel in channels) == 60


def test_bulk_goes_at_a_fifth_of_the_pace(app: Flask) -> None:
    put(6, bulk=True)
    started = time.monotonic()
    Deliverer(Memory(), 50).drain()
    assert time.monotonic() - started > 5 / 10


def test_clock_that_was_wrong_holds_up_nothing_for_long(app: Flask, the_clock: Clock) -> None:
    the_clock.put_forward(hours=1)
    put(1, ago=7200)
    assert lease("memory").rows
    the_clock.put_forward(hours=-1)
    put(1)
    leased = lease("memory", per_second=1)
    assert len(leased.rows) == 1
    assert leased.wait <= outbox.LONGEST_TURN.total_seconds()


def in_context(app: Flask, deliverer: Deliverer) -> None:
    with app.app_context():
        while any(row.state == "pending" for row in rows()):
            deliverer.send_batch()


def test_tickets_overtake_bulk(app: Flask) -> None:
    put(30, bulk=True, ago=100)
    put(5, ago=1)
    channel = Memory()
    Deliverer(channel).drain()
    assert [row.id for row in rows() if not row.bulk] == channel.got[:5]
    assert len(channel.got) == 35


def test_stop_gives_back_what_was_taken(app: Flask) -> None:
    put(5)
    channel = Memory()
    deliverer = Deliverer(channel)

    def send_one(delivery: DeliveryRow) -> None:
        channel.got.append(delivery.id)
        deliverer.stop.set()

    channel.send = send_one  # type: ignore[method-assign]
    deliverer.run()
    assert [row.state for row in rows()] == ["sent", *["pending"] * 4]
    assert [row.attempts for row in rows()] == [1, 0, 0, 0, 0]
    assert len(lease("memory").rows) == 4


def test_short_lease_is_not_stretched(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    put(3)
    monkeypatch.setattr(worker, "LONGEST_SEND_SECONDS", outbox.LEASE_TIME.total_seconds())
    channel = Memory()
    Deliverer(channel).send_batch()
    assert channel.got == []
    assert [row.attempts for row in rows()] == [0, 0, 0]


def test_sent_mail_is_noted_though_the_database_was_away(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(1)
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.01)
    real, faults = transaction.write, iter([Unavailable(), Unavailable()])
    channel = Memory()

    def write_at_last(work: Any) -> Any:
        if channel.got:
            for fault in faults:
                raise fault
        return real(work)

    monkeypatch.setattr(outbox, "write", write_at_last)
    Deliverer(channel).drain()
    assert channel.got == [rows()[0].id]
    assert rows()[0].state == "sent"


def test_internal_error_is_tried_again(app: Flask, capfd: pytest.CaptureFixture[str]) -> None:
    put(2)
    channel = Memory()

    def fail_once(delivery: DeliveryRow) -> None:
        channel.got.append(delivery.id)
        if len(channel.got) == 1:
            raise ZeroDivisionError("told about ada@example.org")

    channel.send = fail_once  # type: ignore[method-assign]
    Deliverer(channel).drain()
    assert [row.state for row in rows()] == ["pending", "sent"]
    assert "log has the details" in rows()[0].problem
    assert "ada@" not in capfd.readouterr().err


def test_job_that_fails_holds_up_neither_mails_nor_other_jobs(
    app: Flask, capfd: pytest.CaptureFixture[str]
) -> None:
    put(1)
    done = []

    def fail() -> None:
        raise ZeroDivisionError("told about ada@example.org")

    channel = Memory()
    Deliverer(channel, jobs=[(60.0, fail), (60.0, lambda: done.append("next"))]).drain()
    assert len(channel.got) == 1
    assert done == ["next"]
    logged = capfd.readouterr().err
    assert "a job of the deliverer failed" in logged
    assert "ada@" not in logged


def test_jobs_come_round_each_at_its_own_interval(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.01)
    done: list[str] = []
    deliverer = Deliverer(Memory())

    def often() -> None:
        done.append("often")
        if done.count("often") == 3:
            deliverer.stop.set()

    deliverer.jobs = [(0.02, often), (60.0, lambda: done.append("seldom"))]
    deliverer.run()
    assert done == ["often", "seldom", "often", "often"]


def test_who_delivers_once_keeps_house_as_well(
    app: Flask,
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    the_clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book(make_event(), "ada")
    drain()
    the_clock.put_forward(days=31)
    # The handlers of the process that runs the tests stay.
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    answer = app.test_cli_runner().invoke(args=["deliver", "--once"])
    assert answer.exit_code == 0, answer.output
    assert not rows()


def test_nothing_is_delivered_without_the_key_that_links_are_signed_with(
    app: Flask, make_event: MakeEvent, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    book(make_event(), "ada")
    keyless = replace(current_settings(), secret_key=None)
    monkeypatch.setitem(app.extensions, "settings", keyless)
    answer = app.test_cli_runner().invoke(args=["deliver", "--once"])
    assert answer.exit_code == 1
    assert answer.output.startswith("Error: SECRET_KEY: is not set")
    assert [row.state for row in rows()] == ["pending"]


def test_what_turns_out_to_be_nothing_leaves_its_dedupe_key_behind(
    app: Flask, the_clock: Clock
) -> None:
    put(1)
    put(1, dedupe_key="a notice")
    channel = Memory()

    def find_nothing(delivery: DeliveryRow) -> None:
        channel.got.append(delivery.id)
        raise NothingToSend

    channel.send = find_nothing  # type: ignore[method-assign]
    Deliverer(channel).drain()
    assert len(channel.got) == 2
    (kept,) = rows()
    assert (kept.dedupe_key, kept.state, kept.sent_at) == ("a notice", "sent", None)
    the_clock.put_forward(days=1)
    assert not lease("memory").rows, "nobody looks at it again"
    the_clock.put_forward(days=30)
    outbox.forget_old("memory")
    assert not rows()


def test_old_rows_are_forgotten_with_their_addresses(app: Flask, the_clock: Clock) -> None:
    put(3)
    Deliverer(Memory()).drain()
    put(1, channel="other")
    outbox.forget_old("memory")
    assert len(rows()) == 4
    the_clock.put_forward(days=31)
    outbox.forget_old("memory")
    assert [row.channel for row in rows()] == ["other"]


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


def test_old_keys_are_forgotten_a_few_at_a_time(
    make_event: MakeEvent, the_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "FORGOTTEN_AT_ONCE", 3)
    event_id = make_event(tickets=20)
    for number in range(8):
        once = idempotency.bind_key("book", caller="page", key=f"key {number}")
        bookings.book_tickets(event_id, attendee_id=f"guest{number}", key=once)
    the_clock.put_forward(hours=25)
    once = idempotency.bind_key("book", caller="page", key="fresh")
    bookings.book_tickets(event_id, attendee_id="guest", key=once)
    assert idempotency.forget_old() == 8
    assert idempotency.forget_old() == 0


class Interrupted(BaseException):
    """As if the process had ended there."""


def test_files_that_were_not_noted_are_written_once_more_in_their_own_place(
    app: Flask, make_event: MakeEvent, book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a batch are noted by one commit, which a crash may come before."""
    event_id = make_event(tickets=50)
    for number in range(outbox.BATCH):
        book(event_id, f"guest{number}")
    deliverer = Deliverer(MailChannel(current_settings(), FolderTransport(tmp_path / "mails")))
    real = outbox.mark_all_sent

    def interrupt(sent: Sequence[DeliveryRow]) -> None:
        raise Interrupted

    monkeypatch.setattr(outbox, "mark_all_sent", interrupt)
    with pytest.raises(Interrupted):
        deliverer.send_batch()
    files = {file.name: file.read_bytes() for file in (tmp_path / "mails").iterdir()}
    assert len(files) == outbox.BATCH
    assert {row.state for row in rows()} == {"pending"}
    monkeypatch.setattr(outbox, "mark_all_sent", real)
    with db.engine.begin() as connection:  # as if the lease had run out
        connection.execute(update(deliveries).values(next_try_at=clock.now()))
    with counted_commits() as commits:
        assert deliverer.send_batch() == outbox.BATCH
    assert {row.state for row in rows()} == {"sent"}
    assert {file.name for file in (tmp_path / "mails").iterdir()} == files.keys()
    # The lease, the slots (none is needed here) and the note.
    assert commits.total() == 2


@contextlib.contextmanager
def counted_commits() -> Iterator[Counter[str]]:
    counted: Counter[str] = Counter()
    engines = set(db.engines.values())

    def count(_: object) -> None:
        counted["commits"] += 1

    for engine in engines:
        sqlalchemy_event.listen(engine, "commit", count)
    try:
        yield counted
    finally:
        for engine in engines:
            sqlalchemy_event.remove(engine, "commit", count)


def test_file_is_noted_before_a_long_wait_for_the_next_turn(app: Flask) -> None:
    put(2)
    channel = Memory()
    deliverer = Deliverer(channel, per_second=1000)
    noted: list[list[str]] = []

    class Impatient(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if channel.got:
                noted.append([row.state for row in rows()])
            return self.is_set()

    deliverer.stop = Impatient()
    deliverer.send_batch()
    put(2)
    deliverer.per_second = 1
    deliverer.send_batch()
    assert noted[0] == ["pending", "pending"], "its turn comes at once"
    assert noted[-1] == ["sent", "sent", "sent", "pending"]


def test_change_behind_the_look_ahead_is_told_as_it_is(
    app: Flask, make_event: MakeEvent, book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a batch whose sending takes long: what was read at its beginning is read anew."""
    monkeypatch.setattr(ahead, "FRESH_SECONDS", 0.0)
    event_id = make_event(tickets=5)
    book(event_id, "ada")
    second = book(event_id, "bob")

    class Slow(FolderTransport):
        def send(self, envelope: Envelope) -> str:
            if envelope.recipient.startswith("ada"):
                bookings.cancel_booking(event_id, position=second.position)
            return super().send(envelope)

    Deliverer(MailChannel(current_settings(), Slow(tmp_path / "mails"))).drain()
    assert sorted(file.stem.rpartition("-")[2] for file in (tmp_path / "mails").iterdir()) == [
        "cancelled",
        "confirmed",
    ]


def test_look_ahead_that_fails_holds_up_no_mail(
    app: Flask, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    put(2)
    channel = Memory()

    def fail(deliveries: Sequence[DeliveryRow]) -> None:
        raise ZeroDivisionError("told about ada@example.org")

    channel.look_ahead = fail  # type: ignore[method-assign]
    Deliverer(channel).drain()
    assert {row.state for row in rows()} == {"sent"}
    assert "ada@" not in capfd.readouterr().err
