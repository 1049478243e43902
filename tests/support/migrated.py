"""Databases with our tables, used again or copied: to migrate each anew takes seconds."""

import itertools
import shutil
from functools import cache
from pathlib import Path

import pymysql
from flask_migrate import upgrade
from sqlalchemy import Dialect, Engine, update

from tests.support.servers import ROOT, MariaDB, plain_engine
from webapp import clock, create_app
from webapp.config import Settings
from webapp.extensions import db
from webapp.storage.tables import heartbeats


def migrated_database(server: MariaDB, name: str) -> str:
    """The URL of a database that is empty but for what its migrations put there."""
    url = server.url(name)
    try:
        server.connect(name).close()
    except pymysql.MySQLError:
        migrate(server.create_database(name), server.directory)
    empty(url)
    return url


def migrated_file(path: Path, folder: Path) -> str:
    """The URL of such a file, made anew; the model of all is kept in a folder."""
    model = folder / "migrated.db"
    if not model.exists():
        migrate(f"sqlite:///{model}", folder)
    shutil.copy(model, path)
    empty(url := f"sqlite:///{path}")
    return url


def empty(url: str) -> None:
    empty_tables(plain_engine(url))


def migrate(url: str, folder: Path) -> None:
    settings = {"DATABASE_URL": url, "SECRET_KEY": "a key that only tests use"}
    app = create_app(Settings.from_environ(settings, instance_path=folder))
    with app.app_context():
        upgrade(directory=str(ROOT / "migrations"))
        for engine in db.engines.values():
            engine.dispose()


@cache
def names_of_tables(dialect: Dialect) -> list[str]:
    """All but `heartbeats`, those that others refer to last."""
    tables = [table for table in db.metadata.sorted_tables if table is not heartbeats]
    return [dialect.identifier_preparer.quote(table.name) for table in reversed(tables)]


def empty_tables(engine: Engine) -> None:
    """Delete all rows; the deliverer was here just now, as in a new database."""
    names = names_of_tables(engine.dialect)
    # Most of them are empty already.
    filled = ", ".join(f"EXISTS (SELECT 1 FROM {name})" for name in names)
    with engine.begin() as connection:
        found = connection.exec_driver_sql(f"SELECT {filled}").one()
        for name in itertools.compress(names, found):
            connection.exec_driver_sql(f"DELETE FROM {name}")
        new = {"beat_at": clock.now(), "resting": False, "backed_up_at": None}
        connection.execute(update(heartbeats).values(new))
