"""Counters of many rows, moved by one statement.

The rows are named by several columns together, `{(event_id, number): amount}`.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Integer, Update, and_, bindparam, case, update
from sqlalchemy.dialects import mysql, sqlite

from webapp.storage.composite_keys import match_any, parameters_of

Amounts = Mapping[tuple[Any, ...], int]
Key = tuple[Column[Any], ...]


def add_to(connection: Connection, key: Key, counter: Column[int], amounts: Amounts) -> int:
    """Add to the counters of rows that are there; how many rows there were."""
    values = {**parameters_of(key, amounts), **_numbered(amounts.values())}
    return connection.execute(_add(key, counter, len(amounts)), values).rowcount


def add_or_insert(connection: Connection, key: Key, counter: Column[int], amounts: Amounts) -> None:
    """Add to counters, and make the rows that are missing; the amounts are above 0."""
    rows = [
        {**dict(zip((column.key for column in key), names, strict=True)), counter.key: amount}
        for names, amount in amounts.items()
    ]
    if connection.dialect.name == "sqlite":
        made = sqlite.insert(counter.table).values(rows)
        added = {counter.key: counter + made.excluded[counter.key]}
        connection.execute(made.on_conflict_do_update(index_elements=list(key), set_=added))
    else:
        wanted = mysql.insert(counter.table).values(rows)
        added = {counter.key: counter + wanted.inserted[counter.key]}
        connection.execute(wanted.on_duplicate_key_update(added))


def _numbered(amounts: Iterable[int]) -> dict[str, int]:
    return {f"amount{number}": amount for number, amount in enumerate(amounts)}


@cache
def _add(key: Key, counter: Column[int], count: int) -> Update:
    amounts = case(
        *[
            (
                and_(*[column == bindparam(f"{column.key}{number}") for column in key]),
                bindparam(f"amount{number}", type_=Integer),
            )
            for number in range(count)
        ]
    )
    return (
        update(counter.table).where(match_any(key, count)).values({counter.key: counter + amounts})
    )
