"""How we connect to each database: isolation, time limits, and SQLite's writing connection."""

from typing import Any

from flask import Flask
from sqlalchemy import Engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from webapp.config import Settings
from webapp.extensions import db

WAIT_SECONDS = 2
READ_SECONDS = 5
WRITE_BIND = "write"

MYSQL_SESSION = (
    f"SET SESSION innodb_lock_wait_timeout = {WAIT_SECONDS}, time_zone = '+00:00',"
    " sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
)


def configure(app: Flask, settings: Settings) -> None:
    """Give Flask-SQLAlchemy its engines: one, or on SQLite a second one that only writes."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        options = sqlite_options(settings)
        writer = {"url": url, **options, "pool_size": 1}
        app.config["SQLALCHEMY_BINDS"] = {WRITE_BIND: writer}
    else:
        options = mysql_options(settings)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    db.init_app(app)
    with app.app_context():
        if url.get_backend_name() == "sqlite":
            prepare_sqlite(db.engine, begin="BEGIN")
            # A deferred transaction that reads before it writes fails at once when somebody else
            # has written meanwhile, so the writing connection takes the write lock first.
            prepare_sqlite(write_engine(), begin="BEGIN IMMEDIATE")
        else:
            event.listen(db.engine, "connect", prepare_mysql)


def write_engine() -> Engine:
    """The engine that transactions which change something run on."""
    return db.engines.get(WRITE_BIND, db.engine)


def pool_options(settings: Settings) -> dict[str, Any]:
    """As many connections as threads; whoever finds none waits a little and is told to retry."""
    return {
        "pool_size": settings.threads,
        "max_overflow": 0,
        "pool_timeout": WAIT_SECONDS,
        # A transaction of ours is always ended before its connection goes back, so the pool's own
        # rollback would only cost a round trip.
        "pool_reset_on_return": None,
    }


def sqlite_options(settings: Settings) -> dict[str, Any]:
    return {
        **pool_options(settings),
        "connect_args": {"timeout": WAIT_SECONDS, "check_same_thread": False},
    }


def mysql_options(settings: Settings) -> dict[str, Any]:
    return {
        **pool_options(settings),
        "pool_recycle": 3600,
        "isolation_level": "READ COMMITTED",
        "connect_args": {
            "connect_timeout": WAIT_SECONDS,
            "read_timeout": READ_SECONDS,
            "write_timeout": READ_SECONDS,
        },
    }


def prepare_sqlite(engine: Engine, *, begin: str) -> None:
    """Make each connection durable and strict, and begin its transactions with `begin`."""

    def connect(connection: Any, entry: ConnectionPoolEntry) -> None:
        # The driver's own idea of when to begin a transaction is switched off.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))


def prepare_mysql(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(MYSQL_SESSION)
    cursor.execute("SHOW VARIABLES LIKE 'wsrep_on'")
    row = cursor.fetchone()
    if row and row[1] == "ON":
        # A Galera node may lag behind the others by milliseconds; wait for it, never read old.
        cursor.execute("SET SESSION wsrep_sync_wait = 1")
    cursor.close()
