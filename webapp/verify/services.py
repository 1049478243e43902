"""The machine check: every rule against the database, in one snapshot, while the site runs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, NullPool, Table, create_engine, event, func, select
from sqlalchemy.exc import DBAPIError

from webapp import clock
from webapp.errors import Unavailable
from webapp.extensions import db
from webapp.storage.engines import WAIT_SECONDS, prepare_mysql, prepare_sqlite
from webapp.storage.tables import activities, bookings, events
from webapp.storage.transaction import Fault, fault_of
from webapp.verify import code_rules, door_rules, history_rules, list_rules, term_rules
from webapp.verify.checks import Broken, broken_rules
from webapp.verify.state_rules import state_checks

# A check reads whole tables; the answers of a page would have been given up long before.
LONGEST_READ = 3600


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
            for check in state_checks(clock.now()):
                report.rules += len(check.rules)
                report.broken += broken_rules(connection, check)
            report.rules += len(history_rules.RULES) + len(code_rules.RULES)
            report.broken += code_rules.void_codes(connection)
            report.broken += history_rules.replay(connection)
            report.rules += len(term_rules.RULES) + len(list_rules.RULES)
            report.broken += term_rules.check_terms(connection)
            report.broken += list_rules.check_lists(connection)
            report.rules += len(door_rules.RULES)
            report.broken += door_rules.replay_door(connection)
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
        prepare, begin = prepare_sqlite, "BEGIN"
        options: dict[str, Any] = {"connect_args": {"timeout": WAIT_SECONDS}}
    else:
        prepare, begin = prepare_mysql, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
        limits = {"connect_timeout": WAIT_SECONDS, "read_timeout": LONGEST_READ}
        options = {"isolation_level": "REPEATABLE READ", "connect_args": limits}
    engine = create_engine(url, poolclass=NullPool, **options)
    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    with engine.connect() as connection:
        yield connection


def _sizes(connection: Connection) -> Report:
    def size(table: Table) -> int:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()

    return Report(size(events), size(bookings), size(activities))
