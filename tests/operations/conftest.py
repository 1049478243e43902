"""A site with something of everything, empty databases beside it, and the commands."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import (
    Connection,
    LargeBinary,
    func,
    insert,
    inspect,
    select,
)

from tests.conftest import (
    DATABASE_NAME,
    create_extra_database,
    dispose,
    drop_extra_database,
    make_settings,
)
from tests.support.busy import Busy, fill
from tests.support.servers import ROOT, plain_engine
from webapp import clock, create_app
from webapp.extensions import Base, db
from webapp.storage.columns import UtcDateTime

KEY = "a key that only tests use"
Rows = dict[str, list[tuple[Any, ...]]]
EmptyDatabase = Callable[[str], str]
MakeSite = Callable[..., Flask]
TABLES = Base.metadata.sorted_tables


def run(app: Flask, *words: object) -> Result:
    """Run a command of an application: `run(app, "backup", file)`."""
    with app.app_context():
        return app.test_cli_runner().invoke(args=[str(word) for word in words])


def start(url: str, folder: Path, *words: object) -> "subprocess.Popen[str]":
    """Begin a command in a process of its own, with `folder` for its instance."""
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "SECRET_KEY": KEY, "INSTANCE_PATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows_of(url: str | Path) -> Rows:
    """Every row of every table that is there, with what is generated, but for the heartbeat."""
    engine = plain_engine(f"sqlite:///{url}" if isinstance(url, Path) else url)
    with engine.connect() as connection:
        there = inspect(connection).get_table_names()
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in TABLES
            if table.name in there and table.name != "heartbeat"
        }


@pytest.fixture
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmptyDatabase]:
    """The URL of a database in which there is nothing: `empty_database("mariadb")`."""
    name = f"{DATABASE_NAME}_restored"
    extra = False

    def make(kind: str) -> str:
        nonlocal extra
        match kind:
            case "sqlite":
                return f"sqlite:///{tmp_path / 'other' / 'nextup.db'}"
            case "mariadb":
                url: str = request.getfixturevalue("mariadb_server").create_database(name)
                return url
            case _:
                extra = True
                return create_extra_database(name)

    yield make
    if extra:
        drop_extra_database(name)


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[MakeSite]:
    """An application on another machine: `make_site(url, SECRET_KEY="")`."""
    made: list[Flask] = []

    def make(url: str, **environ: str) -> Flask:
        (tmp_path / "other").mkdir(exist_ok=True)
        made.append(create_app(make_settings(url, tmp_path / "other", **environ)))
        return made[-1]

    yield make
    for app in made:
        dispose(app)


@pytest.fixture
def busy(app: Flask) -> Flask:
    """A site in whose database there is something of everything."""
    with app.app_context():
        fill_every_table(fill())
    return app


def fill_every_table(made: Busy) -> None:
    """One row at least in each table of the metadata, also in those that nobody thought of."""
    with db.engine.begin() as connection:
        for table in TABLES:
            if not connection.execute(select(func.count()).select_from(table)).scalar_one():
                values = {
                    column.key: _value(connection, column, made)
                    for column in table.columns
                    if column.computed is None and not column.nullable
                }
                connection.execute(insert(table), values)


def _value(connection: Connection, column: Any, made: Busy) -> object:
    for key in column.foreign_keys:
        of_first = {"booking.position": 1, "booking.event_id": made.hot, "event.id": made.hot}
        known = of_first.get(str(key.column))
        return known or connection.execute(select(key.column).limit(1)).scalar_one()
    if isinstance(column.type, UtcDateTime):
        return clock.now()
    if isinstance(column.type, LargeBinary):
        return b"\x00\xff'\\"
    if column.type.python_type in (int, bool):
        return 1
    # A column that takes certain words only needs one of them here.
    return {"audience": "all", "text": "Grüße 🎟 \\ ' % ?\n"}.get(column.name, "x")
