"""`flask doctor` on database and machine, and as a command."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, make_url, text, update

from tests.operations.front import front
from tests.support.servers import MariaDB, Redis, free_port
from webapp import clock
from webapp.accounts import services as accounts
from webapp.booking import services as bookings
from webapp.booking.commands import organizer
from webapp.errors import Unavailable
from webapp.events import services as events
from webapp.events.services import EventDetails
from webapp.operations import database, doctor, keeping, machine
from webapp.operations.doctor import Check, examine
from webapp.operations.findings import Finding, State, fix, ok
from webapp.storage import engines
from webapp.storage.tables import activities, heartbeats
from webapp.storage.transaction import execute, write

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
MYSQL = pytest.mark.parametrize("database_url", ["mariadb"], indirect=True, scope="session")


@pytest.fixture(autouse=True)
def closed_to_others(database_url: str) -> None:
    """As a start leaves the file; that of the tests was made otherwise."""
    path = make_url(database_url).database
    if path and Path(path).exists():
        Path(path).chmod(0o600)


@pytest.fixture
def in_app(app: Flask) -> Iterator[Flask]:
    with app.app_context():
        yield app


@pytest.fixture
def booked(in_app: Flask) -> int:
    """The id of an event that somebody has booked."""
    owner = accounts.create_organizer(username="owner", password="a password for tests")
    details = EventDetails(name="Harvest Supper", capacity=5)
    event_id = events.create_event(details, actor=organizer(owner), published=True)
    bookings.book_tickets(event_id, attendee_id="ada", tickets=2)
    return event_id


def set_to(app: Flask, **values: Any) -> None:
    app.extensions["settings"] = replace(app.extensions["settings"], **values)


def told(found: list[Finding], state: State) -> str:
    """What is said by lines of that state; there is no other."""
    assert {one.state for one in found} == {state}, [str(one.sentences) for one in found]
    return "\n".join(str(sentence) for one in found for sentence in one.sentences)


def test_fresh_site_is_well(in_app: Flask) -> None:
    for check in (database.check_tables, keeping.check_rules, machine.check_files):
        told(check(), State.OK)
    assert "There is no backup yet" in told(keeping.check_backup(), State.NOTE)


@SQLITE
def test_durability_of_sqlite_is_as_we_set_it_and_is_looked_at(
    in_app: Flask, tmp_path: Path
) -> None:
    told(database.check_durability(), State.OK)
    for statement, sentence in (
        ("PRAGMA synchronous = NORMAL", "does not wait for the disk"),
        ("PRAGMA journal_mode = DELETE", "has the journal delete and not WAL"),
    ):
        path = tmp_path / f"{sentence[:4]}.db"
        other = create_engine(f"sqlite:///{path}")
        with other.connect() as connection:
            connection.execute(text("PRAGMA journal_mode = WAL"))
            connection.execute(text("PRAGMA synchronous = FULL"))
            connection.execute(text(statement))
            found = list(database._faults_of_sqlite(connection))
        other.dispose()
        assert sentence in told(found, State.FIX)


@MYSQL
def test_settings_of_the_server_that_lose_bookings_are_told(
    in_app: Flask, mariadb_server: MariaDB
) -> None:
    """The server of the tests is not durable, on purpose; the others are changed for real."""
    found = told(database.check_durability(), State.FIX)
    assert "innodb_flush_log_at_trx_commit is 0: bookings" in found
    assert "innodb_doublewrite is off" in found
    cases = {
        "max_allowed_packet": (1024 * 1024, "max_allowed_packet is 1024 KB"),
        "max_connections": (20, "max_connections is 20, and 1 workers may open 50"),
        "read_only": (1, "The database is read-only"),
    }
    for name, (value, sentence) in cases.items():
        with mariadb_server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT @@GLOBAL.{name}")
            before = cursor.fetchone()[0]
            cursor.execute(f"SET GLOBAL {name} = {value}")
            try:
                assert sentence in told(database.check_durability(), State.FIX)
            finally:
                cursor.execute(f"SET GLOBAL {name} = {before}")


@SQLITE
def test_variables_of_replication_are_judged_where_there_is_any(database_url: str) -> None:
    """The server of the tests writes no binary log."""
    good = {"log_bin": "ON", "sync_binlog": "1", "binlog_format": "ROW"}
    assert not list(database._not_durable(good))
    assert not list(database._not_durable({"log_bin": "OFF", "sync_binlog": "0"}))
    bad = list(database._not_durable({**good, "sync_binlog": "0", "binlog_format": "STATEMENT"}))
    assert "sync_binlog is 0" in told(bad, State.FIX)
    assert "binlog_format is STATEMENT" in told(bad, State.FIX)


@MYSQL
def test_table_with_few_letters_is_told(in_app: Flask) -> None:
    write(lambda one: one.execute(text("CREATE TABLE narrow (x INT) CHARACTER SET latin1")))
    try:
        assert "Tables not in utf8mb4: 1" in told(database.check_durability(), State.FIX)
    finally:
        write(lambda one: one.execute(text("DROP TABLE narrow")))


def test_tables_of_another_release_are_told(in_app: Flask) -> None:
    def stands_on(version: str) -> str:
        write(lambda one: one.execute(text(f"UPDATE alembic_version SET version_num='{version}'")))
        return told(database.check_tables(), State.FIX)

    head = told(database.check_tables(), State.OK).split("(")[1].rstrip(").")
    try:
        assert "of an older Nextup (0009 of" in stands_on("0009")
        assert "of a newer Nextup (9999)" in stands_on("9999")
    finally:
        write(lambda one: one.execute(text(f"UPDATE alembic_version SET version_num='{head}'")))


def test_broken_rule_is_told(in_app: Flask, booked: int) -> None:
    told(keeping.check_rules(), State.OK)
    write(lambda one: one.execute(text("UPDATE event SET confirmed = 3")))
    assert "is broken by 1 rows" in told(keeping.check_rules(), State.FIX)


def test_backup_is_missed_once_there_is_something_to_lose(in_app: Flask, booked: int) -> None:
    assert "There is no backup yet" in told(keeping.check_backup(), State.FIX)
    for hours, state in ((1, State.OK), (40, State.FIX)):
        made = clock.now() - timedelta(hours=hours)
        execute(update(heartbeats).values(backed_up_at=made))
        assert f"{made:%Y-%m-%d %H:%M} UTC" in told(keeping.check_backup(), state)


def test_clock_that_differs_is_told(
    in_app: Flask, booked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_is_unsynchronised", lambda: False)
    told(machine.check_clock(), State.OK)
    monkeypatch.setattr(machine, "_is_unsynchronised", lambda: True)
    assert "nothing keeps it" in told(machine.check_clock(), State.NOTE)
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() - timedelta(seconds=60))
    found = told(machine.check_clock(), State.FIX)
    assert "is behind: something has happened at" in found
    if engines.dialect() != engines.SQLITE:
        assert "are 60 seconds apart" in found
    execute(update(activities).values(at=now() - timedelta(hours=1)))


def test_disk_without_room_and_folders_that_are_not_ours_are_told(
    in_app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told(machine.check_disk(), State.OK)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=40 * 2**20))
    assert "only 40 MB are free" in told(machine.check_disk(), State.FIX)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "we may not write there" in told(machine.check_disk(), State.FIX)
    monkeypatch.undo()
    set_to(in_app, instance_path=str(tmp_path / "gone"))
    found = [one for one in machine.check_disk() if one.state is State.FIX]
    assert "No such file" in told(found, State.FIX)


def test_files_with_secrets_that_others_read_are_told(in_app: Flask) -> None:
    key = Path(in_app.extensions["settings"].instance_path) / "secret_key"
    key.write_text("x" * 64)
    key.chmod(0o600)
    told(machine.check_files(), State.OK)
    key.chmod(0o640)
    assert f"chmod 600 {key}" in told(machine.check_files(), State.FIX)


@SQLITE
def test_storage_of_the_limits_is_asked(in_app: Flask, redis_server: Redis) -> None:
    told(machine.check_counters(), State.OK)
    set_to(in_app, ratelimit_storage_uri=redis_server.url)
    told(machine.check_counters(), State.OK)
    set_to(in_app, ratelimit_storage_uri=f"redis://:secret-word@127.0.0.1:{free_port()}")
    words = told(machine.check_counters(), State.FIX)
    assert "127.0.0.1 does not answer" in words
    assert "secret-word" not in words
    set_to(in_app, ratelimit_enabled=False)
    assert "limits are off" in told(machine.check_counters(), State.NOTE)


def test_check_that_hangs_or_breaks_holds_up_no_other(
    in_app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def hang() -> list[Finding]:
        time.sleep(5)
        return []

    def broken() -> list[Finding]:
        raise ZeroDivisionError("secret-word")

    def away() -> list[Finding]:
        raise Unavailable

    checks = (
        Check(hang, seconds=0.2), Check(broken), Check(away), Check(lambda: [ok("well")]),
        Check(lambda: [fix("disk")], is_operators=True),
    )  # fmt: skip
    monkeypatch.setattr(doctor, "CHECKS", checks)
    began = time.monotonic()
    found = examine()
    assert time.monotonic() - began < 4
    assert [str(one.sentences[0]) for one in found] == [
        "hang took more than 0 seconds, and was given up.",
        "broken could not be checked (ZeroDivisionError): the log has more.",
        "The database cannot be reached. Whoever runs this site starts it again.",
        "well",
        "disk",
    ]
    seen, has_more = doctor.look_for_organizer()
    assert [str(one.sentences[0]) for one in seen][-1] == "well"
    assert has_more


@SQLITE
def test_database_that_is_away_is_told_once_and_the_rest_is_checked(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    app = make_app()

    def away(work: object) -> None:
        raise Unavailable

    monkeypatch.setattr(doctor, "read", away)
    with app.app_context():
        lines = [str(one.sentences[0]) for one in examine()]
    assert lines[0].startswith("The database cannot be reached")
    assert not any("tables" in line for line in lines)
    assert any("MAIL_URL" in line for line in lines)


def test_command_tells_a_line_for_each_and_ends_with_what_is_to_be_mended(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with front(app) as port:
        set_to(app, base_url=f"http://127.0.0.1:{port}")
        monkeypatch.setattr(database, "_not_durable", lambda is_set: [])
        well = app.test_cli_runner().invoke(args=["doctor"])
    assert well.exit_code == 0, well.output
    assert {line[:6] for line in well.output.splitlines()} <= {"ok    ", "note: "}
    with app.app_context():
        heartbeat_gone = clock.now() - timedelta(hours=1)
        execute(update(heartbeats).values(beat_at=heartbeat_gone))
    ill = app.test_cli_runner().invoke(args=["doctor", "--to", "ada@example.org"])
    assert ill.exit_code == 1
    assert "\nfix:  No deliverer is at work" in ill.output
    assert "-trial.eml" in ill.output.splitlines()[-1]
    wrong = app.test_cli_runner().invoke(args=["doctor", "--to", "ada"])
    assert wrong.exit_code == 2
    assert "ada is no e-mail address" in wrong.output


@SQLITE
def test_no_secret_is_ever_shown(make_app: Callable[..., Flask]) -> None:
    secret = "secret-word-of-32-characters-x"
    app = make_app(
        SECRET_KEY=secret,
        MAIL_URL=f"smtp://me:{secret}@127.0.0.1:{free_port()}",
        BASE_URL=f"http://127.0.0.1:{free_port()}",
        RATELIMIT_STORAGE_URI=f"redis://:{secret}@127.0.0.1:{free_port()}",
        ORGANIZER_USERNAME="ada",
        ORGANIZER_PASSWORD=secret,
    )
    done = app.test_cli_runner().invoke(args=["doctor"])
    assert done.exit_code == 1
    assert done.output.count("fix:  ") >= 3
    assert secret not in done.output
