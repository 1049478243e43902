"""A backup holds the whole site at one moment, checked, and takes nothing else away."""

import os
import resource
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from flask import Flask
from sqlalchemy import text

from tests.conftest import DATABASES
from tests.operations.conftest import KEY, EmptyDatabase, MakeSite, rows_of, run, start
from tests.support.fixtures import Clock, MakeEvent
from webapp.booking import heartbeat
from webapp.booking.services import book_tickets
from webapp.config import current_settings
from webapp.extensions import db
from webapp.operations.backup import back_up, last_backup
from webapp.operations.files import OperationError, part_of
from webapp.verify.services import verify


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "backups"
    made.mkdir()
    return made


def test_every_row_of_every_table_is_there_again_on_another_database(
    busy: Flask,
    database_url: str,
    empty_database: EmptyDatabase,
    make_site: MakeSite,
    folder: Path,
) -> None:
    before = rows_of(database_url)
    assert all(before.values()), "a table without a row shows nothing"
    file = folder / "backup.db"
    made = run(busy, "backup", file)
    assert (made.exit_code, made.stderr) == (0, "")
    assert rows_of(file) == before
    assert names_in(folder) == ["backup.db", "backup.db.secret-key"]
    kinds = [kind for kind in DATABASES if (kind == "sqlite") != database_url.startswith("sqlite")]
    for url in map(empty_database, kinds):
        site = make_site(url)
        restored = run(site, "restore", file)
        assert (restored.exit_code, restored.stderr) == (0, "")
        assert rows_of(url) == before
        with site.app_context():
            assert verify().broken == []
            assert heartbeat.is_resting()
            assert last_backup() is not None
    assert names_in(folder) == ["backup.db", "backup.db.secret-key"]


def test_backup_is_the_site_at_one_moment_while_it_goes_on(
    in_app: Flask, make_event: MakeEvent, folder: Path
) -> None:
    event_id = make_event(capacity=100_000)
    booked, stop = 0, Event()

    def go_on() -> None:
        nonlocal booked
        with in_app.app_context():
            while not stop.is_set():
                book_tickets(event_id, attendee_id=f"a{booked}")
                booked += 1

    with ThreadPoolExecutor() as pool:
        site = pool.submit(go_on)
        try:
            while booked < 30:
                assert not site.done()
            at_least = booked
            made = back_up(folder / "backup.db", current_settings())
            at_most = booked + 1
        finally:
            stop.set()
        site.result()
    assert at_least <= made.report.bookings <= at_most
    assert made.report.broken == []
    rows = rows_of(made.path)
    assert len(rows["booking"]) == made.report.bookings == len(rows["activity"]) - 1
    assert last_backup() is not None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_only_the_owner_reads_a_backup_and_its_key(in_app: Flask, folder: Path) -> None:
    before = os.umask(0o022)
    try:
        assert last_backup() is None
        assert run(in_app, "backup", folder / "backup.db").exit_code == 0
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert (folder / "backup.db.secret-key").read_text() == f"{KEY}\n"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("there", "words", "said"),
    [
        ("backup.db", ("backup.db",), "is there already: choose another name"),
        ("backup.db.secret-key", ("backup.db",), "holds another key: move it away"),
        ("other", ("nowhere/backup.db",), "No such file or directory"),
        ("other", ("other", "--keep", "3"), "--keep: {folder}/other is no folder"),
    ],
)
def test_backup_that_has_no_place_is_refused_in_one_line(
    app: Flask, folder: Path, there: str, words: tuple[str, ...], said: str
) -> None:
    (folder / there).write_text("somebody's")
    done = run(app, "backup", folder / words[0], *words[1:])
    assert done.exit_code == 1
    [line] = done.stderr.splitlines()
    assert said.format(folder=folder) in line
    assert names_in(folder) == [there]
    assert (folder / there).read_text() == "somebody's"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_folder_keeps_the_newest_backups_and_whatever_else_is_in_it(
    in_app: Flask, folder: Path, now: Clock
) -> None:
    others = ["nextup-20270101T000000Z.db.bak", "nextup-old.db", "notes.txt"]
    for name in others:
        (folder / name).write_text("somebody's")
    # Killed processes have left these.
    for name in ("nextup-20270101T000000Z.db.part", "nextup-20270101T000000Z.db.part-journal"):
        (folder / name).write_text("half")
    for _ in range(4):
        now.go(hours=1)
        assert run(in_app, "backup", folder, "--keep", 2).exit_code == 0
    kept = [f"nextup-20270503T{hour}0000Z.db" for hour in (15, 16)]
    with_keys = [*kept, *(f"{name}.secret-key" for name in kept)]
    assert names_in(folder) == sorted([*others, *with_keys])
    # One that fails takes no other one away.
    now.go(hours=1)
    other_key = folder / "nextup-20270503T170000Z.db.secret-key"
    other_key.write_text("another")
    assert run(in_app, "backup", folder, "--keep", 1).exit_code == 1
    other_key.unlink()
    assert names_in(folder) == sorted([*others, *with_keys])
    # A clock that was put back does not make the new one the oldest.
    now.go(days=-9)
    assert run(in_app, "backup", folder, "--keep", 1).exit_code == 0
    assert sorted({*names_in(folder)} - {*others}) == [
        "nextup-20270424T170000Z.db",
        "nextup-20270424T170000Z.db.secret-key",
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_of_several_at_once_one_writes_the_file(in_app: Flask, folder: Path) -> None:
    settings, file = current_settings(), folder / "backup.db"

    def try_to(number: int) -> str:
        with in_app.app_context():
            try:
                back_up(file, settings)
            except OperationError as error:
                return str(error)
            return ""

    with ThreadPoolExecutor(6) as pool:
        made, *refused = sorted(pool.map(try_to, range(6)))
    assert made == ""
    assert all("by another process" in said or "there already" in said for said in refused)
    assert names_in(folder) == ["backup.db", "backup.db.secret-key"]
    assert rows_of(file)
    with part_of(folder / "other.db"):
        done = run(in_app, "backup", folder / "other.db")
        assert (folder / "other.db.part").exists()
    assert (done.exit_code, done.stderr) == (
        1, f"Error: {folder / 'other.db'} is being written by another process\n",
    )  # fmt: skip


def test_full_disk_is_told_in_one_line_and_leaves_nothing(
    app: Flask, database_url: str, folder: Path
) -> None:
    """A limit of the process stands for the disk's."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        done = start(database_url, folder.parent, "backup", folder / "backup.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    _, said = done.communicate()
    assert done.returncode == 1
    [line] = said.splitlines()
    assert line.startswith("Error: no backup was made: ")
    assert names_in(folder) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_copy_of_a_site_that_breaks_rules_is_kept_under_another_name(
    busy: Flask, empty_database: EmptyDatabase, make_site: MakeSite, folder: Path
) -> None:
    with busy.app_context(), db.engine.begin() as connection:
        connection.execute(text("UPDATE event SET waiting = waiting + 1 WHERE name = 'hot'"))
    file = folder / "backup.db"
    done = run(busy, "backup", file)
    assert done.exit_code == 1
    *broken, line = done.stderr.splitlines()
    assert broken
    assert f"its copy is kept as {file}.broken" in line
    kept = ["backup.db.broken", "backup.db.broken.secret-key"]
    assert names_in(folder) == kept
    site = make_site(empty_database("sqlite"))
    refused = run(site, "restore", f"{file}.broken")
    assert refused.exit_code == 1
    assert refused.stderr.splitlines() == [
        *broken, "Error: nothing was restored: the backup breaks rules",
    ]  # fmt: skip
    restored = run(site, "restore", f"{file}.broken", "--even-broken")
    assert restored.exit_code == 0
    assert restored.output.splitlines()[: len(broken)] == broken
    assert names_in(folder) == kept


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_cannot_be_backed_up_is_told(app: Flask, make_site: MakeSite, folder: Path) -> None:
    nothing = make_site(f"sqlite:///{folder / 'none.db'}")
    assert "there is no database yet" in run(nothing, "backup", folder / "backup.db").stderr
    away = make_site("mysql://app:app@127.0.0.1:9/booking")
    assert "no backup was made: 2003 " in run(away, "backup", folder / "backup.db").stderr
    damaged = folder / "damaged.db"
    assert run(app, "backup", damaged).exit_code == 0
    with damaged.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    site = make_site(f"sqlite:///{damaged}")
    told = run(site, "backup", folder / "backup.db")
    assert told.exit_code == 1
    assert "no backup was made: " in told.stderr
    assert not list(folder.glob("backup.db*"))
