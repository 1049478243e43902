"""The one way to the database: bounded transactions that retry what is worth retrying.

Which errors mean what was measured on MySQL 9.7, MariaDB 10.11 and 11.8, Galera and SQLite.
"""

import random
import time
from collections.abc import Callable
from enum import Enum, auto
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.dml import UpdateBase

from webapp.errors import Unavailable
from webapp.extensions import PerApp, db
from webapp.storage.engines import WAIT_SECONDS, write_engine

T = TypeVar("T")

# Where three nodes take bookings for one event, every third attempt meets a conflict, and who
# pauses ever longer loses to those that go on at once.
ATTEMPTS = 24
LONGEST_PAUSE = 0.16
# No new attempt is begun after this many seconds: the caller is told to come back instead.
PATIENCE = 4.0

# Deadlock or Galera certification, lock wait timeout, changed since read (MariaDB 11.8), NOWAIT,
# Group Replication certification.
CONFLICTS = {1213, 1205, 1020, 3572, 3101}
# The server, the node or the connection is gone, or the node may not serve now.
LOST = {
    0, 1040, 1047, 1053, 1077, 1079, 1180, 1290, 1836, 1927, 2002, 2003, 2006, 2013, 2014, 2055,
    3169, 4031,
}  # fmt: skip


class Fault(Enum):
    """What a database error says about the transaction that met it."""

    CONFLICT = auto()  # rolled back; the same work may succeed at once
    BUSY = auto()  # the whole database is in somebody else's hands; the same work may succeed soon
    LOST = auto()  # the connection is useless; during a commit the outcome is unknown
    OTHER = auto()  # our mistake, or the input's; it would fail again


class CommitUnknown(Exception):
    """The connection was lost during COMMIT: the work may be committed, or not."""


class Conflict(Exception):
    """A guarded write found that somebody else was first; the work is run again."""


class ConflictNotRetried(Exception):
    """A conflict occurred and the caller asked not to retry it; the work was rolled back."""


_sqlite_writer = PerApp(Lock)


def fault_of(error: Exception) -> Fault:
    """Say what a database error means."""
    if isinstance(error, Conflict):
        return Fault.CONFLICT
    if not isinstance(error, DBAPIError):
        return Fault.OTHER
    code = error.orig.args[0] if error.orig is not None and error.orig.args else 0
    if code in CONFLICTS:
        return Fault.CONFLICT
    if code in LOST or error.connection_invalidated:
        return Fault.LOST
    if isinstance(code, str) and ("locked" in code or "busy" in code):  # SQLite has only words
        return Fault.BUSY
    return Fault.OTHER


def new_id(result: CursorResult[Any]) -> int:
    """The id that the database gave to an inserted row."""
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def read(work: Callable[[Connection], T]) -> T:
    """Run `work` on a connection that only reads and return what it returns.

    Raises `Unavailable` when the database cannot be reached or is too busy.
    """

    def attempt() -> T:
        with db.engine.connect() as connection:
            return _run(work, connection)

    return _bounded(attempt)


def write(
    work: Callable[[Connection], T],
    *,
    already_committed: Callable[[Connection], bool] | None = None,
    retry_conflicts: bool = True,
) -> T:
    """Run `work` in one transaction, again if need be, and return what it returned.

    `work` must lock before it reads and keep no trace of an attempt outside the database.
    `already_committed` tells after a connection was lost during COMMIT whether the work is in the
    database; it has to look under the lock that `work` takes, and is asked before `work`, in the
    same transaction. Without it an unknown outcome raises `Unavailable`.
    Raises `Unavailable` when the database cannot be reached or is too busy, and without
    `retry_conflicts` `ConflictNotRetried` after a conflict with another transaction.
    """
    pending: T | None = None
    unknown = False

    def attempt() -> T:
        nonlocal unknown
        try:
            return _transact(work_unless_committed)
        except CommitUnknown as lost:
            if already_committed is None:
                raise Unavailable from lost
            unknown = True
            raise
        except (DBAPIError, Conflict) as error:
            if not retry_conflicts and not unknown and fault_of(error) is Fault.CONFLICT:
                raise ConflictNotRetried from error
            raise

    def work_unless_committed(connection: Connection) -> T:
        nonlocal pending
        # Looked up by every further attempt, in the transaction that would do it again: another
        # node of a cluster may still commit the lost one until this one has committed.
        if unknown and already_committed is not None and already_committed(connection):
            return pending  # type: ignore[return-value]  # set before the commit was tried
        pending = work(connection)
        return pending

    return _bounded(attempt)


def execute(statement: UpdateBase) -> int:
    """Run one statement in a transaction of its own and return how many rows it met."""
    return write(lambda connection: connection.execute(statement).rowcount)


def _transact(work: Callable[[Connection], T]) -> T:
    engine = write_engine()
    if engine.dialect.name != "sqlite":
        return _commit(work)
    # Without it the threads of a process would poll SQLite's file lock and starve each other.
    writer = _sqlite_writer.own
    if not writer.acquire(timeout=WAIT_SECONDS):
        raise Unavailable
    try:
        return _commit(work)
    finally:
        writer.release()


def _commit(work: Callable[[Connection], T]) -> T:
    with write_engine().connect() as connection:
        transaction = connection.begin()
        result = _run(work, connection)
        try:
            transaction.commit()
        except BaseException as error:
            # The transaction may still be open there: the next one to use the connection would
            # commit with its own work what was never answered.
            connection.invalidate()
            if isinstance(error, DBAPIError) and fault_of(error) is Fault.LOST:
                raise CommitUnknown from error
            raise
        return result


def _run(work: Callable[[Connection], T], connection: Connection) -> T:
    try:
        return work(connection)
    except DBAPIError as error:
        # A Galera node that may not serve still answers a ping, so it would stay in the pool.
        if fault_of(error) is Fault.LOST and not connection.invalidated:
            connection.invalidate()
        raise


def _bounded(attempt: Callable[[], T]) -> T:
    """Try until it works, fails for good, or has taken too long."""
    deadline = time.monotonic() + PATIENCE
    for tries in range(1, ATTEMPTS + 1):
        try:
            return attempt()
        except (PoolTimeout, PendingRollbackError) as error:
            raise Unavailable from error
        except CommitUnknown as error:
            failure: Exception = error
        except (DBAPIError, Conflict) as error:
            if fault_of(error) is Fault.OTHER:
                raise
            failure = error
        pause = random.uniform(0, min(LONGEST_PAUSE, 0.01 * 2**tries))
        if time.monotonic() + pause > deadline:
            break
        time.sleep(pause)
    raise Unavailable from failure
