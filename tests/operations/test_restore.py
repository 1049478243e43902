"""A restore fills an empty database wholly, or says in one line what is in the way."""

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from tests.operations.conftest import KEY, EmptyDatabase, MakeSite, rows_of, run, start
from tests.storage.test_upgrades import COMMITS, STORED, ask
from tests.support.dump import load
from tests.support.fixtures import MakeEvent
from tests.support.servers import AppServer, plain_engine, wait_until
from webapp.booking.commands import organizer
from webapp.booking.services import book_tickets
from webapp.events.services import EventDetails, create_event
from webapp.operations.backup import key_of
from webapp.verify.services import verify

# What MariaDB does with the rows of every table is shown beside.
OTHER_KINDS = ["sqlite", pytest.param("mariadb", marks=pytest.mark.long)]
Damage = Callable[[Path], None]


@pytest.fixture
def file(in_app: Flask, make_event: MakeEvent, tmp_path: Path) -> Path:
    """A backup of a site with one booking."""
    book_tickets(make_event(), attendee_id="ada", email="ada@example.org")
    made = tmp_path / "backup.db"
    assert run(in_app, "backup", made).exit_code == 0
    return made


@pytest.fixture
def copied(
    request: pytest.FixtureRequest, kept: dict[str, bytes], app: Flask, tmp_path: Path
) -> Path:
    """The same, made once for all who spoil it."""
    if "backup" not in kept:
        kept["backup"] = request.getfixturevalue("file").read_bytes()
    made = tmp_path / "copied.db"
    made.write_bytes(kept["backup"])
    return made


@pytest.fixture(scope="module")
def kept() -> dict[str, bytes]:
    return {}


def tables_in(url: str) -> list[str]:
    """Those tables of a database that hold rows."""
    return [name for name, rows in rows_of(url).items() if rows]


def sql(*statements: str) -> Damage:
    def execute(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return execute


def write(content: bytes, *, at: int | None = None) -> Damage:
    def damage(file: Path) -> None:
        if at is None:
            file.write_bytes(content)
            return
        with file.open("r+b") as opened:
            opened.seek(at)
            opened.write(content)

    return damage


def cut(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 8192 * 4096)


def of_another_program(file: Path) -> None:
    file.unlink()
    sql("CREATE TABLE post (id INTEGER PRIMARY KEY)")(file)


def leave_log(file: Path) -> None:
    file.with_name(f"{file.name}-wal").write_bytes(b"changes")


DAMAGE: dict[str, tuple[Damage, str]] = {
    "no database": (write(b"notes"), "is no backup: it is not an SQLite file"),
    "nothing": (write(b""), "is no backup: it is not an SQLite file"),
    "cut off": (cut, "is damaged: "),
    "overwritten": (write(b"\xff" * 12288, at=8192), "is damaged: "),
    "another program's": (of_another_program, "is no backup of Nextup"),
    "with a trigger": (
        sql("CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM booking; END"),
        "is no backup of Nextup",
    ),
    "without a table": (sql("DROP TABLE picture"), "it lacks picture"),
    "without a column": (sql("ALTER TABLE event DROP COLUMN location"), "it lacks event.location"),
    "without an owner": (sql("DELETE FROM organizer"), "rows refer to others that are not there"),
    "newer": (sql("UPDATE alembic_version SET version_num = '9999'"), "is of a newer Nextup"),
    "in use": (leave_log, "is a database in use, or was not closed"),
    "breaking a rule": (sql("UPDATE event SET waiting = 7"), "the backup breaks rules"),
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", DAMAGE)
def test_file_that_is_no_good_backup_is_refused(
    copied: Path, kind: str, empty_database: EmptyDatabase, make_site: MakeSite
) -> None:
    damage, said = DAMAGE[kind]
    damage(copied)
    before = copied.read_bytes()
    url = empty_database("sqlite")
    refused = run(make_site(url), "restore", copied)
    assert refused.exit_code == 1
    assert refused.stderr.splitlines()[-1].startswith("Error: ")
    assert said in refused.stderr.splitlines()[-1]
    assert copied.read_bytes() == before
    path = Path(url.removeprefix("sqlite:///"))
    assert not path.exists() or tables_in(url) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_database_that_is_not_empty_is_refused_and_left_as_it_is(
    file: Path, kind: str, empty_database: EmptyDatabase, make_site: MakeSite
) -> None:
    url = empty_database(kind)
    site = make_site(url)
    engine = plain_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE post (id INTEGER PRIMARY KEY)"))
    refused = run(site, "restore", file)
    assert refused.exit_code == 1
    assert "is not Nextup's alone (it holds post): restore into one of its own" in refused.stderr
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE post"))
    assert run(site, "restore", file).exit_code == 0
    before = rows_of(url)
    refused = run(site, "restore", file)
    assert refused.exit_code == 1
    [line] = refused.stderr.splitlines()
    assert "the database is not empty (there are rows in activity, booking, " in line
    assert ("move " if kind == "sqlite" else "name a new database") in line
    assert rows_of(url) == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_of_several_at_once_one_fills_the_database(
    file: Path, kind: str, empty_database: EmptyDatabase, database_url: str, tmp_path: Path
) -> None:
    url = empty_database(kind)
    tries = [start(url, tmp_path / "other", "restore", file) for _ in range(2)]
    failures = [failure for each in tries for failure in [each.communicate()[1]] if failure]
    assert sorted(each.returncode for each in tries) == [0, 1]
    assert ["the database is not empty" in failure for failure in failures] == [True]
    assert rows_of(url) == rows_of(database_url)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_backup_of_an_earlier_release_is_upgraded_in_a_copy(
    app: Flask, kind: str, empty_database: EmptyDatabase, make_site: MakeSite, tmp_path: Path
) -> None:
    file = tmp_path / "old.db"
    load(f"sqlite:///{file}", (STORED / f"{COMMITS[-1]}.sqlite.sql").read_text(encoding="utf-8"))
    before = file.read_bytes()
    site = make_site(empty_database(kind))
    restored = run(site, "restore", file)
    assert (restored.exit_code, restored.stderr) == (0, "")
    assert "There was no old.db.secret-key beside it" in restored.output
    assert file.read_bytes() == before
    with site.app_context():
        report = verify()
    assert (report.bookings, report.broken) == (7, [])
    assert [path.suffix for path in (tmp_path / "other").glob("*.*")] == (
        [".db"] if kind == "sqlite" else []
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_secret_key_is_put_where_there_is_none_and_never_replaced(
    file: Path, empty_database: EmptyDatabase, make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = empty_database("sqlite")
    refused = run(make_site(url, SECRET_KEY="quite another key"), "restore", file)
    assert refused.exit_code == 1
    assert "the secret key here is not that of the backup" in refused.stderr
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    new = make_site(url, SECRET_KEY="")
    kept = Path(new.instance_path) / "secret_key"
    key_of(file).write_text("short")
    assert "holds no secret key" in run(new, "restore", file).stderr
    assert not kept.exists()
    key_of(file).write_text(KEY)
    assert run(new, "restore", file).exit_code == 0
    assert kept.read_text().strip() == KEY
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_id_of_what_was_deleted_before_is_not_given_out_again(
    in_app: Flask,
    organizer_id: int,
    empty_database: EmptyDatabase,
    make_site: MakeSite,
    tmp_path: Path,
    database_url: str,
) -> None:
    owner = organizer(organizer_id)
    for name in ("first", "last"):
        last_id = create_event(EventDetails(name, 3), actor=owner, published=True)
    engine = plain_engine(database_url)
    with engine.begin() as connection:
        for table, column in (("activity", "event_id"), ("event", "id")):
            statement = text(f"DELETE FROM {table} WHERE {column} = :id")
            connection.execute(statement, {"id": last_id})
    file = tmp_path / "backup.db"
    assert run(in_app, "backup", file).exit_code == 0
    other = "mariadb" if database_url.startswith("sqlite") else "sqlite"
    site = make_site(empty_database(other))
    assert run(site, "restore", file).exit_code == 0
    with site.app_context():
        assert create_event(EventDetails("new", 3), actor=owner, published=True) == last_id + 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_restored_site_takes_bookings_and_sends_nothing_until_it_is_told_to(
    file: Path,
    empty_database: EmptyDatabase,
    make_site: MakeSite,
    start_server: Callable[..., AppServer],
) -> None:
    url = empty_database("sqlite")
    site = make_site(url)
    restored = run(site, "restore", file)
    assert "Mails and lapses rest, and 1 mail waits; what left" in restored.output
    server = start_server(DATABASE_URL=url, SECRET_KEY=KEY)
    with site.app_context():
        [[event_id]] = ask(url, "SELECT id FROM event WHERE name = 'Conference'")
        book_tickets(event_id, attendee_id="bob", email="bob@example.org")
    server.restart()
    assert wait_until(lambda: bool(server.deliverer_pids()), timeout=20)
    # It would send whatever is due before it returns.
    assert run(site, "deliver", "--once").exit_code == 0
    folders = [Path(site.instance_path) / "mail", server.instance_path / "mail"]
    assert not any(folder.exists() for folder in folders)
    first, second = (run(site, "deliver", "--resume") for _ in range(2))
    assert first.output.startswith("Mails are sent again")
    assert second.output == "Nothing was resting.\n"
    assert wait_until(lambda: len(list(folders[1].glob("*.eml"))) == 2, timeout=20)
