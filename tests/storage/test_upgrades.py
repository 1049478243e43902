"""An upgrade that is cut off anywhere is finished by the next one, from every commit on."""

import hashlib
import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.conftest import (
    DATABASE_NAME,
    DATABASES,
    NORMALLY_SERVERS,
    NORMALLY_SQLITE,
    create_extra_database,
    dispose,
    drop_extra_database,
    make_settings,
)
from tests.support.cut_upgrade import KILLED, Upgrades, upgrades
from tests.support.dump import load
from tests.support.servers import ROOT, AppServer, MariaDB, ServerFailed, plain_engine
from tests.support.tables import index_order, tables_of
from webapp import create_app
from webapp.accounts.services import check_login
from webapp.verify.services import verify

MIGRATIONS = ROOT / "migrations" / "versions"
*_, BEFORE, HEAD = sorted(
    found[1]
    for path in MIGRATIONS.glob("*.py")
    if (found := re.search(r'^revision = "(\d+)"', path.read_text(), re.MULTILINE))
)
# Made with tests/support/dump.py by the code of these commits, from which on every database has to
# be upgraded: each has other tables than the one before.
STORED = Path(__file__).parent / "databases"
COMMITS = ("a812fad", "f410af2", "877cdd7", "63b1866", "a5daf8a", "b330984")
# A migration that has landed is never edited: it has been run on databases that we do not see.
LANDED = {
    "2026_11_22_mails.py": "4c424b06e125e4b0",
    "2026_11_22_the_first_tables.py": "8e1c5d10aae0babf",
    "2026_11_24_pictures.py": "3f55bf2014e4dd7f",
    "2026_11_24_the_pace_of_mails.py": "71c22e3853977c2e",
    "2026_11_24_what_needs_attention.py": "18dfcbe4a60bfeb3",
    "2026_11_27_account_settings.py": "afcbdc36e39d49ab",
    "2026_11_27_backups.py": "3a54d0f9aef24995",
    "2026_11_27_causes_of_mails.py": "28e6768ed708e664",
    "2026_11_27_contact_and_reason.py": "73ae9f67234339bd",
    "2026_11_27_dismissed.py": "1bf771cd9eb04e03",
    "2026_11_27_door.py": "599afbc85723603f",
    "2026_11_27_languages.py": "41b3f5bf5842989f",
    "2026_11_27_lapsed_bookings.py": "fb44f1643d053622",
    "2026_11_27_logins.py": "ade1d6a07dbcd24f",
    "2026_11_27_old_codes.py": "c1bc6d8680d0479b",
    "2026_11_27_terms.py": "8943f9c08d3e0081",
    "2026_11_27_ticket_types.py": "e4d463a8485e1a0a",
}

Made = tuple[dict[str, list[str]], dict[str, list[str | None]]]
_expected: dict[str, Made] = {}


@pytest.fixture(params=DATABASES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    name = f"{DATABASE_NAME}_old"
    match kind:
        case "sqlite":
            yield f"sqlite:///{tmp_path / 'old.db'}"
        case "mariadb":
            server: MariaDB = request.getfixturevalue("mariadb_server")
            yield server.create_database(name)
        case _:
            yield create_extra_database(name)
            drop_extra_database(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'old.db'}"


@pytest.fixture(scope="module")
def upgrading() -> Iterator[Upgrades]:
    with upgrades() as started:
        yield started


@pytest.fixture
def expected(kind: str, url: str, upgrading: Upgrades, tmp_path: Path) -> Made:
    """The tables as an upgrade makes them that nothing cuts off; the database is empty again."""
    if kind not in _expected:
        assert upgrading.run(url, tmp_path) == 0
        _expected[kind] = made(url)
        empty(url)
    return _expected[kind]


def empty(url: str) -> None:
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).unlink()
        return
    for [table] in ask(url, "SHOW TABLES"):
        execute(url, "SET foreign_key_checks = 0", f"DROP TABLE `{table}`")


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with plain_engine(url).connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def execute(url: str, *statements: str) -> None:
    with plain_engine(url).begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def made(url: str) -> Made:
    with plain_engine(url).connect() as connection:
        return tables_of(connection), index_order(connection)


def version_of(url: str) -> list[tuple[Any, ...]]:
    return ask(url, "SELECT version_num FROM alembic_version")


def fill(url: str, commit: str) -> None:
    """Make the database as the code of a commit has left it."""
    kind = "sqlite"
    if not url.startswith("sqlite"):
        [[version]] = ask(url, "SELECT version()")
        kind = "mariadb" if "MariaDB" in version else "mysql"
    load(url, (STORED / f"{commit}.{kind}.sql").read_text(encoding="utf-8"))


def rows_of(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """What tells of events and bookings in columns that every commit has."""
    queries = {
        "event": "SELECT id, name, description, capacity, confirmed, waiting, revision FROM event",
        "booking": "SELECT event_id, position, status, tickets, reference, email, active,"
        " ticket_code, created_at FROM booking ORDER BY event_id, position",
        "activity": "SELECT id, what, position, status_after, tickets_after, details FROM activity",
        "delivery": "SELECT id, what, recipient, state, created_at FROM delivery",
        "api_token": "SELECT id, token_hash FROM api_token",
    }
    return {table: ask(url, query) for table, query in queries.items()}


def test_landed_migrations_are_as_they_were() -> None:
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in MIGRATIONS.glob("*.py")
    }
    assert {name: found.get(name) for name in LANDED} == LANDED


@pytest.mark.parametrize(
    "commit",
    [COMMITS[0], *(pytest.param(c, marks=pytest.mark.long) for c in COMMITS[1:-1]), COMMITS[-1]],
)
def test_database_of_an_earlier_commit_is_upgraded(
    url: str, expected: Made, commit: str, upgrading: Upgrades, tmp_path: Path
) -> None:
    fill(url, commit)
    before = rows_of(url)
    assert len(before["booking"]) == 7
    assert upgrading.run(url, tmp_path) == 0
    assert made(url) == expected
    assert rows_of(url) == before
    app = create_app(make_settings(url, tmp_path))
    with app.app_context():
        assert verify().broken == []
        assert check_login(username="olga", password="a password for tests") is not None
    references = {row[4] for row in before["booking"]}
    pages = {app.test_client().get(f"/bookings/{name}").status_code for name in references}
    assert pages == {200}
    dispose(app)


@pytest.mark.parametrize("kind", [kind for kind in DATABASES if kind != "sqlite"])
@pytest.mark.parametrize(
    ("start", "how"),
    [
        ("b330984", "killed"),
        pytest.param("empty", "killed", marks=pytest.mark.long),
        pytest.param("a812fad", "killed", marks=pytest.mark.long),
        pytest.param("a812fad", "unconnected", marks=pytest.mark.long),
    ],
)
def test_upgrade_cut_off_behind_each_statement_is_finished_by_the_next_one(
    url: str,
    expected: Made,
    start: str,
    how: str,
    upgrading: Upgrades,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """On MySQL each statement stays: so many upgrades are cut off as there are statements.

    Outside of the long tier each is let do a few of them.
    """
    if start != "empty":
        fill(url, start)
    seen: list[object] = []
    first = behind = 1 if request.config.getoption("--long") else 4
    while status := upgrading.run(url, tmp_path, cut_behind=behind, how=how):
        assert status == KILLED if how == "killed" else status > 0
        state = (*made(url), ask(url, "SELECT * FROM alembic_version"))
        # Some statements change nothing for good: a version is noted in a transaction, and what is
        # dropped to be made anew is dropped again.
        behind = behind + 1 if state in seen else first
        seen.append(state)
        assert len(seen) < 150
    assert len(seen) > {"empty": 40, "a812fad": 10, "b330984": 3}[start]
    assert made(url) == expected
    app = create_app(make_settings(url, tmp_path))
    with app.app_context():
        assert verify().broken == []
    dispose(app)


def test_upgrade_cut_off_leaves_a_file_as_it_was(
    sqlite_url: str, upgrading: Upgrades, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """On SQLite an upgrade is one transaction, with the copying of a table that others refer to."""
    fill(sqlite_url, "a812fad")
    before = (*made(sqlite_url), version_of(sqlite_url), rows_of(sqlite_url))
    # Behind each statement in the long tier.
    step = 1 if request.config.getoption("--long") else 7
    behind = 1
    while upgrading.run(sqlite_url, tmp_path, cut_behind=behind) == KILLED:
        behind += step
        assert (*made(sqlite_url), version_of(sqlite_url), rows_of(sqlite_url)) == before
    assert behind > 15
    assert rows_of(sqlite_url) == before[-1]
    assert ask(sqlite_url, "PRAGMA foreign_key_check") == []
    assert ask(sqlite_url, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize(
    "statement", [5, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 12))]
)
def test_full_disk_leaves_a_file_as_it_was(
    sqlite_url: str, upgrading: Upgrades, tmp_path: Path, statement: int
) -> None:
    fill(sqlite_url, "a812fad")
    before = (*made(sqlite_url), version_of(sqlite_url), rows_of(sqlite_url))
    assert upgrading.run(sqlite_url, tmp_path, cut_behind=statement, how="full") > 0
    assert "disk is full" in (tmp_path / "upgrade.log").read_text()
    assert (*made(sqlite_url), version_of(sqlite_url), rows_of(sqlite_url)) == before
    assert upgrading.run(sqlite_url, tmp_path) == 0


HALF_DONE = [
    "CREATE INDEX ix_event_organizer_id_starts_at ON event (organizer_id, starts_at)",
    "CREATE INDEX ix_delivery_event_id_state ON delivery (event_id, state)",
    "DROP INDEX ix_delivery_event_id",
    "DROP INDEX ix_delivery_event_id_position",
]


@pytest.mark.parametrize(
    "statements",
    # The last of them has met whatever is in the way of the others.
    [*(pytest.param(n, marks=pytest.mark.long) for n in range(1, 4)), len(HALF_DONE)],
)
def test_file_that_an_earlier_release_left_half_upgraded_is_started(
    sqlite_url: str, start_server: Callable[..., AppServer], statements: int
) -> None:
    """Those had no transaction: `bin/run` of then said that an index exists already, for good."""
    fill(sqlite_url, "63b1866")
    execute(
        sqlite_url,
        "UPDATE alembic_version SET version_num = '0003'",
        "DROP INDEX ix_event_organizer_id_starts_at",
        "DROP INDEX ix_delivery_event_id_state",
        "CREATE INDEX ix_delivery_event_id ON delivery (event_id)",
        *HALF_DONE[:statements],
    )
    before = rows_of(sqlite_url)
    start_server(DATABASE_URL=sqlite_url).stop()
    assert rows_of(sqlite_url) == before


@pytest.mark.parametrize("kind", NORMALLY_SERVERS)
def test_start_finishes_an_upgrade_that_was_cut_off(
    url: str, expected: Made, upgrading: Upgrades, tmp_path: Path, start_server: Any
) -> None:
    fill(url, "a812fad")
    assert upgrading.run(url, tmp_path, cut_behind=9) == KILLED
    start_server(DATABASE_URL=url).stop()
    assert made(url) == expected


def test_several_upgrades_at_once_do_no_harm(
    url: str, expected: Made, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    fill(url, "a812fad")
    starts = [
        subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"],
            cwd=ROOT,
            env=environ(url, tmp_path),
            stderr=subprocess.PIPE,
        )
        for _ in range(3 if request.config.getoption("--long") else 2)
    ]
    said = [start.communicate()[1] for start in starts]
    assert [start.returncode for start in starts] == [0] * len(starts), said
    assert made(url) == expected


def environ(url: str, folder: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "INSTANCE_PATH": str(folder / "instance"),
        "SECRET_KEY": "a key that only tests use",
    }


def flask_db(command: str, url: str, folder: Path) -> int:
    """What `flask db` does; its exit status. What it says is in the log."""
    app = create_app(make_settings(url, folder))
    result = app.test_cli_runner().invoke(args=["db", command])
    dispose(app)
    return result.exit_code


@pytest.mark.parametrize("kind", NORMALLY_SQLITE)
def test_newer_database_is_refused_in_one_line(
    url: str, start_server: Callable[..., AppServer], tmp_path: Path
) -> None:
    fill(url, "b330984")
    execute(url, "UPDATE alembic_version SET version_num = '9999'")
    before = (made(url), rows_of(url))
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"],
        cwd=ROOT,
        env=environ(url, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "the database belongs to a newer Nextup" in line
    with pytest.raises(ServerFailed, match="nextup: the database belongs to a newer Nextup"):
        start_server(DATABASE_URL=url)
    assert (made(url), rows_of(url)) == before
    assert not (tmp_path / "instance" / "backups").exists()


@pytest.mark.parametrize(("version", "status"), [(HEAD, 200), ("9999", 200), (BEFORE, 503)])
def test_process_serves_beside_tables_that_a_later_release_has_migrated(
    url: str, upgrading: Upgrades, tmp_path: Path, version: str, status: int
) -> None:
    assert upgrading.run(url, tmp_path) == 0
    execute(url, f"UPDATE alembic_version SET version_num = '{version}'")
    app = create_app(make_settings(url, tmp_path))
    assert app.test_client().get("/readyz").status_code == status
    dispose(app)


def test_file_is_copied_before_it_is_changed_and_three_copies_are_kept(
    sqlite_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    fill(sqlite_url, "a5daf8a")
    before = (*made(sqlite_url), rows_of(sqlite_url))
    assert flask_db("upgrade", sqlite_url, tmp_path) == 0
    [copy] = folder.iterdir()
    assert copy.name.startswith("old-0005-")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (*made(f"sqlite:///{copy}"), rows_of(f"sqlite:///{copy}")) == before
    # Nothing is to be changed now, so nothing is copied.
    for command in ("upgrade", "current", "check"):
        assert flask_db(command, sqlite_url, tmp_path) == 0
    assert list(folder.iterdir()) == [copy]
    # A backup that an operator made is no copy of ours, however old.
    backup = folder / "old-20260101T000000Z.db"
    backup.touch()
    os.utime(backup, (0, 0))
    for command in ("downgrade", "upgrade", "downgrade"):
        assert flask_db(command, sqlite_url, tmp_path) == 0
    backup.unlink()
    kept = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert [path.name[:9] for path in kept] == [
        f"old-{version}-" for version in (HEAD, BEFORE, HEAD)
    ]


def test_file_is_copied_with_what_others_have_just_committed(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Rows that are still in the write-ahead log belong to it."""
    fill(sqlite_url, "a5daf8a")
    with closing(sqlite3.connect(tmp_path / "old.db")) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("UPDATE event SET name = 'just renamed' WHERE id = 1")
        other.commit()
        assert flask_db("upgrade", sqlite_url, tmp_path) == 0
    [copy] = (tmp_path / "backups").iterdir()
    [[name]] = ask(f"sqlite:///{copy}", "SELECT name FROM event WHERE id = 1")
    assert name == "just renamed"


def test_file_that_cannot_be_copied_is_not_changed(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(sqlite_url, "a5daf8a")
    before = made(sqlite_url)
    (tmp_path / "backups").write_text("in the way")
    assert flask_db("upgrade", sqlite_url, tmp_path) == 1
    assert "cannot copy the database" in caplog.text
    assert made(sqlite_url) == before


def test_copy_that_would_leave_rows_without_what_they_refer_to_is_undone(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While a table is copied the database itself does not look."""
    fill(sqlite_url, "a5daf8a")
    with closing(sqlite3.connect(tmp_path / "old.db")) as other:
        other.execute("DELETE FROM booking WHERE position = 2 AND event_id = 1")
        other.commit()
    before = made(sqlite_url)
    assert flask_db("upgrade", sqlite_url, tmp_path) == 1
    assert "rows of activity would refer to rows that are not there" in caplog.text
    assert made(sqlite_url) == before
