"""One reading transaction over a whole database, while the site goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event

from webapp.storage import fast_mysql
from webapp.storage.engines import SQLITE, WAIT_SECONDS, prepare_mysql, prepare_sqlite

# Whole tables are read; the answers of a page would have been given up long before.
LONGEST_READ = 3600
# A server gives up on a client that takes its rows too slowly, because it writes them to a disk.
PATIENT = f"SET SESSION net_write_timeout = {LONGEST_READ}"
# Moments stay the very text that SQLite keeps.
AS_TEXT = {
    kind: convert
    for kind, convert in conversions.items()
    if kind not in (FIELD_TYPE.TIMESTAMP, FIELD_TYPE.DATETIME)
}


def offline(path: Path) -> URL:
    """The URL of an SQLite file that nobody writes to, nor does who reads it so."""
    query = {"mode": "ro", "immutable": "1", "uri": "true"}
    return URL.create(SQLITE, database=f"file:{quote(str(path.resolve()))}", query=query)


@contextmanager
def snapshot(url: URL, *, as_kept: bool = False) -> Iterator[Connection]:
    """A connection of its own, without the time limits of a page, in one reading transaction.

    With `as_kept` the driver's rows hold moments as text, on every database the same.
    """
    with _engine(url, as_kept).connect() as connection:
        yield connection


@lru_cache(maxsize=4)
def _engine(url: URL, as_kept: bool) -> Engine:
    """It knows the statements that it has compiled, and keeps no connection."""
    options: dict[str, Any]
    prepare: Callable[[Any, Any], None]
    if url.get_backend_name() == SQLITE:
        prepare = _prepare_offline if "immutable" in url.query else prepare_sqlite
        begin = "BEGIN"
        options = {"connect_args": {"timeout": WAIT_SECONDS}}
    else:
        prepare, begin = _prepare_mysql, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
        limits = {"connect_timeout": WAIT_SECONDS, "read_timeout": LONGEST_READ}
        arguments = {**limits, "conv": AS_TEXT} if as_kept else limits
        options = {"isolation_level": "REPEATABLE READ", "connect_args": arguments}
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, **options)
    if engine.dialect.name != SQLITE:
        event.listen(engine, "do_connect", fast_mysql.connect_plainly)
    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _prepare_offline(connection: Any, _: object) -> None:
    connection.isolation_level = None
    # The file may come from anybody.
    connection.execute("PRAGMA trusted_schema = OFF")


def _prepare_mysql(connection: Any, entry: Any) -> None:
    prepare_mysql(connection, entry)
    with connection.cursor() as cursor:
        cursor.execute(PATIENT)
