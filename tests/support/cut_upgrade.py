"""Upgrades and other commands that are cut off: a process that forks one after the other.

`python -m tests.support.cut_upgrade` reads lines `<step> <how> <database URL> <folder>`, for a
command other than an upgrade with its words behind. It is stopped right behind that changing
statement, the first being 1, or right before that file gets another name or is removed: it is
killed, loses its connection, or finds the disk full. 0 lets it go on to its end. The answer to a
line is the exit status, negative for a signal.
"""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask_migrate import upgrade
from sqlalchemy import Connection, Engine, event

from tests.conftest import make_settings
from tests.support.servers import ROOT
from webapp import create_app

READING = ("SELECT", "SHOW", "PRAGMA", "SET", "DESCRIBE", "BEGIN")
# What gives a file its name, or takes it.
NAMING = ("os.rename", "os.link", "os.remove")
KILLED = -signal.SIGKILL


class Upgrades:
    """The upgrades as a test asks for them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(
        self,
        url: str,
        folder: Path,
        *,
        cut_behind: int = 0,
        how: str = "killed",
        words: Sequence[object] = (),
    ) -> int:
        """Upgrade a database to the newest tables, or run another command on it.

        The exit status, `KILLED` for one cut off.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = " ".join(map(str, (cut_behind, how, url, folder, *words)))
        self._process.stdin.write(f"{line}\n")
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
        number, how, url, folder, *words = line.split()
        pid = os.fork()
        if pid == 0:
            run(int(number), how, url, Path(folder), words)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(number: int, how: str, url: str, folder: Path, words: Sequence[str]) -> None:
    left = number

    def count(connection: Connection | None = None) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            stop(how, connection)

    def count_statement(connection: Connection, _: Any, statement: str, *more: object) -> None:
        if statement.split(None, 1)[0].upper() not in READING:
            count(connection)

    if number:
        event.listen(Engine, "after_cursor_execute", count_statement)
    if number and words:
        sys.addaudithook(lambda name, _: count() if name in NAMING else None)
    # What an upgrade logs and complains of is not what is looked at here.
    os.dup2(os.open(folder / "upgrade.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    app = create_app(make_settings(url, folder))
    with app.app_context():
        if words:
            os._exit(app.test_cli_runner().invoke(args=words).exit_code)
        upgrade(directory=str(ROOT / "migrations"))
    os._exit(0)


def stop(how: str, connection: Connection | None) -> None:
    if connection is None:
        os.kill(os.getpid(), signal.SIGKILL)
        return
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
