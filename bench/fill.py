"""Many bookings without anybody booking them: by set statements, with the history they need.

What they leave behind is what the application would have: `flask verify` finds nothing wrong.
"""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.servers import MariaDB

CHUNK = 50_000
# As many bookings as a busy batch holds, so that revisions grow as they would.
BATCH = 25


def fill_event(
    mariadb: MariaDB, database: str, *, confirmed: int, waiting: int = 0, spare: int = 0
) -> int:
    """Make an event with bookings of one ticket each and return its id; `spare` tickets are left.

    It belongs to the first organizer.
    """
    total = confirmed + waiting
    revision = 1 + -(-total // BATCH)
    with closing(mariadb.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO event (organizer_id, name, description, location, time_zone, status,"
            " max_tickets_per_booking, capacity, confirmed, waiting, next_position, revision,"
            " is_sample, created_at) SELECT MIN(id), %s, '', '', 'UTC', 'published', 10,"
            " %s, %s, %s, %s, %s, 0, NOW(6) FROM organizer",
            (f"Event with {total}", confirmed + spare, confirmed, waiting, total + 1, revision),
        )
        event_id = int(cursor.lastrowid)
        _tell_created(cursor, event_id, event_id)
        for first in range(1, total + 1, CHUNK):
            last = min(total, first + CHUNK - 1)
            _fill_positions(cursor, event_id, confirmed, first, last)
    return event_id


def _fill_positions(cursor: Any, event_id: int, confirmed: int, first: int, last: int) -> None:
    status = f"IF(seq <= {confirmed}, 'confirmed', 'waiting')"
    positions = f"FROM seq_{first}_to_{last}"
    cursor.execute(
        "INSERT INTO booking (event_id, position, attendee_id, status, tickets, reference,"
        f" ticket_code, name, created_at) SELECT {event_id}, seq, CONCAT('filled-', seq), {status},"
        f" 1, LEFT(SHA1(CONCAT('{event_id}-', seq)), 22),"
        f" LEFT(UPPER(SHA1(CONCAT('code {event_id}-', seq))), 16), '', NOW(6) {positions}"
    )
    revision = f"2 + (seq - 1) DIV {BATCH}"
    cursor.execute(
        "INSERT INTO activity (event_id, revision, batch, what, actor, at, position,"
        f" status_after, tickets_after) SELECT {event_id}, {revision},"
        f" LEFT(SHA1(CONCAT('batch {event_id}-', {revision})), 22), 'booked', 'attendee', NOW(6),"
        f" seq, {status}, 1 {positions}"
    )


def fill_events(mariadb: MariaDB, database: str, count: int) -> None:
    """Make events without bookings that start in the days to come, one an hour."""
    with closing(mariadb.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO event (organizer_id, name, description, location, time_zone, starts_at,"
            " status, max_tickets_per_booking, capacity, confirmed, waiting, next_position,"
            " revision, is_sample, created_at) SELECT (SELECT MIN(id) FROM organizer),"
            " CONCAT('Evening ', seq), '', 'Town hall', 'UTC', NOW(6) + INTERVAL seq HOUR,"
            f" 'published', 10, 100, 0, 0, 1, 1, 0, NOW(6) FROM seq_1_to_{count}"
        )
        first = int(cursor.lastrowid)
        cursor.execute("SELECT MAX(id) FROM event")
        _tell_created(cursor, first, int(cursor.fetchone()[0]))


def _tell_created(cursor: Any, first: int, last: int) -> None:
    cursor.execute(
        "INSERT INTO activity (event_id, revision, batch, what, actor, at)"
        " SELECT id, 1, LEFT(SHA1(CONCAT('created ', id)), 22), 'created',"
        " CONCAT('organizer:', organizer_id), NOW(6) FROM event"
        f" WHERE id BETWEEN {first} AND {last}"
    )


def reference_of(event_id: int, position: int) -> str:
    """The reference that `fill_event` gave to a booking."""
    return hashlib.sha1(f"{event_id}-{position}".encode()).hexdigest()[:22]


def write_codes(path: Path, event_id: int, count: int) -> Path:
    """Write the ticket codes of the first filled bookings to a file, one a line."""
    codes = (
        hashlib.sha1(f"code {event_id}-{position}".encode()).hexdigest()[:16].upper()
        for position in range(1, count + 1)
    )
    path.write_text("".join(f"{code}\n" for code in codes))
    return path


def add_door_pass(mariadb: MariaDB, database: str, event_id: int) -> str:
    """Make a door pass of an event and return its token."""
    token = f"door_bench_{event_id}"
    with closing(mariadb.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO door_pass (event_id, name, token_hash, created_at)"
            " VALUES (%s, 'Bench', %s, NOW(6))",
            (event_id, hashlib.sha256(token.encode()).hexdigest()),
        )
    return token


def write_references(path: Path, event_id: int, positions: Iterator[int] | range) -> Path:
    """Write the references of some filled bookings to a file, one a line."""
    path.write_text("".join(f"{reference_of(event_id, p)}\n" for p in positions))
    return path
