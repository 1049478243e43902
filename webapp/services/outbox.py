"""Rows of `delivery`: what has to be sent, written in the transaction of what it tells."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, literal, select

from webapp.models import deliveries

# The receiver of all that is written so far.
MAIL = "mail"


def enqueue(
    connection: Connection, what: str, *where: ColumnElement[bool], now: datetime, **columns: Any
) -> None:
    """Write rows that have a mail sent now; `columns` are theirs besides what all rows have.

    A value of a column may be one of another table: then there is a row for each row of that
    table that meets `where`. Rows that name an event are written under its lock.
    """
    row = {
        "receiver": MAIL,
        "what": what,
        "state": "pending",
        "attempts": 0,
        "next_try_at": now,
        "created_at": now,
        **columns,
    }
    values = [
        value if isinstance(value, ColumnElement) else literal(value, deliveries.c[name].type)
        for name, value in row.items()
    ]
    source = select(*values).where(*where)
    connection.execute(insert(deliveries).from_select(list(row), source))
