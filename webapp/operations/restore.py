"""Filling an empty database from a backup: wholly, or not at all.

All rows are one transaction, and `verify` looks at them before it ends. So it is also the way from
SQLite to MySQL or MariaDB and back. Mails and lapses then rest until an operator has looked.
"""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event, func, inspect, make_url, select

from webapp.booking import heartbeat
from webapp.config import SECRET_KEY_FILE, SECRET_KEY_LENGTH, Settings
from webapp.operations import copying, tables
from webapp.operations.backup import BrokenRules, key_of
from webapp.operations.copying import Progress, all_tables, is_empty
from webapp.operations.files import OperationError, part_of, write_once
from webapp.storage.engines import MYSQL_SESSION, SQLITE
from webapp.storage.migration import LOCK_SECONDS, migration_engine, migration_lock
from webapp.storage.snapshot import offline, snapshot
from webapp.storage.tables import deliveries, heartbeats
from webapp.verify import services as verify
from webapp.verify.services import Report

SQLITE_MAGIC = b"SQLite format 3\0"
VERSIONS = "alembic_version"
# A backup of an earlier release is brought up to date in a copy of this name.
WORKING_COPY = "restoring.db"
CACHE_KIB = 64 * 1024


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored; `has_key` tells whether the site has the backup's secret key now."""

    report: Report
    pending: int
    has_key: bool


def restore(
    file: Path, settings: Settings, *, even_broken: bool = False, progress: Progress | None = None
) -> Restored:
    """Fill the empty database of the settings with a backup; both stay as they are if that fails.

    Raises `BrokenRules` when `verify` finds fault, unless `even_broken`, and `OperationError` for
    what else is in the way.
    """
    instance_path = Path(settings.instance_path)
    try:
        instance_path.mkdir(mode=0o700, parents=True, exist_ok=True)
        version = _look_at(file)
        key = _read_key(file, settings)
        engine = migration_engine(make_url(settings.database_url))
        event.listen(engine, "connect", _prepare)
        with migration_lock(engine), _brought_up_to_date(file, version, instance_path) as source:
            _refuse_unless_empty(engine)
            tables.make_tables(engine.url)
            if key is not None:
                write_once(instance_path / SECRET_KEY_FILE, f"{key}\n")
                # A start of the site may have been first.
                _refuse_other_key(file, (instance_path / SECRET_KEY_FILE).read_text().strip())
            report, pending = _fill(engine, source, even_broken=even_broken, progress=progress)
    except tables.DATABASE_ERRORS as error:
        raise OperationError(f"nothing was restored: {tables.reason_of(error)}") from None
    except CommandError as error:
        raise OperationError(str(error)) from None
    except OSError as error:
        raise OperationError(f"nothing was restored: {error}") from None
    return Restored(report, pending, key_of(file).exists())


def _look_at(file: Path) -> str:
    """The version of a backup. Raises `OperationError` for a file that is none, or is damaged."""
    with file.open("rb") as opened:
        if opened.read(len(SQLITE_MAGIC)) != SQLITE_MAGIC:
            raise OperationError(f"{file} is no backup: it is not an SQLite file")
    log = file.with_name(f"{file.name}-wal")
    if log.exists() and log.stat().st_size:
        raise OperationError(
            f"{file} is a database in use, or was not closed ({log.name} is beside it): make a"
            " backup of it with `flask --app wsgi backup`"
        )
    try:
        with snapshot(offline(file)) as connection:
            ask = connection.exec_driver_sql
            if damage := tables.damage_of(connection):
                raise OperationError(f"{file} is damaged: {damage}")
            if ask("PRAGMA foreign_key_check").first() is not None:
                raise OperationError(f"{file} is damaged: rows refer to others that are not there")
            foreign = ask(
                "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view')"
            ).first()
            version = tables.version_of(connection)
    except tables.DATABASE_ERRORS as error:
        raise OperationError(f"{file} is damaged: {tables.reason_of(error)}") from None
    if version is None or foreign:
        raise OperationError(f"{file} is no backup of Nextup")
    if not tables.is_known(version):
        raise OperationError(
            f"{file} is of a newer Nextup (its tables are of version {version}): update this one"
        )
    return version


def _read_key(file: Path, settings: Settings) -> str | None:
    """The secret key that has to be written. Raises `OperationError` if there is another one."""
    try:
        key = key_of(file).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        key = ""
    if len(key) < SECRET_KEY_LENGTH:
        raise OperationError(f"{key_of(file)} holds no secret key")
    if settings.secret_key is None:
        return key
    _refuse_other_key(file, settings.secret_key)
    return None


def _refuse_other_key(file: Path, present: str) -> None:
    if present != key_of(file).read_text(encoding="ascii").strip():
        raise OperationError(
            f"the secret key here is not that of the backup, in {key_of(file)}: remove"
            f" {SECRET_KEY_FILE} from the instance folder, or SECRET_KEY from the settings, and the"
            " backup's is put there; or remove that file to go on with the key that is here, and"
            " lose the links in mails that were sent"
        )


@contextlib.contextmanager
def _brought_up_to_date(file: Path, version: str, instance_path: Path) -> Iterator[Path]:
    """The backup itself, or an upgraded copy of one of an earlier release."""
    if version == tables.newest_version():
        _refuse_incomplete(file, file)
        yield file
        return
    with part_of(instance_path / WORKING_COPY) as copy:
        shutil.copyfile(file, copy)
        tables.make_tables(make_url(f"{SQLITE}://").set(database=str(copy)))
        _refuse_incomplete(file, copy)
        yield copy


def _refuse_incomplete(file: Path, source: Path) -> None:
    with snapshot(offline(source)) as connection:
        lacking = tables.lacking(connection)
    if lacking:
        raise OperationError(
            f"{file} is no backup of Nextup: it lacks {', '.join(sorted(lacking))}"
        )


def _refuse_unless_empty(engine: Engine) -> None:
    """Raises `OperationError` where there are rows of ours, or tables of somebody else."""
    ours = {table.name for table in all_tables()}
    with engine.connect() as connection:
        names = set(inspect(connection).get_table_names())
        if foreign := names - ours - {VERSIONS}:
            raise OperationError(
                f"the database is not Nextup's alone (it holds {', '.join(sorted(foreign))}):"
                " restore into one of its own"
            )
        _refuse_rows(connection, names & ours)


def _refuse_rows(connection: Connection, names: set[str]) -> None:
    filled = {name for name in names - {heartbeats.name} if not is_empty(connection, name)}
    if filled:
        is_file = connection.dialect.name == SQLITE
        way = f"move {connection.engine.url.database} away" if is_file else "name a new database"
        raise OperationError(
            f"the database is not empty (there are rows in {', '.join(sorted(filled))}): stop the"
            f" site, {way}, and restore again"
        )


def _fill(
    engine: Engine, source: Path, *, even_broken: bool, progress: Progress | None
) -> tuple[Report, int]:
    """Copy all rows; what `verify` says of them, and how many mails are pending."""
    with snapshot(offline(source)) as backup:
        last_ids = copying.last_ids(backup)
        if engine.dialect.name != SQLITE:
            with engine.connect() as connection:
                copying.set_last_ids(connection, last_ids)
        with engine.begin() as target:
            _refuse_rows(target, {table.name for table in all_tables()})
            copying.copy_rows(backup, target, progress)
            if engine.dialect.name == SQLITE:
                copying.set_last_ids(target, last_ids)
            heartbeat.rest(target)
            if progress is not None:
                progress("verify", 0, 0)
            report = verify.verify_on(target)
            if report.broken and not even_broken:
                raise BrokenRules("nothing was restored: the backup breaks rules", report)
            waiting = deliveries.c.state == "pending"
            pending = target.execute(
                select(func.count()).select_from(deliveries).where(waiting)
            ).scalar_one()
    return report, pending


def _prepare(connection: object, _: object) -> None:
    """A filled database is either there or not; rows are known to refer to rows that are there."""
    if hasattr(connection, "executescript"):
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")  # type: ignore[attr-defined]
        return
    with connection.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(MYSQL_SESSION)
        cursor.execute("SET SESSION foreign_key_checks = 0")
        # The server may still be taking back what a killed restore has left.
        cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS:.0f}")
