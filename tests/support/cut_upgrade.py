"""Upgrades that are cut off: a process that forks one upgrade after the other.

`python -m tests.support.cut_upgrade` reads lines `<statement> <how> <database URL> <folder>`. An
upgrade is stopped right behind that changing statement, the first being 1: it is killed, loses its
connection, or finds the disk full. 0 lets it go on to its end. The answer to a line is the exit
status of the upgrade, negative for a signal.
"""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask_migrate import upgrade
from sqlalchemy import Connection, Engine, event

from tests.conftest import make_settings
from tests.support.servers import ROOT
from webapp import create_app

READING = ("SELECT", "SHOW", "PRAGMA", "SET", "DESCRIBE", "BEGIN")
KILLED = -signal.SIGKILL


class Upgrades:
    """The upgrades as a test asks for them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, url: str, folder: Path, *, cut_behind: int = 0, how: str = "killed") -> int:
        """Upgrade a database to the newest tables; the exit status, `KILLED` for one cut off."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{cut_behind} {how} {url} {folder}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def upgrades() -> Iterator[Upgrades]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.cut_upgrade"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Upgrades(process)
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    for line in sys.stdin:
        number, how, url, folder = line.split()
        pid = os.fork()
        if pid == 0:
            run(int(number), how, url, Path(folder))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(number: int, how: str, url: str, folder: Path) -> None:
    left = number

    def count(connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        nonlocal left
        if statement.split(None, 1)[0].upper() in READING:
            return
        left -= 1
        if left == 0:
            stop(how, connection)

    if number:
        event.listen(Engine, "after_cursor_execute", count)
    # What an upgrade logs and complains of is not what is looked at here.
    os.dup2(os.open(folder / "upgrade.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    with create_app(make_settings(url, folder)).app_context():
        upgrade(directory=str(ROOT / "migrations"))
    os._exit(0)


def stop(how: str, connection: Connection) -> None:
    match how:
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "unconnected":
            driver: Any = connection.connection.dbapi_connection
            driver._force_close()
        case "full":
            driver = connection.connection.dbapi_connection
            assert isinstance(driver, sqlite3.Connection)
            [pages] = driver.execute("PRAGMA page_count").fetchone()
            driver.execute(f"PRAGMA max_page_count = {pages}")


if __name__ == "__main__":
    main()
