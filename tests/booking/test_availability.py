"""What is read most is never stale: not in this process, and not when another one wrote."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import insert

from tests.support.fixtures import MakeEvent
from tests.support.tools import LONG, figures, fill
from webapp.booking import queries, ranks
from webapp.booking.queries import find_booking, find_event
from webapp.booking.ranks import rank_of
from webapp.booking.services import book_tickets, cancel_booking
from webapp.extensions import PerApp
from webapp.storage.batcher import Batcher
from webapp.storage.engines import write_engine
from webapp.storage.tables import bookings as booking_table
from webapp.storage.tables import events as event_table

OTHER_PROCESS = """
import sys
from pathlib import Path
from webapp import create_app
from webapp.config import Settings
from webapp.booking.services import book_tickets, cancel_booking

url, folder, event_id = sys.argv[1], sys.argv[2], int(sys.argv[3])
environ = {"DATABASE_URL": url, "SECRET_KEY": "a key that only tests use", "LOG_FILE": "other.log"}
app = create_app(Settings.from_environ(environ, instance_path=Path(folder)))
with app.app_context():
    for line in sys.stdin:
        what, whom = line.split()
        if what == "book":
            book_tickets(event_id, attendee_id=whom)
        else:
            cancel_booking(event_id, position=int(whom))
        print("done", flush=True)
"""


class OtherProcess:
    """Nextup once more, on the same database, doing what it is told."""

    def __init__(self, database_url: str, folder: str, event_id: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER_PROCESS, database_url, folder, str(event_id)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> "OtherProcess":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.communicate(timeout=LONG)

    def does(self, what: str, whom: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(what, whom, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "done\n"


def test_figures_and_ranks_follow_what_another_process_writes(
    make_event: MakeEvent, database_url: str, tmp_path: object
) -> None:
    event_id = make_event(capacity=2)
    fill(event_id, 1, 1, 1, 1)
    assert rank_of(event_id, 4) == 2
    with OtherProcess(database_url, str(tmp_path), event_id) as other:
        other.does("cancel", 1)
        assert [rank_of(event_id, position) for position in (3, 4)] == [None, 1]
        assert figures(event_id) == (2, 1, 0)
        other.does("book", "new")
        assert rank_of(event_id, 5) == 2
        cancel_booking(event_id, position=4)
        other.does("book", "newer")
        assert [rank_of(event_id, position) for position in (4, 5, 6)] == [None, 1, 2]
        assert figures(event_id) == (2, 2, 0)


def test_rank_moves_up_with_every_promotion_and_cancel_ahead(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    receipts = fill(event_id, *[1] * 6)
    assert [rank_of(event_id, position) for position in range(1, 8)] == [
        None, 1, 2, 3, 4, 5, None,
    ]  # fmt: skip
    cancel_booking(event_id, position=3)
    cancel_booking(event_id, position=1)
    assert [rank_of(event_id, position) for position in range(1, 7)] == [
        None, None, None, 1, 2, 3,
    ]  # fmt: skip
    assert find_booking(receipts[5].reference).rank == 3
    assert find_booking(receipts[1].reference).rank is None


def test_lost_memory_loses_nothing(make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    event_id = make_event(capacity=1)
    fill(event_id, 1, 1, 1)
    assert rank_of(event_id, 3) == 2
    ranks.forget()
    assert rank_of(event_id, 3) == 2
    # As if more had happened than is worth following.
    monkeypatch.setattr(ranks, "LONGEST_CATCH_UP", 0)
    cancel_booking(event_id, position=2)
    assert rank_of(event_id, 3) == 1


def test_memory_is_bounded(make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "KEPT_LISTS", 2)
    for _ in range(4):
        event_id = make_event(capacity=1)
        fill(event_id, 1, 1)
        assert rank_of(event_id, 2) == 1
    assert len(ranks._lists.own) == 2


def test_thousands_wait_in_order(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    fill(event_id, 1)
    created_at = find_event(event_id).created_at
    waiting = [
        {
            "event_id": event_id,
            "position": position,
            "attendee_id": f"w{position}",
            "status": "waiting",
            "tickets": 1,
            "reference": f"r{position}",
            "ticket_code": f"c{position}",
            "name": "",
            "created_at": created_at,
        }
        for position in range(2, 5002)
    ]
    with write_engine().begin() as connection:
        connection.execute(insert(booking_table), waiting)
        connection.execute(
            event_table.update()
            .where(event_table.c.id == event_id)
            .values(waiting=5000, next_position=5002)
        )
    assert rank_of(event_id, 5001) == 5000
    assert list(cancel_booking(event_id, position=1).promoted) == [2]
    assert rank_of(event_id, 5001) == 4999
    assert book_tickets(event_id, attendee_id="last").rank == 5000
    assert rank_of(event_id, 5002) == 5000


def test_reader_never_sees_less_than_what_was_committed_before_it_asked(
    in_app: Flask, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that is under way when a booking commits must not answer who asks after it."""
    event_id = make_event(capacity=5)
    under_way, go_on = threading.Event(), threading.Event()
    asked: list[int] = []

    def slow(event_id: int, entries: list[None]) -> list[object]:
        answers = queries.read_event(event_id, entries)
        asked.append(len(entries))
        if len(asked) == 1:
            under_way.set()
            assert go_on.wait(LONG)
        return list(answers)

    shared: Batcher[int, None, object] = Batcher(slow, patience=LONG)
    monkeypatch.setattr(queries, "event_reads", PerApp(lambda: shared))

    def read_confirmed() -> int:
        with in_app.app_context():
            return int(find_event(event_id).confirmed)

    with ThreadPoolExecutor(8) as pool:
        early = pool.submit(read_confirmed)
        assert under_way.wait(LONG)
        book_tickets(event_id, attendee_id="ada")
        late = [pool.submit(read_confirmed) for _ in range(6)]
        while len(shared._queues[event_id]) < 6:
            assert not go_on.wait(0.001)
        go_on.set()
        assert early.result(LONG) == 0
        assert [future.result(LONG) for future in late] == [1] * 6
    assert asked == [1, 6]
