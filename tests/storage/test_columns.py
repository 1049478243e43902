"""Moments are kept as UTC, whatever zone they come in."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Dialect
from sqlalchemy.dialects import mysql, sqlite

from webapp.storage.columns import UtcDateTime

BERLIN = ZoneInfo("Europe/Berlin")
# On that night the clock shows it twice; without regard to the fold both are equal.
IN_SUMMER_TIME = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
IN_WINTER_TIME = IN_SUMMER_TIME.replace(fold=1)


@pytest.mark.parametrize("dialect", [sqlite.dialect(), mysql.dialect()], ids=lambda one: one.name)
def test_moment_is_read_as_it_was_written(dialect: Dialect) -> None:
    column = UtcDateTime().dialect_impl(dialect)
    write, read = column.bind_processor(dialect), column.result_processor(dialect, None)
    assert write
    assert read
    for moment, utc in (
        (IN_SUMMER_TIME, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (IN_WINTER_TIME, datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        (IN_WINTER_TIME.replace(microsecond=1), datetime(2026, 10, 25, 1, 30, 0, 1, UTC)),
        (None, None),
    ):
        found = read(write(moment))
        assert found == utc
        assert found is None or found.tzinfo is UTC


def test_moments_of_sqlite_are_texts_of_one_length_in_order() -> None:
    dialect = sqlite.dialect()
    write = UtcDateTime().dialect_impl(dialect).bind_processor(dialect)
    assert write
    assert [write(moment) for moment in (IN_SUMMER_TIME, IN_WINTER_TIME)] == [
        "2026-10-25 00:30:00.000000",
        "2026-10-25 01:30:00.000000",
    ]
