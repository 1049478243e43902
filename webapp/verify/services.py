"""The machine check: every rule against the database, in one snapshot, while the site runs."""

import time
from dataclasses import dataclass, field

from sqlalchemy import URL, Connection, Table, func, select
from sqlalchemy.exc import DBAPIError

from webapp import clock
from webapp.errors import Unavailable
from webapp.extensions import db
from webapp.storage.snapshot import snapshot
from webapp.storage.tables import activities, bookings, events
from webapp.storage.transaction import Fault, fault_of
from webapp.verify import (
    code_rules,
    door_rules,
    history_rules,
    list_rules,
    term_rules,
    type_history,
    type_rules,
)
from webapp.verify.checks import Broken, broken_rules
from webapp.verify.state_rules import state_checks

# What a quick look leaves out: what unique keys hold as well, and what became of each booking. The
# others took 0.2 s of processor time on 100,000 bookings (SQLite).
SLOWER = {
    "one booking at a position",
    "one active booking per attendee",
    "references are unique",
    "ticket codes are unique",
    "every booking is told",
    "a promotion has its cause",
    "no term outlives the start",
    "a booking's code exists",
}


@dataclass(slots=True)
class Report:
    """What was looked at, how long it took in seconds, and what was found broken."""

    events: int
    bookings: int
    activities: int
    rules: int = 0
    seconds: float = 0.0
    broken: list[Broken] = field(default_factory=list)


def verify(url: URL | None = None) -> Report:
    """Hold every rule against one snapshot of the database, ours unless another one is named.

    Raises `Unavailable` when the database cannot be reached.
    """
    try:
        with snapshot(url or db.engine.url) as connection:
            return verify_on(connection)
    except DBAPIError as error:
        if fault_of(error) is Fault.OTHER:
            raise
        raise Unavailable from error


def verify_quickly(seconds: float) -> Report:
    """Hold those rules that take a moment, and begin none after so many seconds but the first.

    Raises `Unavailable` as `verify` does.
    """
    report = Report(0, 0, 0)
    try:
        with snapshot(db.engine.url) as connection:
            started = time.monotonic()
            for check in state_checks(clock.now()):
                if not SLOWER.isdisjoint(rule.name for rule in check.rules):
                    continue
                report.rules += len(check.rules)
                report.broken += broken_rules(connection, check)
                report.seconds = round(time.monotonic() - started, 2)
                if report.seconds > seconds:
                    break
    except DBAPIError as error:
        if fault_of(error) is Fault.OTHER:
            raise
        raise Unavailable from error
    return report


def verify_on(connection: Connection) -> Report:
    """Hold every rule against what a transaction sees."""
    started = time.monotonic()
    report = _sizes(connection)
    # Taken after the snapshot: what it holds was decided before this moment.
    now = clock.now()
    for check in state_checks(now):
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
    report.rules += len(type_rules.RULES) + len(type_history.RULES)
    report.broken += type_rules.check_types(connection, now)
    report.broken += type_history.replay_types(connection)
    report.seconds = round(time.monotonic() - started, 2)
    return report


def _sizes(connection: Connection) -> Report:
    def size(table: Table) -> int:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()

    return Report(size(events), size(bookings), size(activities))
