"""How the tables are brought up to date, by `bin/run` and by `flask db` alike.

One process at a time migrates. A database that a newer Nextup has used is left alone. An SQLite
file is copied first, and then changed in one transaction: all of the migrations or none. MySQL and
MariaDB commit each statement, so their migrations are repeated from where they were cut off.
"""

import contextlib
import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text

from webapp.clock import now
from webapp.storage import (
    fast_mysql,
    repeatable_ddl,  # noqa: F401  # makes the operations repeatable
)
from webapp.storage.engines import SQLITE, begin_writing

LOCK_SECONDS = 300.0
BACKUP_FOLDER = "backups"
BACKUPS_KEPT = 3
# The attribute of Alembic's configuration that names another database than the application's.
OTHER_URL = "url"

_holding_lock = False


def migration_engine(url: URL) -> Engine:
    """An engine without time limits: a large table may take longer than any request may last."""
    engine = create_engine(url, poolclass=NullPool)
    if url.drivername == SQLITE:
        event.listen(engine, "connect", _prepare_sqlite)
        engine.dialect.do_begin = begin_writing  # type: ignore[method-assign]
    else:
        event.listen(engine, "do_connect", fast_mysql.connect_plainly)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # The driver would begin transactions of its own, and none for DDL.
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = FULL")
    # A table is changed by copying it: to drop the old one must not touch the rows that refer to
    # it. Inside a transaction this could not be switched off any more.
    connection.execute("PRAGMA foreign_keys = OFF")


@contextlib.contextmanager
def migration_lock(engine: Engine) -> Iterator[None]:
    """Hold the lock that lets one process at a time change the tables.

    Within it the same process may take it again. Raises `CommandError` after `LOCK_SECONDS`.
    """
    global _holding_lock
    if _holding_lock:
        yield
        return
    with _file_lock(engine.url) if engine.url.drivername == SQLITE else _named_lock(engine):
        _holding_lock = True
        try:
            yield
        finally:
            _holding_lock = False


@contextlib.contextmanager
def _file_lock(url: URL) -> Iterator[None]:
    folder = Path(url.database or "").parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _named_lock(engine: Engine) -> Iterator[None]:
    parameters = {"name": f"nextup {engine.url.database}"[:64], "wait": LOCK_SECONDS}
    with engine.connect() as connection:
        if not connection.scalar(text("SELECT GET_LOCK(:name, :wait)"), parameters):
            raise CommandError("another process is still migrating the database; try again later")
        # The lock ends with the connection.
        yield


@contextlib.contextmanager
def migrating(
    url: URL, script: ScriptDirectory, *, target: str | None, instance_path: Path | None
) -> Iterator[Connection]:
    """A connection for migrations to `target`; `None` where nothing is to be changed.

    Raises `CommandError` for a database that is newer than this code, and when an SQLite file
    that has to change cannot be copied. It is copied to `instance_path`, if that is given.
    """
    engine = migration_engine(url)
    if target is None:
        with engine.connect() as connection:
            yield connection
        return
    with migration_lock(engine):
        version = current_version(engine)
        if version is not None and version not in known_versions(script):
            raise CommandError(
                f"the database belongs to a newer Nextup (its tables are of version {version}):"
                " install that version, or use another database"
            )
        is_file = url.drivername == SQLITE
        if instance_path and is_file and version not in (None, target):
            back_up(Path(url.database or ""), instance_path / BACKUP_FOLDER, version=str(version))
        with engine.connect() as connection:
            yield connection


def current_version(engine: Engine) -> str | None:
    """The migration that the tables of a database stand on; `None` for one without tables."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def known_versions(script: ScriptDirectory) -> set[str]:
    """The migrations of this code."""
    return {revision.revision for revision in script.walk_revisions()}


def back_up(database: Path, folder: Path, *, version: str) -> Path:
    """Copy an SQLite file as it is at one moment, keep the latest copies and return this one.

    Raises `CommandError` when it cannot be written; then no copy has been made.
    """
    copy = folder / f"{database.stem}-{version}-{now():%Y%m%dT%H%M%S%f}.db"
    part = folder / f"{database.stem}.part"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What a start that was cut off has left of its copy.
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        with (
            contextlib.closing(sqlite3.connect(database)) as source,
            contextlib.closing(sqlite3.connect(part)) as target,
        ):
            source.backup(target)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(copy)
    except (OSError, sqlite3.Error) as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise CommandError(
            f"cannot copy the database to {folder} before it is changed: {error}"
        ) from error
    named_so = re.compile(rf"{re.escape(database.stem)}-\w+-\d{{8}}T\d{{12}}\.db")
    made = [path for path in folder.glob("*.db") if named_so.fullmatch(path.name)]
    for old in sorted(made, key=lambda path: path.stat().st_mtime_ns)[:-BACKUPS_KEPT]:
        old.unlink(missing_ok=True)
    return copy


def check_foreign_keys(connection: Connection) -> None:
    """Refuse a change after which a row of SQLite refers to one that is not there.

    They are not checked while tables are copied. Raises `CommandError`.
    """
    if connection.dialect.name == SQLITE:
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            tables = ", ".join(sorted({row[0] for row in broken}))
            raise CommandError(f"rows of {tables} would refer to rows that are not there")
