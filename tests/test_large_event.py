"""The bookings of an event with 50,000 of them: searched, filtered and paged.

What is held is what the database reads, which does not move with the machine. The times are
printed with `-s`, for docs/performance.md.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, insert, text, update

from tests.conftest import dispose, make_settings
from tests.support.migrated import empty_tables
from tests.test_counts import ROWS_READ, captured
from webapp import clock, create_app
from webapp.accounts import services as accounts
from webapp.accounts.logins import begin_login
from webapp.booking.commands import organizer
from webapp.events.services import EventDetails, create_event
from webapp.extensions import db
from webapp.storage.engines import write_engine
from webapp.storage.tables import bookings, events, ticket_types
from webapp.web.security import LOGIN_KEY

pytestmark = pytest.mark.long

BOOKINGS = 50_000
WAITING = 5_000
PORTION = 5_000
ROUNDS = 9
FIRST = ("Ada", "Grace", "Alan", "Mary", "Nikola", "Hedy", "Rosa", "Frida", "Jürgen", "محمد")
LAST = ("Lovelace", "Hopper", "Turing", "Shelley", "Tesla", "Lamarr", "Parks", "Kahlo", "Müller")


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked for, how many bookings are shown and how many rows may be read."""

    name: str
    query: str
    shown: int
    rows: int


# A page reads its bookings and one to know whether more follow; where some wait, their ranks come
# on top. A search reads each booking that it could find once, and no booking of another event.
PAGE = 120
PAGES = [
    Page("first page", "", 50, PAGE),
    Page("last page", f"?after={BOOKINGS - 50}", 50, PAGE),
    Page("cancelled, far on", f"?status=cancelled&after={BOOKINGS // 2}", 50, PAGE),
    Page("name that many have", "?search=lovelace", 50, 1_000),
    Page("name of one", "?search=Guest+49999", 1, BOOKINGS + PAGE),
    Page("part of an address", "?search=49999@", 1, BOOKINGS + PAGE),
    Page("beginning of a reference", "?search=reference-04999", 10, BOOKINGS + PAGE),
    Page("nobody", "?search=nobody-is-called-so", 0, BOOKINGS + PAGE),
    Page("nobody who waits", "?search=nobody-is-called-so&status=waiting", 0, WAITING + PAGE),
    Page("type that many want", "?type=1", 50, PAGE),
    Page("type that few want", "?type=2", 10, BOOKINGS + PAGE),
    Page("type that few who wait want", "?type=2&status=waiting", 1, WAITING + PAGE),
]


@dataclass(slots=True)
class Desk:
    """An organizer with the event."""

    client: FlaskClient
    path: str

    def look(self, page: Page) -> None:
        answer = self.client.get(self.path + page.query, headers={"HX-Request-Type": "partial"})
        assert answer.status_code == 200
        assert answer.text.count('<th scope="row"') == page.shown, page.name


def rows_of(event_id: int, first: int) -> list[dict[str, object]]:
    now = clock.now()
    return [
        {
            "event_id": event_id,
            "position": position,
            "attendee_id": f"guest-{event_id}-{position}@example.org",
            "status": status_at(position),
            "tickets": 1,
            "reference": f"reference-{position:06}-{event_id}",
            "ticket_code": f"{event_id}-{position}",
            "name": f"Guest {position}"
            if position > BOOKINGS - 10
            else f"{FIRST[position % 10]} {LAST[position % 9]}",
            "email": f"guest-{event_id}-{position}@example.org",
            "created_at": now,
            "wants": "1:1,2:1" if position % 5_000 == 4_999 else "1:1",
        }
        for position in range(first, first + PORTION)
    ]


def status_at(position: int) -> str:
    if position % 50 == 0:
        return "cancelled"
    return "waiting" if position > BOOKINGS - WAITING else "confirmed"


@pytest.fixture(scope="module")
def desk(
    database_url: str, cleaner: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    app: Flask = create_app(make_settings(database_url, tmp_path_factory.mktemp("large")))
    with app.app_context():
        owner = accounts.create_organizer(username="large", password="long enough")
        ids = [
            create_event(EventDetails(name, BOOKINGS), actor=organizer(owner), published=True)
            for name in ("Before", "Large", "After")
        ]
        with write_engine().begin() as connection:
            for event_id in ids:
                most = BOOKINGS if event_id == ids[1] else PORTION
                for first in range(1, most, PORTION):
                    connection.execute(insert(bookings), rows_of(event_id, first))
            kinds = [
                {"event_id": ids[1], "number": number, "name": f"Type {number}", "place": number}
                for number in (1, 2)
            ]
            connection.execute(
                insert(ticket_types), [{**kind, "description": ""} for kind in kinds]
            )
            connection.execute(update(events).where(events.c.id == ids[1]).values(types=2))
            if connection.dialect.name != "sqlite":
                connection.exec_driver_sql("ANALYZE TABLE booking")
        account = accounts.check_login(username="large", password="long enough")
        assert account is not None
        client = app.test_client()
        with client.session_transaction() as session:
            session[LOGIN_KEY] = begin_login(account, device="")
    with app.app_context():
        yield Desk(client, f"/organizer/events/{ids[1]}")
    dispose(app)
    empty_tables(cleaner)


def rows_read() -> int:
    names = ", ".join(f"'Handler_read_{name}'" for name in ROWS_READ)
    with write_engine().connect() as connection:
        status = connection.execute(text(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})"))
        return sum(int(value) for _, value in status)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_more_is_read_than_could_be_found(desk: Desk, page: Page) -> None:
    with captured() as statements:
        desk.look(page)
    of_bookings = {sql: given for sql, given in statements.items() if "FROM booking" in sql}
    assert of_bookings
    if db.engine.dialect.name == "sqlite":
        for sql, given in of_bookings.items():
            with db.engine.connect() as connection:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given).all()
            steps = [step.detail for step in plan]
            assert all(step.startswith("SEARCH booking USING") for step in steps), steps
    else:
        # Looking at the counts reads some rows of its own.
        empty = -rows_read() + rows_read()
        before = rows_read()
        desk.look(page)
        assert rows_read() - before - empty <= page.rows


def test_times_are_told(desk: Desk) -> None:
    """For whoever wants to know: `-s` prints the median of some rounds."""
    print(f"\n{db.engine.dialect.name}: median and longest of {ROUNDS}, in ms")
    for page in PAGES:
        taken = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            desk.look(page)
            taken.append(1000 * (time.perf_counter() - start))
        print(f"  {page.name:<26}{statistics.median(taken):>6.0f}{max(taken):>6.0f}")
