"""Rows from one database to another as the drivers hold them, past SQLAlchemy's types.

On every database a row of ours has the same raw values: numbers, text, bytes, moments as text and
JSON as text. What a database generates is left out.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, cast

from pymysql.cursors import SSCursor
from sqlalchemy import Connection, LargeBinary, Table

from webapp.extensions import Base
from webapp.storage.engines import SQLITE
from webapp.storage.tables import heartbeats

# Rows at once; a picture is as large as a thousand others.
BATCH, BATCH_OF_PICTURES = 500, 4
# Every so many batches it is told how far a table has come.
TOLD_EVERY = 20

# Told with the name of a table, how many rows are done, and how many there are.
Progress = Callable[[str, int, int], None]


def all_tables() -> list[Table]:
    """Every table of ours, those first to which others refer."""
    return list(Base.metadata.sorted_tables)


def copy_rows(source: Connection, target: Connection, progress: Progress | None = None) -> None:
    """Add the rows of every table of ours to the same tables of another database.

    `source` is a snapshot that was taken `as_kept`.
    """
    # A new database has a heartbeat of its own.
    target.execute(heartbeats.delete())
    for table in all_tables():
        total = _count(source, table) if progress else 0
        statement = _insert(target, table)
        for number, (done, rows) in enumerate(_batches(source, table)):
            target.exec_driver_sql(statement, rows)
            if progress and number % TOLD_EVERY == 0:
                progress(table.name, done, total)
        if progress:
            progress(table.name, total, total)


def last_ids(connection: Connection) -> dict[str, int]:
    """The last id that each table which never reuses one has given out: `{table: id}`."""
    names = [table.name for table in all_tables() if _never_reuses(table)]
    if connection.dialect.name == SQLITE:
        rows = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")
        kept = {name: int(last) for name, last in rows}
        return {name: kept.get(name, 0) for name in names}
    # What information_schema says of it may be a day old on MySQL.
    found = {}
    for name in names:
        told = connection.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1]
        following = re.search(r"\bAUTO_INCREMENT=(\d+)", told)
        found[name] = int(following[1]) - 1 if following else 0
    return found


def set_last_ids(connection: Connection, ids: dict[str, int]) -> None:
    """Have no id given out again; on MySQL and MariaDB this ends a transaction."""
    for name, last in ids.items():
        if connection.dialect.name != SQLITE:
            connection.exec_driver_sql(f"ALTER TABLE `{name}` AUTO_INCREMENT = {last + 1}")
            continue
        values = {"name": name, "last": last}
        execute = connection.exec_driver_sql
        execute("DELETE FROM sqlite_sequence WHERE name = :name AND seq <= :last", values)
        execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT :name, :last WHERE NOT EXISTS"
            " (SELECT 1 FROM sqlite_sequence WHERE name = :name)",
            values,
        )


def is_empty(connection: Connection, table: str) -> bool:
    quoted = connection.dialect.identifier_preparer.quote(table)
    return connection.exec_driver_sql(f"SELECT 1 FROM {quoted} LIMIT 1").first() is None  # noqa: S608


def _never_reuses(table: Table) -> bool:
    return bool(table.dialect_options[SQLITE]["autoincrement"])


def _batches(connection: Connection, table: Table) -> Iterator[tuple[int, list[Any]]]:
    """The rows of a table, batch by batch, each with how many there were until then."""
    has_pictures = any(isinstance(column.type, LargeBinary) for column in table.columns)
    size = BATCH_OF_PICTURES if has_pictures else BATCH
    driver: Any = connection.connection
    # Another kind of cursor than the usual one would hold all rows in memory.
    kind = () if connection.dialect.name == SQLITE else (SSCursor,)
    done = 0
    with closing(driver.cursor(*kind)) as cursor:
        cursor.execute(f"SELECT {_names(connection, table)} FROM {_name(connection, table)}")  # noqa: S608
        while rows := cursor.fetchmany(size):
            done += len(rows)
            yield done, rows


def _insert(connection: Connection, table: Table) -> str:
    mark = "?" if connection.dialect.name == SQLITE else "%s"
    marks = ", ".join(mark for column in table.columns if column.computed is None)
    names = _names(connection, table)
    return f"INSERT INTO {_name(connection, table)} ({names}) VALUES ({marks})"  # noqa: S608


def _name(connection: Connection, table: Table) -> str:
    return connection.dialect.identifier_preparer.format_table(table)


def _names(connection: Connection, table: Table) -> str:
    quote = connection.dialect.identifier_preparer.quote
    return ", ".join(quote(column.name) for column in table.columns if column.computed is None)


def _count(connection: Connection, table: Table) -> int:
    query = f"SELECT COUNT(*) FROM {_name(connection, table)}"  # noqa: S608
    return cast(int, connection.exec_driver_sql(query).scalar_one())
