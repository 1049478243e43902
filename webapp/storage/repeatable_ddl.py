"""Alembic operations that look before they create or drop, so that a migration can be repeated.

MySQL and MariaDB commit each DDL statement by itself. A migration that is cut off there is found
half done, and its next run has to pass over what is there already. Importing this module makes
every migration do so; the databases' own `IF NOT EXISTS` is not known to all of them.

What a migration has to see to: a step that drops something and makes it anew under the same name
is repeated as a whole, and rows are changed by statements that may run twice.
"""

from typing import Any

from alembic.ddl.impl import DefaultImpl
from alembic.ddl.mysql import MariaDBImpl, MySQLImpl
from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy import Column, Index, Inspector, Table, inspect


class LookFirst(DefaultImpl):
    """Leaves out what has been done before; where SQL is only printed nothing is left out."""

    def create_table(self, table: Table, **options: Any) -> None:
        if not self._has_table(table.name):
            super().create_table(table, **options)

    def drop_table(self, table: Table, **options: Any) -> None:
        if self.as_sql or self._has_table(table.name):
            super().drop_table(table, **options)

    def add_column(self, table_name: str, column: Column[Any], **options: Any) -> None:
        if column.name not in self._columns(table_name):
            super().add_column(table_name, column, **options)

    def drop_column(self, table_name: str, column: Column[Any], **options: Any) -> None:
        if self.as_sql or column.name in self._columns(table_name):
            super().drop_column(table_name, column, **options)

    def create_index(self, index: Index, **options: Any) -> None:
        if index.name not in self._indexes(index):
            super().create_index(index, **options)

    def drop_index(self, index: Index, **options: Any) -> None:
        if self.as_sql or index.name in self._indexes(index):
            super().drop_index(index, **options)

    def _look(self) -> Inspector | None:
        # A new one each time: an inspector remembers what it has seen.
        return None if self.as_sql or self.connection is None else inspect(self.connection)

    def _has_table(self, name: str) -> bool:
        there = self._look()
        return there is not None and there.has_table(name)

    def _columns(self, table_name: str) -> set[str]:
        there = self._look()
        return {column["name"] for column in there.get_columns(table_name)} if there else set()

    def _indexes(self, index: Index) -> set[str | None]:
        there, table = self._look(), index.table
        assert table is not None
        return {found["name"] for found in there.get_indexes(table.name)} if there else set()


# Alembic finds these by the name of the dialect.
class RepeatableMySQL(LookFirst, MySQLImpl):
    __dialect__ = "mysql"


class RepeatableMariaDB(LookFirst, MariaDBImpl):
    __dialect__ = "mariadb"


class RepeatableSQLite(LookFirst, SQLiteImpl):
    """SQLite takes back a migration that is cut off; earlier releases left half-done ones."""

    __dialect__ = "sqlite"
