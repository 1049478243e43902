"""Counts that do not move with the machine: commits, statements and rows read for what is hot.

Times are the business of bench/; a query that loses its index, a read that grows with the table
or one more round trip is seen here. Each limit is what it took when it was set, on an event with
thousands of bookings between thousands of events: what needs more has to say so here.
"""

import itertools
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from pymysql.cursors import Cursor
from sqlalchemy import event as sqlalchemy_event

from bench import fill
from tests.conftest import dispose, hashing_quickly, make_settings
from tests.support.queues import CODE, make_typed_event
from tests.support.servers import ROOT, MariaDB
from tests.support.tools import event_bookings
from webapp import create_app
from webapp.accounts import services as accounts
from webapp.accounts.logins import begin_login
from webapp.accounts.tokens import create_token
from webapp.booking import batch, decisions, queries
from webapp.booking import services as bookings
from webapp.booking.change import BookingDetails
from webapp.booking.codes import new_reference, new_ticket_code
from webapp.booking.commands import BookTickets, Outcome, organizer
from webapp.events import services as events
from webapp.events.queries import own_event, own_events
from webapp.events.services import EventDetails
from webapp.extensions import db
from webapp.storage import idempotency
from webapp.web.security import LOGIN_KEY

DATABASE = "nextup_counts"
ROWS_READ = ("key", "next", "prev", "first", "last", "rnd", "rnd_next")
STATUS = ", ".join(
    [*(f"'Handler_read_{name}'" for name in ROWS_READ), "'Questions'", "'Com_commit'"]
)
CONFIRMED = WAITING = EVENTS = 3_000
# These grow with use; an organizer or a token more or less does not matter.
LARGE_TABLES = {"event", "booking", "activity", "delivery", "idempotency_key"}
FULL_SCANS = {"ALL", "index"}

_names = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Counts:
    """What the database was asked to do; a commit is also one of the statements."""

    commits: int
    statements: int
    rows: int


@dataclass(frozen=True, slots=True)
class Typed:
    """Events with ticket types: for the `awaited` one many wait in many queues."""

    quiet: int
    awaited: int


@dataclass(slots=True)
class World:
    """The application, with an event that some booked and some wait for; `looks` has the counts.

    It is one connection for all: when the server counts the end of another is up to the server.
    """

    app: Flask
    client: FlaskClient
    token: str
    event_id: int
    typed: "Typed"
    looks: Cursor | None = None

    def get(self, path: str, **headers: str) -> None:
        answer = self.client.get(path, headers=headers, follow_redirects=True)
        assert answer.status_code == 200, answer.text

    def post(self, path: str, **fields: object) -> None:
        answer = self.client.post(path, json=fields)
        assert answer.status_code in (200, 201), answer.text

    def head_of_line(self) -> Any:
        """The first booking that waits."""
        return event_bookings(self.event_id, status="waiting", limit=1)[0]

    def first_confirmed(self) -> Any:
        return event_bookings(self.event_id, status="confirmed", limit=1)[0]

    def count(self, action: Callable[[], object]) -> Counts:
        """What `action` makes the database do, without what it takes to ask."""
        before, start = self._status(), self._status()
        action()
        end = self._status()
        # What changed between two looks at nothing is the price of a look.
        used = {name: end[name] - start[name] - (start[name] - before[name]) for name in end}
        rows = sum(used[f"Handler_read_{name}"] for name in ROWS_READ)
        return Counts(used["Com_commit"], used["Questions"], rows)

    def _status(self) -> dict[str, int]:
        assert self.looks is not None
        self.looks.execute(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({STATUS})")
        return {name: int(value) for name, value in self.looks.fetchall()}


def scans(action: Callable[[], object], explain: str, is_scan: Callable[[Any], bool]) -> list[str]:
    """The steps of what `action` does in which a table that grows is read as a whole."""
    with captured() as statements:
        action()
    found = []
    with db.engine.connect() as connection:
        cursor = connection.connection.cursor()
        for statement, parameters in statements.items():
            cursor.execute(f"{explain} {statement}", parameters)
            names = [column[0] for column in cursor.description]
            plan = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            found += [f"{step}: {statement}" for step in plan if is_scan(step)]
    return found


def is_scan_of_mariadb(step: dict[str, Any]) -> bool:
    return step["table"] in LARGE_TABLES and step["type"] in FULL_SCANS


def is_scan_of_sqlite(step: dict[str, Any]) -> bool:
    # A scan along an index is how the first of many in some order are found.
    match = re.match(r"SCAN (\w+)(?! USING)", step["detail"])
    return match is not None and match[1] in LARGE_TABLES


@contextmanager
def captured() -> Iterator[dict[str, Any]]:
    """Every different statement that can be explained, with parameters it was run with."""
    found: dict[str, Any] = {}

    def note(_: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool) -> None:
        first = statement.split(None, 1)[0]
        if not many and (first in ("SELECT", "UPDATE", "DELETE") or "SELECT" in statement):
            found[statement] = parameters

    engines = set(db.engines.values())
    for engine in engines:
        sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        for engine in engines:
            sqlalchemy_event.remove(engine, "before_cursor_execute", note)


@pytest.fixture(scope="module")
def counted_app(mariadb_server: MariaDB, server_folder: Path) -> Iterator[Flask]:
    url = mariadb_server.create_database(DATABASE)
    app = create_app(make_settings(url, server_folder))
    app.testing = True
    with app.app_context():
        upgrade(directory=str(ROOT / "migrations"))
        counting_organizer()
    yield app
    dispose(app)
    mariadb_server.execute(f"DROP DATABASE {DATABASE}")


@pytest.fixture(scope="module")
def filled(counted_app: Flask, mariadb_server: MariaDB) -> tuple[int, Typed]:
    event_id = fill.fill_event(mariadb_server, DATABASE, confirmed=CONFIRMED, waiting=WAITING)
    with counted_app.app_context():
        typed = typed_events(waiting=WAITING)
    fill.fill_events(mariadb_server, DATABASE, EVENTS)
    # The optimizer's own sampling in the background would choose other plans now and then.
    with mariadb_server.connect(DATABASE) as connection, connection.cursor() as cursor:
        for table in LARGE_TABLES:
            cursor.execute(f"ANALYZE TABLE {table}")
    return event_id, typed


def typed_events(*, waiting: int) -> Typed:
    owner = organizer(accounts.id_of("counting"))
    return Typed(make_typed_event(owner, booked=waiting), make_typed_event(owner, waiting=waiting))


@pytest.fixture
def world(
    counted_app: Flask, filled: tuple[int, Typed], mariadb_server: MariaDB
) -> Iterator[World]:
    with (
        counted_app.app_context(),
        mariadb_server.connect() as connection,
        connection.cursor() as looks,
    ):
        yield World(counted_app, *logged_in(counted_app), *filled, looks)


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, Typed]:
    """The same on SQLite, with a few of everything."""
    file = tmp_path_factory.mktemp("small") / "small.db"
    app = create_app(make_settings(f"sqlite:///{file}", file.parent))
    with app.app_context():
        upgrade(directory=str(ROOT / "migrations"))
        owner = counting_organizer()
        typed = typed_events(waiting=60)
        for _ in range(40):
            events.create_event(EventDetails("Other", 9), actor=organizer(owner), published=True)
        event_id = events.create_event(
            EventDetails("Small", 40), actor=organizer(owner), published=True
        )
        for number in range(60):
            bookings.book_tickets(event_id, attendee_id=f"small-{number}")
    dispose(app)
    return file, event_id, typed


@pytest.fixture
def small_world(small_file: tuple[Path, int, Typed], tmp_path: Path) -> Iterator[World]:
    """A copy of it."""
    model, event_id, typed = small_file
    file = shutil.copy(model, tmp_path)
    app = create_app(make_settings(f"sqlite:///{file}", tmp_path))
    app.testing = True
    with app.app_context():
        yield World(app, *logged_in(app), event_id, typed)
    dispose(app)


def counting_organizer() -> int:
    with hashing_quickly():
        return accounts.create_organizer(username="counting", password="long enough")


def logged_in(app: Flask) -> tuple[FlaskClient, str]:
    """The organizer's browser, and a token of theirs."""
    client = app.test_client()
    account = accounts.check_login(username="counting", password="long enough")
    assert account is not None
    with client.session_transaction() as session:
        session[LOGIN_KEY] = begin_login(account, device="")
    return client, create_token(accounts.id_of("counting"), name="counting")


Action = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Case:
    """Something that is done often; `prepare` does what is not counted and gives the action."""

    name: str
    prepare: Callable[[World], Action]
    limit: Counts


def booking(
    count: int,
    *,
    email: str | None = None,
    spread: bool = False,
    of: Callable[[World], int] = lambda world: world.event_id,
    wants: str = "",
    code: str | None = None,
) -> Callable[[World], Action]:
    """A batch of so many bookings, as group commit makes it of bookings that come together.

    They are for one event or, where `spread`, each for another one.
    """

    def prepare(world: World) -> Action:
        event_ids = [of(world)] * count
        if spread:
            event_ids = [event.id for event in own_events(1, limit=count)]
        requests = [
            decisions.Request(
                event_id,
                BookTickets(f"counted-{number}", 1, new_reference(), wants=wants, code=code),
                key=idempotency.bind_key("book", caller="page", key=f"key-{number}")
                if email
                else None,
                details=BookingDetails(new_ticket_code(), "", email),
            )
            for event_id, number in zip(event_ids, _names, strict=False)
        ]

        def run() -> None:
            for result in batch.run_unlocked_events(requests):
                assert isinstance(result, Outcome), result

        return run

    return prepare


def cancelling(world: World) -> Action:
    position = world.first_confirmed().position
    return lambda: bookings.cancel_booking(world.event_id, position=position)


def cancelling_by_reference(world: World) -> Action:
    reference = world.first_confirmed().reference
    return lambda: world.post("/api/events/cancel", bookingReference=reference)


def looking_up_references(world: World) -> Action:
    found = event_bookings(world.event_id, limit=32)
    references = [booking.reference for booking in found]

    def look() -> None:
        places = queries.read_places(None, [*references, "unknown"])
        assert places == [(world.event_id, b.position) for b in found] + [None]

    return look


def leaving_the_line(world: World) -> Action:
    position = world.head_of_line().position
    return lambda: bookings.cancel_booking(world.event_id, position=position)


def raising_capacity(world: World) -> Action:
    more = own_event(world.event_id, organizer_id=1).capacity + 1

    def patch() -> None:
        path = f"/api/events/{world.event_id}"
        headers = {"Authorization": f"Bearer {world.token}"}
        answer = world.client.patch(path, json={"totalTickets": more}, headers=headers)
        assert answer.status_code == 200, answer.text

    return patch


def making_an_event(world: World) -> Action:
    return lambda: events.create_event(EventDetails("New", 10), actor=organizer(1), published=True)


def reading(path: str, **headers: str) -> Callable[[World], Action]:
    """A path, with the event's id and the reference of its head of the line filled in."""

    def prepare(world: World) -> Action:
        head = world.head_of_line()
        whole = path.format(event=world.event_id, head=head.reference, position=head.position)
        world.get(whole, **headers)
        return lambda: world.get(whole, **headers)

    return prepare


def quiet(world: World) -> int:
    return world.typed.quiet


def awaited(world: World) -> int:
    return world.typed.awaited


def giving_back_a_type(world: World) -> Action:
    """One ticket of a type is given back, and the first who waits for it moves up."""
    event_id = world.typed.awaited
    left = event_bookings(event_id, limit=1)[0].tickets - 1
    return lambda: bookings.change_tickets(event_id, position=1, wants={1: left})


PARTIAL = {"HX-Request-Type": "partial"}
CASES = [
    Case("one booking", booking(1), Counts(1, 6, 5)),
    Case("32 bookings", booking(32), Counts(1, 6, 70)),
    Case("32 bookings for 32 events", booking(32, spread=True), Counts(1, 6, 130)),
    Case("a booking with address and key", booking(1, email="a@example.org"), Counts(1, 9, 10)),
    Case("a cancel", cancelling, Counts(1, 10, 90)),
    Case("a cancel by reference", cancelling_by_reference, Counts(1, 11, 90)),
    Case("32 references at once", looking_up_references, Counts(0, 1, 33)),
    Case("leaving the line", leaving_the_line, Counts(1, 8, 90)),
    Case("one more ticket", raising_capacity, Counts(1, 14, 90)),
    Case("a new event", making_an_event, Counts(1, 4, 1)),
    # Types are read and counted; queues only where somebody waits or comes to, codes where named.
    Case("one of a type", booking(1, of=quiet, wants="3:1"), Counts(1, 8, 15)),
    Case("32 of a type", booking(32, of=quiet, wants="3:1"), Counts(1, 8, 80)),
    Case("32 with a code", booking(32, of=quiet, wants="3:1", code=CODE), Counts(1, 10, 90)),
    Case("32 while others wait", booking(32, of=awaited, wants="3:1"), Counts(1, 9, 150)),
    Case("32 who come to wait", booking(32, of=awaited, wants="1:1"), Counts(1, 9, 150)),
    Case("one ticket given back", giving_back_a_type, Counts(1, 10, 120)),
    Case("status", reading("/api/events/status/{event}"), Counts(0, 1, 1)),
    Case("rank by the API", reading("/api/bookings/{head}"), Counts(0, 3, 3)),
    Case("event by the API", reading("/api/events/{event}"), Counts(0, 1, 1)),
    Case("events by the API", reading("/api/events"), Counts(0, 1, 60)),
    Case("event page", reading("/events/{event}"), Counts(0, 2, 2)),
    Case("availability", reading("/events/{event}/availability", **PARTIAL), Counts(0, 1, 1)),
    Case("list of events", reading("/"), Counts(0, 2, 60)),
    Case("booking page", reading("/bookings/{head}"), Counts(0, 3, 3)),
    Case("standing", reading("/bookings/{head}/standing", **PARTIAL), Counts(0, 3, 3)),
    # Its newest events, those that start next, and which of these have mails that were parked.
    Case("dashboard", reading("/organizer"), Counts(0, 4, 210)),
    Case("organizer's event", reading("/organizer/events/{event}"), Counts(0, 3, 60)),
    Case("bookings further on", reading("/organizer/events/{event}?after=99"), Counts(0, 3, 60)),
    Case(
        "waiting list",
        reading("/organizer/events/{event}?status=waiting"),
        Counts(0, 4, 60),
    ),
    Case(
        "organizer's booking",
        reading("/organizer/events/{event}/bookings/{position}"),
        Counts(0, 5, 6),
    ),
    Case("figures", reading("/organizer/events/{event}/figures", **PARTIAL), Counts(0, 2, 2)),
    Case(
        "news of the list",
        reading("/organizer/events/{event}/bookings", **PARTIAL),
        Counts(0, 3, 60),
    ),
    Case("history", reading("/organizer/events/{event}/history"), Counts(0, 3, 60)),
]


every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@every_case
def test_it_takes_no_more_than_it_did(world: World, case: Case) -> None:
    # Once for what the database reads of a table that it opens for the first time.
    case.prepare(world)()
    counts = world.count(case.prepare(world))
    assert counts.commits == case.limit.commits
    assert counts.statements <= case.limit.statements, counts
    assert counts.rows <= case.limit.rows, counts


@every_case
def test_no_table_is_read_as_a_whole(world: World, case: Case) -> None:
    assert scans(case.prepare(world), "EXPLAIN", is_scan_of_mariadb) == []


@every_case
def test_no_table_is_read_as_a_whole_on_sqlite(small_world: World, case: Case) -> None:
    """Its plans do not depend on what the tables hold."""
    assert scans(case.prepare(small_world), "EXPLAIN QUERY PLAN", is_scan_of_sqlite) == []
