"""A backup holds the whole site at one moment, and a restore brings all of it back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import LargeBinary, create_engine, func, insert, select

from tests.conftest import DATABASE_NAME, dispose, make_settings
from tests.support.busy import Busy, fill
from tests.support.servers import MariaDB
from webapp import clock, create_app
from webapp.booking import heartbeat
from webapp.extensions import Base, db
from webapp.operations.backup import last_backup
from webapp.storage.columns import UtcDateTime
from webapp.verify.services import verify

KEY = "a key that only tests use"
Rows = dict[str, list[tuple[Any, ...]]]
Command = Callable[..., Result]
TABLES = Base.metadata.sorted_tables


def run(app: Flask, *words: object) -> Result:
    with app.app_context():
        return app.test_cli_runner().invoke(args=[str(word) for word in words])


def rows_of(url: str) -> Rows:
    """Every row of every table, with what is generated, as SQLAlchemy reads it."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            table.name: [tuple(row) for row in connection.execute(select(table))]
            for table in TABLES
        }
    engine.dispose()
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def without_heartbeat(rows: Rows) -> Rows:
    return {name: found for name, found in rows.items() if name != "heartbeat"}


def fill_every_table(made: Busy) -> None:
    """One row at least in each table of the metadata, also in those that nobody thought of."""
    with db.engine.begin() as connection:
        for table in TABLES:
            if connection.execute(select(func.count()).select_from(table)).scalar_one():
                continue
            values: dict[str, object] = {}
            for number, column in enumerate(table.columns):
                if column.computed is not None or column.nullable:
                    continue
                owner = next((key.column.table.name for key in column.foreign_keys), None)
                values[column.key] = (
                    {"organizer": made.organizer, "event": made.hot}[owner]
                    if owner in ("organizer", "event")
                    else clock.now()
                    if isinstance(column.type, UtcDateTime)
                    else b"\x00\xff"
                    if isinstance(column.type, LargeBinary)
                    else {"audience": "all", "text": "Grüße 🎟 \\ ' % ?"}.get(column.name)
                    or (1 if column.type.python_type in (int, bool) else f"x{number}")
                )
            connection.execute(insert(table), values)


@pytest.fixture
def busy(app: Flask) -> Iterator[Flask]:
    """An application in whose database there is something of everything."""
    with app.app_context():
        fill_every_table(fill())
        yield app


@pytest.fixture(params=["sqlite", "mariadb"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database to restore into."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'other' / 'nextup.db'}"
    server: MariaDB = request.getfixturevalue("mariadb_server")
    return server.create_database(f"{DATABASE_NAME}_other")


@pytest.fixture
def make_other(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    made: list[Flask] = []

    def make(url: str, **environ: str) -> Flask:
        made.append(create_app(make_settings(url, tmp_path / "other", **environ)))
        return made[-1]

    yield make
    for app in made:
        dispose(app)


def test_every_row_of_every_table_is_there_again_on_any_database(
    busy: Flask, database_url: str, other_url: str, make_other: Callable[..., Flask], tmp_path: Path
) -> None:
    file = tmp_path / "backup.db"
    before = rows_of(database_url)
    assert all(before.values()), "a table without a row shows nothing"
    made = run(busy, "backup", file)
    assert (made.exit_code, made.stderr) == (0, "")
    assert without_heartbeat(rows_of(f"sqlite:///{file}")) == without_heartbeat(before)
    other = make_other(other_url)
    restored = run(other, "restore", file)
    assert (restored.exit_code, restored.stderr) == (0, ""), restored.stderr
    assert without_heartbeat(rows_of(other_url)) == without_heartbeat(before)
    with other.app_context():
        assert verify().broken == []
        assert heartbeat.is_resting()
        assert last_backup() is not None
