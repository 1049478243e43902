"""Bounded transactions: what is retried, what is not, and a COMMIT whose answer is lost."""

import contextlib
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pymysql
import pytest
from flask import Flask
from sqlalchemy import Connection, NullPool, PoolProxiedConnection, create_engine, text
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tests.support.changes import set_capacity
from tests.support.fixtures import MakeEvent
from tests.support.tools import figures, history, rows, statuses, together
from webapp.booking import batch, decisions, load, revisions
from webapp.booking.change import BookingDetails
from webapp.booking.commands import BookTickets, Outcome, organizer
from webapp.booking.services import book_tickets, cancel_booking
from webapp.errors import Unavailable
from webapp.events import services as events
from webapp.extensions import db
from webapp.storage import idempotency, transaction
from webapp.storage.engines import FEW_CONNECTIONS, WAIT_SECONDS, write_engine
from webapp.storage.transaction import (
    ATTEMPTS,
    LONGEST_PAUSE,
    Conflict,
    Fault,
    fault_of,
    read,
    write,
)


def mysql_error(code: int, *, invalidated: bool = False) -> DBAPIError:
    return OperationalError(
        "UPDATE",
        {},
        pymysql.OperationalError(code, "a message"),
        connection_invalidated=invalidated,
    )


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (1213, Fault.CONFLICT),  # deadlock, Galera certification
        (1205, Fault.CONFLICT),  # lock wait timeout
        (1020, Fault.CONFLICT),  # changed since read, MariaDB 11.8
        (3572, Fault.CONFLICT),  # NOWAIT on MySQL
        (3101, Fault.CONFLICT),  # Group Replication
        (1047, Fault.LOST),  # Galera node without a majority
        (1180, Fault.LOST),  # the same at COMMIT
        (1290, Fault.LOST),  # read-only, failed-over primary
        (2003, Fault.LOST),
        (2006, Fault.LOST),
        (2013, Fault.LOST),
        (0, Fault.LOST),  # InterfaceError (0, '')
        (3819, Fault.OTHER),  # CHECK on MySQL
        (4025, Fault.OTHER),  # CHECK on MariaDB
        (1062, Fault.OTHER),  # duplicate key
        (1064, Fault.OTHER),  # our SQL
        (1366, Fault.OTHER),  # text that the column cannot hold
        (1406, Fault.OTHER),  # too long
    ],
)
def test_error_number_says_what_to_do(code: int, fault: Fault) -> None:
    assert fault_of(mysql_error(code)) is fault


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (Conflict(), Fault.CONFLICT),
        (mysql_error(9999, invalidated=True), Fault.LOST),
        (InterfaceError("SELECT", {}, pymysql.InterfaceError(0, "")), Fault.LOST),
        (OperationalError("", {}, sqlite3.OperationalError("database is locked")), Fault.BUSY),
        (
            OperationalError("", {}, sqlite3.OperationalError("database table is locked: event")),
            Fault.BUSY,
        ),
        (OperationalError("", {}, sqlite3.OperationalError("no such table: event")), Fault.OTHER),
        (IntegrityError("", {}, sqlite3.IntegrityError("UNIQUE constraint failed")), Fault.OTHER),
        (ValueError("no"), Fault.OTHER),
    ],
)
def test_error_without_a_number_is_understood_too(error: Exception, fault: Fault) -> None:
    assert fault_of(error) is fault


@contextlib.contextmanager
def losing_commit(
    monkeypatch: pytest.MonkeyPatch, *, already_committed: bool, code: int = 2013, times: int = 1
) -> Iterator[list[int]]:
    """Lose the answer of the next COMMITs: after it has happened, or before it reaches anybody."""
    dialect = write_engine().dialect
    commit = dialect.do_commit
    lost: list[int] = []

    def do_commit(connection: PoolProxiedConnection) -> None:
        if len(lost) == times:
            return commit(connection)
        lost.append(1)
        if already_committed:
            commit(connection)
        raise dialect.loaded_dbapi.OperationalError(code, "a message")

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", do_commit)
        yield lost
    assert len(lost) == times


@pytest.fixture
def notes(in_app: Flask) -> Iterator[None]:
    """A table to write into; `make_app` does not know it, so it is dropped here."""
    with write_engine().begin() as connection:
        connection.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY, what VARCHAR(20))"))
    yield
    with write_engine().begin() as connection:
        connection.execute(text("DROP TABLE notes"))


def note(connection: Connection, what: str, *, id: int | None = None) -> None:
    connection.execute(text("INSERT INTO notes VALUES (:id, :what)"), {"id": id, "what": what})


def noted() -> list[str]:
    return [row.what for row in rows("SELECT what FROM notes ORDER BY id")]


@pytest.mark.usefixtures("notes")
class TestWrite:
    def test_returns_what_the_work_returns_once_it_is_committed(self) -> None:
        def work(connection: Connection) -> int:
            note(connection, "kept", id=1)
            return 7

        assert write(work) == 7
        assert noted() == ["kept"]

    @pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
    def test_work_that_fails_leaves_nothing_and_is_not_tried_again(
        self, error: BaseException
    ) -> None:
        calls = []

        def work(connection: Connection) -> None:
            calls.append(1)
            note(connection, "half", id=1)
            raise error

        with pytest.raises(type(error)):
            write(work)
        assert (len(calls), noted()) == (1, [])
        write(lambda connection: note(connection, "whole", id=1))
        assert noted() == ["whole"]

    def test_broken_constraint_is_raised_at_once(self) -> None:
        calls = []

        def work(connection: Connection) -> None:
            calls.append(1)
            note(connection, "one", id=1)
            note(connection, "two", id=1)

        with pytest.raises(IntegrityError):
            write(work)
        assert (len(calls), noted()) == (1, [])

    def test_conflict_is_run_again_from_the_start(self) -> None:
        calls = []

        def work(connection: Connection) -> str:
            calls.append(1)
            note(connection, f"try {len(calls)}", id=1)
            if len(calls) < 3:
                raise Conflict
            return "done"

        assert write(work) == "done"
        assert noted() == ["try 3"]

    def test_endless_conflict_ends_as_unavailable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transaction, "random", SimpleNamespace(uniform=lambda low, high: 0))
        calls = []

        def work(connection: Connection) -> None:
            calls.append(1)
            raise Conflict

        with pytest.raises(Unavailable):
            write(work)
        assert len(calls) == ATTEMPTS

    def test_who_lost_often_pauses_no_longer_than_others(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pauses: list[float] = []
        still = SimpleNamespace(monotonic=lambda: 0.0, sleep=pauses.append)
        monkeypatch.setattr(transaction, "time", still)
        monkeypatch.setattr(transaction, "random", SimpleNamespace(uniform=lambda low, high: high))

        def work(connection: Connection) -> None:
            raise Conflict

        with pytest.raises(Unavailable):
            write(work)
        assert pauses[:2] == [0.02, 0.04]
        assert max(pauses) == pauses[-1] == LONGEST_PAUSE

    def test_no_attempt_begins_when_patience_is_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seconds = iter(range(0, 100, 3))
        slow = SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda pause: None)
        monkeypatch.setattr(transaction, "time", slow)
        calls = []

        def work(connection: Connection) -> None:
            calls.append(1)
            raise Conflict

        with pytest.raises(Unavailable):
            write(work)
        assert len(calls) == 2

    def test_connection_lost_before_commit_is_replaced_and_the_work_run_again(self) -> None:
        calls = []

        def work(connection: Connection) -> None:
            calls.append(1)
            note(connection, f"try {len(calls)}", id=1)
            if len(calls) == 1:
                raise mysql_error(2013)

        write(work)
        assert noted() == ["try 2"]

    def test_pool_without_a_free_connection_ends_as_unavailable_and_is_not_tried_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def connect(*_: object) -> None:
            calls.append(1)
            raise PoolTimeout("QueuePool limit reached")

        calls: list[int] = []
        monkeypatch.setattr(write_engine().pool, "connect", connect)
        with pytest.raises(Unavailable):
            write(lambda connection: None)
        assert len(calls) == 1

    def test_work_leaves_no_connection_behind(self) -> None:
        def fail(connection: Connection) -> None:
            raise ValueError

        for _ in range(50):
            with contextlib.suppress(ValueError):
                write(fail)
            with contextlib.suppress(ValueError):
                read(fail)
        for engine in db.engines.values():
            assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]

    @pytest.mark.parametrize("code", [1213, 1205, 1290, 2013])
    def test_commit_that_did_not_happen_leaves_no_open_transaction_behind(
        self, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        with losing_commit(monkeypatch, already_committed=False, code=code):
            write(
                lambda connection: note(connection, "again", id=1),
                already_committed=lambda _: False,
            )
        assert noted() == ["again"]

    def test_commit_that_fails_for_good_is_raised_and_harms_nobody_later(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disk_full = losing_commit(monkeypatch, already_committed=False, code=1021)
        with disk_full, pytest.raises(OperationalError):
            write(lambda connection: note(connection, "lost", id=1))
        write(lambda connection: note(connection, "later", id=2))
        assert noted() == ["later"]

    def test_lost_commit_is_unavailable_where_nobody_can_tell_what_landed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = []

        def work(connection: Connection) -> None:
            calls.append(1)
            note(connection, "perhaps", id=1)

        with losing_commit(monkeypatch, already_committed=True), pytest.raises(Unavailable):
            write(work)
        assert (len(calls), noted()) == (1, ["perhaps"])

    def test_look_up_that_is_lost_too_is_asked_again_and_never_taken_for_a_no(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks = []

        def already_committed(connection: Connection) -> bool:
            looks.append(1)
            if len(looks) == 1:
                raise mysql_error(2013)
            return bool(connection.execute(text("SELECT count(*) FROM notes")).scalar_one())

        with losing_commit(monkeypatch, already_committed=True):
            write(
                lambda connection: note(connection, "once", id=1),
                already_committed=already_committed,
            )
        assert (len(looks), noted()) == (2, ["once"])

    def test_commit_that_lands_after_a_look_is_found_by_the_next_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on a cluster: one node does not see yet what another commits a moment later."""
        calls, looks = [], []

        def already_committed(connection: Connection) -> bool:
            looks.append(1)
            return len(looks) == 2

        def work(connection: Connection) -> str:
            calls.append(1)
            if len(calls) == 2:
                raise mysql_error(1213)
            return "done"

        with losing_commit(monkeypatch, already_committed=True):
            assert write(work, already_committed=already_committed) == "done"
        assert (len(calls), len(looks)) == (2, 2)

    def test_look_and_what_follows_it_are_one_transaction(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else a commit could land between them and be taken for somebody else's."""
        seen = []

        def already_committed(connection: Connection) -> bool:
            seen.append(connection)
            return False

        with losing_commit(monkeypatch, already_committed=False):
            write(seen.append, already_committed=already_committed)
        _, looked, worked = seen
        assert looked is worked


def test_booking_whose_lost_commit_landed_is_answered_and_made_once(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = make_event()
    with losing_commit(monkeypatch, already_committed=True):
        receipt = book_tickets(event_id, attendee_id="ada", tickets=2)
    assert figures(event_id) == (2, 0, 1)
    assert [row.reference for row in rows("SELECT reference FROM booking")] == [receipt.reference]
    assert [line.what for line in history(event_id)] == ["booked", "created"]


def test_booking_whose_lost_commit_did_not_land_is_made_with_the_same_reference(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = make_event()
    with losing_commit(monkeypatch, already_committed=False, times=2):
        receipt = book_tickets(event_id, attendee_id="ada", tickets=2)
    assert figures(event_id) == (2, 0, 1)
    assert [row.reference for row in rows("SELECT reference FROM booking")] == [receipt.reference]
    assert [line.what for line in history(event_id)] == ["booked", "created"]


@pytest.mark.parametrize("already_committed", [True, False])
def test_lost_commits_of_other_changes_are_settled_too(
    make_event: MakeEvent,
    organizer_id: int,
    monkeypatch: pytest.MonkeyPatch,
    already_committed: bool,
) -> None:
    def lost() -> contextlib.AbstractContextManager[list[int]]:
        return losing_commit(monkeypatch, already_committed=already_committed)

    with lost():
        event_id = make_event(capacity=1)
    book_tickets(event_id, attendee_id="a")
    book_tickets(event_id, attendee_id="b")
    with lost():
        released = cancel_booking(event_id, position=1)
    assert list(released.promoted) == [2]
    with lost():
        set_capacity(event_id, 5, organizer_id=organizer_id)
    with lost():
        key = idempotency.bind_key("book", caller="page", key="k")
        receipt = book_tickets(event_id, attendee_id="c", tickets=2, key=key)
    again = book_tickets(event_id, attendee_id="c", tickets=2, key=key)
    assert again == replace(receipt, repeated=True)
    assert figures(event_id) == (3, 0, 2)
    with lost():
        events.cancel_event(event_id, actor=organizer(organizer_id))
    told = [line.what for line in reversed(history(event_id))]
    assert told == [
        "created", "booked", "booked", "cancelled", "promoted", "edited", "booked",
        "cancelled", "cancelled", "cancelled",
    ]  # fmt: skip
    assert len(rows("SELECT id FROM event")) == 1


def test_what_landed_is_looked_up_under_the_lock_of_the_event(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: without the lock the look-up finds nothing while the commit is on its way."""
    event_id = make_event()
    locked: list[int] = []
    lock = load.lock_event

    def note_lock(connection: Connection, event_id: int) -> object:
        locked.append(event_id)
        return lock(connection, event_id)

    monkeypatch.setattr(revisions, "lock_event", note_lock)
    with losing_commit(monkeypatch, already_committed=True):
        book_tickets(event_id, attendee_id="ada")
    assert locked == [event_id]


def test_batch_that_fails_for_good_is_run_again_one_by_one(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second request breaks a constraint that no check of ours foresaw."""
    event_id = make_event()
    taken = book_tickets(event_id, attendee_id="first").reference
    requests = [
        decisions.Request(
            event_id,
            BookTickets(name, 1, reference),
            details=BookingDetails(f"code {name}"),
        )
        for name, reference in (("a", "ref a"), ("b", taken), ("c", "ref c"))
    ]
    good, poisonous, also_good = batch.run_one_event(event_id, requests)
    assert isinstance(good, Outcome)
    assert isinstance(poisonous, IntegrityError)
    assert isinstance(also_good, Outcome)
    assert statuses(event_id) == ["confirmed"] * 3


@pytest.mark.usefixtures("notes")
def test_real_deadlock_is_retried_and_both_writers_succeed(in_app: Flask) -> None:
    """On SQLite one writer simply waits for the other."""
    write(lambda connection: note(connection, "row 1", id=1))
    write(lambda connection: note(connection, "row 2", id=2))
    first_steps = threading.Barrier(2)
    attempts: list[str] = []

    def crossing(name: str, *order: int) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            attempts.append(name)
            first, second = order
            change = text("UPDATE notes SET what = concat(what, :name) WHERE id = :id")
            if connection.dialect.name == "sqlite":
                change = text("UPDATE notes SET what = what || :name WHERE id = :id")
            connection.execute(change, {"name": name, "id": first})
            with contextlib.suppress(threading.BrokenBarrierError):
                first_steps.wait(1)
            connection.execute(change, {"name": name, "id": second})

        return work

    together(
        in_app,
        [
            lambda: write(crossing("A", 1, 2)),
            lambda: write(crossing("B", 2, 1)),
        ],
    )
    assert sorted(noted()[0][5:]) == sorted(noted()[1][5:]) == ["A", "B"]
    if write_engine().dialect.name != "sqlite":
        assert len(attempts) == 3


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
"""


@contextlib.contextmanager
def held_elsewhere(event_id: int) -> Iterator[Callable[[], None]]:
    """Another process, or another session, holds what every writer of the event needs."""
    if write_engine().dialect.name == "sqlite":
        path = str(write_engine().url.database)
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdin is not None
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            stdin = other.stdin

            def let_go() -> None:
                stdin.write(b"\n")
                stdin.flush()

            yield let_go
            if other.poll() is None:
                with contextlib.suppress(BrokenPipeError):
                    let_go()
        return
    with write_engine().connect() as connection:
        load.lock_event(connection, event_id)
        yield connection.rollback


def test_booking_waits_for_another_process_that_writes(
    in_app: Flask, make_event: MakeEvent
) -> None:
    event_id = make_event()
    with held_elsewhere(event_id) as let_go, ThreadPoolExecutor(1) as pool:

        def call() -> Outcome:
            with in_app.app_context():
                return book_tickets(event_id, attendee_id="ada")

        waiting = pool.submit(call)
        with pytest.raises(TimeoutError):
            waiting.result(0.2)
        let_go()
        assert waiting.result(10).position == 1


def test_database_that_stays_busy_ends_as_unavailable_within_the_bound_and_changes_nothing(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = make_event()
    # One wait for the lock is as much as the patience allows here; another would double the time.
    monkeypatch.setattr(transaction, "PATIENCE", 1.0)
    with held_elsewhere(event_id):
        started = time.monotonic()
        with pytest.raises(Unavailable):
            book_tickets(event_id, attendee_id="ada")
        took = time.monotonic() - started
    assert 1.0 < took < 2 * WAIT_SECONDS
    assert figures(event_id) == (0, 0, 3)
    assert book_tickets(event_id, attendee_id="ada").position == 1


def test_readers_are_served_while_a_writer_holds_the_event(make_event: MakeEvent) -> None:
    event_id = make_event()
    with held_elsewhere(event_id):
        started = time.monotonic()
        assert figures(event_id) == (0, 0, 3)
        assert time.monotonic() - started < WAIT_SECONDS


def test_exhausted_pool_answers_within_its_bound(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(THREADS="1")
    with app.app_context():
        monkeypatch.setattr(db.engine.pool, "_timeout", 0.1)
        with contextlib.ExitStack() as held:
            for _ in range(FEW_CONNECTIONS):
                held.enter_context(db.engine.connect())
            started = time.monotonic()
            with pytest.raises(Unavailable):
                read(lambda connection: None)
            assert time.monotonic() - started < 1
        assert read(lambda connection: 7) == 7


def test_server_that_ends_a_connection_is_not_noticed_by_the_next_booking(
    make_event: MakeEvent,
) -> None:
    """As after an idle timeout: the pool still takes the connection for a good one."""
    event_id = make_event()
    if write_engine().dialect.name == "sqlite":
        # No server, and so none that could go; its connections are thrown away all the same.
        write_engine().dispose()
    else:
        with contextlib.ExitStack() as stack:
            pooled = [
                stack.enter_context(engine.connect())
                for engine in db.engines.values()
                for _ in range(engine.pool.checkedin())  # type: ignore[attr-defined]
            ]
            sessions = [c.execute(text("SELECT connection_id()")).scalar_one() for c in pooled]
        assert sessions
        killer = create_engine(db.engine.url, poolclass=NullPool)
        with killer.connect() as connection:
            for session in sessions:
                connection.execute(text(f"KILL {session}"))
    assert book_tickets(event_id, attendee_id="ada").position == 1
    assert figures(event_id) == (1, 0, 2)
