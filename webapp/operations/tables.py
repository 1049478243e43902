"""Which tables a database has: of which migration, whether all of ours, and how they are made."""

import sqlite3

import pymysql
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, inspect
from sqlalchemy.exc import DBAPIError

from webapp.extensions import migrate
from webapp.operations.copying import all_tables
from webapp.operations.files import OperationError
from webapp.storage.migration import OTHER_URL, known_versions

# What databases complain with, through SQLAlchemy or without it.
DATABASE_ERRORS = (DBAPIError, sqlite3.Error, pymysql.MySQLError)


def make_tables(url: URL) -> None:
    """Bring the tables of a database up to date. Raises `OperationError`."""
    config: Config = migrate.get_config()
    config.attributes[OTHER_URL] = url
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise OperationError(str(error)) from None


def newest_version() -> str:
    """The migration that the tables of this code stand on."""
    return str(_script().get_current_head())


def version_of(connection: Connection) -> str | None:
    """The migration that the tables of a database stand on; `None` for one without tables."""
    return MigrationContext.configure(connection).get_current_revision()


def is_known(version: str) -> bool:
    return version in known_versions(_script())


def lacking(connection: Connection) -> set[str]:
    """Which of our tables, or of their columns, a database of the newest version lacks."""
    there = inspect(connection)
    names = set(there.get_table_names())
    lacks = {table.name for table in all_tables()} - names
    for table in all_tables():
        if table.name in names:
            found = {column["name"] for column in there.get_columns(table.name)}
            lacks |= {f"{table.name}.{name}" for name in {c.name for c in table.columns} - found}
    return lacks


def damage_of(connection: Connection) -> str:
    """What SQLite finds wrong with its file, in one line; empty when it finds nothing."""
    said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    return "" if said == "ok" else " ".join(str(said).split())


def reason_of(error: Exception) -> str:
    """What the database said, in one line, without the statement and its values."""
    original = getattr(error, "orig", None) or error
    return " ".join(" ".join(map(str, original.args)).split()) or type(error).__name__


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(migrate.get_config())
