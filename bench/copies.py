"""What a backup and a restore take, from and to each database: `python -m bench.copies [BOOKINGS]`.

Each is the command as an operator runs it, in a process of its own, whose peak of memory is told.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.fill import fill_event
from tests.support.servers import ROOT, MariaDB

BOOKINGS = 1_000_000
EVENTS = 100
# Of the bookings of each event, how many wait: one in so many.
WAITING_SHARE = 10


@dataclass(frozen=True, slots=True)
class Run:
    """One command: its seconds, those of its processor, and the most memory it held, in MB."""

    what: str
    seconds: float
    busy: float
    memory: int


def measure(mariadb: MariaDB, folder: Path, bookings: int) -> Iterator[Run]:
    """Back up and restore a site of that size between MariaDB and SQLite, there and back."""
    url = mariadb.create_database("copied")
    flask(url, folder, "db", "upgrade")
    flask(url, folder, "organizer", "create", "olga", "--password-stdin")
    each = bookings // EVENTS
    for _ in range(EVENTS):
        waiting = each // WAITING_SHARE
        fill_event(mariadb, "copied", confirmed=each - waiting, waiting=waiting)
    sqlite = f"sqlite:///{folder / 'copied.db'}"
    first, second = folder / "mariadb.db", folder / "sqlite.db"
    yield flask(url, folder, "backup", str(first))
    yield flask(sqlite, folder, "restore", str(first))
    yield flask(sqlite, folder, "backup", str(second))
    yield flask(mariadb.create_database("copied_back"), folder, "restore", str(second))


def flask(url: str, folder: Path, *words: str) -> Run:
    """Run a command on the database of that URL. Raises `CalledProcessError` if it fails."""
    environ = {
        **os.environ,
        "DATABASE_URL": url,
        "INSTANCE_PATH": str(folder),
        "SECRET_KEY": "a key that only the bench uses",
        "LOG_LEVEL": "CRITICAL",
    }
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
    begun = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"a password for the bench\n")
        process.stdin.close()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    kind = "SQLite" if url.startswith("sqlite") else "MariaDB"
    way = "from" if words[0] == "backup" else "to"
    return Run(
        f"{words[0]} {way} {kind}",
        time.monotonic() - begun,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss // 1024,
    )


def main() -> None:
    bookings = int(sys.argv[1]) if len(sys.argv) > 1 else BOOKINGS
    with tempfile.TemporaryDirectory(prefix="nextup-copies-") as name:
        folder = Path(name)
        with MariaDB(folder / "mariadb", durable=True) as mariadb:
            print(f"{bookings:,} bookings of {EVENTS} events")
            for run in measure(mariadb, folder, bookings):
                times = f"{run.seconds:>8.1f} s{run.busy:>8.1f} s busy"
                print(f"{run.what:<24}{times}{run.memory:>8} MB", flush=True)


if __name__ == "__main__":
    main()
