"""What the machine gives us: disk, files, clock, counters. For the operator's eyes."""

import ctypes
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from limits.storage import storage_from_string
from sqlalchemy import Connection, make_url, select, text

from webapp import clock
from webapp.config import ROOT, SECRET_KEY_FILE, current_settings
from webapp.operations.findings import Finding, fix, note, ok
from webapp.storage.engines import SQLITE, dialect
from webapp.storage.tables import activities
from webapp.storage.transaction import read

MEGABYTE = 1024 * 1024
LEAST_FREE = 500 * MEGABYTE
# A backup and a copy before an update each take as much as the database.
COPIES = 2
APART = timedelta(seconds=5)
STORAGE_SECONDS = 3
UNSYNCHRONISED = 5
SIZE_OF_TIMEX = 1024


def check_disk() -> list[Finding]:
    """There is room for a backup, the log, and more bookings."""
    settings = current_settings()
    url = make_url(settings.database_url)
    database = Path(url.database or "") if url.drivername == SQLITE else None
    folders = {Path(settings.instance_path), *([database.parent] if database else [])}
    size = database.stat().st_size if database and database.exists() else 0
    needed = max(LEAST_FREE, COPIES * size)
    found = []
    for folder in sorted(folders):
        try:
            free = shutil.disk_usage(folder).free
            is_writable = os.access(folder, os.W_OK)
        except OSError as error:
            found.append(fix("%(folder)s: %(words)s", folder=folder, words=error.strerror))
            continue
        values = {"folder": folder, "free": free // MEGABYTE, "needed": needed // MEGABYTE}
        if not is_writable:
            found.append(
                fix("%(folder)s: we may not write there: give it to who runs Nextup.", **values)
            )
        elif free < needed:
            found.append(
                fix(
                    "%(folder)s: only %(free)s MB are free, and a backup and the next update may"
                    " need %(needed)s: make room.",
                    **values,
                )
            )
        else:
            found.append(ok("%(folder)s: %(free)s MB are free.", **values))
    return found


def check_files() -> list[Finding]:
    """What holds secrets can be read by its owner alone."""
    settings = current_settings()
    url = make_url(settings.database_url)
    instance = Path(settings.instance_path)
    files = [instance / SECRET_KEY_FILE, ROOT / ".env"]
    if url.drivername == SQLITE:
        files.append(Path(url.database or ""))
    found = list(_open_to_others(files))
    return found or [ok("What holds secrets can be read by its owner alone.")]


def _open_to_others(files: list[Path]) -> Iterator[Finding]:
    for path in files:
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & 0o077:
            yield fix(
                "%(path)s: others on this machine can read it. Enter: chmod 600 %(path)s", path=path
            )


def check_clock() -> list[Finding]:
    """Our clock, the database's, and what was written agree; the kernel knows who sets it."""
    found = list(_clock_faults())
    if found:
        return found
    if _is_unsynchronised():
        return [
            note(
                "The clock is right as far as we can see, and nothing keeps it: have chrony or"
                " systemd-timesyncd do so."
            )
        ]
    return [ok("The clock agrees with the database's.")]


def _clock_faults() -> Iterator[Finding]:
    latest = select(activities.c.at).order_by(activities.c.id.desc()).limit(1)
    if dialect() != SQLITE:
        theirs, ours = read(_database_time)
        apart = round(abs((theirs - ours).total_seconds()))
        if apart > APART.total_seconds():
            yield fix(
                "The clock of this machine and that of the database are %(apart)s seconds apart:"
                " have chrony or systemd-timesyncd keep both.",
                apart=apart,
            )
    newest = read(lambda connection: connection.execute(latest).scalar())
    if newest is not None and newest > clock.now() + APART:
        yield fix(
            "The clock of this machine is behind: something has happened at %(moment)s UTC already."
            " Have chrony or systemd-timesyncd keep it.",
            moment=f"{newest:%Y-%m-%d %H:%M:%S}",
        )


def _database_time(connection: Connection) -> tuple[datetime, datetime]:
    """The database's clock and ours at the same moment."""
    theirs = connection.execute(text("SELECT UTC_TIMESTAMP(6)")).scalar_one()
    return theirs.replace(tzinfo=UTC), clock.now()


def _is_unsynchronised() -> bool:
    """Whether the kernel says that nothing keeps its clock; false where it says nothing."""
    try:
        state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(SIZE_OF_TIMEX))
    except (AttributeError, OSError):
        return False
    return state == UNSYNCHRONISED


def check_counters() -> list[Finding]:
    """The storage in which limits are counted answers."""
    settings = current_settings()
    if not settings.ratelimit_enabled:
        return [
            note("RATELIMIT_ENABLED: limits are off, so nobody is kept from booking everything.")
        ]
    uri = settings.ratelimit_storage_uri
    if uri.startswith("memory:"):
        return [ok("RATELIMIT_STORAGE_URI: limits are counted in memory, right for one worker.")]
    host = urlsplit(uri).hostname or "its socket"
    limits = {"socket_timeout": STORAGE_SECONDS, "socket_connect_timeout": STORAGE_SECONDS}
    if not storage_from_string(uri, **limits).check():
        return [
            fix(
                "RATELIMIT_STORAGE_URI: the storage at %(host)s does not answer, so limits are not"
                " counted and bookings fail. Start it, or mend the address and its password.",
                host=host,
            )
        ]
    return [ok("RATELIMIT_STORAGE_URI: the storage at %(host)s answers.", host=host)]
