"""Rows named by several columns together, such as event and attendee, many in one statement.

In place of `(event_id, attendee_id) IN (...)`, for which SQLite reads the whole table.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, or_


def match_any(
    columns: Sequence[ColumnElement[Any]], count: int, *also: ColumnElement[bool]
) -> ColumnElement[bool]:
    """A condition for rows whose columns have one of `count` combinations of values.

    The statement is run with `parameters_of` those combinations. What the rows have to meet `also`
    stands in each alternative: beside them it would make SQLite gather the rows of all first.
    """
    return or_(
        *[
            and_(*[column == bindparam(f"{column.key}{number}") for column in columns], *also)
            for number in range(count)
        ]
    )


def filled_up(combinations: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The combinations, of which the last is repeated until their number is a power of two.

    A statement for each size of a batch would have to be put together in the first seconds of a
    flood, a quarter of a second of processor time for those of up to 32.
    """
    filled = list(combinations)
    size = 1 << (len(filled) - 1).bit_length()
    return filled + filled[-1:] * (size - len(filled))


def parameters_of(
    columns: Sequence[ColumnElement[Any]], combinations: Iterable[tuple[Any, ...]]
) -> dict[str, Any]:
    """The parameters of a statement that uses `match_any`."""
    return {
        f"{column.key}{number}": value
        for number, combination in enumerate(combinations)
        for column, value in zip(columns, combination, strict=True)
    }
