"""How we connect to each database: isolation, time limits, and one engine each to read and write.

Reading connections commit by themselves, so that a query costs one round trip. Writing ones hold
transactions: READ COMMITTED on MySQL, and begun with the write lock on SQLite.
"""

from typing import Any

from flask import Flask
from sqlalchemy import URL, Engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from webapp.config import Settings
from webapp.extensions import db
from webapp.storage import fast_mysql
from webapp.storage.search import FOLDED, folded

WAIT_SECONDS = 2
READ_SECONDS = 5
FEW_CONNECTIONS = 4
WRITE_BIND = "write"
SQLITE = "sqlite"

MYSQL_SESSION = (
    f"SET SESSION innodb_lock_wait_timeout = {WAIT_SECONDS}, time_zone = '+00:00',"
    " sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
)


def configure(app: Flask, settings: Settings) -> None:
    """Give Flask-SQLAlchemy its two engines."""
    url = make_url(settings.database_url)
    reading = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    writing: dict[str, Any] = {"url": url}
    if url.drivername == SQLITE:
        writing["pool_size"] = 1
    else:
        writing["isolation_level"] = "READ COMMITTED"
        # A commit serves many callers; more at once would only get into each other's way.
        writing["pool_size"] = max(FEW_CONNECTIONS, settings.threads // 8)
    options = {**pool_options(settings), "connect_args": connect_arguments(url)}
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {**options, **reading}
    app.config["SQLALCHEMY_BINDS"] = {WRITE_BIND: {**options, **writing}}
    db.init_app(app)
    with app.app_context():
        prepare = prepare_sqlite if url.drivername == SQLITE else prepare_mysql
        for engine in db.engines.values():
            event.listen(engine, "connect", prepare)
            if url.drivername != SQLITE:
                event.listen(engine, "do_connect", fast_mysql.connect)
        if url.drivername == SQLITE:
            # Not by an event: one listener makes each statement look for others, 25 % of a booking.
            write_engine().dialect.do_begin = begin_writing  # type: ignore[method-assign]


def write_engine() -> Engine:
    """The engine that transactions which change something run on."""
    return db.engines[WRITE_BIND]


def dialect() -> str:
    """The kind of our database: "sqlite" or "mysql"."""
    return write_engine().dialect.name


def pool_options(settings: Settings) -> dict[str, Any]:
    """A connection for every other thread, made when it is first needed.

    The others wait for a batch or share a read. Who finds no connection free waits a little and is
    told to come back.
    """
    return {
        "pool_size": max(FEW_CONNECTIONS, settings.threads // 2),
        "max_overflow": 0,
        "pool_timeout": WAIT_SECONDS,
        "pool_recycle": 3600,
        # An error that is logged must not tell names and addresses.
        "hide_parameters": True,
        # A transaction of ours has ended before its connection goes back; the pool's own rollback
        # would only cost a round trip.
        "pool_reset_on_return": None,
    }


def connect_arguments(url: URL) -> dict[str, Any]:
    """The time limits of the driver, in seconds."""
    if url.drivername == SQLITE:
        return {"timeout": WAIT_SECONDS, "check_same_thread": False}
    return {
        "connect_timeout": WAIT_SECONDS,
        "read_timeout": READ_SECONDS,
        "write_timeout": READ_SECONDS,
    }


def prepare_sqlite(connection: Any, entry: ConnectionPoolEntry) -> None:
    """Make each connection durable and strict."""
    # The driver's own idea of when to begin a transaction is switched off.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.create_function(FOLDED, 1, folded, deterministic=True)


def begin_writing(dbapi_connection: Any) -> None:
    """Take SQLite's write lock first.

    A transaction that reads before it writes fails at once when another has written meanwhile.
    """
    dbapi_connection.execute("BEGIN IMMEDIATE")


def prepare_mysql(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(MYSQL_SESSION)
    cursor.execute("SHOW VARIABLES LIKE 'wsrep_on'")
    row = cursor.fetchone()
    if row and row[1] == "ON":
        # A Galera node may lag behind the others by milliseconds: a transaction waits for it,
        # whether it begins with a read (1), an update (2) or an insert (4).
        cursor.execute("SET SESSION wsrep_sync_wait = 7")
    cursor.close()
