"""The types of columns that mean the same on every database."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

MAX_ID = 2**63 - 1
MAX_CAPACITY = 10_000_000
MAX_NAME = 200
MAX_EMAIL = 254
MAX_LANGUAGE = 8
MAX_REASON = 1000


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC; microseconds on every database.

    Each way is one step, where SQLAlchemy would take two: 4 % of a batch of one booking on SQLite,
    10 to 14 % of one of five.
    """

    impl = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        return _as_text if dialect.name == "sqlite" else _without_zone

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        return _of_text if dialect.name == "sqlite" else _with_zone


def _as_text(moment: datetime | None) -> str | None:
    return None if moment is None else _text_of(moment.astimezone(UTC))


@lru_cache(maxsize=16)
def _text_of(moment: datetime) -> str:
    # Without the offset, which is always that of UTC. Most rows of a batch tell the same moment.
    return moment.isoformat(" ", "microseconds")[:26]


def _of_text(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text + "+00:00")


def _without_zone(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _with_zone(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def exact_text(length: int) -> TypeEngine[str]:
    """Text that identifies: compared byte by byte. MySQL's default takes an accent for none."""
    collated = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return String(length).with_variant(collated, "mysql", "mariadb")


def code_text(length: int) -> TypeEngine[str]:
    """ASCII text that identifies, such as a reference."""
    collated = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return String(length).with_variant(collated, "mysql", "mariadb")


# SQLite gives out row ids for INTEGER primary keys only.
BigId = BigInteger().with_variant(Integer, "sqlite")
# MySQL's TEXT holds 65,535 bytes, a quarter as many characters if they are emoji.
LongText = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
# MySQL's BLOB holds 65,535 bytes.
PictureData = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
UTF8MB4 = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}
# SQLite gives the id of a deleted last row to the next one; what remembers the old one by its id
# would take the new one for it.
NEVER_REUSED = {**UTF8MB4, "sqlite_autoincrement": True}
