"""What the tables of a database are, as the database itself tells them."""

import re

from sqlalchemy import Connection, inspect, text


def tables_of(connection: Connection) -> dict[str, list[str]]:
    """Each table's definition, in parts whose order does not matter: `{table: [part]}`."""
    found = {}
    for name in inspect(connection).get_table_names():
        if name == "alembic_version":
            continue
        # A table that took the place of another one is quoted, and one with rows tells of its ids.
        # MySQL tells in which character set a word stood when it was read.
        plain = [
            re.sub(r" AUTO_INCREMENT=\d+|_(?:ascii|utf8mb4)(?=')", "", statement.replace('"', ""))
            for statement in _statements(connection, name)
        ]
        found[name] = sorted(part for statement in plain for part in _parts(statement))
    return found


def index_order(connection: Connection) -> dict[str, list[str | None]]:
    """The indexes of each table in their order, by which MySQL chooses one for a foreign key."""
    there = inspect(connection)
    return {
        name: [index["name"] for index in there.get_indexes(name)]
        for name in there.get_table_names()
    }


def _statements(connection: Connection, table: str) -> list[str]:
    if connection.dialect.name != "sqlite":
        return [connection.exec_driver_sql(f"SHOW CREATE TABLE `{table}`").one()[1]]
    query = "SELECT sql FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL"
    return list(connection.execute(text(query), {"name": table}).scalars())


def _parts(statement: str) -> list[str]:
    """What stands between the outermost brackets, cut at the commas outside of further ones."""
    head, _, body = statement.partition("(")
    body, _, tail = body.rpartition(")")
    if "CREATE TABLE" not in head:
        return [statement]
    found, depth = [""], 0
    for char in body:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            found.append("")
        else:
            found[-1] += char
    return [" ".join(part.split()) for part in (head, *found, tail)]
