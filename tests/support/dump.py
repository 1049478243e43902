"""A small database as SQL text, to be kept beside the tests, and made from that text again."""

import sqlite3
from contextlib import closing
from typing import Any

import pymysql
from sqlalchemy import make_url

# Ends a statement of a dump; values hold no line breaks, because MySQL's are escaped.
END = ";\n"


def dump(url: str) -> str:
    """Every table of a database with its rows, as statements that make it anew."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(make_url(url).database or "")) as connection:
            return "\n".join(connection.iterdump()) + "\n"
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        tables = [row[0] for row in cursor.fetchall()]
        statements = []
        for table in tables:
            cursor.execute(f"SHOW CREATE TABLE `{table}`")
            statements.append(cursor.fetchone()[1])
            # What is generated cannot be written.
            cursor.execute(f"SHOW COLUMNS FROM `{table}`")
            columns = [row[0] for row in cursor.fetchall() if "GENERATED" not in row[5]]
            names = ", ".join(f"`{name}`" for name in columns)
            cursor.execute(f"SELECT {names} FROM `{table}`")
            for row in cursor.fetchall():
                values = ", ".join(connection.escape(value) for value in row)
                statements.append(f"INSERT INTO `{table}` ({names}) VALUES ({values})")
    return "".join(statement + END for statement in statements)


def load(url: str, text: str) -> None:
    """Fill an empty database with what `dump` has written."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(make_url(url).database or "")) as connection:
            connection.executescript(text)
        return
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        for statement in text.split(END):
            if statement.strip():
                cursor.execute(statement)


def connect(url: str) -> "pymysql.Connection[Any]":
    parts = make_url(url)
    return pymysql.connect(
        host=parts.host,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.database,
        charset="utf8mb4",
        autocommit=True,
    )
