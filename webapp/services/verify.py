"""The machine check: every rule against the database, in one snapshot, while the site runs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Connection,
    NullPool,
    RowMapping,
    Select,
    Table,
    create_engine,
    event,
    func,
    or_,
    select,
)
from sqlalchemy.exc import DBAPIError

from webapp.database import WAIT_SECONDS, prepare_mysql, prepare_sqlite
from webapp.errors import Unavailable
from webapp.extensions import db
from webapp.models import UtcDateTime, activities, bookings, events
from webapp.services import clock
from webapp.services.history_rules import history_checks
from webapp.services.rules import Check, state_checks
from webapp.services.transaction import Fault, fault_of

# Rows named for a broken rule; all are counted.
EXAMPLES = 10
# A check reads whole tables; the answers of a page would have been given up long before.
LONGEST_READ = 3600
EDITS = "edits lead to the present"


@dataclass(slots=True)
class Broken:
    """A rule that does not hold: how many rows break it, and some of them by name."""

    rule: str
    says: str
    count: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def note(self, row: dict[str, Any]) -> None:
        """Count a row, and name it while there is room."""
        self.count += 1
        if len(self.rows) < EXAMPLES:
            self.rows.append({k: int(v) if isinstance(v, Decimal) else v for k, v in row.items()})

    def __str__(self) -> str:
        named = "; ".join(
            ", ".join(f"{label} {value}" for label, value in row.items()) for row in self.rows
        )
        more = f"; and {self.count - len(self.rows)} more" if self.count > len(self.rows) else ""
        return f"{self.rule} ({self.says}): {named}{more}"


@dataclass(slots=True)
class Report:
    """What was looked at, how long it took in seconds, and what was found broken."""

    events: int
    bookings: int
    activities: int
    rules: int = 0
    seconds: float = 0.0
    broken: list[Broken] = field(default_factory=list)


def verify() -> Report:
    """Hold every rule against one snapshot of the database.

    Raises `Unavailable` when the database cannot be reached.
    """
    started = time.monotonic()
    try:
        with _snapshot() as connection:
            report = _sizes(connection)
            # Taken after the snapshot: what it holds was decided before this moment.
            now = clock.now()
            for check in (*state_checks(now), *history_checks()):
                report.rules += len(check.rules)
                report.broken += _broken(connection, check)
            report.rules += 1
            report.broken += _broken_edits(connection)
    except DBAPIError as error:
        if fault_of(error) is Fault.OTHER:
            raise
        raise Unavailable from error
    report.seconds = round(time.monotonic() - started, 2)
    return report


@contextmanager
def _snapshot() -> Iterator[Connection]:
    """A connection of its own, without the time limits of a page, in one reading transaction."""
    url = db.engine.url
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": WAIT_SECONDS})
        event.listen(engine, "connect", prepare_sqlite)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    else:
        engine = create_engine(
            url,
            poolclass=NullPool,
            isolation_level="REPEATABLE READ",
            connect_args={"connect_timeout": WAIT_SECONDS, "read_timeout": LONGEST_READ},
        )
        event.listen(engine, "connect", prepare_mysql)
        event.listen(engine, "begin", _begin_snapshot)
    with engine.connect() as connection:
        yield connection


def _begin_snapshot(connection: Connection) -> None:
    connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


def _sizes(connection: Connection) -> Report:
    def size(table: Table) -> int:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()

    return Report(size(events), size(bookings), size(activities))


def _broken(connection: Connection, check: Check) -> list[Broken]:
    """The rules of a check that do not hold, found in one pass over its rows."""
    query = (
        select(
            *(column.label(label) for label, column in check.labels.items()),
            *(rule.broken.label(rule.name) for rule in check.rules),
        )
        .select_from(check.rows)
        .where(or_(*(rule.broken for rule in check.rules)))
    )
    found = {rule.name: Broken(rule.name, rule.says) for rule in check.rules}
    for row in _stream(connection, query):
        for rule in check.rules:
            if row[rule.name]:
                found[rule.name].note({label: row[label] for label in rule.shows})
    return [broken for broken in found.values() if broken.count]


def _broken_edits(connection: Connection) -> list[Broken]:
    """The edits of each event have to follow one another and lead to what the event says now."""
    broken = Broken(EDITS, "the edits of an event follow one another and lead to what it says now")
    query = (
        select(activities.c.revision.label("told_at"), activities.c.details, events)
        .join(events, events.c.id == activities.c.event_id)
        .where(activities.c.position.is_(None), activities.c.details.is_not(None))
        .order_by(events.c.id.desc(), activities.c.revision.desc(), activities.c.id.desc())
    )
    # Newest first: what an edit left behind is what the next one found, or the event says.
    found: dict[str, Any] = {}
    event_id = None
    for row in _stream(connection, query):
        if row["id"] != event_id:
            event_id, found = row["id"], {}
        for name, (before, after) in row["details"].items():
            if found.get(name, row[name]) != _value(name, after):
                broken.note({"event": event_id, "revision": row["told_at"], "field": name})
            found[name] = _value(name, before)
    return [broken] if broken.count else []


def _stream(connection: Connection, query: Select[Any]) -> Iterator[RowMapping]:
    """Rows as they are found, however many, without holding them all."""
    with connection.execution_options(yield_per=1000).execute(query) as result:
        yield from result.mappings()


def _value(name: str, told: Any) -> Any:
    """A value as its column has it; the history keeps moments as ISO 8601 text."""
    if isinstance(events.c[name].type, UtcDateTime) and isinstance(told, str):
        return datetime.fromisoformat(told)
    return told
