"""A backup: an SQLite file with our tables, whichever database they come from.

It holds the site as it was at one moment, and gets its name once `verify` has found it whole. The
secret key goes beside it: without that the links in mails lead nowhere.
"""

import re
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import (
    URL,
    Connection,
    NullPool,
    Update,
    create_engine,
    event,
    make_url,
    select,
    update,
)

from webapp import clock
from webapp.config import Settings
from webapp.errors import Unavailable
from webapp.operations import copying, tables
from webapp.operations.copying import Progress
from webapp.operations.files import (
    OperationError,
    part_of,
    publish,
    refuse_existing,
    remove_left_parts,
)
from webapp.storage.engines import SQLITE, WAIT_SECONDS
from webapp.storage.snapshot import offline, snapshot
from webapp.storage.tables import heartbeats
from webapp.storage.transaction import read, write
from webapp.verify import services as verify
from webapp.verify.services import Report

KEY_SUFFIX = ".secret-key"
BROKEN_SUFFIX = ".broken"
NAME = "nextup-{:%Y%m%dT%H%M%SZ}.db"
NAMED_SO = re.compile(r"nextup-\d{8}T\d{6}Z\.db")
# How much of a file SQLite holds in memory while it is filled, in KiB.
CACHE_KIB = 64 * 1024
# SQLite looks whether there is something to tell each time it has done so many steps.
STEPS = 200_000
MEGABYTE = 2**20


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made: the file, its size in bytes, and what `verify` says of it."""

    path: Path
    size: int
    report: Report


class BrokenRules(OperationError):
    """What was copied breaks rules."""

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


def last_backup() -> datetime | None:
    """When the last backup of this database was made; `None` for never. Raises `Unavailable`."""
    query = select(heartbeats.c.backed_up_at)
    return read(lambda connection: connection.execute(query).scalar())


def back_up_into(
    folder: Path, settings: Settings, *, keep: int | None, progress: Progress | None = None
) -> Backup:
    """Write a backup named after the moment, then keep the newest `keep` of those in the folder.

    Only what is named so is ever removed, and nothing when the new one has failed. Raises what
    `back_up` does.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The room that killed ones still take may be needed.
        for pattern in ("nextup-*Z.db", f"nextup-*Z.db{KEY_SUFFIX}"):
            remove_left_parts(folder, pattern)
    except OSError as error:
        raise OperationError(f"cannot write to {folder}: {error.strerror}") from None
    made = back_up(folder / NAME.format(clock.now()), settings, progress=progress)
    if keep is not None:
        others = sorted(
            path
            for path in folder.iterdir()
            if NAMED_SO.fullmatch(path.name) and path.name != made.path.name
        )
        for old in others[: max(0, len(others) + 1 - keep)]:
            for path in (old, key_of(old)):
                path.unlink(missing_ok=True)
    return made


def back_up(path: Path, settings: Settings, *, progress: Progress | None = None) -> Backup:
    """Write the site as it is now, and its secret key, to new files that only their owner reads.

    Cut off anywhere it leaves no file of that name. Raises `BrokenRules` when `verify` finds fault,
    with the copy kept under another name, and `OperationError` for what else is in the way.
    """
    if settings.secret_key is None:
        raise OperationError("SECRET_KEY: is not set; set it to that of the site, to keep it too")
    refuse_existing(path)
    with part_of(path) as part:
        refuse_existing(path)
        taken_at = clock.now()
        url = make_url(settings.database_url)
        try:
            if url.get_backend_name() == SQLITE:
                _copy_file(Path(url.database or ""), part, progress)
            else:
                _copy_server(url, part, progress)
            if progress is not None:
                progress("verify", 0, 0)
            report = _finish(part, taken_at)
        except tables.DATABASE_ERRORS as error:
            raise OperationError(f"no backup was made: {tables.reason_of(error)}") from None
        except Unavailable:
            raise OperationError(f"no backup was made: {part} cannot be read") from None
        size = part.stat().st_size
        named = _broken_name(path) if report.broken else path
        _write_key(key_of(named), settings.secret_key)
        publish(part, named)
    if report.broken:
        raise BrokenRules(
            f"rules are broken in the site itself: its copy is kept as {named}, and no other one"
            " was removed for it",
            report,
        )
    # The backup is good, whether or not that can be noted.
    with suppress(Unavailable):
        write(lambda connection: connection.execute(_note(taken_at)))
    return Backup(path, size, report)


def key_of(path: Path) -> Path:
    """Where the secret key of a backup is."""
    return path.with_name(path.name + KEY_SUFFIX)


def _broken_name(path: Path) -> Path:
    """Where a copy goes that breaks rules, in place of an earlier one."""
    broken = path.with_name(path.name + BROKEN_SUFFIX)
    broken.unlink(missing_ok=True)
    return broken


def _write_key(path: Path, key: str) -> None:
    """Raises `OperationError` where another key has that name."""
    with suppress(FileNotFoundError, UnicodeDecodeError):
        if path.read_text(encoding="ascii").strip() == key:
            return
        raise OperationError(f"{path} holds another key: move it away")
    with part_of(path) as part:
        part.write_text(f"{key}\n")
        publish(part, path)


def _copy_file(database: Path, part: Path, progress: Progress | None) -> None:
    """Copy an SQLite file as it is at one moment; others read and write it meanwhile."""
    if not database.is_file() or not database.stat().st_size:
        raise OperationError(f"there is no database yet at {database}")
    with closing(sqlite3.connect(database, timeout=WAIT_SECONDS, isolation_level=None)) as source:
        if progress is not None:
            total = database.stat().st_size // MEGABYTE

            def tell() -> None:
                progress("MB", min(total, part.stat().st_size // MEGABYTE), total)

            source.set_progress_handler(tell, STEPS)
        source.execute("VACUUM INTO ?", [str(part)])
    with snapshot(offline(part)) as connection:
        _refuse_other_version(connection)


def _copy_server(url: URL, part: Path, progress: Progress | None) -> None:
    """Copy all rows of a MySQL or MariaDB as they are at one moment."""
    with snapshot(url, as_kept=True) as source:
        _refuse_other_version(source)
        target_url = URL.create(SQLITE, database=str(part))
        tables.make_tables(target_url)
        engine = create_engine(target_url, poolclass=NullPool, hide_parameters=True)
        event.listen(engine, "connect", _prepare_part)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        with engine.begin() as target:
            copying.copy_rows(source, target, progress)
            copying.set_last_ids(target, copying.last_ids(source))


def _refuse_other_version(connection: Connection) -> None:
    version, newest = tables.version_of(connection), tables.newest_version()
    if version is None:
        raise OperationError("there is nothing in the database yet")
    if version != newest:
        raise OperationError(
            f"the tables are of version {version} and this Nextup is of {newest}: "
            + ("run `flask --app wsgi db upgrade`" if tables.is_known(version) else "update it")
        )


def _prepare_part(connection: sqlite3.Connection, _: object) -> None:
    """Until it has its name nobody needs the file: what is not written in the end is lost."""
    connection.isolation_level = None
    for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
        connection.execute(f"PRAGMA {setting}")


def _note(taken_at: datetime) -> Update:
    return update(heartbeats).values(backed_up_at=taken_at)


def _finish(part: Path, taken_at: datetime) -> Report:
    """Note in the copy itself when it was taken, and look whether it is whole."""
    engine = create_engine(URL.create(SQLITE, database=str(part)), poolclass=NullPool)
    event.listen(engine, "connect", _prepare_part)
    with engine.begin() as connection:
        connection.execute(_note(taken_at))
    with snapshot(offline(part)) as connection:
        if damage := tables.damage_of(connection):
            raise OperationError(f"no backup was made: the database is damaged ({damage})")
    return verify.verify(offline(part))
